require "processcalendar"; processcalendar :organizers ":addrbook:x";
