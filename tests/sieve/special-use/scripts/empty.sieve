require ["special-use", "fileinto"];
if specialuse_exists "" { keep; }
