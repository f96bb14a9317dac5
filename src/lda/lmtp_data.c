/* SPDX-License-Identifier: MIT */
/*
 * lda/lmtp_data.c - the mail itself: received once, delivered to each
 * recipient, one reply for each (RFC 2033 section 4.2). 250 is said where
 * deliver() returned 0, and nowhere else.
 */
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "delivery/deliver.h"
#include "delivery/spool.h"
#include "lda/lmtp.h"
#include "lda/lmtp_proxy.h"
#include "lda/workers.h"
#include "mime/parse.h"
#include "net/conn.h"
#include "service/account.h"
#include "service/service.h"
#include "storage/storage.h"

/* A line of a reply has 512 octets at most (RFC 5321 section 4.5.3.1.5). */
enum { TRACE_MAX = 8192, REFUSAL_MAX = 290, REFUSAL_LINES = 50 };

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
		.with = conn_has_tls(session->conn) ? "LMTPS" : "LMTP",
		.tls = conn_tls_info(session->conn),
		.remote = session->remote,
		.time = time(NULL),
	};

	if (process->set.lmtp_add_received_header)
		trace.hostname = process->hostname;
	if (only != NULL) {
		trace.to = only->address;
		if (strcmp(kind, "original") == 0 && only->original != NULL)
			trace.to = trace.delivered_to = only->original;
		else if (strcmp(kind, "final") == 0 && only->account != NULL)
			trace.delivered_to = only->address;
	}
	session->trace_local = trace_write(&trace, out);
}

/* What is binary becomes 8BITMIME here; else, workers see to that. */
static bool ends_binary(const struct lmtp_session *session)
{
	return session->binary && (workers_parse(session->process->workers) ||
				   session->backends != NULL);
}

static void begin(struct lmtp_session *session)
{
	struct lmtp_process *process = session->process;
	CLEANUP(buf_free) struct buf trace = buf_init(TRACE_MAX);
	struct mime_limits limits;

	mail_mime_limits(&process->mail, &limits);
	write_trace(session, &trace);
	session->spool = spool_new(
		session->ctx, str_n(trace.data, trace.len),
		process->mail.mail_temp_dir, process->set.lmtp_max_message_size,
		workers_parse(process->workers) || ends_binary(session)
			? &limits
			: NULL);
	session->mail = ++process->mail_count;
	session->too_large = false;
}

void lmtp_data_begin(struct lmtp_session *session)
{
	begin(session);
	session->dot = (struct dot){.state = DOT_LINE_START};
	session->state = LMTP_DATA;
	lmtp_reply(session, "354 OK");
}

/* one recipient */

const char *lmtp_mailbox_of(const struct lmtp_session *session,
			    const struct lmtp_rcpt *rcpt)
{
	if (session->process->set.lmtp_save_to_detail_mailbox &&
	    rcpt->detail != NULL && rcpt->detail[0] != '\0')
		return rcpt->detail;
	return "INBOX";
}

/* What to tell the client of a failure. */
static char *failure(const struct lmtp_session *session,
		     const struct lmtp_rcpt *rcpt, const struct err *err)
{
	const char *text = "Internal error occurred. Refer to server log for "
			   "more information.";

	switch (err->code) {
	case ERR_QUOTA:
		return lmtp_over_quota(session, rcpt, err);
	case ERR_NO_SPACE:
		return mem_printf(rcpt, "452 4.3.1 <%s> Not enough disk space",
				  rcpt->address);
	case ERR_LIMIT:
		/* Dovecot says 451, and the MTA tries for days in vain. */
		return mem_printf(rcpt, "552 %s <%s> %s",
				  session->too_large ? "5.3.4" : "5.2.3",
				  rcpt->address,
				  str_sanitize(rcpt, str_of(err->text), 300));
	default:
		break;
	}
	if (rcpt->scripted)
		text = "Execution of Sieve filters was aborted due to "
		       "temporary failure";
	else if (session->process->set.lmtp_verbose_replies ||
		 (!err->system &&
		  (err->code == ERR_INVALID || err->code == ERR_UNSUPPORTED)))
		text = str_sanitize(rcpt, str_of(err->text), 300);
	return mem_printf(rcpt, "451 4.2.0 <%s> %s", rcpt->address, text);
}

/* A script's reason, in its lines; what is not ASCII can't be said here
 * (RFC 5429 sections 2.1.1, 2.5). */
static char *refusal(const struct lmtp_rcpt *rcpt)
{
	struct str rest = str_trim(str_of(rcpt->refusal)), line;
	CLEANUP(buf_free) struct buf out = buf_init(REFUSAL_LINES * 1024);
	bool more = true;

	if (!str_is_ascii(rest))
		rest = STR("Message refused by the recipient's filter");
	for (unsigned n = 1; more && str_split(&rest, '\n', &line); n++) {
		more = rest.data != NULL && n < REFUSAL_LINES;
		buf_printf(&out, "550%c5.7.1 <%.200s> %s%s", more ? '-' : ' ',
			   rcpt->address,
			   str_sanitize(rcpt, str_trim(line), REFUSAL_MAX),
			   more ? "\r\n" : "");
	}
	return mem_strndup(rcpt, out.data, out.len);
}

static void delivered(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
		      const struct outcome *outcome)
{
	rcpt->refusal = outcome->refusal;
	rcpt->scripted = outcome->scripted;
	rcpt->autoexpunge = outcome->autoexpunge;
	rcpt->reply = rcpt->refusal != NULL ? refusal(rcpt)
		      : outcome->ok
			      ? mem_printf(rcpt, "250 2.0.0 <%s> %s Saved",
					   rcpt->address, rcpt->session_id)
			      : failure(session, rcpt, &outcome->err);
}

static void begin_one(struct lmtp_session *session, struct lmtp_rcpt *rcpt)
{
	struct job *job = mem_new(rcpt, struct job);
	struct outcome outcome;

	*job = (struct job){
		.account = rcpt->account,
		.session_id = rcpt->session_id,
		.from = session->from,
		.to = rcpt->address,
		.original_to = rcpt->original,
		.mailbox = lmtp_mailbox_of(session, rcpt),
		.pid = getpid(),
		.session_started_ms = session->started_ms,
		.started_ms = clock_monotonic_ms(),
		.spool = session->spool,
		.binary = session->binary && !ends_binary(session),
		.mail = session->mail,
	};
	if (workers_try(session->process->workers, job, rcpt, &outcome))
		delivered(session, rcpt, &outcome);
	else
		rcpt->late = job;
}

static void end_one(struct lmtp_session *session, struct lmtp_rcpt *rcpt)
{
	struct outcome outcome;

	workers_end(session->process->workers, rcpt->late, rcpt, &outcome);
	rcpt->late = NULL;
	delivered(session, rcpt, &outcome);
}

/* Not before all are answered: it may take its time. */
static void autoexpunge(struct lmtp_session *session,
			const struct lmtp_rcpt *rcpt)
{
	const struct job job = {
		.account = rcpt->account,
		.session_id = rcpt->session_id,
		.from = "",
		.to = rcpt->address,
		.mailbox = "",
	};
	struct outcome outcome;

	workers_do(session->process->workers, JOB_EXPUNGE, &job, rcpt,
		   &outcome);
}

/* all of them */

/* Each has its reply, in the order of RCPT (RFC 2033 section 4.2), and as soon
 * as it is known: if we, or the client's patience, came to an end before the
 * last one, it would send the mail to all of them again. */
static void answer(struct lmtp_session *session)
{
	const struct lmtp_rcpt *rcpt = session->unanswered, *first = rcpt;

	for (; rcpt != NULL; rcpt = rcpt->next) {
		const struct lmtp_rcpt *one =
			rcpt->same == NULL ? rcpt : rcpt->same;

		if (one->reply == NULL)
			break;
		lmtp_reply(session, "%s", one->reply);
	}
	session->unanswered = rcpt;
	if (rcpt != NULL && rcpt != first)
		conn_flush(session->conn);
}

static void finish(struct lmtp_session *session)
{
	for (struct lmtp_rcpt *rcpt = session->rcpts; rcpt != NULL;
	     rcpt = rcpt->next) {
		if (rcpt->autoexpunge)
			autoexpunge(session, rcpt);
	}
	session->command = NULL;
	lmtp_reset(session);
}

static void backend_answered(struct lmtp_session *session)
{
	answer(session);
	if (--session->waiting > 0)
		return;
	session->looking_up = false;
	finish(session);
	if (session->process->stopping != NULL)
		lmtp_shut_down(session);
	else
		lmtp_resume(session);
}

static void deliver_local(struct lmtp_session *session)
{
	/* A client who has gone sends it to all again that he heard nothing of.
	 */
	for (struct lmtp_rcpt *rcpt = session->rcpts;
	     rcpt != NULL && !conn_closed(session->conn); rcpt = rcpt->next) {
		if (rcpt->backend != NULL || rcpt->same != NULL)
			continue;
		begin_one(session, rcpt);
		answer(session);
	}
	for (struct lmtp_rcpt *rcpt = session->rcpts; rcpt != NULL;
	     rcpt = rcpt->next) {
		if (rcpt->late == NULL)
			continue;
		end_one(session, rcpt);
		answer(session);
	}
}

static void fail_all(struct lmtp_session *session, const struct err *err)
{
	session->too_large = err->code == ERR_LIMIT;
	if (!session->too_large)
		log_error("%s", err->text);
	for (struct lmtp_rcpt *rcpt = session->rcpts; rcpt != NULL;
	     rcpt = rcpt->next)
		rcpt->reply = failure(session, rcpt, err);
}

/* What goes wrong is told at the end. */
static void write_spool(struct lmtp_session *session, const void *data,
			size_t len)
{
	struct err err;

	spool_write(session->spool, data, len, &err);
}

static int end_mail(struct lmtp_session *session, struct err *err)
{
	struct spool *raw = session->spool;

	if (!ends_binary(session))
		return spool_end(session->spool, err);
	if (spool_unbinary(session->ctx, raw,
			   workers_parse(session->process->workers),
			   &session->spool, err) < 0)
		return -1;
	mem_free(raw);
	return 0;
}

static void deliver_all(struct lmtp_session *session)
{
	struct err err;

	session->unanswered = session->rcpts;
	if (end_mail(session, &err) < 0) {
		fail_all(session, &err);
	} else {
		session->waiting = lmtp_proxy_data(session, backend_answered);
		deliver_local(session);
	}
	answer(session);
	if (session->waiting == 0) {
		finish(session);
		return;
	}
	session->state = LMTP_RCPT;
	session->looking_up = true;
	conn_pause(session->conn);
}

static void write_chunk(struct lmtp_session *session)
{
	write_spool(session, session->chunk.data, session->chunk.len);
}

size_t lmtp_data_feed(struct lmtp_session *session, struct str in)
{
	size_t used;

	buf_reset(&session->chunk);
	used = dot_feed(&session->dot, in.data, in.len, &session->chunk);
	write_chunk(session);
	if (session->dot.state == DOT_END)
		deliver_all(session);
	return used;
}

/* BDAT (RFC 3030) */

/* NULL, or why there can be none now. */
static const char *chunk_refusal(const struct lmtp_session *session)
{
	if (session->chunk_failed)
		return "Previous data chunk failed, issue RSET first";
	if (session->state == LMTP_READY)
		return "MAIL needed first";
	return session->state == LMTP_MAIL ? "No valid recipients" : NULL;
}

/* A chunk is whole. */
static void end_chunk(struct lmtp_session *session)
{
	session->state = session->rcpts != NULL  ? LMTP_RCPT
			 : session->from != NULL ? LMTP_MAIL
						 : LMTP_READY;
	session->command = NULL;
	if (session->chunk_failed)
		return;
	if (!session->chunk_last) {
		lmtp_reply(session, "250 2.0.0 Added %llu octets",
			   (unsigned long long)session->chunk_size);
		return;
	}
	if (session->chunk_cr) {
		buf_reset(&session->chunk);
		buf_putc(&session->chunk, '\r');
		write_chunk(session);
	}
	deliver_all(session);
}

void lmtp_bdat(struct lmtp_session *session, struct str args)
{
	const char *refusal = chunk_refusal(session), *problem;
	uint64_t octets;

	problem = smtp_bdat_parse(args, &octets, &session->chunk_last);
	if (problem != NULL) {
		lmtp_bad(session, "501 5.5.4 %s", problem);
		session->chunk_failed = true;
	} else if (refusal != NULL) {
		lmtp_reply(session, "503 5.5.0 %s", refusal);
		session->chunk_failed = true;
	} else if (!session->chunking) {
		begin(session);
		session->chunking = true;
	}
	session->chunk_size = session->chunk_left = octets;
	session->state = LMTP_CHUNK;
	if (octets == 0)
		end_chunk(session);
}

/* CRLF becomes LF; a CR at the end of `in` waits for what follows. */
static void add_lines(struct lmtp_session *session, struct str in)
{
	while (in.len > 0) {
		const char *cr = memchr(in.data, '\r', in.len);
		size_t plain = cr == NULL ? in.len : (size_t)(cr - in.data);

		if (session->chunk_cr && in.data[0] != '\n')
			buf_putc(&session->chunk, '\r');
		session->chunk_cr = cr != NULL;
		buf_append(&session->chunk, in.data, plain);
		in = str_from(in, cr == NULL ? plain : plain + 1);
	}
}

size_t lmtp_chunk_feed(struct lmtp_session *session, struct str in)
{
	size_t used = in.len < session->chunk_left
			      ? in.len
			      : (size_t)session->chunk_left;

	if (session->binary && !session->chunk_failed) {
		write_spool(session, in.data, used);
	} else if (!session->chunk_failed) {
		buf_reset(&session->chunk);
		add_lines(session, str_n(in.data, used));
		write_chunk(session);
	}
	session->chunk_left -= used;
	if (session->chunk_left == 0)
		end_chunk(session);
	return used;
}
