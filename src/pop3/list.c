/* SPDX-License-Identifier: MIT */
/*
 * pop3/list.c - STAT, LIST (RFC 1939 section 5) and LAST (RFC 1460).
 */
#include "base/mem.h"
#include "pop3/session.h"

void cmd_stat(struct session *session, struct str args)
{
	(void)args;
	buf_printf(&session->line, "+OK %u %llu\r\n",
		   session->count - session->deleted,
		   (unsigned long long)(session->size - session->deleted_size));
}

static void row(struct session *session, const struct msg *msg)
{
	struct buf *line = &session->line;

	buf_number(line, msg_number(session, msg));
	buf_putc(line, ' ');
	buf_number(line, msg->size);
	buf_add(line, "\r\n");
}

static enum session_wait list_more(struct session *session)
{
	while (session->at < session->count) {
		const struct msg *msg = &session->msgs[session->at++];

		if (!msg->deleted)
			row(session, msg);
		if (output_full(session))
			return SESSION_OUTPUT;
	}
	reply(session, ".");
	session->more = NULL;
	return SESSION_INPUT;
}

void cmd_list(struct session *session, struct str args)
{
	const struct msg *msg;

	if (args.len > 0) {
		msg = take_msg(session, &args, true);
		if (msg == NULL)
			return;
		buf_add(&session->line, "+OK ");
		row(session, msg);
		return;
	}
	buf_printf(&session->line, "+OK %u messages:\r\n",
		   session->count - session->deleted);
	session->at = 0;
	session->more = list_more;
}

void cmd_last(struct session *session, struct str args)
{
	(void)args;
	buf_printf(&session->line, "+OK %u\r\n", session->last);
}
