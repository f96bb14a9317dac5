/* SPDX-License-Identifier: MIT */
/*
 * scripts/scripts.h - a user's Sieve scripts on disk, as deliveries,
 * ManageSieve and doveadm see them: Pigeonhole's "file" storage.
 *
 *	~/sieve/NAME.sieve	the scripts
 *	~/sieve/tmp/		one that is being written
 *	~/.dovecot.sieve	a link to the active one
 *
 * A script is in place whole or not at all, and lies on disk when it is said to
 * be stored. What lies in the user's home is the user's: nothing outside of the
 * directory is read through a link in it.
 */
#ifndef SCRIPTS_SCRIPTS_H
#define SCRIPTS_SCRIPTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "scripts/settings.h"

struct err;
struct script_location;
struct sieve_engine;
struct sieve_extension;
struct sieve_log;
struct sieve_source;
struct user;

/* Of who runs scripts elsewhere than in deliveries. */
struct scripts_options {
	/* Settings that go before the user's; NULL if it has none. */
	const char *(*setting)(void *ctx, const char *name);
	void *ctx;
	/* Extensions besides the usual ones, up to NULL; may be NULL. */
	const struct sieve_extension *const *extra;
	bool no_envelope; /* no mail is delivered: see sieve/engine.h */
};

struct scripts {
	struct user *user;
	const char *recipient_delimiter;
	const struct scripts_options *options; /* may be NULL */
	struct scripts_settings set;
	struct sieve_engine *engine;
	/* Where the user's own are kept, and the link to the active one (or
	 * that script itself); NULL: `sieve` is empty, or `unreachable`. */
	const char *dir, *active;
	/* Why the user's own, or sieve_default, can't be looked for; NULL: they
	 * can. */
	const char *unreachable, *fallback_unreachable;
	/* `sieve` has no ;active=: see scripts_are_missing(). */
	bool needs_dir;
	/* Where these are kept compiled; NULL: beside them. */
	const char *bindir, *fallback_bindir;
	/* sieve_default, for users who have no active one; NULL: none. */
	const char *fallback;
	const char *global_dir; /* for include :global; NULL: none */
	/* The same where they are in a dictionary (location.h), in place of a
	 * path; NULL: they are not. */
	const struct script_location *remote, *remote_fallback, *remote_global;
};

/* Nothing on disk is made. ERR_INVALID and ERR_UNSUPPORTED for settings that
 * make no sense. Child of ctx; the delimiter and the options (NULL: none) must
 * outlive it. */
int scripts_new(const void *ctx, struct user *user,
		const char *recipient_delimiter,
		const struct scripts_options *options, struct scripts **out,
		struct err *err);
/* For those who let users store scripts: what sessions may run at IMAP events
 * (imapsieve_url) compiles, too. NULL: nothing more. */
const struct scripts_options *scripts_upload_options(struct user *user);
/* `sieve` is empty, or names nothing that is there now, and no ;active=: no
 * script of the user's runs, not even ~/.dovecot.sieve. */
bool scripts_are_missing(const struct scripts *scripts);
/* The path of the script of that name, of the user or of the administrator;
 * whether it is there or not. ERR_INVALID; ERR_NOT_FOUND: there is no place for
 * such scripts. Child of ctx. */
int scripts_path(const void *ctx, const struct scripts *scripts, bool global,
		 struct str name, const char **out, struct err *err);
/* A path of a setting, "~" and relative ones below the user's home; NULL for
 * "", and if there is no home. Child of ctx. */
const char *scripts_expand(const void *ctx, const struct scripts *scripts,
			   const char *path);
/* UTF-8 without '/' and control characters (RFC 5804 section 1.6), and short
 * enough for a file's name. */
bool script_name_valid(struct str name);

/* In what follows ERR_INVALID is for names that are not valid, ERR_NOT_FOUND
 * for scripts that are not there; then, and with the other codes that are
 * named, err->text is for the user. All else is for the log. */

struct script_entry {
	const char *name;
	bool active;
};
/* By name; the default script under sieve_default_name comes last. Children of
 * ctx. */
int scripts_list(const void *ctx, const struct scripts *scripts,
		 struct script_entry **out, size_t *count_out, struct err *err);
/* *text_out is a child of ctx. */
int scripts_get(const void *ctx, const struct scripts *scripts, struct str name,
		struct str *text_out, struct err *err);

/* Whether a script of that size may be stored under the name, which is not
 * looked at. ERR_LIMIT: no, for *quota_out, as RFC 5804 section 1.3 names it.
 */
int scripts_has_space(const struct scripts *scripts, struct str name,
		      uint64_t size, const char **quota_out, struct err *err);
/* The same for one that is only checked, or that no quota holds for. */
int scripts_check_size(const struct scripts *scripts, uint64_t size,
		       const char **quota_out, struct err *err);
/* Compile `text`: ERR_CORRUPT if the log got errors. With "" for a name, none
 * stands before them. Includes need not be there yet. */
int scripts_check(const struct scripts *scripts, struct str name,
		  struct str text, const struct sieve_log *log,
		  struct err *err);
/* Check it, and store it in place of one of that name; the caller has asked for
 * the space. With `activate`, it then is the active one. */
int scripts_put(const struct scripts *scripts, struct str name, struct str text,
		bool activate, const struct sieve_log *log, struct err *err);

/* Make it the active one if it compiles (ERR_CORRUPT), with all that it
 * includes; "" for none. *changed_out: it was not so before. */
int scripts_activate(const struct scripts *scripts, struct str name,
		     const struct sieve_log *log, bool *changed_out,
		     struct err *err);
/* ERR_IN_USE: it is the active one; ERR_DENIED: it is the default one. */
int scripts_delete(const struct scripts *scripts, struct str name,
		   struct err *err);
/* The active script stays active. ERR_EXISTS. */
int scripts_rename(const struct scripts *scripts, struct str from,
		   struct str to, struct err *err);

#endif
