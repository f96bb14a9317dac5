/* SPDX-License-Identifier: MIT */
#include "auth/app/totp.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/digest.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void base32_encode(struct str in, struct buf *out)
{
	uint32_t bits = 0;
	unsigned count = 0;

	for (size_t i = 0; i < in.len; i++) {
		bits = bits << 8 | (unsigned char)in.data[i];
		for (count += 8; count >= 5; count -= 5)
			buf_putc(out, alphabet[bits >> (count - 5) & 31]);
	}
	if (count > 0)
		buf_putc(out, alphabet[bits << (5 - count) & 31]);
}

bool base32_decode(struct str in, struct buf *out)
{
	uint32_t bits = 0;
	unsigned count = 0;

	for (size_t i = 0; i < in.len; i++) {
		char c = ascii_upper(in.data[i]);
		ptrdiff_t value = str_find_char(STR(alphabet), c);

		if (c == '=' || c == ' ')
			continue;
		if (value < 0)
			return false;
		bits = bits << 5 | (uint32_t)value;
		count += 5;
		if (count >= 8) {
			count -= 8;
			buf_putc(out, (char)(bits >> count));
		}
	}
	return true;
}

uint32_t totp_code(struct str secret, uint64_t when, unsigned digits)
{
	unsigned char counter[8], out[DIGEST_MAX];
	uint64_t step = when / TOTP_STEP;
	uint32_t limit = 1;
	const unsigned char *at;
	size_t len;

	for (int i = 7; i >= 0; i--, step >>= 8)
		counter[i] = (unsigned char)step;
	len = digest_hmac("sha1", secret, str_n(counter, sizeof(counter)), out);
	at = out + (out[len - 1] & 15); /* RFC 4226 section 5.3 */
	while (digits-- > 0)
		limit *= 10;
	return ((uint32_t)(at[0] & 127) << 24 | (uint32_t)at[1] << 16 |
		(uint32_t)at[2] << 8 | at[3]) %
	       limit;
}

int64_t totp_check(struct str secret, struct str code, int64_t now)
{
	int64_t found = 0;

	for (int64_t when = now - TOTP_STEP; when <= now + TOTP_STEP;
	     when += TOTP_STEP) {
		char text[16];

		snprintf(text, sizeof(text), "%0*u", TOTP_DIGITS,
			 totp_code(secret, (uint64_t)when, TOTP_DIGITS));
		if (str_equal_secret(str_of(text), code))
			found = when / TOTP_STEP * TOTP_STEP;
	}
	return found;
}
