require "enclose";
enclose :headers ": x" "text";
