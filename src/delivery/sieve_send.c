/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve_send.c - mails on their way out. Vacation messages,
 * notifications and reports are the engine's work (sieve/outgoing.h): whether
 * there is one, and its words.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "delivery/dupes.h"
#include "delivery/send.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "mime/header.h"
#include "scripts/scripts.h"
#include "sieve/outgoing.h"
#include "storage/mailbox.h"
#include "storage/save.h"

enum {
	HEADER_MAX = 64 * 1024 * 1024,
	TEXT_MAX = 256 * 1024,
	LIST_MAX = 4 * 1024 * 1024,
};

/* redirect */

struct pieces {
	struct str head, body;
};

static ssize_t read_pieces(void *ctx, uint64_t at, char *out, size_t size)
{
	const struct pieces *mail = ctx;
	struct str from = mail->head;

	if (at >= from.len) {
		at -= from.len;
		from = mail->body;
	}
	if (at >= from.len)
		return 0;
	if (size > from.len - at)
		size = (size_t)(from.len - at);
	memcpy(out, from.data + at, size);
	return (ssize_t)size;
}

/* Whether this user has redirected it once already. */
static bool is_loop(const struct carry *carry)
{
	struct str rest = spool_header(carry->delivery->spool);
	struct str owner =
		sieve_redirect_owner(carry->sieve->engine, &carry->envelope);
	struct header_field field;

	while (header_next(&rest, &field)) {
		if (str_case_is(field.name, "X-Sieve-Redirected-From") &&
		    str_case_equal(str_trim(field.value), owner))
			return true;
	}
	return false;
}

/* The mail by its Message-ID, else by its octets, whom it is for, and where it
 * goes: a mail for two addresses of a user comes twice, and goes on twice. */
static struct str redirect_id(const void *ctx, const struct carry *carry,
			      const char *address)
{
	const struct delivery *delivery = carry->delivery;
	CLEANUP(buf_free) struct buf id = buf_init(TEXT_MAX);
	unsigned char hash[DIGEST_MAX];
	struct header_field field;
	size_t len;

	buf_printf(&id, "%s%c%s%c", address, '\0', delivery->to, '\0');
	if (delivery->original_to != NULL)
		buf_printf(&id, "%s%c", delivery->original_to, '\0');
	if (header_find(spool_header(delivery->spool), "Message-ID", &field)) {
		header_unfold(field.value, &id);
	} else {
		len = digest_once("sha256", spool_original(delivery->spool),
				  hash);
		buf_append(&id, hash, len);
	}
	len = id.len;
	return str_n(buf_steal(ctx, &id), len);
}

static int send_redirect(const void *ctx, struct carry *carry,
			 const struct sieve_action *action, const char *address,
			 struct err *err)
{
	const struct sieve_engine *engine = carry->sieve->engine;
	CLEANUP(buf_free) struct buf head = buf_init(HEADER_MAX);
	struct sieve_text text;
	struct pieces mail;
	const struct smtp_source source = {.read = read_pieces, .ctx = &mail};

	sieve_message_text(carry->message, action->text, &text);
	sieve_redirect_header(engine, &carry->envelope, text.header, &head);
	mail = (struct pieces){str_n(head.data, head.len), text.body};
	return sender_send(carry->delivery->sender,
			   sieve_redirect_sender(ctx, engine, &carry->envelope,
						 &carry->host),
			   address, action->redirect.ret,
			   action->redirect.notify, &source, err);
}

static int redirect_to(const void *ctx, struct carry *carry,
		       struct sieve_action *action, const char *address,
		       struct err *err)
{
	const struct scripts_settings *set = &carry->sieve->scripts->set;
	const char *dupes = carry->sieve->dupes_path;
	struct str id;
	bool seen = false;

	id = redirect_id(ctx, carry, address);
	if (carry_hold(carry, DUPE_REDIRECT, id, err) < 0) {
		carry_log(carry, LOG_LEVEL_ERROR, "redirect action: %s",
			  err->text);
		return -1;
	}
	if (dupes != NULL &&
	    dupes_has(dupes, DUPE_REDIRECT, id, &seen, err) < 0)
		log_error("sieve: %s", err->text); /* the mail can't wait */
	if (seen || is_loop(carry)) {
		carry_log(carry, LOG_LEVEL_INFO,
			  "redirect action: discarded duplicate forward to "
			  "<%s>",
			  address);
		return 0;
	}
	if (send_redirect(ctx, carry, action, address, err) < 0) {
		bool never = err->code == ERR_DENIED;
		const char *told = mem_printf(
			ctx,
			"redirect action: failed to redirect message to <%s>: "
			"%s (%s failure)",
			address, err->text, never ? "permanent" : "temporary");

		carry_log(carry, never ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "%s",
			  told);
		if (never && !carry_is_global(carry, action))
			carry_user_log(carry, told);
		carry->failed = true;
		return never ? 0 : -1;
	}
	carry->acted = true;
	carry->delivered |= !action->copy;
	action->done = true;
	carry_log(carry, LOG_LEVEL_INFO, "redirect action: forwarded to <%s>",
		  address);
	if (dupes != NULL &&
	    dupes_mark(dupes, DUPE_REDIRECT, id,
		       set->sieve_redirect_duplicate_period.ms / 1000, err) < 0)
		log_error("sieve: %s", err->text);
	return 0;
}

/* RFC 6134 section 2.4: to each member, as far as they are addresses; it is not
 * done before the last one. */
static int redirect_to_list(const void *ctx, struct carry *carry,
			    struct sieve_action *action, struct err *err)
{
	unsigned left = carry->sieve->set.sieve_list_max_redirects;
	CLEANUP(buf_free) struct buf text = buf_init(LIST_MAX);
	struct str rest, member;

	if (carry_list(carry, action->redirect.list, &text, err) < 0)
		return err->code == ERR_INVALID ? 0 : -1;
	rest = str_n(text.data, text.len);
	while (carry_list_next(&rest, &member)) {
		struct sieve_address address;

		if (!sieve_address_parse(ctx, member, false, &address))
			continue;
		if (left-- == 0) {
			carry_log(carry, LOG_LEVEL_ERROR,
				  "redirect action: list %s has too many "
				  "members",
				  action->redirect.list);
			carry->failed = true;
			action->done = false;
			return 0;
		}
		if (redirect_to(ctx, carry, action, str_dup(ctx, address.all),
				err) < 0) {
			action->done = false;
			return -1;
		}
	}
	action->done &= !carry->failed;
	return 0;
}

int carry_redirect(const void *ctx, struct carry *carry,
		   struct sieve_action *action, struct err *err)
{
	if (action->redirect.list != NULL)
		return redirect_to_list(ctx, carry, action, err);
	return redirect_to(ctx, carry, action, action->redirect.address, err);
}

/* vacation, notify, report */

static const char *name_of(const void *ctx, const struct sieve_action *action)
{
	switch (action->kind) {
	case SIEVE_ACTION_VACATION:
		return "vacation response";
	case SIEVE_ACTION_REPORT:
		return mem_printf(ctx, "`%s' report", action->report.type);
	default:
		return "mail notification";
	}
}

static void outgoing_log(void *ctx, enum log_level level, const char *where,
			 const char *text)
{
	carry_log(ctx, level, "%s%s%s", where, where[0] == '\0' ? "" : ": ",
		  text);
}

/* RFC 8580: a copy of what was sent; where it goes by RFC 8579 or 9042, too. */
static void keep_copy(const void *ctx, struct carry *carry,
		      const struct sieve_store *fcc, struct str text)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	CLEANUP(save_rollback) struct save *save = NULL;
	unsigned flags = delivery_open_flags(carry->lda) |
			 (fcc->create ? MAILBOX_CREATE : 0);
	const char *mailbox = carry_mailbox(ctx, carry, fcc);
	struct save_options options = {0};
	uint32_t uid_validity;
	struct err err;

	carry_flags(ctx, fcc->flags, &options);
	if (mailbox_open(carry->delivery->user, mailbox, flags, &box, &err) ==
	    0) {
		save = save_begin(ctx, box);
		if (save_mail_begin(save, &options, &err) == 0 &&
		    save_mail_write(save, text.data, text.len, &err) == 0 &&
		    save_mail_finish(save, &err) == 0 &&
		    save_commit(&save, &uid_validity, NULL, &err) == 0)
			return;
	}
	carry_log(carry, LOG_LEVEL_ERROR,
		  "failed to store a copy into mailbox '%s': %s", mailbox,
		  err.text);
}

/* Whether a sender has one answer for some time. */
static bool answers_once(const struct carry *carry,
			 const struct sieve_action *action)
{
	return action->kind == SIEVE_ACTION_VACATION &&
	       action->vacation.seconds > 0 && carry->sieve->dupes_path != NULL;
}

/* It is known now: another mail of this sender does not wait for what else
 * becomes of this one. */
static void let_go(const struct carry *carry, const struct sieve_action *action,
		   struct str id)
{
	if (answers_once(carry, action) && carry->hold != NULL)
		dupes_let_go(carry->hold, DUPE_VACATION, id);
}

/* A vacation message that this sender has had lately, or has from now on.
 * Rather no answer than one to each mail, where nothing can be remembered. */
static bool answered(const struct carry *carry,
		     const struct sieve_action *action, struct str id)
{
	const char *path = carry->sieve->dupes_path;
	bool seen = false;
	struct err err;

	if (!answers_once(carry, action))
		return false;
	if (carry_hold(carry, DUPE_VACATION, id, &err) < 0 ||
	    dupes_has(path, DUPE_VACATION, id, &seen, &err) < 0 ||
	    (!seen && dupes_mark(path, DUPE_VACATION, id,
				 action->vacation.seconds, &err) < 0)) {
		log_error("sieve: %s", err.text);
		return true;
	}
	if (seen) {
		let_go(carry, action, id);
		carry_log(carry, LOG_LEVEL_INFO,
			  "vacation action: discarded duplicate vacation "
			  "response to <%s>",
			  carry->delivery->from);
	}
	return seen;
}

static void not_answered(const struct carry *carry,
			 const struct sieve_action *action, struct str id)
{
	struct err err;

	if (answers_once(carry, action) &&
	    dupes_forget(carry->sieve->dupes_path, DUPE_VACATION, id, &err) < 0)
		log_error("sieve: %s", err.text);
}

static bool send_mail(const void *ctx, struct carry *carry,
		      const struct sieve_action *action,
		      const struct sieve_mail *mail)
{
	const struct sieve_store *fcc =
		action->kind == SIEVE_ACTION_VACATION ? action->vacation.fcc
		: action->kind == SIEVE_ACTION_NOTIFY ? action->notify.fcc
						      : NULL;
	struct pieces text = {.head = mail->text};
	const struct smtp_source source = {.read = read_pieces, .ctx = &text};
	const char *name = sieve_action_name(action->kind);
	/* RFC 5230 section 5.1: nobody wants to know whether it arrives. */
	const char *notify =
		action->kind == SIEVE_ACTION_VACATION ? "NEVER" : NULL;
	struct err err;

	if (sender_send(carry->delivery->sender, mail->from, mail->to, NULL,
			notify, &source, &err) < 0) {
		carry_log(carry,
			  err.code == ERR_DENIED ? LOG_LEVEL_INFO
						 : LOG_LEVEL_ERROR,
			  "%s action: failed to send %s to <%s>: %s", name,
			  name_of(ctx, action), mail->to, err.text);
		return false;
	}
	carry_log(carry, LOG_LEVEL_INFO, "%s action: sent %s to <%s>", name,
		  name_of(ctx, action), mail->to);
	if (fcc != NULL && fcc->mailbox != NULL)
		keep_copy(ctx, carry, fcc, mail->text);
	return true;
}

bool carry_answer(const void *ctx, struct carry *carry,
		  const struct sieve_action *action)
{
	struct sieve_host host = carry->host;
	struct sieve_mail *mails = NULL;
	struct str id = {0};
	unsigned count = 0, sent = 0;
	struct err err;

	host.log = (struct sieve_log){.line = outgoing_log, .ctx = carry};
	if (action->kind == SIEVE_ACTION_VACATION)
		id = sieve_vacation_id(ctx, action, &carry->envelope);
	if (sieve_outgoing(ctx, carry->sieve->engine, carry->message,
			   &carry->envelope, &host, action, &mails, &count,
			   &err) < 0) {
		lda_sieve_user_log(carry->sieve, LOG_LEVEL_ERROR, "", err.text);
		return false;
	}
	if (count == 0 || answered(carry, action, id))
		return false;
	for (unsigned i = 0; i < count; i++)
		sent += send_mail(ctx, carry, action, &mails[i]);
	if (sent == 0)
		not_answered(carry, action, id);
	let_go(carry, action, id);
	return sent > 0;
}
