/* SPDX-License-Identifier: MIT */
#include "login/settings.h"

#define SETTINGS_STRUCT struct login_settings
const struct setting login_settings[] = {
	S(login_greeting, "Dovetail ready.",
	  "The text of the first line that a client sees."),
	S_FLAGS(login_log_format, "%$: %s", SETTING_VARS,
		"How a line about a client is put together: %$ is what "
		"happened, %s the elements."),
	S_FLAGS(login_log_format_elements,
		"user=<%u> method=%m rip=%r lip=%l mpid=%e %c "
		"session=<%{session}>",
		SETTING_VARS,
		"What is told of a client in the log, divided by blanks. An "
		"element whose variables are all empty is left out."),
	S(login_trusted_networks, "",
	  "Networks whose clients count as secured and may tell by ID or "
	  "XCLIENT "
	  "for whom they speak: webmail hosts, proxies."),
	S(disable_plaintext_auth, "yes",
	  "Refuse passwords in the clear on a connection that has no TLS and "
	  "is "
	  "not local."),
	S(login_timeout, "3 mins", "How long a client may take to log in."),
	S(login_handshake_timeout, "30 secs",
	  "How long a TLS handshake may take."),
	S(login_max_bad_commands, "3",
	  "After how many malformed commands a client is thrown out."),
	S(login_max_attempts, "10",
	  "After how many failed logins a client is thrown out."),
	S(login_max_input, "8 k",
	  "The longest command before login, with its literals."),
	SETTINGS_END,
};
SETTINGS_REGISTER(login_settings, "");
#undef SETTINGS_STRUCT

CONFIG_PRESET(imap_login, "service imap-login {\n"
			  "  chroot = login\n"
			  "  executable = imap-login\n"
			  "  protocol = imap\n"
			  "  service_count = 0\n"
			  "  type = login\n"
			  "  user = $default_login_user\n"
			  "  inet_listener imap {\n"
			  "    port = 143\n"
			  "  }\n"
			  "  inet_listener imaps {\n"
			  "    port = 993\n"
			  "    ssl = yes\n"
			  "  }\n"
			  "}\n");
