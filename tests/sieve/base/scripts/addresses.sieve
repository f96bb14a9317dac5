redirect "Name of A <a@b.example>";
redirect "c @ b.example (a \\) comment (in another))";
redirect "\"A <b> c\" <d..e.@b.example>";
