/* SPDX-License-Identifier: MIT */
/*
 * lda/lmtp_data.c - the mail itself: received once, delivered to each
 * recipient, one reply for each (RFC 2033 section 4.2). 250 is said where
 * deliver() returned 0, and nowhere else.
 */
#include <time.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "lda/deliver.h"
#include "lda/lmtp.h"
#include "lda/spool.h"
#include "mime/parse.h"
#include "net/conn.h"
#include "service/account.h"
#include "service/privs.h"
#include "service/service.h"

enum { TRACE_MAX = 8192 };

/* Only a mail with one recipient tells who that is: the others need not know
 * of each other. */
static void write_trace(struct lmtp_session *session, struct buf *out)
{
	const struct lmtp_process *process = session->process;
	const struct lmtp_rcpt *only =
		session->rcpt_count == 1 ? session->rcpts : NULL;
	const char *kind = process->set.lmtp_hdr_delivery_address;
	struct trace trace = {
		.from = session->from,
		.helo = session->helo == NULL ? "unknown" : session->helo,
		.session_id = session->session_id,
		.with = "LMTP",
		.remote = session->remote,
		.time = time(NULL),
	};

	if (process->set.lmtp_add_received_header)
		trace.hostname = process->hostname;
	if (only != NULL) {
		trace.to = only->address;
		if (strcmp(kind, "original") == 0)
			trace.delivered_to = only->address;
		else if (strcmp(kind, "final") == 0)
			trace.delivered_to = only->account->name;
	}
	trace_write(&trace, out);
}

void lmtp_data_begin(struct lmtp_session *session)
{
	const struct lmtp_process *process = session->process;
	CLEANUP(buf_free) struct buf trace = buf_init(TRACE_MAX);
	const struct mime_limits limits = {
		.max_depth = process->mail.mail_max_mime_depth,
		.max_parts = process->mail.mail_max_mime_parts,
		.max_header = process->mail.mail_max_header_size,
		.max_header_total =
			5 * (size_t)process->mail.mail_max_header_size,
	};

	write_trace(session, &trace);
	session->spool = spool_new(session->ctx, str_n(trace.data, trace.len),
				   process->mail.mail_temp_dir,
				   process->set.lmtp_max_message_size, &limits);
	session->dot = (struct dot){.state = DOT_LINE_START};
	session->state = LMTP_DATA;
	session->data_started_ms = clock_monotonic_ms();
	lmtp_reply(session, "354 OK");
}

/* --- one recipient
 * ------------------------------------------------------------ */

static const char *mailbox_of(const struct lmtp_session *session,
			      const struct lmtp_rcpt *rcpt)
{
	if (session->process->set.lmtp_save_to_detail_mailbox &&
	    rcpt->detail != NULL && rcpt->detail[0] != '\0')
		return rcpt->detail;
	return "INBOX";
}

static int deliver_as_user(struct lmtp_session *session,
			   const struct lmtp_rcpt *rcpt, struct err *err)
{
	struct lmtp_process *process = session->process;
	struct delivery delivery = {
		.service = "lmtp",
		.session_id = rcpt->session_id,
		.from = session->from,
		.to = rcpt->address,
		.mailbox = mailbox_of(session, rcpt),
		.spool = session->spool,
		.session_started_ms = session->started_ms,
		.started_ms = clock_monotonic_ms(),
	};

	if (lmtp_user_get(process, rcpt->account, &delivery.user, err) < 0) {
		log_error("user %s: %s", rcpt->account->name, err->text);
		return -1;
	}
	return deliver(&delivery, &process->lda, err);
}

static int deliver_one(struct lmtp_session *session,
		       const struct lmtp_rcpt *rcpt, struct err *err)
{
	const struct config *config = service_config(session->process->env);
	int ret;

	if (privs_become(rcpt->account, config, err) < 0) {
		log_error("user %s: %s", rcpt->account->name, err->text);
		return -1;
	}
	ret = deliver_as_user(session, rcpt, err);
	privs_restore();
	return ret;
}

static void reply_failure(struct lmtp_session *session,
			  const struct lmtp_rcpt *rcpt, const struct err *err)
{
	switch (err->code) {
	case ERR_QUOTA:
		lmtp_reply(session,
			   "%s <%s> Quota exceeded (mailbox for user "
			   "is full)",
			   session->process->lda.quota_full_tempfail
				   ? "452 4.2.2"
				   : "552 5.2.2",
			   rcpt->address);
		return;
	case ERR_NO_SPACE:
		lmtp_reply(session, "452 4.3.1 <%s> Not enough disk space",
			   rcpt->address);
		return;
	case ERR_LIMIT:
		lmtp_reply(session, "552 5.3.4 <%s> Message is too large",
			   rcpt->address);
		return;
	default:
		break;
	}
	if (session->process->set.lmtp_verbose_replies)
		lmtp_reply(session, "451 4.2.0 <%s> %s", rcpt->address,
			   str_sanitize(session->ctx, str_of(err->text), 300));
	else
		lmtp_reply(session,
			   "451 4.2.0 <%s> Internal error occurred. "
			   "Refer to server log for more "
			   "information.",
			   rcpt->address);
}

static void reply_saved(struct lmtp_session *session,
			const struct lmtp_rcpt *rcpt, const char *id)
{
	lmtp_reply(session, "250 2.0.0 <%s> %s Saved", rcpt->address, id);
}

/* --- all of them
 * ---------------------------------------------------------------- */

/* A recipient that was named twice gets one mail and two replies. */
struct outcome {
	const struct lmtp_rcpt *rcpt;
	int ret;
	struct err err;
};

static const struct outcome *outcome_of(const struct outcome *all,
					const struct lmtp_rcpt *rcpt)
{
	for (;; all++) {
		if (all->rcpt == rcpt)
			return all;
	}
}

static void deliver_all(struct lmtp_session *session)
{
	struct outcome *all =
		mem_array(session->ctx, struct outcome, session->rcpt_count);
	const struct outcome *done;
	struct err spool_err;
	int spooled = spool_end(session->spool, &spool_err);
	size_t n = 0;

	if (spooled < 0 && spool_err.code != ERR_LIMIT)
		log_error("%s", spool_err.text);
	for (struct lmtp_rcpt *rcpt = session->rcpts; rcpt != NULL;
	     rcpt = rcpt->next, n++) {
		all[n].rcpt = rcpt;
		if (spooled < 0) {
			all[n].ret = -1;
			all[n].err = spool_err;
		} else if (rcpt->same_as == NULL) {
			all[n].ret = deliver_one(session, rcpt, &all[n].err);
		}
		done = outcome_of(all,
				  rcpt->same_as == NULL ? rcpt : rcpt->same_as);
		if (done->ret == 0)
			reply_saved(session, rcpt, done->rcpt->session_id);
		else
			reply_failure(session, rcpt, &done->err);
	}
	lmtp_users_prune(session->process);
}

size_t lmtp_data_feed(struct lmtp_session *session, struct str in)
{
	size_t used;
	struct err err;

	buf_reset(&session->chunk);
	used = dot_feed(&session->dot, in.data, in.len, &session->chunk);
	/* What went wrong is told at the end, when a reply is due. */
	spool_write(session->spool, session->chunk.data, session->chunk.len,
		    &err);
	if (session->dot.state != DOT_END)
		return used;
	deliver_all(session);
	session->command = NULL;
	lmtp_reset(session);
	mem_free(session->session_id);
	session->session_id = service_session_id(session);
	return used;
}
