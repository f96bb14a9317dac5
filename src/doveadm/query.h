/* SPDX-License-Identifier: MIT */
/*
 * doveadm/query.h - the search queries of mail commands
 * (doveadm-search-query(7)): words of a command line to a tree, and that tree
 * to what storage searches for in one mailbox.
 */
#ifndef DOVEADM_QUERY_H
#define DOVEADM_QUERY_H
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "storage/search.h"

struct err;

enum query_kind {
	QUERY_KEY, /* of storage */
	QUERY_AND,
	QUERY_OR,
	QUERY_MAILBOX,      /* text: a name, maybe with * and % */
	QUERY_MAILBOX_GUID, /* text */
};

struct query {
	enum query_kind kind;
	bool negate;
	struct query *children, *next;
	const char *text;
	/* A set's UINT32_MAX stands for *: the last number or UID there is. */
	struct search_node key;
	bool last; /* "*" alone was in a set of UIDs: the last mail */
};

/* Parse all words; none are an error. `now` is what intervals count from. Child
 * of ctx. ERR_INVALID with Dovecot's text. */
int query_parse(const void *ctx, int count, char **words, time_t now,
		struct query **out, struct err *err);
/* For commands that destroy: ERR_INVALID unless each branch has a mailbox and
 * something else. `command` is for the text. */
int query_guard(const struct query *query, const char *command,
		struct err *err);
/* The one mailbox that the whole query is about, by its name; NULL if there may
 * be several. */
const char *query_mailbox(const struct query *query);
/* Patterns for mailbox_list(): no other mailbox can match. NULL at the end;
 * children of ctx. */
const char *const *query_patterns(const void *ctx, const struct query *query);

/* What a query needs to know of a mailbox. */
struct query_box {
	const char *name;
	char separator;
	unsigned char guid[16];
	uint32_t messages, last_uid;
};

/* What to search for in this mailbox; NULL if nothing in it can match. Child of
 * ctx, and refers to `query`. */
struct search_node *query_bind(const void *ctx, const struct query *query,
			       const struct query_box *box);

#endif
