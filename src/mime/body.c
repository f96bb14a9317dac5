/* SPDX-License-Identifier: MIT */
/*
 * mime/body.c - transfer encodings (RFC 2045 section 6).
 */
#include "mime/body.h"

#include "base/buf.h"
#include "base/encode.h"

/* state[0] counts what state[1]... hold: base64 digits so far, or the octets
 * of an escape that the input ended in. */

enum { PENDING = 4 };

/* Of a character that is a digit; else NOT_A_DIGIT. */
enum { NOT_A_DIGIT = 0xff };
static unsigned char base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789+/";
	static unsigned char table[256];

	if (table['/'] == 0) {
		memset(table, NOT_A_DIGIT, sizeof(table));
		for (unsigned i = 0; i < 64; i++)
			table[(unsigned char)digits[i]] = (unsigned char)i;
	}
	return table[(unsigned char)c];
}

static void end_quantum(unsigned char *state, struct buf *out)
{
	const unsigned char *digit = state + 1;
	char octets[3] = {
		(char)(digit[0] << 2 | digit[1] >> 4),
		(char)(digit[1] << 4 | digit[2] >> 2),
		(char)(digit[2] << 6 | digit[3]),
	};

	if (state[0] > 1)
		buf_append(out, octets, state[0] - 1U);
	memset(state, 0, 1 + PENDING);
}

/* Whole quanta, as long as nothing else stands between: returns the
 * characters used. */
static size_t take_quanta(struct str in, struct buf *out)
{
	char *to = buf_space(out, in.len / 4 * 3);
	size_t i = 0, len = 0;

	if (to == NULL)
		return 0;
	for (; in.len - i >= 4; i += 4) {
		unsigned a = base64_digit(in.data[i]);
		unsigned b = base64_digit(in.data[i + 1]);
		unsigned c = base64_digit(in.data[i + 2]);
		unsigned d = base64_digit(in.data[i + 3]);

		if ((a | b | c | d) == NOT_A_DIGIT)
			break;
		to[len++] = (char)(a << 2 | b >> 4);
		to[len++] = (char)(b << 4 | c >> 2);
		to[len++] = (char)(c << 6 | d);
	}
	buf_grew(out, len);
	return i;
}

static void feed_base64(unsigned char *state, struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char digit;

		if (state[0] == 0 && in.len - i >= 4)
			i += take_quanta(str_n(in.data + i, in.len - i), out);
		if (i == in.len)
			return;
		digit = base64_digit(in.data[i]);
		if (in.data[i] == '=') {
			end_quantum(state, out);
		} else if (digit != NOT_A_DIGIT) {
			state[1 + state[0]] = digit;
			if (++state[0] == 4)
				end_quantum(state, out);
		}
	}
}

/* The escape in state[1]...: true if it is complete, or none and then kept. */
static bool take_escape(unsigned char *state, struct buf *out)
{
	char *text = (char *)state + 1;
	size_t len = state[0];
	char octet;

	if (text[len - 1] == '\n')
		return true; /* a soft line break */
	if (len == 1)
		return false;
	if (text[len - 1] == ' ' || text[len - 1] == '\t' ||
	    text[len - 1] == '\r') {
		/* Blanks may stand before the break. */
		if (len == PENDING)
			state[0]--;
		if (hex_digit(text[1]) < 0)
			return false;
	}
	if (len == 2 && hex_digit(text[1]) >= 0)
		return false;
	if (len == 3 && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
		octet = (char)(hex_digit(text[1]) << 4 | hex_digit(text[2]));
		buf_putc(out, octet);
		return true;
	}
	buf_append(out, text, len);
	return true;
}

/* One that is whole and right, as nearly all are: returns its length, or 0. */
static size_t take_whole(struct str in, struct buf *out)
{
	int high, low;

	if (in.len < 3)
		return 0;
	if (in.data[1] == '\n')
		return 2;
	if (in.data[1] == '\r' && in.data[2] == '\n')
		return 3;
	high = hex_digit(in.data[1]);
	low = hex_digit(in.data[2]);
	if (high < 0 || low < 0)
		return 0;
	buf_putc(out, (char)(high << 4 | low));
	return 3;
}

static void feed_quoted(unsigned char *state, struct str in, struct buf *out)
{
	while (in.len > 0) {
		const char *escape;
		size_t plain;

		if (state[0] > 0) {
			state[1 + state[0]++] = (unsigned char)in.data[0];
			in = str_from(in, 1);
			if (take_escape(state, out))
				state[0] = 0;
			continue;
		}
		escape = memchr(in.data, '=', in.len);
		plain = escape == NULL ? in.len : (size_t)(escape - in.data);
		buf_append(out, in.data, plain);
		in = str_from(in, plain);
		plain = take_whole(in, out);
		if (plain > 0) {
			in = str_from(in, plain);
		} else if (in.len > 0) {
			state[1] = '=';
			state[0] = 1;
			in = str_from(in, 1);
		}
	}
}

void body_decoder_feed(struct body_decoder *decoder, struct str in, bool last,
		       struct buf *out)
{
	unsigned char *state = decoder->state;

	switch (decoder->encoding) {
	case ENCODING_BASE64:
		feed_base64(state, in, out);
		if (last)
			end_quantum(state, out);
		break;
	case ENCODING_QUOTED_PRINTABLE:
		feed_quoted(state, in, out);
		if (last && state[0] > 0) {
			buf_append(out, state + 1, state[0]);
			state[0] = 0;
		}
		break;
	case ENCODING_NONE:
	case ENCODING_UNKNOWN:
		buf_add_str(out, in);
		break;
	}
}
