require "extlists";
if header :list "subject" "friends" { discard; }
