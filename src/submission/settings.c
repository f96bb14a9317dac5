/* SPDX-License-Identifier: MIT */
/*
 * submission/settings.c - submission_* settings and the preset of service
 * submission.
 */
#include "submission/settings.h"

#define SETTINGS_STRUCT struct submission_settings
const struct setting submission_settings[] = {
	S_SHARED(hostname),
	S_FLAGS(submission_backend_capabilities, "", SETTING_HIDDEN,
		"What the relay is thought to be able to do (8BITMIME, "
		"BINARYMIME, DSN, VRFY), instead of asking it at each login."),
	S(submission_client_workarounds, "",
	  "Workarounds for client bugs: whitespace-before-path, "
	  "mailbox-for-path."),
	S_FLAGS(submission_logout_format, "in=%i out=%o", SETTING_VARS,
		"What is logged when a session ends: %i and %o octets from and "
		"to the client, %{command_count}, %{reply_count}, "
		"%{transaction_id}, %{session}, %{rip}."),
	S(submission_max_mail_size, "0",
	  "Largest mail; 0: 40 MB. The relay's own limit holds, too."),
	S(submission_max_recipients, "0",
	  "Most recipients of one mail; 0: as many as the relay takes."),
	S(submission_relay_command_timeout, "5 mins",
	  "How long to wait for each of the relay's answers."),
	S(submission_relay_connect_timeout, "30 secs",
	  "How long to wait for a connection to the relay."),
	S(submission_relay_host, "", "The MTA that mails are passed on to."),
	S(submission_relay_master_user, "",
	  "Who logs in at the relay in the name of submission_relay_user."),
	S(submission_relay_max_idle_time, "29 mins",
	  "How long a connection to the relay is kept when nothing is said; "
	  "it is made again when it is needed."),
	S_FLAGS(submission_relay_password, "", SETTING_SECRET,
		"Password at the relay."),
	S(submission_relay_port, "25", "Port of the relay."),
	S(submission_relay_rawlog_dir, "",
	  "Directory for a record of traffic with the relay."),
	S_ENUM(submission_relay_ssl, "no", "no:smtps:starttls",
	       "TLS towards the relay; see ssl_client_ca_file."),
	S(submission_relay_ssl_verify, "yes",
	  "Refuse relays without a valid certificate."),
	S(submission_relay_trusted, "no",
	  "Tell the relay who the client is (XCLIENT)."),
	S(submission_relay_user, "",
	  "Name at the relay; empty: nobody logs in there."),
	SETTINGS_END,
};
SETTINGS_REGISTER(submission_settings, "");
#undef SETTINGS_STRUCT

CONFIG_PRESET(submission_service, "service submission {\n"
				  "  executable = submission\n"
				  "  protocol = submission\n"
				  "  client_limit = 1\n"
				  "  process_limit = 1024\n"
				  "  service_count = 0\n"
				  "  extra_groups = $default_internal_group\n"
				  "  unix_listener login/submission {\n"
				  "    mode = 0666\n"
				  "  }\n"
				  "}\n");
