/* SPDX-License-Identifier: MIT */
/*
 * sieve/host.h - what the machine asks of whoever runs it. The engine knows no
 * storage; everything about mailboxes, databases and programs comes from here.
 *
 * A callback that is NULL means that there is no such thing. What is allocated
 * is to be a child of `mem`. All return 0, or -1 with ERR_TEMPORARY for what
 * may help later.
 */
#ifndef SIEVE_HOST_H
#define SIEVE_HOST_H
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/str.h"

struct calendar_code;
struct err;

/* Where errors of a compilation, and what scripts log, go. `where` is
 * "NAME: line 3, column 5", or "NAME". */
struct sieve_log {
	void (*line)(void *ctx, enum log_level level, const char *where,
		     const char *text);
	void *ctx;
};

enum sieve_trace_level {
	SIEVE_TRACE_NONE,
	SIEVE_TRACE_ACTIONS,
	SIEVE_TRACE_COMMANDS,
	SIEVE_TRACE_TESTS,
	SIEVE_TRACE_MATCHING,
};

struct sieve_trace {
	enum sieve_trace_level level;
	bool addresses; /* of the bytecode, in front of each line */
	void (*line)(void *ctx, const char *text);
	void *ctx;
};

struct sieve_host {
	void *ctx;
	/* Whether mail can be put there (RFC 5490 section 3.1). */
	int (*mailbox_exists)(void *ctx, const char *mailbox, bool *exists_out,
			      struct err *err);
	/* An annotation of a mailbox, or of the server (NULL), by its name in
	 * lower case; data NULL if there is none (RFC 5490). */
	int (*metadata)(void *ctx, const void *mem, const char *mailbox,
			const char *entry, struct str *value_out,
			struct err *err);
	/* Whether a mailbox, or any (NULL), has it (RFC 8579): "\\Junk". */
	int (*special_use)(void *ctx, const char *mailbox, const char *use,
			   bool *has_out, struct err *err);
	/* The name of the mailbox with that MAILBOXID (RFC 9042); NULL if
	 * there is none. */
	int (*mailbox_by_id)(void *ctx, const void *mem, const char *id,
			     const char **name_out, struct err *err);
	/* Whether that id was marked as seen by an earlier delivery
	 * (RFC 7352); marking is an action. */
	int (*duplicate)(void *ctx, struct str id, bool *seen_out,
			 struct err *err);
	/* Whether there is such an external list, and whether it has a member
	 * (RFC 6134). Names are compared by sieve_list_is(). */
	bool (*list_exists)(void *ctx, const char *list);
	int (*list_has)(void *ctx, const char *list, struct str member,
			bool *has_out, struct err *err);
	/* The calendar object with that UID (RFC 9671); data NULL: there is
	 * none. *calendar_out: the calendar that it is in, or that a new one
	 * goes into: `wanted` (may be NULL) if there is such a one. With it
	 * comes what understands such objects: &calendar_code. */
	const struct calendar_code *calendar;
	int (*calendar_object)(void *ctx, const void *mem, const char *uid,
			       const char *wanted, struct str *text_out,
			       const char **calendar_out, struct err *err);
	/* An item of RFC 5183 that only the host knows; data NULL if it knows
	 * none of that name. */
	int (*environment)(void *ctx, const void *mem, const char *name,
			   struct str *value_out, struct err *err);
	/* Run a program now (vnd.dovecot.filter, .execute): `input` to its
	 * standard input, its output to *output_out if that is not NULL;
	 * *status_out is its exit status. `kind` is "filter" or "execute". */
	int (*program)(void *ctx, const void *mem, const char *kind,
		       const char *name, const char *const *args,
		       struct str input, struct str *output_out,
		       int *status_out, struct err *err);
	/* Flags and keywords that the message has already (imapsieve), up to
	 * NULL; may be NULL. */
	const char *const *flags;
	const char *user, *home;       /* "alice"; may be NULL */
	const char *hostname;          /* of this machine */
	const char *postmaster;        /* address */
	const char *postmaster_name;   /* as in a field; NULL: Postmaster */
	const char *location;          /* RFC 5183: "MDA" */
	const char *phase;             /* "during", "post" */
	const char *default_mailbox;   /* "INBOX" */
	uint64_t (*now_us)(void *ctx); /* NULL: the clock */
	struct sieve_log log;
	struct sieve_trace trace;
};

/* Whether two names of external lists mean the same one: ":addrbook:default" is
 * short for "urn:ietf:params:sieve:addrbook:default". */
bool sieve_list_is(const char *name, const char *other);

#endif
