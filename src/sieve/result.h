/* SPDX-License-Identifier: MIT */
/*
 * sieve/result.h - the ordered list of actions of one or more scripts, and
 * whether the message is kept nevertheless (RFC 5228 section 2.10).
 */
#ifndef SIEVE_RESULT_H
#define SIEVE_RESULT_H
#include <stdbool.h>

#include "sieve/action.h"

struct err;
struct sieve_settings;

struct sieve_result {
	struct sieve_action *actions;
	unsigned count;
	unsigned script; /* that runs: see sieve_result_next() */
	const char *keep_mailbox; /* where keep stores; NULL: INBOX */
	bool keep_cancelled; /* section 2.10.2: no implicit keep at the end */
	/* The internal variable of RFC 5232, and whether the script has used
	 * it; the implicit keep stores with these flags. Up to NULL. */
	const char *const *flags;
	bool flags_set;
	/* An earlier script's keep, its flags, and the mail as it was then
	 * (NULL: as it came): see below. */
	bool keep_deferred;
	const char *const *keep_flags;
	const struct sieve_text *keep_text;
};

/* Child of ctx; so are its actions. */
struct sieve_result *sieve_result_new(const void *ctx);
/* A copy of `action` at the end; its texts are copied too. One that is there
 * already (the same mailbox, address, ...) is merged. A conflict (section
 * 2.10.4, RFC 5429 section 2.2...) or one more than the settings allow is an
 * error: ERR_INVALID, ERR_LIMIT. */
int sieve_result_add(struct sieve_result *result,
		     const struct sieve_settings *set,
		     const struct sieve_action *action, struct err *err);
/* Take one of its actions back. */
void sieve_result_remove(struct sieve_result *result,
			 const struct sieve_action *action);
/* The next script begins: nothing it does conflicts with what there is, and a
 * sender who is answered already is not answered again. */
void sieve_result_next(struct sieve_result *result);
/* Whether the next script runs. A keep of this one waits for what that says: if
 * it leaves it at the implicit keep, that has the flags of this, and is of the
 * mail as it was here. */
bool sieve_result_defer_keep(struct sieve_result *result);
/* Whether the message is still kept, by the script's word or by itself: then
 * the next of several scripts runs. */
bool sieve_result_keeps(const struct sieve_result *result);
/* Whether these names are of one mailbox: INBOX is in any case. */
bool sieve_same_mailbox(const char *a, const char *b);
/* Child of the result. */
void sieve_result_set_flags(struct sieve_result *result,
			    const char *const *flags);

#endif
