require "extlists";
if header :list "subject" "urn:x:none" { discard; }
