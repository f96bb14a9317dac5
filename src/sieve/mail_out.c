/* SPDX-License-Identifier: MIT */
#include "sieve/mail_out.h"

#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/mem.h"
#include "mime/address.h"
#include "mime/date.h"
#include "mime/imap.h"
#include "sieve/host.h"
#include "sieve/message.h"
#include "sieve/outgoing.h"

enum { MAX_MAILS = 101 };

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

struct str sieve_out_original(struct sieve_out *out, const char *name)
{
	struct sieve_field *field =
		sieve_message_field(out->message, str_of(name));

	return field == NULL ? (struct str){NULL, 0}
			     : sieve_field_flat(out->message, field);
}

/* "no", maybe with parameters or a comment, is what a person sends. */
bool sieve_auto_submitted(struct str value)
{
	struct str keyword, word;

	return str_split(&value, ';', &keyword) &&
	       str_split(&keyword, '(', &word) &&
	       !str_case_is(str_trim(word), "no");
}

bool sieve_out_is_automatic(struct sieve_out *out)
{
	return sieve_auto_submitted(sieve_out_original(out, "Auto-Submitted"));
}

void sieve_out_postmaster(struct sieve_out *out, struct buf *text)
{
	const char *address = out->host->postmaster;

	if (address == NULL)
		buf_printf(text, "Postmaster <postmaster@%s>", hostname(out));
	else
		buf_printf(text, "%s <%s>",
			   out->host->postmaster_name == NULL
				   ? "Postmaster"
				   : out->host->postmaster_name,
			   address);
}

void sieve_out_mailbox(struct buf *text, const char *field, const char *mailbox)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	const char *address = strrchr(mailbox, '<');
	struct address *list;
	size_t count = 0;

	if (str_is_ascii(str_of(mailbox))) {
		sieve_out_field(text, field, str_of(mailbox));
		return;
	}
	ctx = mem_ctx(NULL, "mailbox");
	if (address != NULL)
		address_parse(ctx, str_of(mailbox), 1, &list, &count);
	buf_printf(text, "%s: ", field);
	if (count == 1 && list[0].name != NULL) {
		sieve_out_folded(text, str_of(list[0].name), strlen(field) + 2);
		buf_add(text, "\n ");
		mailbox = address;
	}
	buf_printf(text, "%s\n", mailbox);
}

/* With the line ends of SMTP. */
static struct str with_crlf(const void *ctx, const struct buf *text)
{
	struct str in = str_n(text->data, text->len);
	struct buf out = buf_init((size_t)crlf_size(in, false));
	bool last_cr = false;
	size_t len;

	crlf_append(in, &last_cr, &out);
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
