/* SPDX-License-Identifier: MIT */
/*
 * mime/body.c - transfer encodings (RFC 2045 section 6).
 */
#include "mime/body.h"

#include "base/buf.h"

/* state[0] counts what state[1]... hold: base64 digits so far, or the octets
 * of an escape that the input ended in. */

enum { PENDING = 4 };

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
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

static void feed_base64(unsigned char *state, struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		int digit = base64_digit(in.data[i]);

		if (in.data[i] == '=') {
			end_quantum(state, out);
		} else if (digit >= 0) {
			state[1 + state[0]] = (unsigned char)digit;
			if (++state[0] == 4)
				end_quantum(state, out);
		}
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_upper(c);
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
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

static void feed_quoted(unsigned char *state, struct str in, struct buf *out)
{
	while (in.len > 0) {
		size_t plain = 0;

		if (state[0] > 0) {
			state[1 + state[0]++] = (unsigned char)in.data[0];
			in = str_from(in, 1);
			if (take_escape(state, out))
				state[0] = 0;
			continue;
		}
		while (plain < in.len && in.data[plain] != '=')
			plain++;
		buf_append(out, in.data, plain);
		in = str_from(in, plain);
		if (in.len > 0) {
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
