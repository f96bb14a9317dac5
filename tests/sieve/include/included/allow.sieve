if address "from" ["boss@club.example", "chief@club.example"] {
	keep;
}
