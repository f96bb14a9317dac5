/* SPDX-License-Identifier: MIT */
/*
 * config/config.h - a configuration, read from dovecot.conf or from the sealed
 * snapshot that the master hands to every child.
 *
 * The tree keeps what was written: sections with their settings, in order,
 * with `protocol`, `local` and `remote` blocks as sections too. Reading
 * settings for a filter merges them as Dovecot does: presets, then top level,
 * then each block that matches, later ones winning.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/ip.h"

struct config;
struct err;
struct setting;

struct config_value {
	const char *name, *value; /* $variables are expanded already */
	const char *file;         /* where it was written; NULL for a preset */
	unsigned line;
	struct config_value *next;
};

struct config_section {
	const char *kind; /* "service", "protocol", "plugin"; "" is the root */
	const char *name; /* "imap"; "" for one without */
	const char *file;
	unsigned line;
	struct config_value *values;
	struct config_section *children, *next, *parent;
};

/* Which protocol, local and remote blocks apply; NULL or family 0 where not
 * known. */
struct config_filter {
	const char *protocol;   /* "imap" */
	const char *local_name; /* TLS server name */
	struct ip local, remote;
	/* For checks: a connection for which this block holds, and those that
	 * it stands in. */
	const struct config_section *block;
};

/* reading a file (master, doveconf, doveadm, lda) */

enum {
	CONFIG_KEEP_FILES = 1 << 0, /* leave "<path" as it is */
	CONFIG_IGNORE_UNKNOWN = 1 << 1,
	/* To run a server: what only Dovecot could do is an error, too. */
	CONFIG_SERVE = 1 << 2,
};

/* Read `path` with all its includes. Every error is reported, each as one line
 * "FILE line N: Unknown setting: mail_locaton (did you mean mail_location?)"
 * appended to `errors`; warnings (obsolete settings and their
 * replacements, settings without a use here) to `warnings`.
 * Returns -1 with a summary if there was any error. *out is a child of ctx. */
int config_load(const void *ctx, const char *path, unsigned flags,
		struct buf *errors, struct buf *warnings, struct config **out,
		struct err *err);
/* One more "key=value" or "section/name/key=value" over all else (-o). */
int config_override(struct config *config, const char *assignment,
		    struct err *err);
/* The path that config_load() was given. */
const char *config_path(const struct config *config);

/* the snapshot */

/* Put it into a sealed memfd that children inherit or receive. */
int config_seal(const struct config *config, int *fd_out, struct err *err);
/* The other way; nothing in it is parsed as text but the values. Of sections
 * "service", which make up most of it, only that of `service` (NULL: all). */
int config_unseal(const void *ctx, int fd, const char *service,
		  struct config **out, struct err *err);
/* What every program does at start: the snapshot that the master left in
 * $DOVETAIL_CONFIG_FD (of $DOVETAIL_SERVICE), else the file of `path` (NULL: the compiled-in
 * default, dovecot.conf below PKG_SYSCONFDIR). Of that, services have no
 * defaults: they are the master's, and take a third of the time. */
int config_open(const void *ctx, const char *path, struct config **out,
		struct err *err);

/* Certificates and keys, written as "<path" (files.c): for the master, which
 * takes new ones without reading anything else again. */
void config_files_each(const struct config *config,
		       void (*fn)(void *ctx, const struct config_value *value,
				  const char *path),
		       void *ctx);
/* Read all again. *out (child of ctx) is what to undo, NULL if nothing has
 * changed. Returns -1 if one can't be read; all is then as it was. */
struct config_renewal;
int config_files_renew(const void *ctx, struct config *config,
		       struct config_renewal **out, struct err *err);
/* Go back to what was, or forget it. */
void config_files_undo(struct config_renewal **renewal);
void config_files_done(struct config_renewal **renewal);

/* What is wrong with these settings of POP3 (NULL: not set): child of ctx, or
 * NULL. */
const char *config_pop3_problem(const void *ctx, const char *uidl_format,
				const char *delete_type,
				const char *deleted_flag);

/* asking */

/* Fill the struct that `rows` describe, for `filter` (may be NULL). Text in it
 * belongs to ctx, or to the table. Values were checked when the file was
 * read. */
int config_read(const void *ctx, const struct config *config,
		const struct config_filter *filter, const struct setting *rows,
		void *out, struct err *err);
/* The same for the settings of one section ("passdb", "namespace"), whose
 * presets and the administrator's blocks of the same kind and name are merged.
 */
int config_read_section(const void *ctx, const struct config_section *section,
			const struct setting *rows, void *out, struct err *err);
/* The merged sections of a kind, in the order in which Dovecot uses them;
 * `at` NULL for the first. Those in matching protocol blocks come with. */
const struct config_section *
config_section_next(const struct config *config,
		    const struct config_filter *filter, const char *kind,
		    const struct config_section *at);
/* The children of a section: mailbox blocks, listeners. */
const struct config_section *
config_child_next(const struct config_section *section, const char *kind,
		  const struct config_section *at);
/* The value of one top-level setting as text, its preset if it is not set. */
const char *config_value(const struct config *config,
			 const struct config_filter *filter, const char *name);
/* The same with its place; NULL for a preset. */
const struct config_value *config_written(const struct config *config,
					  const struct config_filter *filter,
					  const char *name);
/* The same, asking `get` for the text of each; NULL from it stands for the
 * preset. For what stands in plugin {}. */
int config_read_named(const void *ctx,
		      const char *(*get)(void *get_ctx, const char *name),
		      void *get_ctx, const struct setting *rows, void *out,
		      struct err *err);
/* The same, where a wrong value is no reason not to go on: the log gets a
 * warning, with `who` in front, and the preset is taken. */
void config_read_tolerant(const void *ctx,
			  const char *(*get)(void *get_ctx, const char *name),
			  void *get_ctx, const struct setting *rows, void *out,
			  const char *who);
/* A setting of plugin {}; NULL if it is not set. */
const char *config_plugin(const struct config *config,
			  const struct config_filter *filter, const char *name);
/* The protocol, local, local_name and remote blocks, those within others too;
 * `at` NULL for the first. */
const struct config_section *config_block_next(const struct config *config,
					       const struct config_section *at);
/* Append what is the same for filters for which the same settings hold. */
void config_filter_key(const struct config *config,
		       const struct config_filter *filter, struct buf *out);
/* Whether any local, remote or local_name block stands in it: if not, settings
 * read once serve every connection. */
bool config_has_filters(const struct config *config);

#endif
