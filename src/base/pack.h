/* SPDX-License-Identifier: MIT */
/*
 * base/pack.h - numbers and strings in a row of bytes.
 *
 * For messages between our processes and for values in the index. Reading
 * never trusts: past the end it sets `bad` and gives zeros and empty strings.
 */
#ifndef BASE_PACK_H
#define BASE_PACK_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct buf;

void pack_u8(struct buf *out, uint8_t value);
void pack_u32(struct buf *out, uint32_t value);
void pack_u64(struct buf *out, uint64_t value);
void pack_str(struct buf *out, struct str value); /* length, octets */

struct unpack {
	struct str in;
	bool bad;
};

uint8_t unpack_u8(struct unpack *in);
uint32_t unpack_u32(struct unpack *in);
uint64_t unpack_u64(struct unpack *in);
/* Points into the input. */
struct str unpack_str(struct unpack *in);

#endif
