/* SPDX-License-Identifier: MIT */
/*
 * base/range.h - a set of 32-bit numbers as sorted ranges: UIDs, sequence
 * numbers. A million messages in a row cost eight bytes.
 */
#ifndef BASE_RANGE_H
#define BASE_RANGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct range {
	uint32_t first, last; /* both inside */
};

struct range_set {
	struct range *ranges; /* ascending, never touching; child of the set's
				 ctx */
	size_t count, cap;
	const void *ctx;
};

/* An empty set that allocates below ctx; nothing is to be freed. */
struct range_set range_set_init(const void *ctx);
void range_set_clear(struct range_set *set);
/* Appending at the end is O(1), anything else O(ranges). */
void range_set_add(struct range_set *set, uint32_t first, uint32_t last);
void range_set_remove(struct range_set *set, uint32_t first, uint32_t last);
void range_set_merge(struct range_set *set, const struct range_set *other);
void range_set_intersect(struct range_set *set, const struct range_set *other);
/* `what` may not be the set itself. */
void range_set_subtract(struct range_set *set, const struct range_set *what);
bool range_set_has(const struct range_set *set, uint32_t number);
/* How many numbers are in it. */
uint64_t range_set_size(const struct range_set *set);
/* Walk all numbers: set *at = 0 to start; false at the end. */
bool range_set_next(const struct range_set *set, uint64_t *at, uint32_t *out);
/* "1:3,5,7:9", as IMAP writes it; "" for the empty set. */
void range_set_write(const struct range_set *set, struct buf *out);

#endif
