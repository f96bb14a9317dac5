require ["vnd.dovecot.pipe", "variables"];
pipe "args" "a
b";
