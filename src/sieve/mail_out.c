/* SPDX-License-Identifier: MIT */
#include "sieve/mail_out.h"

#include <time.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/mem.h"
#include "mime/date.h"
#include "sieve/host.h"
#include "sieve/message.h"
#include "sieve/outgoing.h"

enum { MAX_MAILS = 101, WORD_OCTETS = 45, MAX_LINE = 78 };

static const char *hostname(const struct sieve_out *out)
{
	return out->host->hostname == NULL ? "localhost" : out->host->hostname;
}

void sieve_out_begin(struct sieve_out *out, struct buf *text)
{
	buf_printf(text,
		   "X-Sieve: " PACKAGE_NAME " Sieve " PACKAGE_VERSION "\n"
		   "Message-ID: <sieve-%016llx@%s>\nDate: ",
		   (unsigned long long)random_u64(), hostname(out));
	date_write(time(NULL), text);
	buf_putc(text, '\n');
}

static bool is_ascii(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.data[i] >= 0x7f)
			return false;
	}
	return true;
}

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

void sieve_out_field(struct buf *text, const char *name, struct str value)
{
	buf_printf(text, "%s: ", name);
	if (is_ascii(value))
		put_line(text, value);
	else
		put_words(text, value);
	buf_putc(text, '\n');
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A word and the blanks in front of it. */
static struct str take_piece(struct str *rest, size_t *blanks_out)
{
	struct str piece;
	size_t len = 0;

	while (len < rest->len && is_blank(rest->data[len]))
		len++;
	*blanks_out = len;
	while (len < rest->len && !is_blank(rest->data[len]))
		len++;
	piece = str_n(rest->data, len);
	*rest = str_from(*rest, len);
	return piece;
}

void sieve_out_folded(struct buf *text, struct str value, size_t column)
{
	size_t blanks;

	if (!is_ascii(value)) {
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

void sieve_out_text(struct buf *text, struct str body)
{
	buf_printf(text,
		   "MIME-Version: 1.0\n"
		   "Content-Type: text/plain; charset=%s\n"
		   "Content-Transfer-Encoding: %s\n\n",
		   is_ascii(body) ? "us-ascii" : "utf-8",
		   is_ascii(body) ? "7bit" : "8bit");
	buf_add_str(text, body);
	buf_putc(text, '\n');
}

struct str sieve_out_original(struct sieve_out *out, const char *name)
{
	struct sieve_field *field =
		sieve_message_field(out->message, str_of(name));

	return field == NULL ? (struct str){NULL, 0}
			     : sieve_field_flat(out->message, field);
}

void sieve_out_postmaster(struct sieve_out *out, struct buf *text)
{
	const char *address = out->host->postmaster;

	if (address == NULL)
		buf_printf(text, "Postmaster <postmaster@%s>", hostname(out));
	else
		buf_printf(text, "Postmaster <%s>", address);
}

/* With the line ends of SMTP. */
static struct str with_crlf(const void *ctx, const struct buf *text)
{
	struct buf out = buf_init(SIZE_MAX);
	size_t len;

	for (size_t i = 0; i < text->len; i++) {
		if (text->data[i] == '\n' &&
		    (i == 0 || text->data[i - 1] != '\r'))
			buf_putc(&out, '\r');
		buf_putc(&out, text->data[i]);
	}
	len = out.len;
	return str_n(buf_steal(ctx, &out), len);
}

void sieve_out_add(struct sieve_out *out, const char *from, struct str to,
		   const struct buf *text)
{
	struct sieve_mail *mail;

	if (out->mails == NULL)
		out->mails = mem_array(out->ctx, struct sieve_mail, MAX_MAILS);
	if (out->count == MAX_MAILS)
		return;
	mail = &out->mails[out->count++];
	mail->from = mem_strdup(out->mails, from);
	mail->to = str_dup(out->mails, to);
	mail->text = with_crlf(out->mails, text);
}
