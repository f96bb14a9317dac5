/* SPDX-License-Identifier: MIT */
/*
 * sieve/answer.c - a vacation response (RFC 5230 section 5), and to whom none
 * is sent (section 4, RFC 3834 section 2).
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "mime/address.h"
#include "mime/header.h"
#include "sieve/ext.h"
#include "sieve/ext/vacation.h"
#include "sieve/mail_out.h"
#include "sieve/outgoing.h"

enum {
	TEXT_MAX = 2 << 20,
	OWN_ADDRESSES = 3, /* that are not of :addresses */
};

struct answer {
	struct sieve_out *out;
	const struct vacation_settings *set;
	const struct sieve_vacation *vacation;
	struct sieve_address sender; /* of the mail: who gets it */
	struct sieve_address to;     /* as it is written there */
	struct sieve_address own;    /* as whom */
	const char *shown;           /* the sender, for the log */
	char why[600];               /* it is not sent */
};

/* who not to answer */

static bool is_part(struct str part, struct str whole, bool at_end)
{
	return part.len <= whole.len &&
	       str_case_equal(part,
			      at_end ? str_from(whole, whole.len - part.len)
				     : str_n(whole.data, part.len));
}

/* RFC 5230 section 4.6: programs. */
static bool is_program(struct str local)
{
	return is_part(STR("owner-"), local, false) ||
	       is_part(STR("-request"), local, true) ||
	       is_part(STR("mailer-daemon"), local, false) ||
	       is_part(STR("listserv"), local, false) ||
	       is_part(STR("majordomo"), local, false);
}

static bool has_list_field(struct sieve_out *out)
{
	static const char *const names[] = {
		"List-ID",   "List-Owner", "List-Subscribe", "List-Unsubscribe",
		"List-Post", "List-Help",  "List-Archive",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (sieve_out_original(out, names[i]).data != NULL)
			return true;
	}
	return false;
}

/* A precedence that is not to be answered; data NULL: it is another. */
static struct str bulk_precedence(struct sieve_out *out)
{
	struct str value = sieve_out_original(out, "Precedence");
	bool bulk = str_case_is(value, "bulk") || str_case_is(value, "junk") ||
		    str_case_is(value, "list");

	return bulk ? value : (struct str){NULL, 0};
}

/* The word that suppresses it; data NULL: there is none. */
static struct str suppressed_by(struct sieve_out *out)
{
	struct str rest = sieve_out_original(out, "X-Auto-Response-Suppress");
	struct str word;

	while (rest.data != NULL && str_split(&rest, ',', &word)) {
		word = str_trim(word);
		if (str_case_is(word, "All") || str_case_is(word, "OOF") ||
		    str_case_is(word, "AutoReply"))
			return word;
	}
	return (struct str){NULL, 0};
}

/* The user's own addresses, one after the other; false when there is none
 * left. */
static bool own_address(struct answer *answer, unsigned number, struct str *out)
{
	const struct sieve_envelope *envelope = answer->out->envelope;
	const struct sieve_settings *set =
		sieve_engine_settings(answer->out->engine);
	const char *const *list = answer->vacation->addresses;

	switch (number) {
	case 0:
		*out = envelope->to.all;
		return true;
	case 1:
		*out = answer->set->sieve_vacation_use_original_recipient
			       ? envelope->original_to.all
			       : (struct str){NULL, 0};
		return true;
	case 2:
		*out = str_of(set->sieve_user_email);
		return true;
	default:
		break;
	}
	for (number -= OWN_ADDRESSES; list != NULL && *list != NULL; list++) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "address");
		struct sieve_address address;

		if (number-- > 0)
			continue;
		*out = str_of(*list);
		if (sieve_address_read(ctx, *out, &address) &&
		    !str_equal(address.all, *out))
			*out = str_of(mem_strndup(answer->out->ctx,
						  address.all.data,
						  address.all.len));
		return true;
	}
	return false;
}

/* Its number, from 1; 0: it is another's. */
static unsigned find_own(struct answer *answer, struct str address)
{
	struct str own;

	for (unsigned i = 0; own_address(answer, i, &own); i++) {
		if (own.len > 0 && str_case_equal(own, address))
			return i + 1;
	}
	return 0;
}

static bool names_user(struct answer *answer, const char *name)
{
	struct sieve_message *message = answer->out->message;
	struct sieve_field *field = sieve_message_field(message, str_of(name));
	unsigned max = sieve_engine_settings(answer->out->engine)
			       ->sieve_max_addresses,
		 count;

	for (; field != NULL; field = field->same) {
		const struct sieve_address *list =
			sieve_field_addresses(message, field, max, &count);

		for (unsigned i = 0; i < count; i++) {
			if (find_own(answer, list[i].all) > 0) {
				answer->own = list[i];
				return true;
			}
		}
	}
	return false;
}

/* Section 4.5. */
static bool is_for_user(struct answer *answer)
{
	static const char *const names[] = {
		"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc",
	};

	const char *email =
		sieve_engine_settings(answer->out->engine)->sieve_user_email;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (names_user(answer, names[i]))
			return true;
	}
	if (!sieve_address_parse(answer->out->ctx, str_of(email), false,
				 &answer->own))
		answer->own = answer->out->envelope->to;
	return answer->set->sieve_vacation_dont_check_recipient;
}

/* Why, in Dovecot's words; always false. */
static bool refuse(struct answer *answer, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static bool refuse(struct answer *answer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(answer->why, sizeof(answer->why), fmt, args);
	va_end(args);
	return false;
}

static bool refuse_address(struct answer *answer)
{
	unsigned own;

	if (answer->out->envelope->null_sender || answer->sender.all.len == 0)
		return refuse(answer, "discarded vacation reply to <>");
	if (!answer->sender.valid)
		return refuse(answer,
			      "discarded vacation reply to <%s>: it is "
			      "no address",
			      answer->shown);
	own = find_own(answer, answer->sender.all);
	if (own > 0)
		return refuse(answer,
			      "discarded vacation reply to own address <%s>%s",
			      answer->shown,
			      own > OWN_ADDRESSES
				      ? " (as specified using :addresses "
					"argument)"
				      : "");
	return true;
}

/* Who the user may be, for the log. */
static const char *known_addresses(struct answer *answer)
{
	const struct sieve_envelope *envelope = answer->out->envelope;
	const char *const *list = answer->vacation->addresses;
	bool original = answer->set->sieve_vacation_use_original_recipient;
	const char *own =
		sieve_engine_settings(answer->out->engine)->sieve_user_email;

	return mem_printf(
		answer->out->ctx,
		"recipient=<%.*s>, %s%.*s%s%s%s%sand%s additional `:addresses' "
		"are specified",
		STR_FMT(envelope->to.all),
		original ? "original-recipient=<" : "",
		STR_FMT(original ? envelope->original_to.all : STR("")),
		original ? ">, " : "", own[0] != '\0' ? "user-email=<" : "",
		own, own[0] != '\0' ? ">, " : "",
		list == NULL || *list == NULL ? " no" : "");
}

/* In Dovecot's order. */
static bool refuse_message(struct answer *answer)
{
	struct sieve_out *out = answer->out;
	struct str precedence = bulk_precedence(out);
	struct str suppressed = suppressed_by(out);

	if (has_list_field(out))
		return refuse(answer,
			      "discarding vacation response to mailinglist "
			      "recipient <%s>",
			      answer->shown);
	if (sieve_out_is_automatic(out))
		return refuse(answer,
			      "discarding vacation response to auto-submitted "
			      "message from <%s>",
			      answer->shown);
	if (precedence.data != NULL)
		return refuse(answer,
			      "discarding vacation response to "
			      "precedence=%.*s message from <%s>",
			      STR_FMT(precedence), answer->shown);
	if (suppressed.data != NULL)
		return refuse(answer,
			      "discarding vacation response to message from "
			      "<%s> (`%.*s' flag found in "
			      "x-auto-response-suppress header)",
			      answer->shown, STR_FMT(suppressed));
	if (is_program(answer->sender.local))
		return refuse(answer,
			      "not sending vacation response to system "
			      "address <%s>",
			      answer->shown);
	if (!is_for_user(answer))
		return refuse(
			answer,
			"discarding vacation response for implicitly "
			"delivered message; no known (envelope) recipient "
			"address found in message headers (%s)",
			known_addresses(answer));
	return true;
}

static bool may_answer(struct answer *answer)
{
	return refuse_address(answer) && refuse_message(answer);
}

/* the mail */

/* By sieve_vacation_max_subject_codepoints. */
static void put_cut(struct answer *answer, struct str plain, struct str written,
		    struct buf *text)
{
	unsigned max = answer->set->sieve_vacation_max_subject_codepoints;
	CLEANUP(buf_free) struct buf line = buf_init(TEXT_MAX);
	size_t count = 0, end = 0;

	for (size_t i = 0; i < plain.len; i++) {
		if (((unsigned char)plain.data[i] & 0xc0) == 0x80)
			continue;
		if (++count == max)
			end = i;
	}
	if (max > 0 && count > max) {
		buf_append(&line, plain.data, end);
		buf_add(&line, "\u2026");
		written = str_n(line.data, line.len);
	}
	sieve_out_field(text, "Subject", written);
}

static void fill(const char *at, struct str subject, struct buf *out)
{
	const char *variable;

	while ((variable = strstr(at, "%{subject}")) != NULL) {
		buf_append(out, at, (size_t)(variable - at));
		buf_add_str(out, subject);
		at = variable + strlen("%{subject}");
	}
	buf_add(out, at);
}

static void put_subject(struct answer *answer, struct buf *text)
{
	const char *given = answer->vacation->subject;
	const char *format =
		answer->set->sieve_vacation_default_subject_template;
	struct sieve_message *message = answer->out->message;
	struct sieve_field *field =
		sieve_message_field(message, STR("Subject"));
	CLEANUP(buf_free) struct buf line = buf_init(TEXT_MAX);
	CLEANUP(buf_free) struct buf plain = buf_init(TEXT_MAX);

	if (given == NULL && field == NULL)
		given = answer->set->sieve_vacation_default_subject;
	if (given != NULL) {
		put_cut(answer, str_of(given), str_of(given), text);
		return;
	}
	/* The old one's encoded words stay what they are. */
	fill(format, sieve_field_flat(message, field), &line);
	fill(format, sieve_field_text(message, field), &plain);
	put_cut(answer, str_n(plain.data, plain.len),
		str_n(line.data, line.len), text);
}

static void put_references(struct answer *answer, struct buf *text)
{
	struct str id = sieve_out_original(answer->out, "Message-ID");
	struct str old = sieve_out_original(answer->out, "References");
	CLEANUP(buf_free) struct buf all = buf_init(TEXT_MAX);

	if (id.len == 0)
		return;
	if (old.len == 0)
		old = sieve_out_original(answer->out, "In-Reply-To");
	if (old.len > 0)
		buf_printf(&all, "%.*s ", STR_FMT(old));
	buf_add_str(&all, id);
	sieve_out_field(text, "In-Reply-To", id);
	sieve_out_field(text, "References", str_n(all.data, all.len));
}

/* The domain of one that has none is this host. */
static void put_own(const struct answer *answer, struct buf *text)
{
	const struct sieve_address *own = &answer->own;
	const char *host = answer->out->host->hostname;

	buf_printf(text, "From: <%.*s%s%s>\n", STR_FMT(own->all),
		   own->domain.len > 0 || host == NULL ? "" : "@",
		   own->domain.len > 0 || host == NULL ? "" : host);
}

static int put_from(struct answer *answer, struct buf *text, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "from");
	const char *from = answer->vacation->from;
	struct sieve_address address;

	if (from == NULL) {
		put_own(answer, text);
		return 0;
	}
	if (strpbrk(from, "\r\n") != NULL ||
	    (strchr(from, '<') == NULL &&
	     !sieve_address_parse(ctx, str_of(from), false, &address)))
		return err_set(err, ERR_INVALID,
			       "specified :from address '%.200s' is invalid "
			       "for vacation action",
			       from);
	sieve_out_mailbox(text, "From", from);
	return 0;
}

/* What a field calls him; false if it has another's address. */
static bool find_name(const struct answer *answer, const char *field_name,
		      struct buf *name)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	struct sieve_field *field =
		sieve_message_field(answer->out->message, str_of(field_name));
	struct address *list;
	size_t count = 0;

	if (field != NULL)
		address_parse(ctx, field->value,
			      sieve_engine_settings(answer->out->engine)
				      ->sieve_max_addresses,
			      &list, &count);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buf_free) struct buf all = buf_init(TEXT_MAX);

		if (!sieve_address_put(&list[i], &all) ||
		    !str_case_equal(str_n(all.data, all.len), answer->to.all))
			continue;
		if (list[i].name != NULL)
			header_decode(str_of(list[i].name), name);
		return true;
	}
	return false;
}

/* With the name that he gave himself. */
static void put_to(const struct answer *answer, struct buf *text)
{
	static const char *const fields[] = {"Sender", "Resent-From", "From"};
	CLEANUP(buf_free) struct buf name = buf_init(TEXT_MAX);
	CLEANUP(buf_free) struct buf to = buf_init(TEXT_MAX);

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (find_name(answer, fields[i], &name))
			break;
	}
	if (name.len > 0) {
		buf_add_quoted(&to, str_n(name.data, name.len));
		buf_putc(&to, ' ');
	}
	buf_printf(&to, "<%.*s>", STR_FMT(answer->to.all));
	sieve_out_mailbox(text, "To", to.data);
}

static int write_answer(struct answer *answer, struct buf *text,
			struct err *err)
{
	struct str reason = str_of(answer->vacation->reason);

	sieve_out_begin(answer->out, text);
	if (put_from(answer, text, err) < 0)
		return -1;
	put_to(answer, text);
	put_subject(answer, text);
	put_references(answer, text);
	buf_add(text, "Auto-Submitted: auto-replied (vacation)\n"
		      "Precedence: bulk\n"
		      "X-Auto-Response-Suppress: All\n");
	if (answer->vacation->mime) { /* fields of MIME, and the body */
		buf_add(text, "MIME-Version: 1.0\n");
		buf_add_str(text, reason);
		buf_putc(text, '\n');
	} else {
		sieve_out_text(text, reason);
	}
	return 0;
}

/* sieve_vacation_to_header_ignore_envelope: but it goes to the sender of the
 * envelope (RFC 3834 section 4). */
static void choose_recipient(struct answer *answer)
{
	static const char *const names[] = {"Sender", "Resent-From", "Reply-To",
					    "From"};
	struct sieve_message *message = answer->out->message;
	unsigned count;

	answer->sender = answer->to = answer->out->envelope->from;
	if (!answer->set->sieve_vacation_to_header_ignore_envelope)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct sieve_field *field =
			sieve_message_field(message, str_of(names[i]));
		const struct sieve_address *list;

		if (field == NULL)
			continue;
		list = sieve_field_addresses(message, field, 1, &count);
		if (count > 0) {
			answer->to = list[0];
			return;
		}
	}
}

static void log_refusal(struct answer *answer)
{
	const struct sieve_log *log = &answer->out->host->log;

	if (log->line != NULL)
		log->line(log->ctx, LOG_LEVEL_INFO, "vacation action",
			  answer->why);
}

int sieve_out_vacation(struct sieve_out *out, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MAX);
	struct answer answer = {
		.out = out,
		.set = sieve_engine_set(out->engine, &ext_vacation),
		.vacation = &out->action->vacation,
	};
	const struct sieve_envelope *envelope = out->envelope;
	const char *from = "";

	choose_recipient(&answer);
	answer.shown = str_sanitize(
		out->ctx,
		answer.sender.all.data == NULL ? STR("") : answer.sender.all,
		200);
	if (!may_answer(&answer)) {
		log_refusal(&answer);
		return 0;
	}
	if (write_answer(&answer, &text, err) < 0)
		return -1;
	if (answer.set->sieve_vacation_send_from_recipient)
		from = str_dup(out->ctx,
			       answer.set->sieve_vacation_use_original_recipient
				       ? envelope->original_to.all
				       : envelope->to.all);
	sieve_out_add(out, from, answer.sender.all, &text);
	return 0;
}

struct str sieve_vacation_id(const void *ctx, const struct sieve_action *action,
			     const struct sieve_envelope *envelope)
{
	const struct sieve_vacation *vacation = &action->vacation;
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MAX);
	char *sender = str_lower(ctx, envelope->from.all);

	buf_printf(&text, "vacation%c%s%c", 0, sender, 0);
	if (vacation->handle != NULL)
		buf_printf(&text, "h%c%s", 0, vacation->handle);
	else if (vacation->source != 0)
		buf_printf(&text, "s%c%016llx", 0,
			   (unsigned long long)vacation->source);
	else
		buf_printf(&text, "r%c%s%c%s%c%s%c%d", 0, vacation->reason, 0,
			   vacation->subject == NULL ? "" : vacation->subject,
			   0, vacation->from == NULL ? "" : vacation->from, 0,
			   vacation->mime);
	return str_n(mem_memdup(ctx, text.data, text.len), text.len);
}
