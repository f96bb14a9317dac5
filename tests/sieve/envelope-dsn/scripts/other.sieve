require "envelope-dsn";
if envelope "bymode" "N" { keep; }
