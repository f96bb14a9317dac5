/* SPDX-License-Identifier: MIT */
/*
 * storage/search.h, part of storage/storage.h - SEARCH (RFC 3501 section
 * 6.4.4) over a view; also doveadm's query language.
 */
#ifndef STORAGE_SEARCH_H
#define STORAGE_SEARCH_H
#include <stdbool.h>
#include <stdint.h>

#include "base/range.h"

struct err;
struct mailbox;
struct search;

enum search_kind {
	SEARCH_ALL,
	SEARCH_AND, /* children */
	SEARCH_OR,  /* children */
	SEARCH_SEQS,
	SEARCH_UIDS,
	SEARCH_FLAG,    /* flags: any bit set (MAIL_RECENT too) */
	SEARCH_KEYWORD, /* text */
	SEARCH_HEADER,  /* field, text ("" : the field is there) */
	SEARCH_ADDRESS, /* From, To, Cc, Bcc: field, text */
	SEARCH_BODY,    /* text */
	SEARCH_TEXT,    /* text */
	SEARCH_BEFORE,  /* INTERNALDATE's day < time */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_SENT_BEFORE,
	SEARCH_SENT_ON,
	SEARCH_SENT_SINCE,
	SEARCH_SAVED_BEFORE,
	SEARCH_SAVED_ON,
	SEARCH_SAVED_SINCE,
	SEARCH_OLDER, /* received up to `time` (an instant; RFC 5032) */
	SEARCH_YOUNGER,
	SEARCH_LARGER, /* number */
	SEARCH_SMALLER,
	SEARCH_MODSEQ,    /* number */
	SEARCH_GUID,      /* text */
	SEARCH_EMAIL_ID,  /* text */
	SEARCH_THREAD_ID, /* text */
};

/* The tree belongs to whoever made it and must outlive the search. */
struct search_node {
	enum search_kind kind;
	bool negate;
	struct search_node *children, *next;
	struct range_set set;
	uint8_t flags;
	const char *field, *text; /* text in UTF-8 */
	int64_t time;             /* seconds; for dates midnight UTC */
	/* The dates' `time` is an instant rather than a day: BEFORE and SINCE
	 * are exact, ON is the 24 hours from there. */
	bool instant;
	uint64_t number;
};

/* Numbers of the view that match. It reads what is cheap first (flags, dates,
 * sizes), then the cache, then files. search_run() works for about `ms` and
 * returns 1 when it is done, 0 when there is more to do, -1 on failure; no
 * transaction stays open in between. Child of ctx. */
struct search *search_begin(const void *ctx, struct mailbox *box,
			    const struct search_node *root);
int search_run(struct search *search, unsigned ms, struct err *err);
/* Of the search's; complete when search_run() said 1. */
const struct range_set *search_result(const struct search *search);

#endif
