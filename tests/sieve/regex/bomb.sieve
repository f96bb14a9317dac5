require ["regex", "variables"];
set "a" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
if string :regex "${a}" "^(a+)+(b+)*(a*)*$" { discard; }
