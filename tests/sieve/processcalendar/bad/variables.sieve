require "processcalendar"; processcalendar :outcome "x";
