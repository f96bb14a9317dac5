require ["imapflags", "fileinto"];
mark "x";
if hasflag "x" { stop; }
fileinto :flags "x" "y";
