/* SPDX-License-Identifier: MIT */
/*
 * imap/settings.c - imap_* settings and the preset of service imap.
 */
#include "imap/settings.h"

#define SETTINGS_STRUCT struct imap_settings
const struct setting imap_settings[] = {
	S_FLAGS(imap_max_line_length, "64 k", SETTING_POSITIVE,
		"Longest command line of a client. Sequence sets of clients "
		"that have many messages make long lines."),
	S_FLAGS(imap_max_arguments, "10000", SETTING_POSITIVE,
		"How many arguments, those in lists included, one command may "
		"have."),
	S_FLAGS(imap_max_nesting, "50", SETTING_POSITIVE,
		"How deep parentheses may be nested in a command, and NOT and "
		"OR in a search."),
	S(imap_max_bad_commands, "20",
	  "How many commands that are none a client may send in a row before "
	  "the connection is closed."),
	S(imap_max_search_updates, "16",
	  "How many searches with UPDATE (CONTEXT=SEARCH) one session may "
	  "have: each of them is looked at with every change."),
	S(imap_capability, "",
	  "What CAPABILITY answers. Empty: what the server can do. A value "
	  "that begins with + is added to that; any other is sent as it is."),
	S(imap_client_workarounds, "",
	  "Workarounds for client bugs, separated by blanks. delay-newmail: "
	  "tell of new mail only in answer to NOOP, CHECK and IDLE. "
	  "tb-extra-mailbox-sep: pass over separators at the end of mailbox "
	  "names. tb-lsub-flags: show \\Noselect in LSUB's answers."),
	S_ENUM(imap_fetch_failure, "disconnect-immediately",
	       "disconnect-immediately:disconnect-after:no-after",
	       "What a client gets when a mail cannot be read in FETCH: the "
	       "connection is closed at once, or when the command has sent all "
	       "it could, or the command ends with NO."),
	S(imap_id_log, "",
	  "Fields of the client's ID that are logged; * stands for all."),
	S(imap_id_send, "name *",
	  "Fields and values, in turns, that ID answers. The value * stands "
	  "for the preset: name, version, os, os-version."),
	S_FLAGS(imap_logout_format,
		"in=%i out=%o deleted=%{deleted} expunged=%{expunged} "
		"trashed=%{trashed} hdr_count=%{fetch_hdr_count} "
		"hdr_bytes=%{fetch_hdr_bytes} body_count=%{fetch_body_count} "
		"body_bytes=%{fetch_body_bytes}",
		SETTING_VARS,
		"What is logged when a session ends: %i and %o octets from and "
		"to the client, %{deleted} mails that got \\Deleted, "
		"%{expunged}, %{trashed} copied or moved to a \\Trash mailbox, "
		"%{appended}, %{autoexpunged}, %{fetch_hdr_count}, "
		"%{fetch_hdr_bytes}, %{fetch_body_count}, "
		"%{fetch_body_bytes}, %{session}, %{rip}, and %u, %n, %d of "
		"the user."),
	S(imap_idle_notify_interval, "2 mins",
	  "How often a client in IDLE is sent \"* OK Still here\", so that "
	  "firewalls in between keep the connection; 0 is never."),
	S(imap_literal_minus, "no",
	  "Announce LITERAL- instead of LITERAL+: literals that the client "
	  "sends without waiting may then have no more than 4096 octets."),
	S_FOREIGN("imap_hibernate_timeout", SETTING_DURATION, "0",
		  "When a connection in IDLE is given to imap-hibernate."),
	S(imap_metadata, "no",
	  "Whether the METADATA extension is on; mail_attribute_dict tells "
	  "where it is kept."),
	S_FOREIGN("imap_urlauth_host", SETTING_TEXT, "",
		  "Host name of URLs for URLAUTH."),
	S_FOREIGN("imap_urlauth_logout_format", SETTING_TEXT, "in=%i out=%o",
		  "What imap-urlauth logs at the end."),
	S_FOREIGN("imap_urlauth_port", SETTING_UNSIGNED, "143",
		  "Port of URLs for URLAUTH."),
	SETTINGS_END,
};
SETTINGS_REGISTER(imap_settings, "");
#undef SETTINGS_STRUCT

CONFIG_PRESET(imap_service, "service imap {\n"
			    "  executable = imap\n"
			    "  protocol = imap\n"
			    "  client_limit = 1\n"
			    "  process_limit = 1024\n"
			    "  service_count = 0\n"
			    "  extra_groups = $default_internal_group\n"
			    "  unix_listener imap-master {\n"
			    "    mode = 0600\n"
			    "  }\n"
			    "  unix_listener login/imap {\n"
			    "    mode = 0666\n"
			    "  }\n"
			    "}\n");
