require ["fileinto", "mailbox"];
if header :contains "subject" "[chess]" {
	fileinto :create "chess";
}
