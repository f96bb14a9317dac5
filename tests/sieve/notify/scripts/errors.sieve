require "notify";
notify :method "xmpp" :options "a@home.example";
notify :options "mailto:a@home.example";
notify :low :high :options "a@home.example";
denotify :is;
denotify "x";
