if anyof(header "x y:" "a", exists "a b", header "" "") { discard; }
