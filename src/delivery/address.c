/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "delivery/deliver.h"
#include "sieve/message.h"

char *address_written(const void *ctx, const struct address *address)
{
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);

	return sieve_address_put(address, &text) ? buf_steal(ctx, &text) : NULL;
}

void address_split(const void *ctx, const char *address, const char *delimiters,
		   char **user_out, char **detail_out)
{
	const char *at = strrchr(address, '@');
	size_t local = at == NULL ? strlen(address) : (size_t)(at - address);
	size_t end =
		delimiters[0] == '\0' ? local : strcspn(address, delimiters);

	*detail_out = NULL;
	/* "+x" has no user before the delimiter: take it as it is. */
	if (end >= local || end == 0) {
		*user_out = mem_strdup(ctx, address);
		return;
	}
	*user_out = mem_printf(ctx, "%.*s%s", (int)end, address,
			       at == NULL ? "" : at);
	*detail_out = mem_strndup(ctx, address + end + 1, local - end - 1);
}
