# 8 errors
require "variables";
set "a.b" "x";
set "1" "x";
set "a-b" "x";
set "${a}" "x";
set "a" "${x.y}";
set :lower :upper "a" "x";
set "a";
if string "${100}" "x" {}
