require "processcalendar"; processcalendar :invitesonly;
