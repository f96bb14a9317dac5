# 12 errors, and a warning
keep "x";
discard 1;
redirect;
redirect "a@b.example" "c@d.example";
redirect "not an address";
if header "a" { }
if header 1 "a" { }
if header "bad name" "a" { }
if size 10 { }
if size :over :under 10 { }
if size :over "10" { }
if header :is :contains "a" "b" { }
if header :comparator "i;none" "a" "b" { }
