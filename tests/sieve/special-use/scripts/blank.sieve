require ["special-use", "fileinto"];
if specialuse_exists "\\a b" { keep; }
