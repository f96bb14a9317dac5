/* SPDX-License-Identifier: MIT */
/*
 * sieve/action.h - what a script decided. The caller carries actions out, in
 * order, when the script has succeeded, and never before.
 */
#ifndef SIEVE_ACTION_H
#define SIEVE_ACTION_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct sieve_text;

enum sieve_action_kind {
	SIEVE_ACTION_KEEP,     /* into the default mailbox */
	SIEVE_ACTION_FILEINTO, /* store.mailbox */
	SIEVE_ACTION_REDIRECT,
	SIEVE_ACTION_DISCARD,
	SIEVE_ACTION_REJECT,
	SIEVE_ACTION_VACATION,
	SIEVE_ACTION_NOTIFY,
	SIEVE_ACTION_REPORT,
	SIEVE_ACTION_PIPE,
	SIEVE_ACTION_CALENDAR,
	SIEVE_ACTION_DUPLICATE_MARK,
	SIEVE_ACTION_COUNT,
};

struct sieve_store {
	const char *mailbox;      /* UTF-8, '/' as written; NULL: the default */
	const char *const *flags; /* up to NULL; NULL: none */
	bool create;              /* RFC 5490 section 3.2 */
	const char *special_use;  /* RFC 8579; NULL if not given */
	const char *mailbox_id;   /* RFC 9042 */
	/* A keep into whose mailbox fileinto stores too, and its flags. */
	bool filed;
	const char *const *filed_flags;
};

struct sieve_redirect {
	const char *address;      /* normalised */
	const char *list;         /* RFC 6134: members are the addresses */
	const char *notify, *ret; /* RFC 6009; NULL if not given */
	const char *by_mode;      /* and by_time, if not NULL */
	int64_t by_time;
	bool by_trace;
};

struct sieve_reject {
	const char *reason;
	bool refuse; /* ereject: by the protocol, if it can be */
};

struct sieve_vacation {
	const char *reason, *subject, *from, *handle;
	const char *const *addresses; /* up to NULL */
	uint64_t seconds;             /* between two answers */
	uint64_t source; /* of arguments with variables; 0: they have none */
	bool mime;
	struct sieve_store *fcc; /* RFC 8580; NULL if not given */
};

struct sieve_notify {
	const char *method, *from, *message;
	const char *importance; /* "1", "2", "3" */
	const char *const *options;
	/* Addresses that an earlier one has told, up to NULL. */
	const char *const *told;
	/* Of the older extension: what denotify knows it by, or ""; the
	 * message is all of the text. NULL of enotify. */
	const char *id;
	struct sieve_store *fcc;
};

struct sieve_report {
	const char *type, *message, *address;
	bool headers_only;
};

struct sieve_pipe {
	const char *program;
	const char *const *args; /* up to NULL */
	bool try;                /* failing is no error */
};

struct sieve_mark {
	struct str id; /* RFC 7352 */
	uint64_t seconds;
};

/* A calendar object (RFC 9671): what it was when the script ran, and what is
 * to be stored; data NULL: it was not there, it is to be removed. uid NULL:
 * there is nothing to do. */
struct sieve_calendar {
	const char *calendar, *uid;
	struct str before, after;
};

struct sieve_action {
	enum sieve_action_kind kind;
	unsigned line;
	bool copy; /* RFC 3894: leaves the implicit keep alone */
	/* The message at that time, for what stores or sends it: a child of
	 * the message; NULL if as it came (RFC 5293 section 7). */
	const struct sieve_text *text;
	bool done; /* carried out, by a caller that has more than one round */
	unsigned script; /* its number, where several run: 0, 1, ... */
	union {
		struct sieve_store store; /* KEEP, FILEINTO */
		struct sieve_redirect redirect;
		struct sieve_reject reject;
		struct sieve_vacation vacation;
		struct sieve_notify notify;
		struct sieve_report report;
		struct sieve_pipe pipe;
		struct sieve_mark mark;
		struct sieve_calendar calendar;
	};
	struct sieve_action *next;
};

/* "keep", "store", "redirect"...: as the test-suite and traces call it. */
const char *sieve_action_name(enum sieve_action_kind kind);

#endif
