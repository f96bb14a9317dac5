keep 1;
foo;
discard :x;
