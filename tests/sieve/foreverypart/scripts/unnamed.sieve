require ["foreverypart"];
foreverypart :name {
	break :name "n";
}
foreverypart {
	break :name;
}
