require "reject";
if header :contains "subject" "$$ " {
	reject "No, thanks.";
}
