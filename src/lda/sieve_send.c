/* SPDX-License-Identifier: MIT */
/*
 * lda/sieve_send.c - mails on their way out: redirect, and notify by mailto
 * (RFC 5436).
 */
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "lda/dupes.h"
#include "lda/send.h"
#include "lda/settings.h"
#include "lda/sieve.h"
#include "lda/spool.h"
#include "mime/date.h"
#include "mime/header.h"

enum { HEADER_MAX = 64 * 1024 * 1024, TEXT_MAX = 256 * 1024 };

const char *carry_agent(void)
{
	return "Dovetail Sieve " PACKAGE_VERSION;
}

/* who sends */

/* By sieve_redirect_envelope_from and its like. */
static const char *envelope_sender(const void *ctx, const struct carry *carry,
				   const char *how)
{
	const struct delivery *delivery = carry->delivery;
	size_t len = strlen(how);

	if (len > 2 && how[0] == '<' && how[len - 1] == '>')
		return mem_strndup(ctx, how + 1, len - 2);
	if (strcmp(how, "recipient") == 0)
		return delivery->to;
	if (strcmp(how, "orig_recipient") == 0)
		return delivery->original_to != NULL ? delivery->original_to
						     : delivery->to;
	if (strcmp(how, "user_email") == 0 &&
	    carry->sieve->set.sieve_user_email[0] != '\0')
		return carry->sieve->set.sieve_user_email;
	if (strcmp(how, "postmaster") == 0)
		return lda_postmaster(ctx, carry->lda, delivery->to);
	return delivery->from;
}

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

/* The mail's header, without what the final delivery added, and with who
 * redirected it. */
static char *redirect_header(const void *ctx, const struct carry *carry,
			     size_t *len_out)
{
	CLEANUP(buf_free) struct buf out = buf_init(HEADER_MAX);
	struct str rest = carry->head;
	struct header_field field;

	buf_printf(&out, "X-Sieve: %s\nX-Sieve-Redirected-From: %s\n",
		   carry_agent(), carry->delivery->to);
	while (header_next(&rest, &field)) {
		if (!str_case_is(field.name, "Return-Path"))
			buf_add_str(&out, field.full);
	}
	buf_putc(&out, '\n');
	*len_out = out.len;
	return buf_steal(ctx, &out);
}

/* Whether this user has redirected it once already. */
static bool is_loop(const struct carry *carry)
{
	struct str rest = carry->head;
	struct header_field field;

	while (header_next(&rest, &field)) {
		if (str_case_is(field.name, "X-Sieve-Redirected-From") &&
		    str_case_is(str_trim(field.value), carry->delivery->to))
			return true;
	}
	return false;
}

/* The mail by its Message-ID, else by its octets, and where it goes. */
static struct str redirect_id(const void *ctx, const struct carry *carry,
			      const char *address)
{
	CLEANUP(buf_free) struct buf id = buf_init(TEXT_MAX);
	unsigned char hash[DIGEST_MAX];
	struct header_field field;
	size_t len;

	if (header_find(carry->head, "Message-ID", &field)) {
		header_unfold(field.value, &id);
	} else {
		len = digest_once("sha256",
				  spool_original(carry->delivery->spool), hash);
		buf_append(&id, hash, len);
	}
	buf_printf(&id, "%c%s", '\0', address);
	len = id.len;
	return str_n(buf_steal(ctx, &id), len);
}

static int send_redirect(const void *ctx, struct carry *carry,
			 const char *address, struct err *err)
{
	struct pieces mail = {.body = carry->body};
	const struct smtp_source source = {.read = read_pieces, .ctx = &mail};

	mail.head.data = redirect_header(ctx, carry, &mail.head.len);
	return sender_send(
		carry->delivery->sender,
		carry->delivery->from[0] == '\0'
			? ""
			: envelope_sender(
				  ctx, carry,
				  carry->sieve->set
					  .sieve_redirect_envelope_from),
		address, &source, err);
}

int carry_redirect(const void *ctx, struct carry *carry,
		   const struct sieve_action *action, struct err *err)
{
	const char *address = action->redirect.address;
	const char *dupes = carry->sieve->dupes_path;
	struct str id;
	bool seen = false;

	if (address == NULL) {
		carry->failed = true;
		return 0;
	}
	id = redirect_id(ctx, carry, address);
	if (dupes != NULL &&
	    dupes_has(dupes, DUPE_REDIRECT, id, &seen, err) < 0)
		return -1;
	if (seen || is_loop(carry)) {
		carry_log(carry, LOG_LEVEL_INFO,
			  "redirect action: discarded duplicate forward to "
			  "<%s>",
			  address);
		return 0;
	}
	if (send_redirect(ctx, carry, address, err) < 0) {
		bool never = err->code == ERR_DENIED;

		carry_log(carry, never ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
			  "redirect action: failed to redirect message to "
			  "<%s>: %s (%s failure)",
			  address, err->text,
			  never ? "permanent" : "temporary");
		carry->failed = true;
		return never ? 0 : -1;
	}
	carry->delivered |= !action->copy;
	carry_log(carry, LOG_LEVEL_INFO, "redirect action: forwarded to <%s>",
		  address);
	if (dupes != NULL &&
	    dupes_mark(dupes, DUPE_REDIRECT, id,
		       carry->sieve->set.sieve_redirect_duplicate_period.ms /
			       1000,
		       err) < 0)
		log_error("sieve: %s", err->text);
	return 0;
}

/* notify */

/* "mailto:a@b?subject=..": the address. */
static char *mailto_address(const void *ctx, const char *uri)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);
	size_t len;

	if (!str_case_starts(str_of(uri), "mailto:"))
		return NULL;
	uri += 7;
	len = strcspn(uri, "?,");
	for (size_t i = 0; i < len; i++) {
		if (uri[i] == '%' && i + 2 < len) {
			if (!hex_decode(str_n(uri + i + 1, 2), &out))
				return NULL;
			i += 2;
		} else {
			buf_putc(&out, uri[i]);
		}
	}
	return buf_steal(ctx, &out);
}

static const char *priority(const char *importance)
{
	if (importance != NULL && strcmp(importance, "1") == 0)
		return "X-Priority: 1 (High)\nImportance: High\n";
	if (importance != NULL && strcmp(importance, "3") == 0)
		return "X-Priority: 5 (Low)\nImportance: Low\n";
	return "X-Priority: 3 (Normal)\nImportance: Normal\n";
}

static void write_notification(const void *ctx, const struct carry *carry,
			       const struct sieve_notify *notify,
			       const char *to, struct buf *out)
{
	const struct delivery *delivery = carry->delivery;
	const char *from = notify->from;

	if (from == NULL)
		from = mem_printf(
			ctx, "Postmaster <%s>",
			lda_postmaster(ctx, carry->lda, delivery->to));
	buf_printf(out, "X-Sieve: %s\nMessage-ID: <dovetail-sieve-%s@%s>\n",
		   carry_agent(), delivery_id(ctx),
		   lda_hostname(ctx, carry->lda));
	buf_add(out, "Date: ");
	date_write(time(NULL), out);
	buf_add(out, "\nSubject: ");
	header_encode(str_of(notify->message != NULL ? notify->message
						     : "New mail message"),
		      out);
	buf_printf(out,
		   "\nFrom: %s\nTo: %s\n"
		   "Auto-Submitted: auto-notified; owner-email=\"%s\"\n"
		   "Precedence: bulk\n%sMIME-Version: 1.0\n"
		   "Content-Type: text/plain; charset=US-ASCII\n"
		   "Content-Transfer-Encoding: 7bit\n\n"
		   "Notification of new message.\n",
		   str_sanitize(ctx, str_of(from), 500), to, delivery->to,
		   priority(notify->importance));
}

/* RFC 5436 section 2.2: no notification of one. */
static bool is_notification(const struct carry *carry)
{
	struct header_field field;

	return header_find(carry->head, "Auto-Submitted", &field) &&
	       str_case_starts(str_trim(field.value), "auto-notified");
}

void carry_notify(const void *ctx, struct carry *carry,
		  const struct sieve_action *action)
{
	CLEANUP(buf_free) struct buf mail = buf_init(TEXT_MAX);
	const char *how = carry->sieve->set.sieve_notify_mailto_envelope_from;
	char *to = mailto_address(ctx, action->notify.method);
	struct err err;

	if (to == NULL || !sender_address_ok(to)) {
		carry_log(carry, LOG_LEVEL_INFO,
			  "notify action: no address to notify");
		return;
	}
	if (is_notification(carry)) {
		carry_log(carry, LOG_LEVEL_INFO,
			  "notify action: not sending notification for "
			  "auto-submitted message from <%s>",
			  carry->delivery->from);
		return;
	}
	write_notification(ctx, carry, &action->notify, to, &mail);
	if (sender_send_text(carry->delivery->sender,
			     carry->delivery->from[0] == '\0'
				     ? ""
				     : envelope_sender(ctx, carry,
						       how[0] == '\0'
							       ? "postmaster"
							       : how),
			     to, &mail, &err) < 0)
		carry_log(carry,
			  err.code == ERR_DENIED ? LOG_LEVEL_INFO
						 : LOG_LEVEL_ERROR,
			  "notify action: failed to send mail notification to "
			  "<%s>: %s",
			  to, err.text);
	else
		carry_log(carry, LOG_LEVEL_INFO,
			  "notify action: sent mail notification to <%s>", to);
}
