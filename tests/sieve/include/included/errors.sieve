keep 1;
foo;
