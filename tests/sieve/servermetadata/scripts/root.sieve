require "servermetadata";
if servermetadata "/other/x" "y" { keep; }
