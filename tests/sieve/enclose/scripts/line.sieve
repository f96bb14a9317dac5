require "enclose";
enclose :subject "a
B: c" "text";
