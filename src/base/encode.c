/* SPDX-License-Identifier: MIT */
#include "base/encode.h"

#include "base/buf.h"

static const char base64_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static unsigned octet(struct str s, size_t at)
{
	return at < s.len ? (unsigned char)s.data[at] : 0;
}

void base64_encode(struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i += 3) {
		unsigned bits = octet(in, i) << 16 | octet(in, i + 1) << 8 |
				octet(in, i + 2);
		char quad[4];

		for (int n = 0; n < 4; n++)
			quad[n] = base64_alphabet[bits >> (18 - 6 * n) & 63];
		if (i + 2 >= in.len)
			quad[3] = '=';
		if (i + 1 >= in.len)
			quad[2] = '=';
		buf_append(out, quad, sizeof(quad));
	}
}

static int base64_value(char c)
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

/* `quad` has 2 to 4 characters; bits that are cut off must be 0. */
static bool base64_quad(struct str quad, struct buf *out)
{
	unsigned bits = 0;
	size_t octets = quad.len - 1;
	char bytes[3];

	for (size_t i = 0; i < 4; i++) {
		int value = i < quad.len ? base64_value(quad.data[i]) : 0;

		if (value < 0)
			return false;
		bits = bits << 6 | (unsigned)value;
	}
	for (size_t i = 0; i < 3; i++)
		bytes[i] = (char)(bits >> (16 - 8 * i));
	for (size_t i = octets; i < 3; i++) {
		if (bytes[i] != 0)
			return false;
	}
	buf_append(out, bytes, octets);
	return true;
}

bool base64_decode(struct str in, struct buf *out)
{
	if (in.len % 4 != 0)
		return false;
	while (in.len > 0) {
		struct str quad = str_n(in.data, 4);

		in = str_from(in, 4);
		if (in.len == 0 && quad.data[3] == '=')
			quad.len = quad.data[2] == '=' ? 2 : 3;
		if (!base64_quad(quad, out))
			return false;
	}
	return true;
}

void hex_encode(struct str in, struct buf *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < in.len; i++) {
		unsigned value = octet(in, i);

		buf_putc(out, digits[value >> 4]);
		buf_putc(out, digits[value & 15]);
	}
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(struct str in, struct buf *out)
{
	if (in.len % 2 != 0)
		return false;
	for (size_t i = 0; i < in.len; i += 2) {
		int high = hex_digit(in.data[i]);
		int low = hex_digit(in.data[i + 1]);

		if (high < 0 || low < 0)
			return false;
		buf_putc(out, (char)(high << 4 | low));
	}
	return true;
}

void url_encode(struct str in, const char *keep, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i], lower = ascii_lower(c);

		if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
		    (c != '\0' &&
		     (strchr("-._~", c) != NULL || strchr(keep, c) != NULL)))
			buf_putc(out, c);
		else
			buf_printf(out, "%%%02X", (unsigned char)c);
	}
}
