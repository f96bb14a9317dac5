/* SPDX-License-Identifier: MIT */
/*
 * pop3/settings.c - pop3_* settings and the preset of service pop3.
 */
#include "pop3/settings.h"

#define SETTINGS_STRUCT struct pop3_settings
const struct setting pop3_settings[] = {
	S_SERVED(pop3_client_workarounds, "", "outlook-no-nuls:oe-ns-eoh",
		 "Workarounds for client bugs, separated by blanks. "
		 "outlook-no-nuls: send 0x80 in place of NULs. oe-ns-eoh: end "
		 "the header of mails that have nothing but a header."),
	S_ENUM(pop3_delete_type, "default", "default:expunge:flag",
	       "What becomes of deleted mails at QUIT: they are removed, or "
	       "get pop3_deleted_flag. The default is flag if there is one."),
	S(pop3_deleted_flag, "",
	  "Keyword of mails that POP3 clients have deleted; POP3 does not show "
	  "them any more, IMAP does."),
	S(pop3_enable_last, "no",
	  "Offer LAST, a command of RFC 1460 that old clients need."),
	S(pop3_fast_size_lookups, "no",
	  "Tell the size of the file where that with CRLF line ends could only "
	  "be found out by reading it."),
	S(pop3_lock_session, "no",
	  "Only one POP3 session of a user at a time; others wait for 10 "
	  "seconds and are refused then."),
	S_FLAGS(pop3_logout_format, "top=%t/%p, retr=%r/%b, del=%d/%m, size=%s",
		SETTING_VARS,
		"What is logged when a session ends: %t and %p TOP commands "
		"and octets, %r and %b the same of RETR, %d deleted mails, "
		"%{deleted_bytes}, %m mails and %s octets at the begin, %i and "
		"%o octets from and to the client, %u a hash of the UIDLs "
		"before and after it, %{session}, and those of the user: "
		"%{user}, %{service}, %{rip}, %{lip}, %{home}..."),
	S(pop3_no_flag_updates, "no",
	  "Leave \\Seen and \\Recent alone when mails are fetched."),
	S(pop3_reuse_xuidl, "no",
	  "Take X-UIDL fields of mails for UIDL, where there are any."),
	S(pop3_save_uidl, "no",
	  "Keep what UIDL has shown (Maildir: in dovecot-uidlist), so that it "
	  "stays when pop3_uidl_format changes."),
	S_ENUM(pop3_uidl_duplicates, "allow", "allow:rename",
	       "What becomes of mails with the same UIDL: nothing, or -2, -3, "
	       "... is added."),
	S_FLAGS(pop3_uidl_format, "%08Xu%08Xv", SETTING_VARS,
		"What UIDL shows, from %u the UID, %v UIDVALIDITY, %f the base "
		"name of the file (Maildir), %m MD5 of header fields (mbox), "
		"%g the GUID. Clients fetch all again when it changes."),
	S(pop3_max_line_length, "2 k", "Longest command line of a client."),
	SETTINGS_END,
};
SETTINGS_REGISTER(pop3_settings, "");
#undef SETTINGS_STRUCT

CONFIG_PRESET(pop3_service, "service pop3 {\n"
			    "  executable = pop3\n"
			    "  protocol = pop3\n"
			    "  client_limit = 1\n"
			    "  process_limit = 1024\n"
			    "  service_count = 0\n"
			    "  extra_groups = $default_internal_group\n"
			    "  unix_listener login/pop3 {\n"
			    "    mode = 0666\n"
			    "  }\n"
			    "}\n");
