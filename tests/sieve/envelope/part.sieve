require "envelope";
if envelope "bcc" "x" {}
