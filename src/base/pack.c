/* SPDX-License-Identifier: MIT */
#include "base/pack.h"

#include "base/buf.h"

/* Numbers are little-endian, whatever the machine. */
static void put(struct buf *out, uint64_t value, size_t octets)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < octets; i++)
		bytes[i] = (unsigned char)(value >> (8 * i));
	buf_append(out, bytes, octets);
}

void pack_u8(struct buf *out, uint8_t value)
{
	put(out, value, 1);
}

void pack_u32(struct buf *out, uint32_t value)
{
	put(out, value, 4);
}

void pack_u64(struct buf *out, uint64_t value)
{
	put(out, value, 8);
}

void pack_str(struct buf *out, struct str value)
{
	if (value.len > UINT32_MAX) {
		out->overflow = true;
		return;
	}
	pack_u32(out, (uint32_t)value.len);
	buf_add_str(out, value);
}

static struct str take(struct unpack *in, size_t len)
{
	struct str part;

	if (in->bad || len > in->in.len) {
		in->bad = true;
		return STR("");
	}
	part = str_n(in->in.data, len);
	in->in = str_from(in->in, len);
	return part;
}

static uint64_t get(struct unpack *in, size_t octets)
{
	struct str bytes = take(in, octets);
	uint64_t value = 0;

	for (size_t i = 0; i < bytes.len; i++)
		value |= (uint64_t)(unsigned char)bytes.data[i] << (8 * i);
	return value;
}

uint8_t unpack_u8(struct unpack *in)
{
	return (uint8_t)get(in, 1);
}

uint32_t unpack_u32(struct unpack *in)
{
	return (uint32_t)get(in, 4);
}

uint64_t unpack_u64(struct unpack *in)
{
	return get(in, 8);
}

struct str unpack_str(struct unpack *in)
{
	return take(in, unpack_u32(in));
}
