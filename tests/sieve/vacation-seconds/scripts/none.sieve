require "vacation-seconds";
vacation :seconds;
