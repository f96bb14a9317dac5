require ["encoded-character", "fileinto"];
fileinto "${unicode: 200000}";
fileinto "${Unicode:DF01}";
fileinto "${unicode:1234567890123}";
