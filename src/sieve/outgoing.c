/* SPDX-License-Identifier: MIT */
#include "sieve/outgoing.h"

#include "base/cleanup.h"
#include "sieve/ext.h"
#include "sieve/mail_out.h"

static const char *text_of(const void *ctx, struct str text)
{
	return text.data == NULL ? "" : str_dup(ctx, text);
}

/* Whose envelope sender a redirected mail has (sieve_redirect_envelope_from);
 * an address in <> is itself. */
static const char *sender(const void *ctx, const char *source,
			  const struct sieve_envelope *envelope,
			  const struct sieve_host *host, const char *user_email)
{
	struct sieve_address address;
	struct str text = str_trim(str_of(source));

	/* An answer to nobody stays one. */
	if (envelope->null_sender || envelope->from.all.len == 0)
		return "";
	if (str_is(text, "recipient"))
		return text_of(ctx, envelope->to.all);
	if (str_is(text, "orig_recipient"))
		return text_of(ctx, envelope->original_to.all);
	if (str_is(text, "user_email"))
		return user_email[0] != '\0' ? user_email
					     : text_of(ctx, envelope->to.all);
	if (str_is(text, "postmaster") && host->postmaster != NULL)
		return host->postmaster;
	if (text.len > 1 && text.data[0] == '<' &&
	    sieve_address_parse(ctx, text, true, &address))
		return text_of(ctx, address.all);
	return text_of(ctx, envelope->from.all);
}

static int redirect(const void *ctx, struct sieve_engine *engine,
		    struct sieve_message *message,
		    const struct sieve_envelope *envelope,
		    const struct sieve_host *host,
		    const struct sieve_action *action, struct sieve_mail *mail)
{
	const struct sieve_settings *set = sieve_engine_settings(engine);
	const char *user = set->sieve_user_email[0] != '\0'
				   ? set->sieve_user_email
				   : text_of(ctx, envelope->to.all);
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX / 2);
	struct str whole = sieve_message_whole(ctx, message, action->text);
	bool crlf = memmem(whole.data, whole.len < 2000 ? whole.len : 2000,
			   "\r\n", 2) != NULL;

	/* The trace by which a loop is known. */
	buf_printf(&text,
		   "X-Sieve: Dovetail Sieve%s"
		   "X-Sieve-Redirected-From: %s%s",
		   crlf ? "\r\n" : "\n", user, crlf ? "\r\n" : "\n");
	buf_add_str(&text, whole);
	mail->from = sender(ctx, set->sieve_redirect_envelope_from, envelope,
			    host, set->sieve_user_email);
	mail->to = mem_strdup(ctx, action->redirect.address);
	mail->text.len = text.len;
	mail->text.data = buf_steal(ctx, &text);
	return 0;
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
		out.mails = mem_new(ctx, struct sieve_mail);
		out.count = 1;
		result = redirect(out.mails, engine, message, envelope, host,
				  action, out.mails);
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
