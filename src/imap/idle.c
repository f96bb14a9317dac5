/* SPDX-License-Identifier: MIT */
/*
 * imap/idle.c - IDLE (RFC 2177): changes are told at once, as inotify says that
 * something changed; there is no fixed wait.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "net/conn.h"
#include "net/loop.h"
#include "service/service.h"
#include "storage/storage.h"

enum {
	DONE_LINE_MAX = 16,
	REST_MS = 500, /* after which nothing is expected soon */
};

struct idle {
	struct cmd *cmd;
	struct notify *notify;
	struct timer *poll; /* where there is no inotify */
	struct timer *still_here;
	struct timer *rest;
	bool look; /* something may have changed */
};

static int idle_free(struct idle *idle)
{
	notify_free(&idle->notify);
	timer_free(&idle->poll);
	timer_free(&idle->still_here);
	timer_free(&idle->rest);
	return 0;
}

static void changed(void *ctx)
{
	struct idle *idle = ctx;

	idle->look = true;
	/* One that waits for output is woken when that is gone. */
	if (idle->cmd->waits_for == CMD_INPUT)
		mail_session_wake(&idle->cmd->session->base);
}

/* A session that idles for hours should cost what it needs and no more: what
 * the index has mapped and the heap does not use goes back. */
static void rest(void *)
{
	index_rest();
	mem_trim();
}

static void poll_again(void *ctx)
{
	struct idle *idle = ctx;
	struct user *user = idle->cmd->session->user;

	timer_reset(idle->poll,
		    user_settings(user)->mailbox_idle_check_interval);
	changed(idle);
}

static void still_here(void *ctx)
{
	struct idle *idle = ctx;
	struct session *session = idle->cmd->session;

	timer_reset(idle->still_here, session->set->imap_idle_notify_interval);
	if (conn_output_size(session->conn) > 0)
		return; /* it has enough to read */
	conn_write_str(session->conn, STR("* OK Still here\r\n"));
}

static void watch_mailbox(struct idle *idle)
{
	struct session *session = idle->cmd->session;
	struct loop *loop = service_loop(session->env);
	struct duration every =
		user_settings(session->user)->mailbox_idle_check_interval;
	const char *const *paths;
	unsigned count;
	struct err err;

	mailbox_watch_paths(idle, session->box, &paths, &count);
	idle->notify = notify_new(loop, paths, count, changed, idle, &err);
	if (idle->notify != NULL)
		return;
	if (every.ms == 0)
		return;
	log_warning("IDLE looks for changes now and then only: %s", err.text);
	idle->poll = timer_new(loop, every, poll_again, idle);
}

/* DONE */

static enum cmd_result end(struct cmd *cmd, bool done)
{
	struct session *session = cmd->session;

	session->idling = false;
	mem_free(cmd->state);
	cmd->state = NULL;
	if (!done)
		return cmd_reply(cmd, "BAD Expected DONE");
	return cmd_sync(cmd, TELL_NEW_MAILS, "OK Idle completed");
}

/* What the client says while it idles: one line. */
static enum cmd_result take_line(struct cmd *cmd)
{
	struct conn *conn = cmd->session->conn;
	struct str in = conn_input(conn), line;
	ptrdiff_t eol = str_find_char(in, '\n');
	bool done;

	if (eol < 0 && in.len < DONE_LINE_MAX)
		return CMD_INPUT;
	if (eol < 0) /* too long for DONE: the parser makes sense of it */
		return end(cmd, false);
	line = str_n(in.data, eol);
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	done = str_case_is(line, "DONE");
	conn_consume(conn, eol + 1);
	return end(cmd, done);
}

static enum cmd_result idle_more(struct cmd *cmd)
{
	struct idle *idle = cmd->state;
	enum cmd_result result;

	for (;;) {
		if (cmd->sync != NULL) {
			result = cmd_sync_more(cmd);
		} else if (idle->look) {
			idle->look = false;
			timer_reset(idle->rest,
				    (struct duration){.ms = REST_MS});
			result = cmd_sync(cmd, TELL_NEW_MAILS, NULL);
		} else {
			break;
		}
		if (result != CMD_DONE)
			return result;
		if (cmd->session->base.closing)
			return CMD_DONE;
	}
	line_flush(cmd->session);
	return take_line(cmd);
}

enum cmd_result cmd_idle(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct idle *idle = mem_new(cmd, struct idle);
	struct duration interval = session->set->imap_idle_notify_interval;
	enum cmd_result result;

	idle->cmd = cmd;
	talloc_set_destructor(idle, idle_free);
	cmd->state = idle;
	cmd->more = idle_more;
	conn_write_str(session->conn, STR("+ idling\r\n"));
	session->idling = true;
	if (session->box != NULL)
		watch_mailbox(idle);
	if (interval.ms > 0)
		idle->still_here = timer_new(service_loop(session->env),
					     interval, still_here, idle);
	idle->rest = timer_new(service_loop(session->env),
			       (struct duration){.ms = REST_MS}, rest, idle);
	idle->look = true; /* what came before the watch */
	result = idle_more(cmd);
	if (result == CMD_INPUT)
		rest(idle);
	return result;
}
