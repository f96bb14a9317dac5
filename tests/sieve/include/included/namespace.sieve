require ["include", "variables"];
set "global.other" "${global.other}2";
