require "ihave";
if not ihave "x-nothing" {
	error "needs x-nothing";
}
