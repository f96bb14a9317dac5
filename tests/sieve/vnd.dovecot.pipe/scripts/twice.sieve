require ["vnd.dovecot.pipe", "copy"];
pipe :copy "upper";
pipe "silent";
pipe "upper" ["x"];
