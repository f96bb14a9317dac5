/* SPDX-License-Identifier: MIT */
/*
 * delivery/reject.c - a mail to the sender about one that was not taken (RFC
 * 3464, RFC 8098).
 */
#include "delivery/reject.h"

#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vars.h"
#include "delivery/deliver.h"
#include "delivery/send.h"
#include "delivery/settings.h"
#include "delivery/spool.h"
#include "mime/date.h"
#include "mime/header.h"
#include "sieve/mail_out.h"
#include "sieve/outgoing.h"

enum { REPORT_MAX = 256 * 1024, HEADER_MAX = 64 * 1024 };

/* What a report is about. */
struct report {
	const void *ctx;
	const struct lda_settings *set;
	const struct delivery *delivery;
	const char *hostname, *status, *reason, *boundary;
	const char *to; /* the recipient that the sender knows */
};

static char *field_text(const struct report *report, const char *name)
{
	CLEANUP(buf_free) struct buf text = buf_init(HEADER_MAX);
	struct header_field field;

	if (!header_find(spool_header(report->delivery->spool), name, &field))
		return NULL;
	header_unfold(field.value, &text);
	return buf_steal(report->ctx, &text);
}

static const char *expand(const struct report *report, const char *format)
{
	const struct var vars[] = {
		{'n', NULL, "\n"},
		{'r', "reason", report->reason},
		{'s', "subject", field_text(report, "Subject")},
		{'t', "to", report->to},
		{0, NULL, NULL},
	};
	struct err err;
	char *text;

	if (vars_expand_anyway(report->ctx, format, vars, &text, &err) < 0)
		log_error("Failed to expand %s: %s", format, err.text);
	return text;
}

static void write_top(const struct report *report, struct buf *out)
{
	const char *name,
		*address = lda_postmaster(report->ctx, report->set,
					  report->delivery->to, &name);

	buf_printf(out,
		   "Message-ID: <dovetail-%s@%s>\nDate: ", report->boundary,
		   report->hostname);
	date_write(time(NULL), out);
	buf_printf(out, "\nFrom: %s <%s>\nTo: <%s>\n", name, address,
		   report->delivery->from);
	sieve_out_field(out, "Subject",
			str_of(expand(report, report->set->rejection_subject)));
}

static void write_report(const struct report *report, struct buf *out)
{
	const char *id = field_text(report, "Message-ID");
	const struct sieve_mdn mdn = {
		.boundary = report->boundary,
		.hostname = report->hostname,
		.words = str_of(expand(report, report->set->rejection_reason)),
		.recipient = str_of(report->to),
		.id = str_of(id == NULL ? "" : id),
		.header = spool_header(report->delivery->spool),
		.status = report->status,
	};

	write_top(report, out);
	sieve_mdn_write(&mdn, out);
}

static bool is_automatic(const struct delivery *delivery)
{
	struct header_field field;

	return header_find(spool_header(delivery->spool), "Auto-Submitted",
			   &field) &&
	       sieve_auto_submitted(field.value);
}

static void log_discarded(const struct report *report)
{
	delivery_log(report->delivery, report->set, LOG_LEVEL_INFO, "",
		     mem_printf(report->ctx,
				"Auto-submitted message discarded: %s",
				str_sanitize(report->ctx,
					     str_of(report->reason), 300)));
}

int reject_send(const struct delivery *delivery, const struct lda_settings *set,
		struct sender *sender, const char *status, const char *reason,
		struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "reject");
	CLEANUP(buf_free) struct buf mail = buf_init(REPORT_MAX);
	const struct report report = {
		.ctx = ctx,
		.set = set,
		.delivery = delivery,
		.hostname = lda_hostname(ctx, set),
		.status = status,
		.reason = reason,
		.boundary = delivery_id(ctx),
		.to = delivery->original_to != NULL ? delivery->original_to
						    : delivery->to,
	};

	if (is_automatic(delivery)) {
		if (status != NULL)
			return err_set(err, ERR_UNSUPPORTED,
				       "a program is not told of the "
				       "rejection: %s",
				       reason);
		log_discarded(&report);
		return 0;
	}
	if (!sender_address_ok(delivery->from) ||
	    (set->sendmail_path[0] == '\0' && set->submission_host[0] == '\0'))
		return err_set(err, ERR_UNSUPPORTED,
			       "nobody to tell of the rejection: %s", reason);
	write_report(&report, &mail);
	if (mail.overflow)
		return err_set(err, ERR_LIMIT, "the header is too large");
	return sender_send_text(sender, "", delivery->from, &mail, err);
}
