/* SPDX-License-Identifier: MIT */
/*
 * base/utf8.c - UTF-8 (RFC 3629) and IMAP's modified UTF-7 (RFC 3501 section
 * 5.1.3).
 */
#include "base/buf.h"
#include "base/encode.h"

enum { SURROGATE = 0xd800, SURROGATE_LOW = 0xdc00, SURROGATE_END = 0xe000 };

static size_t utf8_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

size_t utf8_get(struct str in, uint32_t *code_out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = in.len == 0 ? 0 : utf8_length((unsigned char)in.data[0]);
	uint32_t code;

	*code_out = 0;
	if (len == 0 || len > in.len)
		return 0;
	code = (unsigned char)in.data[0];
	if (len > 1)
		code &= 0x7fU >> len;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)in.data[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((unsigned char)in.data[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff ||
	    (code >= SURROGATE && code < SURROGATE_END))
		return 0;
	*code_out = code;
	return len;
}

bool utf8_valid(struct str in)
{
	uint32_t code;

	while (in.len > 0) {
		size_t len = utf8_get(in, &code);

		if (len == 0)
			return false;
		in = str_from(in, len);
	}
	return true;
}

size_t utf8_count(struct str in)
{
	size_t count = 0;
	uint32_t code;

	for (; in.len > 0; count++) {
		size_t len = utf8_get(in, &code);

		in = str_from(in, len > 0 ? len : 1);
	}
	return count;
}

struct str utf8_head(struct str in, uint64_t count)
{
	struct str rest = in;
	uint32_t code;

	while (rest.len > 0 && count-- > 0) {
		size_t len = utf8_get(rest, &code);

		rest = str_from(rest, len > 0 ? len : 1);
	}
	return str_n(in.data, in.len - rest.len);
}

bool utf8_is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 ||
	       code == 0x2029;
}

bool utf8_is_name(struct str in)
{
	bool right = in.len > 0;
	uint32_t code;

	while (right && in.len > 0) {
		size_t len = utf8_get(in, &code);

		right = len > 0 && code != '/' && !utf8_is_control(code);
		in = str_from(in, len);
	}
	return right;
}

void utf8_put(struct buf *out, uint32_t code)
{
	char bytes[4];
	size_t len = code < 0x80      ? 1
		     : code < 0x800   ? 2
		     : code < 0x10000 ? 3
				      : 4;

	if (len == 1) {
		buf_putc(out, (char)code);
		return;
	}
	for (size_t i = len - 1; i > 0; i--) {
		bytes[i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	bytes[0] = (char)((0xf00U >> len & 0xf0) | code);
	buf_append(out, bytes, len);
}

/* modified UTF-7 */

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool is_direct(uint32_t code)
{
	return code >= 0x20 && code < 0x7f;
}

/* Bits on their way between 16-bit units and base64 digits. */
struct bits {
	uint32_t value;
	unsigned count;
};

static void put_digits(struct bits *bits, struct buf *out)
{
	while (bits->count >= 6) {
		bits->count -= 6;
		buf_putc(out, alphabet[bits->value >> bits->count & 63]);
	}
}

static void put_unit(struct bits *bits, uint32_t unit, struct buf *out)
{
	bits->value = bits->value << 16 | unit;
	bits->count += 16;
	put_digits(bits, out);
}

static void put_code(struct bits *bits, uint32_t code, struct buf *out)
{
	if (code >= 0x10000) {
		code -= 0x10000;
		put_unit(bits, SURROGATE | code >> 10, out);
		code = SURROGATE_LOW | (code & 0x3ff);
	}
	put_unit(bits, code, out);
}

static void end_shift(struct bits *bits, struct buf *out)
{
	if (bits->count > 0) {
		bits->value <<= 6 - bits->count;
		bits->count = 6;
		put_digits(bits, out);
	}
	buf_putc(out, '-');
}

/* Octets that stand for themselves: all of most names. */
static size_t direct_run(struct str text)
{
	size_t len = 0;

	while (len < text.len && text.data[len] != '&' &&
	       is_direct((unsigned char)text.data[len]))
		len++;
	return len;
}

bool utf7_encode(struct str utf8, struct buf *out)
{
	struct bits bits = {0, 0};
	bool shifted = false;

	while (utf8.len > 0) {
		size_t len = shifted ? 0 : direct_run(utf8);
		uint32_t code;

		buf_append(out, utf8.data, len);
		utf8 = str_from(utf8, len);
		if (utf8.len == 0)
			break;
		len = utf8_get(utf8, &code);
		if (len == 0)
			return false;
		utf8 = str_from(utf8, len);
		if (!is_direct(code)) {
			if (!shifted)
				buf_putc(out, '&');
			shifted = true;
			put_code(&bits, code, out);
			continue;
		}
		if (shifted)
			end_shift(&bits, out);
		shifted = false;
		bits = (struct bits){0, 0};
		buf_putc(out, (char)code);
		if (code == '&')
			buf_putc(out, '-');
	}
	if (shifted)
		end_shift(&bits, out);
	return true;
}

struct shift {
	struct bits bits;
	uint32_t high; /* a surrogate that waits for its other half */
	bool any;
};

static bool take_unit(struct shift *shift, uint32_t unit, struct buf *out)
{
	bool low = unit >= SURROGATE_LOW && unit < SURROGATE_END;

	shift->any = true;
	if (low != (shift->high != 0))
		return false;
	if (low) {
		utf8_put(out, 0x10000 + ((shift->high - SURROGATE) << 10) +
				      (unit - SURROGATE_LOW));
		shift->high = 0;
		return true;
	}
	if (unit >= SURROGATE && unit < SURROGATE_LOW) {
		shift->high = unit;
		return true;
	}
	if (is_direct(unit))
		return false;
	utf8_put(out, unit);
	return true;
}

static bool take_digit(struct shift *shift, char c, struct buf *out)
{
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);
	struct bits *bits = &shift->bits;

	if (at == NULL)
		return false;
	bits->value = bits->value << 6 | (uint32_t)(at - alphabet);
	bits->count += 6;
	if (bits->count < 16)
		return true;
	bits->count -= 16;
	return take_unit(shift, bits->value >> bits->count & 0xffff, out);
}

/* From behind the '&' up to and with the '-'. */
static bool take_shift(struct str *in, struct buf *out)
{
	struct shift shift = {0};

	while (in->len > 0 && in->data[0] != '-') {
		if (!take_digit(&shift, in->data[0], out))
			return false;
		*in = str_from(*in, 1);
	}
	if (in->len == 0 || !shift.any || shift.high != 0 ||
	    shift.bits.count >= 6 ||
	    (shift.bits.value & ((1U << shift.bits.count) - 1)) != 0)
		return false;
	*in = str_from(*in, 1);
	/* "&AOQ-&AOQ-" would be a second spelling of "&AOQA5A-". */
	return in->len == 0 || in->data[0] != '&' || str_starts(*in, "&-");
}

bool utf7_decode(struct str in, struct buf *utf8_out)
{
	while (in.len > 0) {
		char c = in.data[0];

		if (!is_direct((unsigned char)c))
			return false;
		in = str_from(in, 1);
		if (c != '&') {
			buf_putc(utf8_out, c);
		} else if (in.len > 0 && in.data[0] == '-') {
			buf_putc(utf8_out, '&');
			in = str_from(in, 1);
		} else if (!take_shift(&in, utf8_out)) {
			return false;
		}
	}
	return true;
}
