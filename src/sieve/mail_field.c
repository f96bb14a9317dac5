/* SPDX-License-Identifier: MIT */
/*
 * sieve/mail_field.c - fields and texts of mails of our own, which editheader
 * writes, too: without what a whole mail takes (a Message-ID loads OpenSSL).
 */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "sieve/mail_out.h"

/* A line with encoded words has 76 octets (RFC 2047 section 2), the field's
 * name, too. */
enum { WORD_OCTETS = 39, MAX_LINE = 78 };

/* As many whole characters as an encoded word holds. */
static struct str take_word(struct str *rest)
{
	size_t len = rest->len < WORD_OCTETS ? rest->len : WORD_OCTETS;
	struct str word;

	while (len < rest->len && len > 1 &&
	       ((unsigned char)rest->data[len] & 0xc0) == 0x80)
		len--;
	word = str_n(rest->data, len);
	*rest = str_from(*rest, len);
	return word;
}

static void put_line(struct buf *text, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		buf_putc(text, (unsigned char)c < ' ' ? ' ' : c);
	}
}

static void put_words(struct buf *text, struct str value)
{
	for (bool first = true; value.len > 0; first = false) {
		buf_add(text, first ? "=?utf-8?b?" : "\n =?utf-8?b?");
		base64_encode(take_word(&value), text);
		buf_add(text, "?=");
	}
}

/* A word and the blanks in front of it. */
static struct str take_piece(struct str *rest, size_t *blanks_out)
{
	struct str piece;
	size_t len = 0;

	while (len < rest->len && ascii_is_blank(rest->data[len]))
		len++;
	*blanks_out = len;
	while (len < rest->len && !ascii_is_blank(rest->data[len]))
		len++;
	piece = str_n(rest->data, len);
	*rest = str_from(*rest, len);
	return piece;
}

void sieve_out_folded(struct buf *text, struct str value, size_t column)
{
	size_t blanks;

	if (!str_is_ascii(value)) {
		put_words(text, value);
		return;
	}
	for (bool first = true; value.len > 0; first = false) {
		struct str piece = take_piece(&value, &blanks);

		column += piece.len;
		if (!first && piece.len > blanks && column > MAX_LINE) {
			buf_putc(text, '\n');
			column = piece.len;
		}
		buf_add_str(text, piece);
	}
}

void sieve_out_field(struct buf *text, const char *name, struct str value)
{
	CLEANUP(buf_free) struct buf line = buf_init(SIZE_MAX);

	put_line(&line, value);
	buf_printf(text, "%s: ", name);
	sieve_out_folded(text, str_n(line.data, line.len), strlen(name) + 2);
	buf_putc(text, '\n');
}

void sieve_out_text(struct buf *text, struct str body)
{
	buf_printf(text,
		   "MIME-Version: 1.0\n"
		   "Content-Type: text/plain; charset=%s\n"
		   "Content-Transfer-Encoding: %s\n\n",
		   str_is_ascii(body) ? "us-ascii" : "utf-8",
		   str_is_ascii(body) ? "7bit" : "8bit");
	buf_add_str(text, body);
	buf_putc(text, '\n');
}
