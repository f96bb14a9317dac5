require ["vnd.dovecot.debug", "variables"];
debug_log;
