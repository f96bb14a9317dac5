/* SPDX-License-Identifier: MIT */
/*
 * config/foreign_protocols.c - settings of Dovecot 2.3 that no module of ours
 * declares: submission.
 */
#include "config/setting.h"

static const struct setting foreign_protocols[] = {
	S_FOREIGN("submission_client_workarounds", SETTING_TEXT, "",
		  "Workarounds for client bugs: whitespace-before-path, "
		  "mailbox-for-path."),
	S_FOREIGN("submission_logout_format", SETTING_TEXT, "in=%i out=%o",
		  "What is logged at the end of a submission session."),
	S_FOREIGN("submission_max_mail_size", SETTING_SIZE, "0",
		  "Largest mail; 0 asks the relay."),
	S_FOREIGN("submission_max_recipients", SETTING_UNSIGNED, "0",
		  "Most recipients of one mail; 0 asks the relay."),
	S_FOREIGN("submission_relay_command_timeout", SETTING_DURATION,
		  "5 mins", "How long to wait for the relay's answers."),
	S_FOREIGN("submission_relay_connect_timeout", SETTING_DURATION,
		  "30 secs", "How long to wait for a connection to the relay."),
	S_FOREIGN("submission_relay_host", SETTING_TEXT, "",
		  "The MTA that mails are passed on to."),
	S_FOREIGN("submission_relay_master_user", SETTING_TEXT, "",
		  "Master user for logins at the relay."),
	S_FOREIGN("submission_relay_max_idle_time", SETTING_DURATION, "29 mins",
		  "How long a connection to the relay is kept."),
	{"submission_relay_password", SETTING_TEXT, 0, "",
	 "Password at the relay.", NULL, SETTING_FOREIGN | SETTING_SECRET},
	S_FOREIGN("submission_relay_port", SETTING_UNSIGNED, "25",
		  "Port of the relay."),
	S_FOREIGN("submission_relay_rawlog_dir", SETTING_TEXT, "",
		  "Directory for a record of traffic with the relay."),
	{"submission_relay_ssl", SETTING_ENUM, 0, "no",
	 "TLS towards the relay.", "no:smtps:starttls", SETTING_FOREIGN},
	S_FOREIGN("submission_relay_ssl_verify", SETTING_BOOL, "yes",
		  "Refuse relays without a valid certificate."),
	S_FOREIGN("submission_relay_trusted", SETTING_BOOL, "no",
		  "Tell the relay who the client is (XCLIENT)."),
	S_FOREIGN("submission_relay_user", SETTING_TEXT, "",
		  "Name at the relay."),
	{"submission_backend_capabilities", SETTING_TEXT, 0, "",
	 "What the relay is thought to be able to do, instead of asking it.",
	 NULL, SETTING_FOREIGN | SETTING_HIDDEN},
	SETTINGS_END,
};
SETTINGS_REGISTER(foreign_protocols, "");
