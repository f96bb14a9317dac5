/* SPDX-License-Identifier: MIT */
/*
 * sieve/code.h - bytecode (doc/formats.md), and reading it. Only for sieve/.
 *
 * A program is a head of 20 octets (magic, version, and a checksum of what
 * follows, little endian), then tables, then units. Numbers are in LEB128.
 * Every read is held against the end: past it come zeros, and `bad` is set.
 */
#ifndef SIEVE_CODE_H
#define SIEVE_CODE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "sieve/emit.h"

#define SIEVE_MAGIC "DTsieve\n"
enum { SIEVE_CODE_VERSION = 4, SIEVE_HEAD_SIZE = 20 };

/* An operand starts with a number: the kind in its low bits, and above. */
enum sieve_operand {
	SIEVE_OPERAND_NONE,
	SIEVE_OPERAND_NUMBER,   /* followed by it */
	SIEVE_OPERAND_TEXT,     /* number in the table of texts */
	SIEVE_OPERAND_PIECES,   /* how many pieces follow */
	SIEVE_OPERAND_LIST,     /* how many operands follow */
	SIEVE_OPERAND_VARIABLE, /* a piece follows: where, not what */
	SIEVE_OPERAND_BITS = 3,
};

struct sieve_code {
	const unsigned char *at, *end;
	bool bad;
};

static inline uint64_t sieve_code_number(struct sieve_code *code)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		unsigned char c;

		if (code->at >= code->end)
			break;
		c = *code->at++;
		value |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80)
			return value;
	}
	code->bad = true;
	return 0;
}

static inline struct str sieve_code_str(struct sieve_code *code)
{
	uint64_t len = sieve_code_number(code);
	const unsigned char *at = code->at;

	if (code->bad || len > (size_t)(code->end - at)) {
		code->bad = true;
		return str_n("", 0);
	}
	code->at += len;
	return str_n(at, (size_t)len);
}

void sieve_put_long(struct buf *out, uint64_t value); /* more than 7 bits */
static inline void sieve_put_number(struct buf *out, uint64_t value)
{
	if (value > 0x7f)
		sieve_put_long(out, value);
	else
		buf_putc(out, (char)value);
}
void sieve_put_str(struct buf *out, struct str text);
/* FNV-1a, of eight octets at once as far as there are: for accidents, whoever
 * can write the file can make it right. */
uint64_t sieve_checksum(struct str data);

#endif
