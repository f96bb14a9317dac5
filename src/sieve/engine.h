/* SPDX-License-Identifier: MIT */
/*
 * sieve/engine.h - what is the same for all scripts of a user: settings, and
 * which extensions there are.
 */
#ifndef SIEVE_ENGINE_H
#define SIEVE_ENGINE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "config/setting.h"

struct err;
struct sieve_engine;
struct sieve_extension;

enum { SIEVE_MAX_EXTENSIONS = 100 };

/* Bounds, all from plugin {}; names and defaults are Dovecot's where it has
 * them. */
struct sieve_settings {
	const char *sieve_extensions, *sieve_global_extensions;
	const char *sieve_implicit_extensions;
	const char *recipient_delimiter, *sieve_subaddress_sep;
	const char *sieve_user_email, *sieve_redirect_envelope_from;
	const char *sieve_notify_mailto_envelope_from, *sieve_report_from;
	uint64_t sieve_max_script_size;
	unsigned sieve_max_actions, sieve_max_redirects;
	struct duration sieve_max_cpu_time, sieve_resource_usage_timeout;
	/* Ours. */
	unsigned sieve_max_compile_errors, sieve_max_nesting;
	unsigned sieve_max_list_items, sieve_max_operations;
	unsigned sieve_max_header_fields, sieve_max_addresses;
	uint64_t sieve_max_string_size, sieve_max_memory;
	uint64_t sieve_max_binary_size;
	unsigned sieve_regex_match_limit, sieve_regex_max_compiled;
	uint64_t sieve_regex_max_pattern_size;
	/* RFC 5229 section 6. */
	unsigned sieve_variables_max_scope_size;
	uint64_t sieve_variables_max_variable_size;
	/* RFC 6609. */
	unsigned sieve_include_max_includes;
	unsigned sieve_include_max_nesting_depth;
};
extern const struct setting sieve_settings[];

/* One script's text, as a loader finds it. */
struct sieve_source {
	const char *name; /* in errors: "spam" */
	/* NULL if it is no file: then nothing depends on it; "=..." for one
	 * that is compared by whoever opens programs of it. */
	const char *path;
	struct str text;
	uint64_t mtime_us; /* of the file */
	bool global;       /* may have the extensions of global scripts */
	bool upload;       /* what it includes need not be there yet */
	/* Two NULs stand behind the text, and the parser may write to all. */
	bool writable;
};

struct sieve_engine_options {
	/* A setting of plugin {} or recipient_delimiter; NULL if not set. */
	const char *(*setting)(void *ctx, const char *name);
	/* The script for `include`: location is "personal" or "global". The
	 * text is to be a child of mem. ERR_NOT_FOUND if there is none,
	 * and out->path is where it would be. NULL: nothing can be included. */
	int (*script)(void *ctx, const void *mem, const char *location,
		      struct str name, struct sieve_source *out,
		      struct err *err);
	/* Where that is, or would be, in a file; ERR_NOT_FOUND. NULL: what was
	 * compiled has found it at the same place. */
	int (*script_path)(void *ctx, const void *mem, const char *location,
			   struct str name, const char **out, struct err *err);
	void *ctx;
	/* Extensions of the caller's own (tests), up to NULL; may be NULL. */
	const struct sieve_extension *const *extra;
	bool all_extensions; /* also those that are off by default */
	const char *always;  /* those that no setting takes away, as words */
	/* Mail is not being delivered: without SIEVE_EXT_ENVELOPE. */
	bool no_envelope;
};

/* For `extra`, where scripts run at IMAP events (RFC 6785). */
extern const struct sieve_extension *const sieve_imap_extensions[];

/* Child of ctx; the options are copied. Settings that make no sense are told
 * to the log, and stay as if nobody had set them. */
struct sieve_engine *
sieve_engine_new(const void *ctx, const struct sieve_engine_options *options);
const struct sieve_settings *
sieve_engine_settings(const struct sieve_engine *engine);
const struct sieve_engine_options *
sieve_engine_options(const struct sieve_engine *engine);
/* The struct that ext->settings fill. */
const void *sieve_engine_set(const struct sieve_engine *engine,
			     const struct sieve_extension *ext);
/* Read settings again, of one extension or (NULL) the engine's own and all. */
void sieve_engine_reload(struct sieve_engine *engine,
			 const struct sieve_extension *ext);
/* By place, up to NULL; the place of one, or -1. */
const struct sieve_extension *
sieve_engine_extension(const struct sieve_engine *engine, unsigned place);
int sieve_engine_place(const struct sieve_engine *engine,
		       const struct sieve_extension *ext);
/* By name; NULL if there is none, it is not enabled (for global scripts:
 * `global`), or it needs an envelope and there is none. */
const struct sieve_extension *
sieve_engine_find(const struct sieve_engine *engine, struct str name,
		  bool global);
/* What sieve_engine_find() would have found with an envelope; else NULL. */
const struct sieve_extension *
sieve_engine_misplaced(const struct sieve_engine *engine, struct str name,
		       bool global);
/* The names of what can be required, with blanks between, as ManageSieve's
 * SIEVE capability shows them. Child of ctx. */
const char *sieve_engine_capability(const void *ctx,
				    const struct sieve_engine *engine,
				    bool global);

#endif
