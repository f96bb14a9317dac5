/* SPDX-License-Identifier: MIT */
#include "delivery/settings.h"

#define SETTINGS_STRUCT struct lda_settings
const struct setting lda_settings[] = {
	S(hostname, "",
	  "Name of this host in greetings and Received fields; empty: its "
	  "real name."),
	S_FLAGS(postmaster_address, "postmaster@%{if;%d;ne;;%d;%{hostname}}",
		SETTING_VARS, "From: of mails about deliveries."),
	S_FLAGS(deliver_log_format, "msgid=%m: %$", SETTING_VARS,
		"What the log tells of a delivery: %$ is what became of it, %m "
		"the Message-ID, %s the subject, %f From:, %e the envelope "
		"sender, %p and %w sizes, %{delivery_time}, %{session_time}, "
		"%{to_envelope}."),
	S(recipient_delimiter, "+",
	  "What divides user and detail in an address (user+detail); each "
	  "character is one."),
	S(lda_original_recipient_header, "",
	  "Field to take the original recipient from if the MTA does not "
	  "tell."),
	S(lda_mailbox_autocreate, "no",
	  "Make a mailbox that a mail goes to if it is missing."),
	S(lda_mailbox_autosubscribe, "no",
	  "Subscribe a mailbox that was made so."),
	S(quota_full_tempfail, "no",
	  "Ask the MTA to try again when the user's quota is full, instead of "
	  "returning the mail."),
	S(lmtp_rcpt_check_quota, "no",
	  "Refuse a recipient whose quota is full at RCPT, before the mail "
	  "comes (mail_plugins must have quota)."),
	S_FLAGS(rejection_reason,
		"Your message to <%t> was automatically rejected:%n%r",
		SETTING_VARS,
		"Text of mails about rejected mails: %n is a line end, %r the "
		"reason, %s the subject, %t the recipient."),
	S_FLAGS(rejection_subject, "Rejected: %s", SETTING_VARS,
		"Subject: of mails about rejected mails."),
	S(sendmail_path, "/usr/sbin/sendmail",
	  "Program that sends mail; with more arguments, if need be."),
	S(submission_host, "",
	  "Server that sends mail, instead of sendmail_path: a name or "
	  "address, and \":port\"."),
	S_ENUM(submission_ssl, "no", "no:smtps:starttls",
	       "TLS towards submission_host; see ssl_client_ca_file."),
	S(submission_timeout, "30 secs",
	  "How long to wait for submission_host, or for the program of "
	  "sendmail_path."),
	S_SHARED(mail_temp_dir),
	SETTINGS_END,
};
SETTINGS_REGISTER(lda_settings, "");
#undef SETTINGS_STRUCT

#define SETTINGS_STRUCT struct lmtp_settings
const struct setting lmtp_settings[] = {
	S_ENUM(lmtp_hdr_delivery_address, "final", "none:final:original",
	       "The address in Delivered-To: the one of RCPT (final), or of "
	       "its ORCPT (original)."),
	S(lmtp_client_workarounds, "",
	  "whitespace-before-path: blanks before <address>. mailbox-for-path: "
	  "addresses without <>."),
	S(lmtp_add_received_header, "yes",
	  "Put a Received: field on top of each mail."),
	S(lmtp_save_to_detail_mailbox, "no",
	  "Save mails for user+detail into the mailbox named detail."),
	S(lmtp_verbose_replies, "no",
	  "Tell the client the reason of temporary failures."),
	S(lmtp_proxy, "no",
	  "Pass recipients on to other servers by fields of the passdb."),
	S(lmtp_proxy_rawlog_dir, "",
	  "Directory for a record of all traffic with those servers."),
	S(lmtp_rawlog_dir, "",
	  "Directory for a record of all traffic with clients of LMTP."),
	S(lmtp_user_concurrency_limit, "0",
	  "Deliveries to one user at the same time; 0: any number."),
	S(lmtp_max_line_length, "4 k", "Longest command line."),
	S(lmtp_max_message_size, "0",
	  "Largest mail, also announced as SIZE; 0: any that the disk holds."),
	S(lmtp_max_recipients, "1000", "Recipients of one mail."),
	S(lmtp_max_bad_commands, "10",
	  "After how many wrong commands in a row a client is thrown out."),
	S(lmtp_user_cache_size, "100",
	  "Users whose mailboxes a process keeps open for the next delivery."),
	S(lmtp_timeout, "5 mins", "How long a client may be silent."),
	S(lmtp_delivery_timeout, "4 mins",
	  "How long the delivery to one recipient may take; then its process "
	  "is killed, and the client is told to try again."),
	SETTINGS_END,
};
SETTINGS_REGISTER(lmtp_settings, "");
#undef SETTINGS_STRUCT

CONFIG_PRESET(lmtp,
	      "service lmtp {\n"
	      "  client_limit = 1\n"
	      "  executable = lmtp\n"
	      "  extra_groups = $default_internal_group\n"
	      "  protocol = lmtp\n"
	      "  unix_listener lmtp {\n"
	      "    mode = 0666\n"
	      "  }\n"
	      "}\n"
	      "service lmtp-worker {\n"
	      "  client_limit = 1\n"
	      "  executable = lmtp-worker\n"
	      "  extra_groups = $default_internal_group\n"
	      "  type = worker\n" PRESET_UNIX("lmtp-worker", "0600") "}\n");
