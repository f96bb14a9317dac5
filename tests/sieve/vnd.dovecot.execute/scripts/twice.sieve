require "vnd.dovecot.execute";
execute :pipe :input "a" "x";
