require ["imap4flags", "imapflags"];
mark;
setflag "x";
