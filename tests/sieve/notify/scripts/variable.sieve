require ["notify", "variables"];
set "who" "nobody";
notify :options "${who}";
