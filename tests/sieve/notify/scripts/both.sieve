require ["notify", "enotify"];
notify :options "a@home.example";
