require ["editheader", "variables"];
if allof (header "x-here" "1", not exists "subject") {
	addheader "X-There" "saw it";
}
deleteheader "x-here";
