/* SPDX-License-Identifier: MIT */
/*
 * sieve/notification.c - mails about a mail: notify (RFC 5436), report
 * (RFC 5965), reject (RFC 5429 section 2.1.2).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "sieve/ext.h"
#include "sieve/mail_out.h"
#include "sieve/mailto.h"
#include "sieve/outgoing.h"

enum { TEXT_MAX = 2 << 20 };

/* notify */

static void put_list(struct buf *text, const char *name,
		     const char *const *list)
{
	if (*list == NULL)
		return;
	buf_printf(text, "%s: ", name);
	for (size_t i = 0; list[i] != NULL; i++)
		buf_printf(text, "%s%s", i > 0 ? ", " : "", list[i]);
	buf_putc(text, '\n');
}

static void put_importance(struct buf *text, const char *importance)
{
	static const char *const fields[] = {
		"X-Priority: 1 (Highest)\nImportance: High\n",
		"X-Priority: 3 (Normal)\nImportance: Normal\n",
		"X-Priority: 5 (Lowest)\nImportance: Low\n",
	};
	unsigned level = importance[0] >= '1' && importance[0] <= '3'
				 ? (unsigned)(importance[0] - '1')
				 : 1;

	buf_add(text, fields[level]);
}

static void put_subject(struct sieve_out *out,
			const struct sieve_mailto *mailto, struct buf *text)
{
	const char *message = out->action->notify.message;
	struct str old = sieve_out_original(out, "Subject");

	if (message == NULL)
		message = mailto->subject;
	if (message != NULL)
		sieve_out_field(text, "Subject", str_of(message));
	else
		sieve_out_field(text, "Subject",
				old.data == NULL ? STR("Notification: "
						       "(no subject)")
						 : old);
}

/* Who it is from if the script does not say: "" for postmaster. */
static const char *own_source(struct sieve_out *out)
{
	const struct sieve_settings *set = sieve_engine_settings(out->engine);
	const char *setting = set->sieve_notify_mailto_envelope_from;

	if (out->envelope->null_sender)
		return "";
	return setting[0] == '\0'
		       ? set->sieve_user_email
		       : sieve_out_source(out->ctx, out->engine, out->envelope,
					  out->host, setting);
}

static void put_from(struct sieve_out *out, struct buf *text)
{
	const char *from = out->action->notify.from, *source = own_source(out);

	if (from != NULL && strpbrk(from, "\r\n") == NULL) {
		sieve_out_mailbox(text, "From", from);
		return;
	}
	buf_add(text, "From: ");
	if (source[0] != '\0')
		buf_printf(text, "<%s>", source);
	else
		sieve_out_postmaster(out, text);
	buf_putc(text, '\n');
}

static void write_notification(struct sieve_out *out,
			       const struct sieve_mailto *mailto,
			       struct buf *text)
{
	sieve_out_begin(out, text);
	put_subject(out, mailto, text);
	put_from(out, text);
	put_list(text, "To", mailto->to);
	put_list(text, "Cc", mailto->cc);
	buf_add(text, "Auto-Submitted: auto-notified; owner-email=");
	buf_add_quoted(text, sieve_redirect_owner(out->engine, out->envelope));
	buf_add(text, "\nPrecedence: bulk\n");
	put_importance(text, out->action->notify.importance);
	for (const struct sieve_mailto_field *f = mailto->fields;
	     f->name != NULL; f++)
		sieve_out_field(text, f->name, str_of(f->value));
	sieve_out_text(text, mailto->body.data == NULL
				     ? STR("Notification of new message.")
				     : mailto->body);
}

/* Of the older extension. */
static void write_old_notification(struct sieve_out *out,
				   const struct sieve_mailto *mailto,
				   struct buf *text)
{
	sieve_out_begin(out, text);
	put_importance(text, out->action->notify.importance);
	put_from(out, text);
	buf_add(text, "Subject: [SIEVE] New mail notification\n"
		      "Auto-Submitted: auto-generated (notify)\n"
		      "Precedence: bulk\n");
	put_list(text, "To", mailto->to);
	sieve_out_text(text, str_of(out->action->notify.message));
}

/* Section 2.7: an empty sender stays one. */
static const char *notification_sender(struct sieve_out *out)
{
	const struct sieve_settings *set = sieve_engine_settings(out->engine);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sender");
	const char *from = out->action->notify.from, *source;
	struct sieve_address address;

	if (out->envelope->null_sender)
		return "";
	if (set->sieve_notify_mailto_envelope_from[0] == '\0' && from != NULL &&
	    sieve_address_read(ctx, str_of(from), &address))
		return str_dup(out->ctx, address.all);
	source = own_source(out);
	if (source[0] != '\0')
		return source;
	return out->host->postmaster == NULL ? "" : out->host->postmaster;
}

static bool has_got_it(const struct sieve_out *out, const char *to)
{
	for (unsigned i = 0; i < out->count; i++) {
		if (strcmp(to, out->mails[i].to) == 0)
			return true;
	}
	return false;
}

/* Each one mail, who is named twice, too. */
static void add_all(struct sieve_out *out, const char *from,
		    const char *const *list, const struct buf *text)
{
	for (; *list != NULL; list++) {
		if (!has_got_it(out, *list))
			sieve_out_add(out, from, str_of(*list), text);
	}
}

static void log_automatic(const void *ctx, const struct sieve_out *out)
{
	const struct sieve_log *log = &out->host->log;
	struct str from = out->envelope->from.all;

	if (log->line == NULL)
		return;
	if (from.data == NULL)
		from = STR("");
	log->line(log->ctx, LOG_LEVEL_INFO, "notify action",
		  mem_printf(ctx,
			     "not sending notification for auto-submitted "
			     "message from <%s>",
			     str_sanitize(ctx, from, 200)));
}

int sieve_out_notify(struct sieve_out *out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "notify");
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MAX);
	struct sieve_mailto mailto;
	const char *from;

	/* Section 2.7.1 */
	if (sieve_out_is_automatic(out)) {
		log_automatic(ctx, out);
		return 0;
	}
	if (sieve_mailto_parse(ctx, str_of(out->action->notify.method),
			       out->action->notify.told, &mailto, err) < 0)
		return err_wrap(err, "notify action");
	if (out->action->notify.id != NULL)
		write_old_notification(out, &mailto, &text);
	else
		write_notification(out, &mailto, &text);
	from = notification_sender(out);
	add_all(out, from, mailto.to, &text);
	add_all(out, from, mailto.cc, &text);
	add_all(out, from, mailto.bcc, &text);
	return 0;
}

/* multipart/report (RFC 6522) */

/* Whom the sender wrote to; he need not know of aliases. */
static struct str told_recipient(const struct sieve_envelope *envelope)
{
	return envelope->original_to.all.len > 0 ? envelope->original_to.all
						 : envelope->to.all;
}

static void put_boundary(struct str raw, struct buf *out)
{
	do {
		buf_reset(out);
		buf_printf(out, "report-%016llx",
			   (unsigned long long)random_u64());
	} while (str_find(raw, str_n(out->data, out->len)) >= 0);
}

static void put_report_head(struct buf *text, const char *type,
			    const char *boundary, struct str words)
{
	buf_printf(text,
		   "MIME-Version: 1.0\n"
		   "Content-Type: multipart/report; report-type=%s;\n"
		   "\tboundary=\"%s\"\n\n"
		   "This is a MIME-encapsulated message\n\n"
		   "--%s\nContent-Type: text/plain; charset=utf-8\n"
		   "Content-Transfer-Encoding: 8bit\n"
		   "Content-Disposition: inline\n\n%.*s\n\n"
		   "--%s\n",
		   type, boundary, boundary, STR_FMT(words), boundary);
}

/* The last part: the mail, or its header. */
static void put_message(struct str text, bool header_only, const char *boundary,
			struct buf *out)
{
	buf_printf(out, "\n--%s\nContent-Type: %s\n", boundary,
		   header_only ? "text/rfc822-headers" : "message/rfc822");
	buf_add(out, "Content-Disposition: attachment\n\n");
	buf_add_str(out, text);
	buf_printf(out, "\n--%s--\n", boundary);
}

static struct str header_of(struct sieve_out *out)
{
	struct str raw = sieve_message_raw(out->message);

	return str_n(raw.data, raw.len - sieve_message_body(out->message).len);
}

static void put_field(struct sieve_out *out, const char *prefix,
		      struct buf *text)
{
	CLEANUP(buf_free) struct buf line = buf_init(TEXT_MAX);
	struct str subject = sieve_out_original(out, "Subject");

	buf_printf(&line, "%s: ", prefix);
	buf_add_str(&line,
		    subject.data == NULL ? STR("(no subject)") : subject);
	sieve_out_field(text, "Subject", str_n(line.data, line.len));
}

static void put_feedback(struct sieve_out *out, struct buf *text)
{
	const struct sieve_envelope *envelope = out->envelope;

	buf_printf(text,
		   "Content-Type: message/feedback-report\n\n"
		   "Version: 1\nFeedback-Type: %s\n"
		   "User-Agent: " PACKAGE_NAME "/" PACKAGE_VERSION "\n"
		   "Original-Mail-From: <%.*s>\nOriginal-Rcpt-To: <%.*s>\n",
		   out->action->report.type,
		   STR_FMT(envelope->from.all.data == NULL
				   ? STR("")
				   : envelope->from.all),
		   STR_FMT(told_recipient(envelope)));
}

int sieve_out_report(struct sieve_out *out, struct err *)
{
	const struct sieve_report *report = &out->action->report;
	const struct sieve_settings *set = sieve_engine_settings(out->engine);
	const char *how = set->sieve_report_from;
	struct str raw = sieve_message_raw(out->message);
	/* A large message is told of by its header. */
	bool header = report->headers_only || raw.len > set->sieve_max_memory;
	CLEANUP(buf_free) struct buf text = buf_init(raw.len + TEXT_MAX);
	CLEANUP(buf_free) struct buf boundary = buf_init(100);

	/* Never to the account itself (section 3 of the specification). */
	if (str_case_equal(str_of(report->address), out->envelope->to.all))
		return 0;
	put_boundary(raw, &boundary);
	sieve_out_begin(out, &text);
	buf_add(&text, "From: ");
	if (strcmp(how, "postmaster") == 0)
		sieve_out_postmaster(out, &text);
	else
		buf_printf(&text, "<%s>",
			   sieve_out_source(out->ctx, out->engine,
					    out->envelope, out->host, how));
	buf_printf(&text, "\nTo: <%s>\n", report->address);
	put_field(out, "Report", &text);
	buf_add(&text, "Auto-Submitted: auto-generated (report)\n");
	put_report_head(&text, "feedback-report", boundary.data,
			str_of(report->message));
	put_feedback(out, &text);
	put_message(header ? header_of(out) : raw, header, boundary.data,
		    &text);
	sieve_out_add(out, "", str_of(report->address), &text);
	return 0;
}

/* reject */

static void write_dsn(const struct sieve_mdn *mdn, struct buf *out)
{
	put_report_head(out, "delivery-status", mdn->boundary, mdn->words);
	buf_printf(out,
		   "Content-Type: message/delivery-status\n\n"
		   "Reporting-MTA: dns; %s\n\n"
		   "Final-Recipient: rfc822; %.*s\n"
		   "Action: failed\nStatus: %s\n",
		   mdn->hostname, STR_FMT(mdn->recipient), mdn->status);
	put_message(mdn->header, true, mdn->boundary, out);
}

void sieve_mdn_write(const struct sieve_mdn *mdn, struct buf *out)
{
	buf_add(out, "Auto-Submitted: auto-replied (rejected)\n"
		     "Precedence: bulk\n");
	if (mdn->status != NULL) {
		write_dsn(mdn, out);
		return;
	}
	put_report_head(out, "disposition-notification", mdn->boundary,
			mdn->words);
	buf_printf(out,
		   "Content-Type: message/disposition-notification\n\n"
		   "Reporting-UA: %s; " PACKAGE_NAME " Mail Delivery Agent\n"
		   "Final-Recipient: rfc822; %.*s\n",
		   mdn->hostname, STR_FMT(mdn->recipient));
	if (mdn->id.len > 0)
		buf_printf(out, "Original-Message-ID: %.*s\n",
			   STR_FMT(mdn->id));
	buf_add(out, "Disposition: automatic-action/MDN-sent-automatically; "
		     "deleted\n");
	put_message(mdn->header, true, mdn->boundary, out);
}

int sieve_out_reject(struct sieve_out *out, struct err *)
{
	const struct sieve_envelope *envelope = out->envelope;
	struct str raw = sieve_message_raw(out->message);
	CLEANUP(buf_free) struct buf text = buf_init(raw.len + TEXT_MAX);
	CLEANUP(buf_free) struct buf words = buf_init(TEXT_MAX);
	CLEANUP(buf_free) struct buf boundary = buf_init(100);

	if (envelope->null_sender || envelope->from.all.len == 0)
		return 0; /* nobody to tell */
	put_boundary(raw, &boundary);
	sieve_out_begin(out, &text);
	buf_add(&text, "From: ");
	sieve_out_postmaster(out, &text);
	buf_printf(&text, "\nTo: <%.*s>\n", STR_FMT(envelope->from.all));
	put_field(out, "Rejected", &text);
	buf_printf(&words,
		   "Your message to <%.*s> was automatically rejected:\n%s",
		   STR_FMT(told_recipient(envelope)),
		   out->action->reject.reason);
	sieve_mdn_write(
		&(struct sieve_mdn){
			.boundary = boundary.data,
			.hostname = out->host->hostname == NULL
					    ? "localhost"
					    : out->host->hostname,
			.words = str_n(words.data, words.len),
			.recipient = told_recipient(envelope),
			.id = sieve_out_original(out, "Message-ID"),
			.header = header_of(out),
		},
		&text);
	sieve_out_add(out, "", envelope->from.all, &text);
	return 0;
}
