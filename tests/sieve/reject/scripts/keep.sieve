require ["reject", "fileinto", "vacation"];
reject "no";
keep;
