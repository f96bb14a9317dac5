/* SPDX-License-Identifier: MIT */
/*
 * pop3/retr.c - RETR and TOP: the mail goes from its file straight into the
 * connection's output, and waits when that is full.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "pop3/session.h"
#include "proto/pop3.h"
#include "storage/storage.h"

enum { PIECE = 32 * 1024 };

struct retr {
	struct mail_reader *reader;
	const struct mail *mail;
	struct pop3_text text;
	uint64_t at;    /* in the mail as it is stored */
	uint64_t told;  /* its size */
	uint64_t bytes; /* of answer around it */
	bool top;
};

static int retr_free(struct retr *retr)
{
	mail_reader_end(&retr->reader);
	return 0;
}

static void count_bytes(struct session *session, const struct retr *retr)
{
	if (retr->top)
		session->stats.top_bytes += retr->bytes + retr->text.size;
	else
		session->stats.retr_bytes += retr->bytes + retr->text.size;
}

static void finish(struct session *session)
{
	struct retr *retr = session->retr;
	struct str end = pop3_text_end(&retr->text);
	uint64_t size = retr->text.size - retr->text.dots;

	if (!retr->top && size != retr->told)
		mail_size_is(retr->mail, size);
	retr->bytes += end.len;
	buf_add_str(&session->line, end);
	reply(session, ".");
	count_bytes(session, retr);
	mem_free(retr);
	session->retr = NULL;
	session->more = NULL;
}

/* 1: there may be more, 0: that was the end. */
static int send_piece(struct session *session, struct err *err)
{
	struct retr *retr = session->retr;
	struct str piece;

	if (mail_text(retr->mail, retr->at, PIECE, &piece, err) < 0)
		return -1;
	retr->at += piece.len;
	conn_grew(session->conn,
		  pop3_text_put(&retr->text, piece,
				conn_space(session->conn, 2 * piece.len)));
	return piece.len > 0 && !retr->text.done ? 1 : 0;
}

/* The client has half a mail, which it must not take for a whole one. */
static void give_up(struct session *session, const struct err *err)
{
	log_error("%s", err->text);
	count_bytes(session, session->retr);
	session->more = NULL;
	mail_session_bye(&session->base, NULL, "Couldn't read the message");
}

static enum session_wait retr_more(struct session *session)
{
	struct err err;
	int more = 1;

	line_flush(session);
	while (more > 0) {
		if (conn_output_full(session->conn))
			return SESSION_OUTPUT;
		more = send_piece(session, &err);
	}
	if (more < 0)
		give_up(session, &err);
	else
		finish(session);
	return SESSION_INPUT;
}

/* 1, or 0 if the mail is gone. */
static int open_mail(struct session *session, const struct msg *msg,
		     struct retr *retr, struct err *err)
{
	struct range_set seqs = range_set_init(retr);
	struct str none;
	int found;

	range_set_add(&seqs, msg->seq, msg->seq);
	retr->reader = mail_reader_begin(retr, session->box, &seqs);
	found = mail_reader_next(retr->reader, &retr->mail, err);
	if (found > 0 && mail_text(retr->mail, 0, 0, &none, err) < 0)
		found = err->code == ERR_EXPUNGED ? 0 : -1;
	mail_reader_pause(retr->reader);
	return found;
}

static void start(struct session *session, struct msg *msg, uint64_t lines,
		  bool top)
{
	struct retr *retr = mem_new(session, struct retr);
	size_t before = session->line.len;
	struct err err;
	int found;

	talloc_set_destructor(retr, retr_free);
	retr->top = top;
	retr->told = msg->size;
	retr->text = (struct pop3_text){
		.lines = lines,
		.no_nuls = workaround(session, "outlook-no-nuls"),
		.end_of_header = workaround(session, "oe-ns-eoh"),
	};
	found = open_mail(session, msg, retr, &err);
	if (found <= 0) {
		if (found < 0)
			reply_error(session, &err);
		else
			buf_printf(&session->line,
				   "-ERR Message %u expunged.\r\n",
				   msg_number(session, msg));
		mem_free(retr);
		return;
	}
	msg->seen = msg->seen || lines == UINT64_MAX;
	buf_add(&session->line, "+OK");
	if (lines == UINT64_MAX) {
		buf_putc(&session->line, ' ');
		buf_number(&session->line, msg->size);
		buf_add(&session->line, " octets");
	}
	reply(session, "");
	retr->bytes = session->line.len - before;
	session->retr = retr;
	session->more = retr_more;
}

void cmd_retr(struct session *session, struct str args)
{
	struct session_stats *stats = &session->stats;
	struct msg *msg = take_msg(session, &args, true);
	uint32_t number;

	if (msg == NULL)
		return;
	number = msg_number(session, msg);
	if (stats->lowest_retr == 0 || number < stats->lowest_retr)
		stats->lowest_retr = number;
	if (number > session->last)
		session->last = number;
	stats->retr_count++;
	start(session, msg, UINT64_MAX, false);
}

void cmd_top(struct session *session, struct str args)
{
	CLEANUP(buf_free) struct buf problem = buf_init(SIZE_MAX);
	struct msg *msg = take_msg(session, &args, false);
	uint64_t lines;

	if (msg == NULL)
		return;
	if (!pop3_line_count(args, &lines, &problem)) {
		reply_bad(session, problem.data);
		return;
	}
	session->stats.top_count++;
	start(session, msg, lines, true);
}
