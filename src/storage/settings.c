/* SPDX-License-Identifier: MIT */
/*
 * storage/settings.c - mail_*, mailbox_*, maildir_*, mbox_* and the namespace
 * and mailbox sections.
 */
#include "storage/core.h"

#define S_LOCATION(field, doc)                                                 \
	{                                                                      \
#field, SETTING_TEXT, offsetof(SETTINGS_STRUCT, field), "",    \
			doc, "maildir:mbox", SETTING_VARS | SETTING_DRIVER \
	}

#define SETTINGS_STRUCT struct mail_settings
const struct setting mail_settings[] = {
	S_LOCATION(mail_location,
		   "Where mail lies: the format, a path and options, as in "
		   "maildir:~/Maildir:INDEX=/var/index/%u. Empty: looked for "
		   "below the home directory."),
	S_FLAGS(mail_home, "", SETTING_VARS,
		"Home directory of users for whom userdb gives none."),
	S_FLAGS(mail_log_prefix, "%s(%u)<%{pid}><%{session}>: ", SETTING_VARS,
		"What stands in front of log lines about a user."),
	S_ENUM(mail_fsync, "optimized", "optimized:always:never",
	       "When to wait for the disk: optimized where mail could get "
	       "lost, always, or never."),
	S_FLAGS(rawlog_dir, "", SETTING_VARS,
		"Directory for a record of all that clients and sessions say "
		"to each other; where there is no such directory, nothing is "
		"recorded."),
	S(mail_temp_dir, "/tmp",
	  "Where temporary files go; INDEX=MEMORY lies there too."),
	S_FOREIGN("mail_attachment_dir", SETTING_TEXT, "",
		  "Where Dovecot puts attachments of its dbox formats."),
	S_KNOWN(mail_plugins, "",
		"sieve:imap_sieve:imap_filter_sieve:quota:imap_quota:"
		"lazy_expunge",
		"Plugins of sessions and deliveries; what they do here is "
		"built in and is switched on by their names: sieve, "
		"imap_sieve, imap_filter_sieve, quota, imap_quota, "
		"lazy_expunge. Others are named in the log at start, and "
		"ignored."),
	S(mail_max_keyword_length, "50",
	  "Longest keyword (user-defined flag) that clients may set."),
	S(mail_debug, "no", "Log what happens to mailboxes."),
	S_FOREIGN("mail_full_filesystem_access", SETTING_BOOL, "no",
		  "Let mailbox names be any path that the system lets the user "
		  "read."),
	S(mail_read_only, "no",
	  "IMAP and POP3 sessions change nothing: mails, flags, mailboxes and "
	  "subscriptions stay as they are. For userdb fields: app passwords "
	  "of the scope read-only set it. Deliveries do not look at it."),
	S(mail_save_crlf, "no",
	  "Save mails with CRLF line ends instead of LF."),
	S_FOREIGN("mailbox_list_index", SETTING_BOOL, "yes",
		  "Answer STATUS from the index, as is always done here."),
	S(mailbox_idle_check_interval, "30 secs",
	  "How often IDLE looks for changes where the system can't tell of "
	  "them."),
	S(mail_temp_scan_interval, "1 weeks",
	  "How often tmp/ is searched for files that were left behind."),
	S(mail_max_lock_timeout, "0",
	  "Longest wait for a lock, whatever the format's settings say; 0 "
	  "leaves it to them."),
	S_FOREIGN("maildir_stat_dirs", SETTING_BOOL, "no",
		  "Of names that begin with a dot, list only directories. Here "
		  "others are never listed, and no stat() is needed for it "
		  "where the file system tells what is one."),
	S(maildir_copy_with_hardlinks, "yes",
	  "Copy mails by hard links where possible."),
	S(maildir_very_dirty_syncs, "no",
	  "Take it that nobody else changes cur/ in the very moment when this "
	  "server does. Otherwise it is read again, an hour or more after such "
	  "changes."),
	S(maildir_broken_filename_sizes, "no",
	  "Don't believe the sizes in file names, but read the mails."),
	S(maildir_empty_new, "no",
	  "Move mails from new/ to cur/ whenever a mailbox is looked at, even "
	  "if that leaves them \\Recent."),
	S(mail_max_mime_depth, "100",
	  "How deep the parts of a mail may nest; deeper ones are text."),
	S(mail_max_mime_parts, "10000",
	  "How many parts a mail may have; what follows is text."),
	S(mail_max_header_size, "10 M",
	  "How much of a mail's header is looked at."),
	S(mail_sort_max_memory, "256 M",
	  "What SORT and THREAD of one session may need; beyond it they answer "
	  "NO [LIMIT]. To sort a million mails takes about 60 MB, to thread "
	  "them 220 MB."),
	S(mail_sort_max_read_count, "0",
	  "How many mails SORT and THREAD may open whose fields are not in the "
	  "index; beyond it they answer NO [LIMIT]. 0 is any number."),
	S(mail_thread_max_depth, "1000",
	  "How deep the parentheses of THREAD's answer nest. What lies deeper "
	  "stands in a row."),
	S(mail_preview_max_read, "256 k",
	  "How much of a part is read for the mail's preview: mail programs "
	  "put much of styles before the first word."),
	S_FLAGS(mailbox_list_max_steps, "400000000", SETTING_POSITIVE,
		"How much LIST may compare names with patterns, in steps that "
		"take a nanosecond or a few; beyond it it answers NO [LIMIT]."),
	S_FOREIGN("mail_always_cache_fields", SETTING_TEXT, "",
		  "Fields to keep in the cache for all mails. Here that is "
		  "what all clients ask for, and what one asked for lately."),
	S_FOREIGN("mail_attachment_detection_options", SETTING_TEXT, "",
		  "How to mark mails with attachments by a keyword."),
	S_FOREIGN("mail_attachment_fs", SETTING_TEXT, "sis posix",
		  "File system of attachments."),
	S_FOREIGN("mail_attachment_hash", SETTING_TEXT, "%{sha1}",
		  "File names of attachments."),
	S_FOREIGN("mail_attachment_min_size", SETTING_SIZE, "128 k",
		  "Smallest attachment that is kept by itself."),
	{"mail_attribute_dict", SETTING_TEXT,
	 offsetof(SETTINGS_STRUCT, mail_attribute_dict), "",
	 "Where METADATA is kept: file:%h/dovecot-attributes. Empty: nowhere.",
	 "file", SETTING_VARS | SETTING_DRIVER},
	S(mail_attribute_max_size, "1 M",
	  "How large the file of mail_attribute_dict may become."),
	S(mail_attribute_max_value_size, "64 k",
	  "How long one value in it may be."),
	S_FLAGS(mail_cache_max_size, "1 G", SETTING_HIDDEN,
		"Nothing more is cached when the index of a mail location is "
		"larger than this; 0: always."),
	S_FLAGS(mail_cache_min_mail_count, "0", SETTING_HIDDEN,
		"Mails that a mailbox needs before anything is cached."),
	S_FLAGS(mail_cache_record_max_size, "64 k", SETTING_HIDDEN,
		"What is larger of one mail is not cached."),
	S_FLAGS(mail_cache_unaccessed_field_drop, "30 days", SETTING_HIDDEN,
		"Fields that nobody asked for in this time are not cached any "
		"more; 0: all are."),
	S_FOREIGN("mail_cache_fields", SETTING_TEXT, "flags",
		  "What to keep in the cache at first; here all that is known "
		  "when a mail is saved."),
	S(mail_never_cache_fields, "imap.envelope",
	  "What not to keep in the index of a mail: imap.envelope, "
	  "imap.bodystructure, mime.parts, body.snippet, sort, hdr.NAME; for "
	  "fields that all clients ask for, as hdr.subject, that is all header "
	  "fields, the envelope and what SORT needs. The default alone says "
	  "nothing: it is there for Dovecot, which keeps the same in header "
	  "fields."),
	S_FOREIGN("mail_nfs_index", SETTING_BOOL, "no",
		  "Index files are on NFS."),
	S_FOREIGN("mail_nfs_storage", SETTING_BOOL, "no", "Mail is on NFS."),
	S_FOREIGN("mail_prefetch_count", SETTING_UNSIGNED, "0",
		  "How many mails to read ahead."),
	S(mail_server_admin, "",
	  "What METADATA tells of the administrator: mailto:..."),
	S(mail_server_comment, "", "What METADATA tells of the server."),
	S_FOREIGN("mail_shared_explicit_inbox", SETTING_BOOL, "no",
		  "Show others' INBOX as INBOX."),
	S_FOREIGN("mail_vsize_bg_after_count", SETTING_UNSIGNED, "0",
		  "When sizes are computed in the background."),
	S_FOREIGN("mailbox_list_index_include_inbox", SETTING_BOOL, "no",
		  "INBOX is in the list index."),
	S_FOREIGN("mailbox_list_index_very_dirty_syncs", SETTING_BOOL, "no",
		  "Believe the list index."),
	S(mbox_dirty_syncs, "yes",
	  "Of an mbox that grew, read only what is new; all of it when it is "
	  "opened next."),
	S(mbox_dotlock_change_timeout, "2 mins",
	  "A dotlock is stale when neither it nor the mbox changed for so "
	  "long."),
	S(mbox_lazy_writes, "yes",
	  "Write flags to an mbox when it is closed, or changed otherwise."),
	S(mbox_lock_timeout, "5 mins", "How long to wait for an mbox's locks."),
	S_ENUM(mbox_md5, "apop3d", "apop3d:all",
	       "Which header fields make the GUID of a mail in an mbox."),
	S_FOREIGN("mbox_min_index_size", SETTING_SIZE, "0",
		  "Smaller mboxes get no index files. Here none gets any: all "
		  "mailboxes of a location are in one index."),
	S(mbox_read_locks, "fcntl",
	  "Locks for reading an mbox, in this order: dotlock, dotlock_try, "
	  "fcntl, flock, lockf."),
	S(mbox_very_dirty_syncs, "no",
	  "Of an mbox that grew, read only what is new, also when it is "
	  "opened."),
	S(mbox_write_locks, "fcntl dotlock",
	  "Locks for writing an mbox, in this order."),
	SETTINGS_END,
};
SETTINGS_REGISTER(mail_settings, "");
#undef SETTINGS_STRUCT

#define SETTINGS_STRUCT struct namespace_settings
const struct setting namespace_settings[] = {
	S_ENUM(type, "private", "private:shared:public",
	       "Whose mailboxes these are."),
	S_FLAGS(separator, "", SETTING_SEPARATOR,
		"Between the levels of names; empty: the layout's (., / or "
		"~)."),
	S_FLAGS(prefix, "", SETTING_VARS,
		"What all names of this namespace begin with."),
	S_LOCATION(location, "Where its mail lies; empty: mail_location."),
	S_FLAGS(alias_for, "", SETTING_HIDDEN,
		"Prefix of the namespace whose mail this shows too."),
	S(inbox, "no", "INBOX is here. Exactly one namespace has it."),
	S(hidden, "no", "NAMESPACE does not tell of it."),
	S_ENUM(list, "yes", "yes:no:children",
	       "LIST shows its mailboxes; with `children` its prefix only "
	       "when there are any."),
	S(subscriptions, "yes",
	  "It keeps its own subscriptions; else its parent's are used."),
	S(ignore_on_failure, "no",
	  "Leave it out when its location can't be used."),
	S(disabled, "no", "Leave it out; for userdb to switch it on."),
	S(order, "0", "Place in the answer to NAMESPACE."),
	SETTINGS_END,
};
SETTINGS_REGISTER(namespace_settings, "namespace");
#undef SETTINGS_STRUCT

#define SETTINGS_STRUCT struct mailbox_settings
const struct setting mailbox_settings[] = {
	S(name, "", "The mailbox; the block's name if empty."),
	{"auto", SETTING_ENUM, offsetof(SETTINGS_STRUCT, autocreate), "no",
	 "Show the mailbox to all users and make it when it is opened; with "
	 "`subscribe` it is subscribed too.",
	 "no:create:subscribe", 0},
	S(special_use, "", "What it is for: \\Sent, \\Drafts, \\Junk, ..."),
	S_FOREIGN("driver", SETTING_TEXT, "", "Format of this mailbox."),
	S(comment, "", "What METADATA tells of it, unless the user changed it."),
	S(autoexpunge, "0",
	  "Remove mails that were saved so long ago, when a session or a "
	  "delivery ends; 0: never. The block's name may have wildcards."),
	S(autoexpunge_max_mails, "0",
	  "Remove the oldest mails when there are more; 0: never."),
	SETTINGS_END,
};
SETTINGS_REGISTER(mailbox_settings, "mailbox");
#undef SETTINGS_STRUCT
