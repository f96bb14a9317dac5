require "processcalendar"; processcalendar :addresses ["not an address"];
