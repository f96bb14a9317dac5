require ["reject", "fileinto", "vacation"];
reject "no";
redirect "x@y.example";
