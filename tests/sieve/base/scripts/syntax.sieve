# 4 errors
keep
;
if true { keep }
"string";
if header ["a" "b"] "c" { }
discard [ ];
keep;
