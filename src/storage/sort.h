/* SPDX-License-Identifier: MIT */
/*
 * storage/sort.h, part of storage/storage.h - SORT (RFC 5256, RFC 5957): the
 * mails that match, in an order.
 */
#ifndef STORAGE_SORT_H
#define STORAGE_SORT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct mailbox;
struct range_set;
struct search_node;
struct sort;

enum sort_kind {
	SORT_ARRIVAL, /* INTERNALDATE */
	SORT_CC,
	SORT_DATE, /* sent, or else INTERNALDATE */
	SORT_DISPLAY_FROM,
	SORT_DISPLAY_TO,
	SORT_FROM,
	SORT_SIZE,
	SORT_SUBJECT,
	SORT_TO,
	SORT_KINDS,
};

struct sort_key {
	enum sort_kind kind;
	bool reverse;
};

/* `root` as for search_begin(); `keys`, the most significant first, are copied;
 * one that repeats an earlier one is of no effect. Child of ctx. */
struct sort *sort_begin(const void *ctx, struct mailbox *box,
			const struct search_node *root,
			const struct sort_key *keys, size_t count);
/* As search_run(): 1, 0 or -1. ERR_LIMIT beyond mail_sort_max_memory. */
int sort_run(struct sort *sort, unsigned ms, struct err *err);
/* Numbers of the view in that order; equal ones in their own. The sort's. */
const uint32_t *sort_result(const struct sort *sort, size_t *count_out);
/* The same as a set. */
const struct range_set *sort_result_set(const struct sort *sort);

#endif
