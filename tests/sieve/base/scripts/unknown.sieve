# 5 errors: each word once
require "nothing";
frop;
frop;
if friep "x" { keep; }
if not friep { }
keep :tag;
keep :tag;
vacation "no require";
