/* SPDX-License-Identifier: MIT */
/*
 * A search query of mail commands: its words are the input's lines.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "doveadm/query.h"
#include "storage/list.h"

enum { WORDS_MAX = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A mailbox in which mails can match is among those that are looked at. */
static void look(const void *ctx, const struct query *query)
{
	const struct query_box box = {.name = "INBOX",
				      .separator = '/',
				      .messages = 5,
				      .last_uid = 9};
	const char *const *pattern = query_patterns(ctx, query);
	struct err err;

	query_guard(query, "expunge", &err);
	if (query_bind(ctx, query, &box) == NULL)
		return;
	while (*pattern != NULL &&
	       !mailbox_name_match(*pattern, box.name, box.separator))
		pattern++;
	if (*pattern == NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	struct str rest = str_n(data, size), word;
	char *words[WORDS_MAX];
	struct query *query;
	struct err err;
	int count = 0;

	while (count < WORDS_MAX && str_split(&rest, '\n', &word))
		words[count++] = str_dup(ctx, word);
	if (query_parse(ctx, count, words, 1600000000, &query, &err) == 0)
		look(ctx, query);
	else if (err.text[0] == '\0')
		abort();
	return 0;
}
