/* SPDX-License-Identifier: MIT */
/* A calendar object that comes by mail, and behind an empty line the one that
 * is stored: what becomes of it can be read again. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "sieve/calendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_own(void *ctx, struct str address)
{
	(void)ctx;
	return address.len > 0 && address.data[0] == 'm';
}

static void process(struct str mail, struct str stored, unsigned how)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	const struct calendar_options options = {
		.is_own = is_own,
		.allow_public = (how & 1) != 0,
		.delete_cancelled = (how & 2) != 0,
	};
	struct calendar *a, *b;
	const char *reason;
	struct str text;

	a = calendar_read(ctx, mail, &reason);
	b = stored.len == 0 ? NULL : calendar_read(ctx, stored, &reason);
	if (a == NULL || (stored.len > 0 && b == NULL))
		return;
	calendar_has_method(a, STR("REQUEST"));
	if (!calendar_equal(a, a) && mail.len < CALENDAR_MAX_SIZE / 1000)
		abort();
	if (b != NULL)
		calendar_equal(a, b);
	if (calendar_process(ctx, a, b, &options, &text, &reason) !=
		    CALENDAR_NO_ACTION &&
	    text.data != NULL)
		calendar_read(ctx, text, &reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_n((const char *)data, size);
	const char *cut =
		size == 0 ? NULL : memmem(text.data, text.len, "\n\n", 2);
	struct str stored = STR("");

	if (cut != NULL) {
		size_t at = (size_t)(cut + 1 - text.data);

		stored = str_from(text, at + 1);
		text.len = at;
	}
	for (unsigned how = 0; how < 4; how++)
		process(text, stored, how);
	return 0;
}
