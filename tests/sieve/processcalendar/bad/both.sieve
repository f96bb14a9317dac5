require "processcalendar"; processcalendar :updatesonly :invitesonly;
