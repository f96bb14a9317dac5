/* SPDX-License-Identifier: MIT */
/*
 * scripts/location.h - where a setting says that scripts are, as Pigeonhole
 * names it: "file:~/sieve;active=~/.dovecot.sieve", "dict:URI;name=active",
 * "ldap:/etc/dovecot/sieve-ldap.conf".
 *
 * Scripts in a dictionary (service/dict.h) are only read. The value of
 * priv/sieve/name/NAME is the id of what is in priv/sieve/data/ID: a script
 * with another id is another script, and a compiled one in bindir is believed
 * as long as the id stays. In an LDAP directory there is one script for each
 * user; service sieve-ldap looks for it.
 */
#ifndef SCRIPTS_LOCATION_H
#define SCRIPTS_LOCATION_H
#include <stdbool.h>

struct err;
struct scripts;
struct sieve_log;
struct sieve_program;
struct sieve_source;

struct script_location {
	/* In a dictionary: `path` is its URI; by LDAP: a configuration's. */
	bool remote, ldap;
	const char *path;
	/* Options; NULL if they are not given. */
	const char *user, *name, *bindir, *active;
};

/* scripts_expand(), but ERR_TEMPORARY for what is below the home of a user who
 * has none; `what` names it. */
int script_path_expand(const void *ctx, const struct scripts *scripts,
		       const char *what, const char *path, const char **out,
		       struct err *err);
/* Children of ctx; paths of files are expanded, NULL for "". ERR_INVALID,
 * ERR_UNSUPPORTED; ERR_TEMPORARY, as above. */
int script_location_parse(const void *ctx, const struct scripts *scripts,
			  const char *text, struct script_location *out,
			  struct err *err);
/* The path that a location of one file names: "DIR;name=x" is "DIR/x.sieve". */
const char *script_location_file(const void *ctx,
				 const struct script_location *location);

/* A script of a remote location, by its name ("" and NULL: the location's own,
 * or "default"). */
struct script_remote {
	const struct scripts *scripts;
	const struct script_location *location;
	const char *user, *name, *id;
	const char *version; /* as sieve_program_origin() has it */
};
/* 1: it is there, *out has children of ctx; 0: it is not; -1. */
int script_remote_find(const void *ctx, const struct scripts *scripts,
		       const struct script_location *location, const char *name,
		       struct script_remote *out, struct err *err);
/* Its text. ERR_NOT_FOUND: it went meanwhile. */
int script_remote_read(const void *ctx, const struct script_remote *remote,
		       struct sieve_source *out, struct err *err);
/* As sieve_script_open(). */
int script_remote_open(const void *ctx, const struct script_remote *remote,
		       bool global, const struct sieve_log *log,
		       struct sieve_program **out, struct err *err);

#endif
