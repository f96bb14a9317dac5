require ["processcalendar", "reject"]; processcalendar; reject "no";
