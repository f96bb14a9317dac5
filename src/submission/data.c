/* SPDX-License-Identifier: MIT */
/*
 * submission/data.c - the mail itself: DATA and BDAT (RFC 5321, 3030). It is
 * received whole, then given to the relay with a Received field in front, and
 * what the relay answers is the client's answer.
 */
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "delivery/deliver.h"
#include "delivery/spool.h"
#include "net/conn.h"
#include "service/service.h"
#include "service/smtp_client.h"
#include "storage/user.h"
#include "submission/session.h"

enum { TRACE_MAX = 8192, REPLY_MAX = 500 };
#define DEFAULT_MAX (40 * 1024 * 1024) /* Dovecot's */

/* What Received takes of the relay's limit. */
enum { TRACE_ROOM = 1024 };

uint64_t submission_own_max(const struct submission *session)
{
	uint64_t max = session->set->submission_max_mail_size;

	return max == 0 ? DEFAULT_MAX : max;
}

uint64_t submission_max(const struct submission *session)
{
	uint64_t own = submission_own_max(session), relay = session->relay_size;

	if (relay == 0)
		return own;
	relay = relay > TRACE_ROOM ? relay - TRACE_ROOM : 1;
	return own < relay ? own : relay;
}

/* Only a mail with one recipient tells who that is. */
static void begin(struct submission *session)
{
	CLEANUP(buf_free) struct buf text = buf_init(TRACE_MAX);
	CLEANUP(buf_free) struct buf out = buf_init(2 * TRACE_MAX);
	const struct service_session *login = session->base.login;
	struct dot_out crlf = {0};
	const struct trace trace = {
		.from = session->from,
		.to = session->rcpt_count == 1 ? session->only_rcpt : NULL,
		.hostname = session->hostname,
		.helo = session->helo,
		.session_id = session->transaction_id,
		.with = login->tls ? "ESMTPSA" : "ESMTPA",
		.remote = login->remote,
		.time = time(NULL),
	};

	buf_shift(&text, trace_write(&trace, &text));
	dot_write(&crlf, text.data, text.len, &out);
	session->trace_size = out.len;
	session->dot = (struct dot){.keep_crlf = true};
	session->spool =
		spool_new(session->ctx, str_n(out.data, out.len),
			  user_settings(session->base.user)->mail_temp_dir,
			  submission_max(session), NULL);
}

/* the relay's answer */

static void log_answer(struct submission *session,
		       const struct smtp_reply *reply, bool ok)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	const char *from = str_sanitize(ctx, str_of(session->from), REPLY_MAX);
	const char *text = str_sanitize(ctx, str_of(reply->text), REPLY_MAX);
	uint64_t size = spool_size(session->spool) - session->trace_size;

	if (ok)
		log_info("Successfully relayed message: from=<%s>, size=%llu, "
			 "id=%s, nrcpt=%u, reply=`%u %s'",
			 from, (unsigned long long)size,
			 session->transaction_id, session->rcpt_count,
			 reply->code, text);
	else
		log_info("Failed to relay message: from=<%s>, size=%llu, "
			 "nrcpt=%u, reply=`%u %s'",
			 from, (unsigned long long)size, session->rcpt_count,
			 reply->code, text);
}

/* Comes for each recipient; there is one answer for all. */
static void data_answered(void *ctx, const struct smtp_reply *reply)
{
	struct submission *session = ctx;
	bool ok = reply->code / 100 == 2;

	if (session->spool == NULL)
		return;
	if (!relay_answered(session, reply)) {
		session->spool = NULL;
		return;
	}
	log_answer(session, reply, ok);
	submission_pass(session, reply);
	if (ok)
		session->from = NULL; /* the relay has done with it, too */
	submission_reset(session);
	session->command = NULL;
	relay_wake(session);
}

/* The mail is whole, or as much as there is of it can't be sent. */
static void finish(struct submission *session)
{
	struct smtp_source source = {.read = spool_read, .ctx = session->spool};
	struct str args;
	struct err err;

	session->state = SUBMISSION_RCPT;
	if (spool_end(session->spool, &err) < 0) {
		if (err.code != ERR_LIMIT)
			log_error("Failed to receive a mail: %s", err.text);
		submission_reply(session, "%s",
				 err.code == ERR_LIMIT
					 ? "552 5.2.3 Message size exceeds "
					   "administrative limit"
					 : "451 4.3.0 Temporary internal "
					   "failure");
		submission_reset(session);
		session->command = NULL;
		return;
	}
	/* Octets are sent as octets. */
	if (session->binary ||
	    (session->chunking &&
	     smtp_client_can(session->relay, "CHUNKING", &args)))
		source.chunk = spool_size(session->spool);
	session->waiting++;
	smtp_client_data(session->relay, &source, data_answered, session);
}

/* DATA */

static bool has_recipients(struct submission *session)
{
	if (session->from == NULL)
		submission_reply(session, "503 5.5.0 MAIL needed first");
	else if (session->rcpt_count == 0)
		submission_reply(session, "554 5.5.0 No valid recipients");
	else
		return true;
	return false;
}

void submission_data(struct submission *session, struct str args)
{
	(void)args;
	if (!has_recipients(session))
		return;
	if (session->chunking) {
		submission_reply(session, "503 5.5.0 Not allowed after BDAT");
	} else if (session->binary) {
		submission_reply(session, "503 5.5.0 DATA cannot be used with "
					  "BINARYMIME");
	} else {
		begin(session);
		session->state = SUBMISSION_DATA;
		submission_reply(session, "354 OK");
	}
}

/* What goes wrong spool_end() says again. */
static void write_chunk(struct submission *session)
{
	struct err err;

	spool_write(session->spool, session->chunk.data, session->chunk.len,
		    &err);
}

size_t submission_data_feed(struct submission *session, struct str in)
{
	size_t used;

	buf_reset(&session->chunk);
	used = dot_feed(&session->dot, in.data, in.len, &session->chunk);
	write_chunk(session);
	if (session->dot.state == DOT_END)
		finish(session);
	return used;
}

/* BDAT */

static bool may_chunk(struct submission *session)
{
	if (session->chunk_failed)
		submission_reply(session, "503 5.5.0 Previous data chunk "
					  "failed, issue RSET first");
	return !session->chunk_failed && has_recipients(session);
}

static void end_chunk(struct submission *session)
{
	session->state = session->from == NULL      ? SUBMISSION_READY
			 : session->rcpt_count == 0 ? SUBMISSION_MAIL
						    : SUBMISSION_RCPT;
	if (session->chunk_failed || !session->chunk_last)
		session->command = NULL;
	if (session->chunk_failed)
		return;
	if (session->chunk_last)
		finish(session);
	else
		submission_reply(session, "250 2.0.0 Added %llu octets",
				 (unsigned long long)session->chunk_size);
}

void submission_bdat(struct submission *session, struct str args)
{
	uint64_t octets;
	const char *problem =
		smtp_bdat_parse(args, &octets, &session->chunk_last);

	if (problem != NULL) {
		submission_bad(session, mem_printf(session->tmp, "501 5.5.4 %s",
						   problem));
		session->chunk_failed = true;
	} else if (!may_chunk(session)) {
		session->chunk_failed = true;
	} else if (!session->chunking) {
		begin(session);
		session->chunking = true;
	}
	session->chunk_size = session->chunk_left = octets;
	session->state = SUBMISSION_CHUNK;
	if (octets == 0)
		end_chunk(session);
}

size_t submission_chunk_feed(struct submission *session, struct str in)
{
	size_t used = in.len < session->chunk_left
			      ? in.len
			      : (size_t)session->chunk_left;

	if (!session->chunk_failed) {
		buf_reset(&session->chunk);
		buf_append(&session->chunk, in.data, used);
		write_chunk(session);
	}
	session->chunk_left -= used;
	if (session->chunk_left == 0)
		end_chunk(session);
	return used;
}
