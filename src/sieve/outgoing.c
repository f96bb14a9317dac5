/* SPDX-License-Identifier: MIT */
#include "sieve/outgoing.h"

#include "base/cleanup.h"
#include "mime/header.h"
#include "sieve/ext.h"
#include "sieve/mail_out.h"

static const char *text_of(const void *ctx, struct str text)
{
	return text.data == NULL ? "" : str_dup(ctx, text);
}

const char *sieve_out_source(const void *ctx, const struct sieve_engine *engine,
			     const struct sieve_envelope *envelope,
			     const struct sieve_host *host, const char *setting)
{
	struct str how = str_trim(str_of(setting));
	struct sieve_address address;

	if (str_is(how, "recipient"))
		return text_of(ctx, envelope->to.all);
	if (str_is(how, "orig_recipient"))
		return text_of(ctx, envelope->original_to.all);
	if (str_is(how, "user_email"))
		return text_of(ctx, sieve_redirect_owner(engine, envelope));
	if (str_is(how, "postmaster") && host->postmaster != NULL)
		return host->postmaster;
	/* An address in <> is itself. */
	if (how.len > 1 && how.data[0] == '<' &&
	    sieve_address_parse(ctx, how, true, &address))
		return text_of(ctx, address.all);
	return text_of(ctx, envelope->from.all);
}

const char *sieve_redirect_sender(const void *ctx,
				  const struct sieve_engine *engine,
				  const struct sieve_envelope *envelope,
				  const struct sieve_host *host)
{
	const struct sieve_settings *set = sieve_engine_settings(engine);

	/* An answer to nobody stays one. */
	if (envelope->null_sender)
		return "";
	return sieve_out_source(ctx, engine, envelope, host,
				set->sieve_redirect_envelope_from);
}

struct str sieve_redirect_owner(const struct sieve_engine *engine,
				const struct sieve_envelope *envelope)
{
	const char *own = sieve_engine_settings(engine)->sieve_user_email;

	if (own[0] != '\0')
		return str_of(own);
	return envelope->to.all.data == NULL ? STR("") : envelope->to.all;
}

static void put_version(struct buf *out, const char *eol)
{
	buf_printf(out, "X-Sieve: " PACKAGE_NAME " Sieve " PACKAGE_VERSION "%s",
		   eol);
}

void sieve_redirect_header(const struct sieve_engine *engine,
			   const struct sieve_envelope *envelope,
			   struct str header, struct buf *out)
{
	struct str owner = sieve_redirect_owner(engine, envelope);
	ptrdiff_t at = str_find_char(header, '\n');
	const char *eol = at > 0 && header.data[at - 1] == '\r' ? "\r\n" : "\n";
	struct header_field field;
	const char *from = header.data;
	bool folded = header.len > 0 && ascii_is_blank(from[0]);

	if (!folded)
		put_version(out, eol);
	buf_printf(out, "X-Sieve-Redirected-From: %.*s%s", STR_FMT(owner), eol);
	/* Or our address had a blank first line of the mail behind it. */
	if (folded)
		put_version(out, eol);
	/* What is no field goes on with the one before it. */
	while (header_next(&header, &field)) {
		buf_append(out, from, (size_t)(field.full.data - from));
		from = field.full.data;
		if (str_case_is(field.name, "Return-Path"))
			from += field.full.len;
	}
	buf_append(out, from, (size_t)(header.data - from));
	if (out->data[out->len - 1] != '\n')
		buf_add(out, eol);
	buf_add(out, eol);
}

static void redirect(struct sieve_out *out)
{
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX / 2);
	struct sieve_mail *mail = mem_new(out->ctx, struct sieve_mail);
	struct sieve_text pieces;

	sieve_message_text(out->message, out->action->text, &pieces);
	sieve_redirect_header(out->engine, out->envelope, pieces.header, &text);
	buf_add_str(&text, pieces.body);
	mail->from = sieve_redirect_sender(mail, out->engine, out->envelope,
					   out->host);
	mail->to = mem_strdup(mail, out->action->redirect.address);
	mail->text.len = text.len;
	mail->text.data = buf_steal(mail, &text);
	out->mails = mail;
	out->count = 1;
}

int sieve_outgoing(const void *ctx, struct sieve_engine *engine,
		   struct sieve_message *message,
		   const struct sieve_envelope *envelope,
		   const struct sieve_host *host,
		   const struct sieve_action *action,
		   struct sieve_mail **mails_out, unsigned *count_out,
		   struct err *err)
{
	struct sieve_out out = {
		.ctx = ctx,
		.engine = engine,
		.message = message,
		.envelope = envelope,
		.host = host,
		.action = action,
	};
	int result = 0;

	switch (action->kind) {
	case SIEVE_ACTION_REDIRECT:
		if (action->redirect.list != NULL)
			return err_set(err, ERR_UNSUPPORTED,
				       "redirect to a list: its members are "
				       "not known here");
		redirect(&out);
		break;
	case SIEVE_ACTION_VACATION:
		result = sieve_out_vacation(&out, err);
		break;
	case SIEVE_ACTION_NOTIFY:
		result = sieve_out_notify(&out, err);
		break;
	case SIEVE_ACTION_REPORT:
		result = sieve_out_report(&out, err);
		break;
	case SIEVE_ACTION_REJECT:
		result = sieve_out_reject(&out, err);
		break;
	default:
		break;
	}
	*mails_out = out.mails;
	*count_out = out.count;
	return result;
}
