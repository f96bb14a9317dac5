/* SPDX-License-Identifier: MIT */
/*
 * imap/search.h - from the arguments of SEARCH to a tree of conditions.
 */
#ifndef IMAP_SEARCH_H
#define IMAP_SEARCH_H
#include <stdbool.h>
#include <stdint.h>

#include "base/range.h"
#include "base/str.h"

struct cmd;
struct imap_arg;
struct mailbox;
struct search_node;

struct search_args {
	const void *ctx; /* owns what is made */
	struct mailbox *box;
	const struct range_set *saved; /* UIDs of $ */
	struct str charset;            /* {NULL, 0}: UTF-8 */
	unsigned max_depth;            /* of parentheses, NOT and OR */
	bool bad_charset;              /* why it failed */
	bool modseq;                   /* there is a MODSEQ among the keys */
	int64_t now;
};

void search_args_init(struct cmd *cmd, struct search_args *args_out);
/* All keys up to the end; NULL, or what is wrong. */
const char *search_parse(struct search_args *args, const struct imap_arg *arg,
			 struct search_node **out);
/* The same behind the charset that SORT and THREAD always have, with arguments
 * for all of `cmd`. */
const char *search_parse_charset(struct cmd *cmd, const struct imap_arg *arg,
				 struct search_args *args_out,
				 struct search_node **out);

#endif
