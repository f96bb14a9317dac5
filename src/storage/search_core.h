/* SPDX-License-Identifier: MIT */
/*
 * storage/search_core.h - search keys made ready, and one mail held against
 * them.
 */
#ifndef STORAGE_SEARCH_CORE_H
#define STORAGE_SEARCH_CORE_H
#include "storage/mail.h"
#include "storage/search.h"

/* A node with its text folded. */
struct search_key {
	const struct search_node *node;
	struct search_key *children, *next;
	struct str folded;
	int keyword_bit; /* -1: no mail has it */
};

/* What it takes to answer: the index, the cache, the file. */
enum search_cost { COST_INDEX, COST_CACHE, COST_FILE };

enum search_answer { SEARCH_NO, SEARCH_YES, SEARCH_LATER, SEARCH_FAILED };

/* NULL when keys nest too deep or are too long. Child of ctx. */
struct search_key *search_key_make(const void *ctx, struct mailbox *box,
				   const struct search_node *node,
				   unsigned depth);
/* Whether the flags, modseqs, dates or sizes of all mails are asked for. */
bool search_wants_records(const struct search_node *node);
/* SEARCH_LATER when more than `cost` would be needed. */
enum search_answer search_match(const struct search_key *key,
				const struct mail *mail, enum search_cost cost,
				struct err *err);

#endif
