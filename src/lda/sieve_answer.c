/* SPDX-License-Identifier: MIT */
/*
 * lda/sieve_answer.c - vacation (RFC 5230): whether to answer at all (section
 * 4.6, RFC 3834 section 2), whether it was answered already, and the answer.
 */
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "lda/dupes.h"
#include "lda/send.h"
#include "lda/settings.h"
#include "lda/sieve.h"
#include "mime/address.h"
#include "mime/date.h"
#include "mime/header.h"

enum { ANSWER_MAX = 4 * 1024 * 1024, FIELD_MAX = 64 * 1024, ADDRESSES = 1000 };

struct answer {
	const void *ctx;
	struct carry *carry;
	const struct sieve_vacation *vacation;
	const char *sender; /* who wrote, by the envelope */
	const char *own;    /* the user's address that the mail names */
};

static void say(const struct answer *answer, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct answer *answer, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = mem_vprintf(answer->ctx, fmt, args);
	va_end(args);
	carry_log(answer->carry, LOG_LEVEL_INFO, "vacation action: %s", text);
}

/* One field on one line; NULL if there is none. */
static char *field_text(const struct answer *answer, const char *name)
{
	CLEANUP(buf_free) struct buf text = buf_init(FIELD_MAX);
	struct header_field field;

	if (!header_find(answer->carry->head, name, &field))
		return NULL;
	header_unfold(field.value, &text);
	return buf_steal(answer->ctx, &text);
}

static bool same_address(const char *a, const char *b)
{
	return a != NULL && b != NULL && a[0] != '\0' &&
	       str_case_is(str_of(a), b);
}

/* whom not to answer */

static bool is_own(const struct answer *answer)
{
	const struct delivery *delivery = answer->carry->delivery;
	const char *const *at = answer->vacation->addresses;

	if (same_address(delivery->to, answer->sender) ||
	    same_address(delivery->original_to, answer->sender) ||
	    same_address(answer->carry->sieve->set.sieve_user_email,
			 answer->sender)) {
		say(answer, "discarded vacation reply to own address <%s>",
		    answer->sender);
		return true;
	}
	for (; at != NULL && *at != NULL; at++) {
		if (!same_address(*at, answer->sender))
			continue;
		say(answer,
		    "discarded vacation reply to own address <%s> (as "
		    "specified using :addresses argument)",
		    answer->sender);
		return true;
	}
	return false;
}

static bool is_system(const char *address)
{
	static const char *const starts[] = {"mailer-daemon", "listserv",
					     "majordomo", "owner-"};
	struct str local = str_n(address, strcspn(address, "@"));

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (str_case_starts(local, starts[i]))
			return true;
	}
	return local.len > 8 &&
	       str_case_is(str_from(local, local.len - 8), "-request");
}

static bool is_list(struct str head)
{
	struct header_field field;

	while (header_next(&head, &field)) {
		if (str_case_starts(field.name, "List-"))
			return true;
	}
	return false;
}

static bool has_any(const char *text, const char *const *words)
{
	for (; text != NULL && *words != NULL; words++) {
		struct str rest = str_of(text), part;

		while (str_split(&rest, ',', &part)) {
			if (str_case_is(str_trim(part), *words))
				return true;
		}
	}
	return false;
}

/* By what the mail says of itself. */
static bool is_automatic(const struct answer *answer)
{
	static const char *const bulk[] = {"junk", "bulk", "list", NULL};
	static const char *const suppress[] = {"All", "OOF", NULL};
	const char *submitted = field_text(answer, "Auto-Submitted");
	const char *precedence = field_text(answer, "Precedence");

	if (is_list(answer->carry->head)) {
		say(answer,
		    "discarding vacation response to mailinglist recipient "
		    "<%s>",
		    answer->sender);
		return true;
	}
	if (submitted != NULL && !str_case_is(str_of(submitted), "no")) {
		say(answer,
		    "discarding vacation response to auto-submitted message "
		    "from <%s>",
		    answer->sender);
		return true;
	}
	if (has_any(precedence, bulk)) {
		say(answer,
		    "discarding vacation response to precedence=%s message "
		    "from <%s>",
		    precedence, answer->sender);
		return true;
	}
	if (has_any(field_text(answer, "X-Auto-Response-Suppress"), suppress)) {
		say(answer,
		    "discarding vacation response to message from <%s> "
		    "(`X-Auto-Response-Suppress' header present in message)",
		    answer->sender);
		return true;
	}
	return false;
}

/* the user's address in the mail */

static const char *own_of(const struct answer *answer,
			  const struct address *address)
{
	const struct carry *carry = answer->carry;
	const char *const *at = answer->vacation->addresses;
	const char *text;

	if (address->mailbox == NULL || address->domain == NULL)
		return NULL;
	text = mem_printf(answer->ctx, "%s@%s", address->mailbox,
			  address->domain);
	if (same_address(text, carry->delivery->to) ||
	    same_address(text, carry->sieve->set.sieve_user_email) ||
	    (carry->sieve->set.sieve_vacation_use_original_recipient &&
	     same_address(text, carry->delivery->original_to)))
		return text;
	for (; at != NULL && *at != NULL; at++) {
		if (same_address(*at, text))
			return *at;
	}
	return NULL;
}

static const char *find_own(const struct answer *answer)
{
	static const char *const fields[] = {
		"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"};
	struct str rest = answer->carry->head;
	struct header_field field;
	const char *own = NULL;

	while (own == NULL && header_next(&rest, &field)) {
		struct address *list;
		size_t count = 0;

		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]);
		     i++) {
			if (str_case_is(field.name, fields[i]))
				address_parse(answer->ctx, field.value,
					      ADDRESSES, &list, &count);
		}
		for (size_t i = 0; i < count && own == NULL; i++)
			own = own_of(answer, &list[i]);
	}
	return own;
}

static bool wanted(struct answer *answer)
{
	const struct carry *carry = answer->carry;

	if (answer->sender[0] == '\0') {
		say(answer, "discarded vacation reply to <>");
		return false;
	}
	if (is_own(answer) || is_automatic(answer))
		return false;
	if (is_system(answer->sender)) {
		say(answer,
		    "not sending vacation response to system address <%s>",
		    answer->sender);
		return false;
	}
	answer->own = find_own(answer);
	if (answer->own != NULL ||
	    carry->sieve->set.sieve_vacation_dont_check_recipient)
		return true;
	say(answer,
	    "discarding vacation response for implicitly delivered message; no "
	    "known (envelope) recipient address found in message headers "
	    "(recipient=<%s>, and%s additional `:addresses' are specified)",
	    carry->delivery->to,
	    answer->vacation->addresses == NULL ||
			    answer->vacation->addresses[0] == NULL
		    ? " no"
		    : "");
	return false;
}

/* answered already? */

/* RFC 5230 section 4.2: by the handle, else by all that makes the answer. */
static struct str answer_id(const struct answer *answer)
{
	const struct sieve_vacation *vacation = answer->vacation;
	CLEANUP(buf_free) struct buf id = buf_init(ANSWER_MAX);
	char *sender = str_lower(answer->ctx, str_of(answer->sender));
	size_t len;

	buf_printf(&id, "%s%c", sender, '\0');
	if (vacation->handle != NULL)
		buf_printf(&id, "h%s", vacation->handle);
	else
		buf_printf(&id, "r%s%c%s%c%s%c%d", vacation->reason, '\0',
			   vacation->subject == NULL ? "" : vacation->subject,
			   '\0', vacation->from == NULL ? "" : vacation->from,
			   '\0', vacation->mime);
	len = id.len;
	return str_n(buf_steal(answer->ctx, &id), len);
}

static bool answered(const struct answer *answer, struct str id)
{
	const char *path = answer->carry->sieve->dupes_path;
	bool seen = false;
	struct err err;

	if (path == NULL || answer->vacation->seconds == 0)
		return false;
	/* Rather no answer than one to each mail. */
	if (dupes_has(path, DUPE_VACATION, id, &seen, &err) < 0) {
		log_error("sieve: %s", err.text);
		return true;
	}
	if (seen)
		say(answer, "discarded duplicate vacation response to <%s>",
		    answer->sender);
	return seen;
}

/* the answer */

static void write_subject(const struct answer *answer, struct buf *out)
{
	const struct lda_sieve_settings *set = &answer->carry->sieve->set;
	const char *template = set->sieve_vacation_default_subject_template;
	CLEANUP(buf_free) struct buf text = buf_init(FIELD_MAX);
	CLEANUP(buf_free) struct buf subject = buf_init(FIELD_MAX);
	struct header_field field;
	size_t chars = 0, len = 0;

	if (header_find(answer->carry->head, "Subject", &field))
		header_decode(field.value, &subject);
	if (answer->vacation->subject != NULL) {
		buf_add(&text, answer->vacation->subject);
	} else if (subject.len == 0) {
		buf_add(&text, set->sieve_vacation_default_subject);
	} else {
		for (; *template != '\0'; template ++) {
			if (template[0] == '%' && template[1] == '$') {
				buf_add(&text, subject.data);
				template ++;
			} else {
				buf_putc(&text, *template);
			}
		}
	}
	for (; len < text.len; len++) {
		if (((unsigned char)text.data[len] & 0xc0) != 0x80 &&
		    chars++ == set->sieve_vacation_max_subject_codepoints)
			break;
	}
	buf_add(out, "Subject: ");
	header_encode(str_n(text.data, len), out);
	buf_putc(out, '\n');
}

/* "Joe <a@b>", if a field of the mail has the sender with a name. */
static void write_to(const struct answer *answer, struct buf *out)
{
	static const char *const fields[] = {"Sender", "Resent-From", "From"};
	const bool any = answer->carry->sieve->set
				 .sieve_vacation_to_header_ignore_envelope;
	struct header_field field;
	struct address *list;
	size_t count;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!header_find(answer->carry->head, fields[i], &field))
			continue;
		address_parse(answer->ctx, field.value, 1, &list, &count);
		if (count == 0 || list[0].mailbox == NULL ||
		    list[0].domain == NULL)
			continue;
		if (any ||
		    same_address(mem_printf(answer->ctx, "%s@%s",
					    list[0].mailbox, list[0].domain),
				 answer->sender)) {
			buf_add(out, "To: ");
			header_unfold(field.value, out);
			buf_putc(out, '\n');
			return;
		}
	}
	buf_printf(out, "To: <%s>\n", answer->sender);
}

static void write_references(const struct answer *answer, struct buf *out)
{
	const char *id = field_text(answer, "Message-ID");
	const char *references = field_text(answer, "References");

	if (references == NULL)
		references = field_text(answer, "In-Reply-To");
	if (id == NULL)
		return;
	buf_printf(out, "In-Reply-To: %s\nReferences: %s%s%s\n", id,
		   references == NULL ? "" : references,
		   references == NULL ? "" : " ", id);
}

static void write_from(const struct answer *answer, struct buf *out)
{
	const char *from = answer->vacation->from;

	if (from != NULL) {
		buf_add(out, "From: ");
		header_unfold(str_of(from), out);
		buf_putc(out, '\n');
		return;
	}
	buf_printf(out, "From: <%s>\n",
		   answer->own != NULL ? answer->own
				       : answer->carry->delivery->to);
}

static void write_text(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != '\r' || i + 1 == text.len ||
		    text.data[i + 1] != '\n')
			buf_putc(out, text.data[i]);
	}
	buf_putc(out, '\n');
}

static void write_answer(const struct answer *answer, struct buf *out)
{
	const struct carry *carry = answer->carry;

	buf_printf(out, "X-Sieve: %s\nMessage-ID: <dovetail-sieve-%s@%s>\n",
		   carry_agent(), delivery_id(answer->ctx),
		   lda_hostname(answer->ctx, carry->lda));
	buf_add(out, "Date: ");
	date_write(time(NULL), out);
	buf_putc(out, '\n');
	write_from(answer, out);
	write_to(answer, out);
	write_subject(answer, out);
	write_references(answer, out);
	buf_add(out, "Auto-Submitted: auto-replied (vacation)\n"
		     "Precedence: bulk\nX-Auto-Response-Suppress: All\n"
		     "MIME-Version: 1.0\n");
	if (!answer->vacation->mime)
		buf_add(out, "Content-Type: text/plain; charset=utf-8\n"
			     "Content-Transfer-Encoding: 8bit\n\n");
	write_text(str_of(answer->vacation->reason), out);
}

static void send_answer(const struct answer *answer, struct str id)
{
	CLEANUP(buf_free) struct buf mail = buf_init(ANSWER_MAX);
	const struct carry *carry = answer->carry;
	const char *from = carry->sieve->set.sieve_vacation_send_from_recipient
				   ? carry->delivery->to
				   : "";
	struct err err;

	write_answer(answer, &mail);
	if (mail.overflow ||
	    sender_send_text(carry->delivery->sender, from, answer->sender,
			     &mail, &err) < 0) {
		carry_log(carry,
			  !mail.overflow && err.code == ERR_DENIED
				  ? LOG_LEVEL_INFO
				  : LOG_LEVEL_ERROR,
			  "vacation action: failed to send vacation response "
			  "to %s: <%s>",
			  answer->sender,
			  mail.overflow ? "it is too large" : err.text);
		return;
	}
	say(answer, "sent vacation response to <%s>", answer->sender);
	if (carry->sieve->dupes_path != NULL &&
	    dupes_mark(carry->sieve->dupes_path, DUPE_VACATION, id,
		       answer->vacation->seconds, &err) < 0)
		log_error("sieve: %s", err.text);
}

void carry_vacation(const void *ctx, struct carry *carry,
		    const struct sieve_action *action)
{
	struct answer answer = {
		.ctx = ctx,
		.carry = carry,
		.vacation = &action->vacation,
		.sender = carry->delivery->from,
	};
	struct str id;

	if (!wanted(&answer))
		return;
	id = answer_id(&answer);
	if (!answered(&answer, id))
		send_answer(&answer, id);
}
