if allof (header "x-spam" "yes", not address "from" "boss@club.example") {
	discard;
	stop;
}
