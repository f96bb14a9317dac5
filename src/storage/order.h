/* SPDX-License-Identifier: MIT */
/*
 * storage/order.h - put many numbers into the order of their keys, in pieces of
 * time: n log n, about 30 octets a number and what its key is long.
 *
 * Keys are compared octet by octet. None may be the beginning of another one
 * (each of its parts has a fixed length or an end).
 */
#ifndef STORAGE_ORDER_H
#define STORAGE_ORDER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct order;

/* Child of ctx; holds up to `memory_max` octets. */
struct order *order_new(const void *ctx, uint64_t memory_max);
/* Equal keys stay in the order in which they come. False: it would be too
 * much. */
bool order_add(struct order *order, uint32_t number, struct str key);
/* The same with a key of two numbers; all of the order's keys must be such. */
bool order_add_numbers(struct order *order, uint32_t number, int64_t first,
		       int64_t second);
/* After the last one: go on up to `deadline` (clock_monotonic_ms()); true when
 * the result is there. */
bool order_run(struct order *order, uint64_t deadline);
/* *count_out numbers, the order's. */
const uint32_t *order_result(const struct order *order, size_t *count_out);

/* parts of keys */

enum { ORDER_KEY_MAX = 65536 };

/* Signed numbers in their order. */
void order_key_number(struct buf *key, int64_t number, bool reverse);
/* What follows a NUL is not seen. */
void order_key_text(struct buf *key, struct str text, bool reverse);

#endif
