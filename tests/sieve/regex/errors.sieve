require "regex";
if header :regex "a" ["(", "ok"] {}
if address :regex :comparator "i;ascii-casemap" "to" "a**+[" {}
