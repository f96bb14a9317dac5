require "vnd.dovecot.execute";
execute "nowhere";
