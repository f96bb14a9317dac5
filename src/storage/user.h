/* SPDX-License-Identifier: MIT */
/*
 * storage/user.h, part of storage/storage.h - a user's mail: namespaces, where
 * they lie, and the settings that apply.
 */
#ifndef STORAGE_USER_H
#define STORAGE_USER_H
#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "config/setting.h"

struct account;
struct config;
struct err;
struct setting;
struct user;
struct var;

/* mail_*, mailbox_*, maildir_*, mbox_* settings; storage/settings.c. */
struct mail_settings {
	const char *mail_location, *mail_home, *mail_log_prefix;
	const char *mail_fsync; /* optimized, always, never */
	const char *mail_temp_dir, *mail_plugins, *rawlog_dir;
	unsigned mail_max_keyword_length;
	bool mail_debug, mail_save_crlf, mail_read_only;
	struct duration mailbox_idle_check_interval, mail_temp_scan_interval;
	struct duration mail_max_lock_timeout;
	bool maildir_copy_with_hardlinks, maildir_broken_filename_sizes;
	bool maildir_empty_new, maildir_very_dirty_syncs;
	uint64_t mail_cache_max_size, mail_cache_record_max_size;
	struct duration mail_cache_unaccessed_field_drop;
	unsigned mail_cache_min_mail_count;
	const char *mail_never_cache_fields;
	const char *mbox_read_locks, *mbox_write_locks;
	struct duration mbox_lock_timeout, mbox_dotlock_change_timeout;
	bool mbox_lazy_writes, mbox_dirty_syncs, mbox_very_dirty_syncs;
	const char *mbox_md5; /* apop3d, all */
	/* Bounds of what a mail may make us do; ours, not Dovecot's. */
	unsigned mail_max_mime_depth, mail_max_mime_parts;
	uint64_t mail_max_header_size;
	uint64_t mail_sort_max_memory;
	unsigned mail_sort_max_read_count, mail_thread_max_depth;
	unsigned mailbox_list_max_steps;
	uint64_t mail_preview_max_read;
	const char *mail_attribute_dict;
	uint64_t mail_attribute_max_size, mail_attribute_max_value_size;
	const char *mail_server_admin, *mail_server_comment;
};
extern const struct setting mail_settings[];

struct mime_limits;
/* The bounds of mail_max_*. */
void mail_mime_limits(const struct mail_settings *settings,
		      struct mime_limits *out);

struct user_context {
	const char *service; /* "imap", "lmtp", "doveadm" */
	/* Whose blocks of settings apply; NULL: those of its service. */
	const char *protocol;
	const char *session_id;
	struct ip local, remote;
};

/* Set up the user's namespaces. Nothing on disk is made before it is needed:
 * INBOX, and mailboxes with auto = create|subscribe, are listed before they are
 * there and made when they are opened. Privileges are those of the caller.
 * Child of ctx. ERR_INVALID names a mail_location that cannot be used. */
int user_open(const void *ctx, const struct config *config,
	      const struct account *account, const struct user_context *context,
	      struct user **out, struct err *err);
/* What a session would have as its home (NULL: none) and its mail_location,
 * which the userdb's is as it gave it. Looks at nothing on disk. Both are
 * children of ctx. */
int user_places(const void *ctx, const struct config *config,
		const struct account *account,
		const struct user_context *context, const char **home_out,
		const char **mail_out, struct err *err);
/* Mail in another location, with the settings of `like` and one namespace
 * without prefix; `name` is for its variables and may be NULL: the same.
 * `like` must outlive it. Child of ctx. ERR_NOT_FOUND if nothing is there. */
int user_open_location(const void *ctx, const struct user *like,
		       const char *name, const char *location,
		       struct user **out, struct err *err);
/* Remove what mailboxes keep for some time only (mailbox { autoexpunge }), when
 * a session or delivery ends. Returns how many; failures are logged. */
uint64_t user_autoexpunge(struct user *user);
/* Whether that could find anything to do; touches nothing. */
bool user_has_autoexpunge(const struct user *user);
const char *user_name(const struct user *user);
const char *user_home(const struct user *user);
/* The directory of what belongs to the user and to no mailbox: his home, or
 * that of control files of INBOX if he has none. */
const char *user_state_dir(const struct user *user);
/* What userdb gave besides goes over the settings that `rows` describe, except
 * for sections: lay it there; text is copied below ctx. */
int account_settings(const void *ctx, const struct account *account,
		     const struct setting *rows, void *out, struct err *err);
/* Whether there is any. */
bool account_has_settings(const struct account *account,
			  const struct setting *rows);

/* %-variables of the user and of the connection, as mail_location knows them.
 */
const struct var *user_vars(const struct user *user);
const struct mail_settings *user_settings(const struct user *user);
/* A setting of plugin {} with its variables expanded, child of ctx; what userdb
 * gave goes before. NULL if it is not set. */
const char *user_plugin(const void *ctx, const struct user *user,
			const char *name);
/* base_dir, where sockets are. */
const char *user_base_dir(const struct user *user);
/* Its %-variables expanded; child of ctx, or `text` itself. */
const char *user_expand(const void *ctx, const struct user *user,
			const char *text);
/* mail_log_prefix with its variables expanded. */
const char *user_log_prefix(const struct user *user);

enum namespace_kind { NAMESPACE_PRIVATE, NAMESPACE_SHARED, NAMESPACE_PUBLIC };

struct namespace
{
	const char *name; /* of the configuration's block */
	enum namespace_kind kind;
	const char *prefix; /* "" or ends with the separator */
	char separator;
	bool inbox, hidden, list, subscriptions;
	const char *location;
};

/* All in the order in which NAMESPACE names them; NULL starts, NULL ends. */
const struct namespace *namespace_next(const struct user *user,
				       const struct namespace *at);
/* The one a mailbox name belongs to, by the longest prefix; NULL if none. */
const struct namespace *namespace_find(const struct user *user,
				       const char *mailbox);

#endif
