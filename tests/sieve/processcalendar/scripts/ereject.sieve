require ["processcalendar", "ereject"]; ereject "no"; processcalendar;
