require ["fileinto", "mailboxid", "special-use"];
fileinto :mailboxid "id-here" :specialuse "\\Junk" "x";
