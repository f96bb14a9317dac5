/* SPDX-License-Identifier: MIT */
#include "login/settings.h"

#define SETTINGS_STRUCT struct login_settings
const struct setting login_settings[] = {
	S_FLAGS(login_greeting, "Dovecot ready.", SETTING_VARS,
		"What clients are greeted with, behind the capabilities."),
	S_NETWORKS(login_trusted_networks, "",
		   "Networks of webmail servers and proxies: they may say whom "
		   "they speak for (ID, XCLIENT), and count as secured."),
	S_FLAGS(login_log_format, "%$: %s", SETTING_VARS,
		"Log lines of logins: %$ is what happened, %s the elements."),
	S_FLAGS(login_log_format_elements,
		"user=<%u> method=%m rip=%r lip=%l mpid=%e %c "
		"session=<%{session}>",
		SETTING_VARS,
		"What %s in login_log_format stands for; elements whose "
		"variables are empty are left out."),
	S(disable_plaintext_auth, "yes",
	  "Refuse passwords in the clear unless the connection is in TLS, "
	  "local, or from login_trusted_networks."),
	S(login_timeout, "3 mins",
	  "How long a client may say nothing before it has logged in."),
	S(login_max_bad_commands, "3",
	  "After how many invalid commands a client is thrown out."),
	S(login_max_attempts, "10",
	  "After how many failed logins a client is thrown out."),
	S(login_max_input, "8 k",
	  "The longest command before login, with its literals."),
	S_SHARED(auth_verbose),
	S_SHARED(auth_ssl_require_client_cert),
	S_SHARED(auth_ssl_username_from_cert),
	S_SHARED(imap_capability),
	S_SHARED(imap_id_send),
	S_SHARED(imap_id_log),
	S_SHARED(imap_literal_minus),
	S_SHARED(managesieve_implementation_string),
	S_SHARED(managesieve_sieve_capability),
	S_SHARED(managesieve_notify_capability),
	S_SHARED(hostname),
	S_SHARED(submission_backend_capabilities),
	S_SHARED(submission_max_mail_size),
	S_FOREIGN("login_access_sockets", SETTING_TEXT, "",
		  "Sockets that are asked whether a client may connect."),
	S_FOREIGN("login_plugin_dir", SETTING_TEXT, "", "For login_plugins."),
	S_FOREIGN("login_plugins", SETTING_TEXT, "",
		  "Plugins of login processes."),
	S(login_proxy_max_disconnect_delay, "0",
	  "When a proxied server goes away, its clients are disconnected "
	  "within this time, not all at once."),
	S(login_proxy_max_reconnects, "3",
	  "How often a proxy tries to connect again."),
	S(login_proxy_notify_path, "proxy-notify",
	  "A named pipe below base_dir/login, opened at start: a line with the "
	  "user's name is written to it every proxy_refresh seconds (a field "
	  "of passdbs) while he is proxied."),
	S(login_proxy_rawlog_dir, "",
	  "Record the traffic with proxied servers in files of this directory, "
	  "as seen from the chroot of login processes. For debugging: "
	  "passwords are in them, and it lets login processes open files."),
	S(login_proxy_timeout, "30 secs",
	  "How long a proxy waits for the other server to log a user in."),
	S(login_source_ips, "",
	  "Addresses, or names of such, that proxies connect from, in turn; "
	  "with a question mark in front those of them that this host has."),
	S_NETWORKS(auth_proxy_self, "",
		   "Addresses of this server besides that which the client "
		   "came to: proxy_maybe does not proxy to them."),
	S_FOREIGN("imap_id_retain", SETTING_BOOL, "no",
		  "Tell auth what the client said in ID."),
	SETTINGS_END,
};
SETTINGS_REGISTER(login_settings, "");
#undef SETTINGS_STRUCT

/* By design one process serves many clients; service_count = 1 gives each a
 * process of its own. */
CONFIG_PRESET(imap_login_service, "service imap-login {\n"
				  "  executable = imap-login\n"
				  "  type = login\n"
				  "  protocol = imap\n"
				  "  chroot = login\n"
				  "  user = $default_login_user\n"
				  "  service_count = 0\n"
				  "  inet_listener imap {\n"
				  "    port = 143\n"
				  "  }\n"
				  "  inet_listener imaps {\n"
				  "    port = 993\n"
				  "    ssl = yes\n"
				  "  }\n"
				  "}\n");

CONFIG_PRESET(pop3_login_service, "service pop3-login {\n"
				  "  executable = pop3-login\n"
				  "  type = login\n"
				  "  protocol = pop3\n"
				  "  chroot = login\n"
				  "  user = $default_login_user\n"
				  "  service_count = 0\n"
				  "  inet_listener pop3 {\n"
				  "    port = 110\n"
				  "  }\n"
				  "  inet_listener pop3s {\n"
				  "    port = 995\n"
				  "    ssl = yes\n"
				  "  }\n"
				  "}\n");

CONFIG_PRESET(managesieve_login_service, "service managesieve-login {\n"
					 "  executable = managesieve-login\n"
					 "  type = login\n"
					 "  protocol = sieve\n"
					 "  chroot = login\n"
					 "  user = $default_login_user\n"
					 "  service_count = 0\n"
					 "  inet_listener sieve {\n"
					 "    port = 4190\n"
					 "  }\n"
					 "}\n");

CONFIG_PRESET(submission_login_service, "service submission-login {\n"
					"  executable = submission-login\n"
					"  type = login\n"
					"  protocol = submission\n"
					"  chroot = login\n"
					"  user = $default_login_user\n"
					"  service_count = 0\n"
					"  inet_listener submission {\n"
					"    port = 587\n"
					"  }\n"
					"}\n");
