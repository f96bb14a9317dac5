require ["reject", "fileinto", "vacation"];
reject "no";
vacation "x";
