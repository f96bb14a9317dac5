require ["reject", "fileinto", "vacation"];
reject "no";
fileinto "x";
