/* SPDX-License-Identifier: MIT */
/*
 * scripts/store.h - the directory of a user's scripts. Only for scripts/.
 */
#ifndef SCRIPTS_STORE_H
#define SCRIPTS_STORE_H
#include "scripts/scripts.h"

struct buf;

/* The directory, locked against other sessions if it is opened to be changed;
 * then it is made. fd -1: there is none. */
struct store {
	const struct scripts *scripts;
	int fd;
};
int store_open(const struct scripts *scripts, bool change, struct store *out,
	       struct err *err);
void store_close(struct store *store);
/* "NAME.sieve", child of ctx. */
char *store_file(const void *ctx, struct str name);
/* Whether the active one's link has the name of that script: it is none. */
bool store_reserved(const struct scripts *scripts, struct str name);
/* ERR_NOT_FOUND names the script for the user. */
int store_not_found(struct str name, struct err *err);
/* As err_sys(), and what base/ said: for the log, whatever the code. Full disks
 * are told from the rest. Both return -1. */
int store_sys(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int store_internal(struct err *err);
/* What was done in a directory stays. */
int store_sync(const struct scripts *scripts, int fd, const char *path,
	       struct err *err);
/* Read a script; a link may lead to another file below the directory only.
 * ERR_NOT_FOUND. */
int store_read(const struct store *store, struct str name, struct buf *out,
	       struct err *err);
/* Whether there is such a script. */
int store_has(const struct store *store, struct str name, bool *has_out,
	      struct err *err);
/* Put text in place of what has that name, or (`fresh`) where nothing has it:
 * ERR_EXISTS. */
int store_write(const struct store *store, struct str name, struct str text,
		bool fresh, struct err *err);

/* active.c */

enum active_kind {
	ACTIVE_NONE,
	ACTIVE_SCRIPT,  /* a link to one of the directory */
	ACTIVE_FOREIGN, /* a link to somewhere else */
	ACTIVE_FILE,    /* the script itself */
};
struct active {
	enum active_kind kind;
	struct str name; /* ACTIVE_SCRIPT: child of the ctx it was read with */
};
int active_read(const void *ctx, const struct store *store, struct active *out,
		struct err *err);
/* Let it lead to that script, which need not be there. A file that is in its
 * place becomes a script, "dovecot.orig". */
int active_set(const struct store *store, const struct active *before,
	       struct str name, struct err *err);
/* The same, to none. */
int active_clear(const struct store *store, const struct active *before,
		 struct err *err);

#endif
