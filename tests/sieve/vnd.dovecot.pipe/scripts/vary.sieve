require ["vnd.dovecot.pipe", "variables"];
set "a" "b";
pipe "${a}";
