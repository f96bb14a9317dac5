require ["include", "variables"];
global "count";
set "count" "${count}a";
include "count";
