/* SPDX-License-Identifier: MIT */
/*
 * base/err.h - why a function failed.
 *
 * Owned by the caller, on its stack; nothing is allocated. Filled exactly when
 * a function returns -1. Set where the cause is known, wrapped on the way up,
 * logged once, by whoever drops it.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H
#include <stdbool.h>

enum err_code {
	ERR_TEMPORARY = 1, /* ours or the system's; trying later may help */
	ERR_NOT_FOUND,     /* no such mailbox, user, file */
	ERR_EXISTS,        /* it is there already */
	ERR_DENIED,        /* permission, by rights or by policy */
	ERR_INVALID,       /* the input is malformed */
	ERR_UNSUPPORTED,   /* well-formed, but not to be had here */
	ERR_LIMIT,         /* a bound was reached */
	ERR_NO_SPACE,      /* the disk is full */
	ERR_QUOTA,         /* the user's quota is full */
	ERR_EXPUNGED,      /* the message is gone */
	ERR_CORRUPT,       /* a file of ours does not make sense */
	ERR_IN_USE,        /* somebody holds the lock */
	ERR_CHANGED,       /* somebody changed it meanwhile: look again */
	ERR_TIMEOUT,       /* waited long enough */
	ERR_CLOSED,        /* the peer went away */
};

struct err {
	enum err_code code; /* what the client is told */
	bool system;        /* the code comes from errno, and the text from us:
			       it is for the log only */
	char text[512];     /* what the log is told: one line of UTF-8 */
};

/* Fill *err; all three return -1, for `return err_set(...)`. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The code comes from errno, whose strerror() is added: "fmt: No such file". */
int err_sys(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Put "fmt: " in front of the text; the code stays. */
int err_wrap(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
