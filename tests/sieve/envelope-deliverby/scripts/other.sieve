require "envelope-deliverby";
if envelope "notify" "NEVER" { keep; }
