/* SPDX-License-Identifier: MIT */
/*
 * mime/address.h - address lists (RFC 5322 section 3.4, obsolete syntax too).
 */
#ifndef MIME_ADDRESS_H
#define MIME_ADDRESS_H
#include <stddef.h>

#include "base/str.h"

struct buf;

enum address_kind { ADDRESS_MAILBOX, ADDRESS_GROUP_START, ADDRESS_GROUP_END };

struct address {
	enum address_kind kind;
	const char *name;    /* display or group name, unquoted; NULL if none */
	const char *route;   /* source route; NULL if none */
	const char *mailbox; /* local part, unquoted; NULL if missing */
	const char *domain;  /* NULL if missing */
};

/* Parse a field's value (may be folded). *out is an array of *count, child of
 * ctx. Never fails: what makes no sense is left out or kept as a name; after
 * `max` addresses the rest is ignored. */
void address_parse(const void *ctx, struct str value, size_t max,
		   struct address **out, size_t *count_out);

/* Append what SORT needs of the first one: its mailbox (RFC 5256 section 3) and
 * what is displayed for it (RFC 5957 section 3), in UTF-8. A group counts by
 * its name, as in ENVELOPE. Nothing if there is none. */
void address_first(struct str value, struct buf *mailbox_out,
		   struct buf *display_out);

#endif
