require "envelope";
if envelope "notify" "NEVER" { keep; }
