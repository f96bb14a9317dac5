require ["reject", "fileinto", "vacation"];
reject "no";
reject "2";
