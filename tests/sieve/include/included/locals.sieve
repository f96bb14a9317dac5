require ["include", "variables"];
global "result";
set "result" "[${local}]";
set "local" "inner";
