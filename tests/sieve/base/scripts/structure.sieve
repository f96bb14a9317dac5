# 11 errors
keep { }
stop { stop; }
if { keep; }
if true;
keep;
else { }
keep;
elsif true { }
if not (true, false) { }
if allof true { }
require "fileinto";
if true { require "fileinto"; }
if header true { }
