require ["vnd.dovecot.pipe", "variables"];
pipe "";
