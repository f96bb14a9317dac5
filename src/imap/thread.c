/* SPDX-License-Identifier: MIT */
/*
 * imap/thread.c - THREAD and UID THREAD (RFC 5256).
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/modseq.h"
#include "imap/search.h"
#include "imap/session.h"
#include "storage/storage.h"

struct thread_state {
	struct thread *thread;
	bool any;   /* something was told: a blank goes before it */
	bool digit; /* the last was a number */
};

static bool parse_kind(struct str name, enum thread_kind *out)
{
	static const struct {
		const char *name;
		enum thread_kind kind;
	} kinds[] = {
		{"ORDEREDSUBJECT", THREAD_ORDEREDSUBJECT},
		{"REFERENCES", THREAD_REFERENCES},
		{"REFS", THREAD_REFS},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (str_case_is(name, kinds[i].name)) {
			*out = kinds[i].kind;
			return true;
		}
	}
	return false;
}

static void add_number(struct cmd *cmd, uint32_t seq)
{
	struct thread_state *state = cmd->state;
	struct buf *line = &cmd->session->line;

	if (state->digit)
		buf_putc(line, ' ');
	state->digit = true;
	buf_number(line,
		   cmd->uid ? mailbox_uid_of(cmd->session->box, seq) : seq);
}

static void add_step(struct cmd *cmd, enum thread_step step, uint32_t seq)
{
	struct thread_state *state = cmd->state;
	struct buf *line = &cmd->session->line;

	if (!state->any)
		buf_putc(line, ' ');
	state->any = true;
	if (step == THREAD_MAIL) {
		add_number(cmd, seq);
		return;
	}
	if (step == THREAD_OPEN && state->digit)
		buf_putc(line, ' ');
	state->digit = false;
	buf_putc(line, step == THREAD_OPEN ? '(' : ')');
}

static enum cmd_result tell(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct thread_state *state = cmd->state;
	enum thread_step step;
	uint32_t seq = 0;

	while ((step = thread_next(state->thread, &seq)) != THREAD_END) {
		add_step(cmd, step, seq);
		if (output_full(session))
			return CMD_OUTPUT;
	}
	buf_add(&session->line, "\r\n");
	return cmd_sync(cmd, cmd->uid ? 0 : TELL_NO_EXPUNGES,
			"OK Thread completed");
}

static enum cmd_result thread_more(struct cmd *cmd)
{
	struct thread_state *state = cmd->state;
	struct err err;
	int done = thread_run(state->thread, TURN_MS, &err);

	if (done == 0)
		return CMD_TURN;
	if (done < 0)
		return cmd_box_error(cmd, &err);
	buf_add(&cmd->session->line, "* THREAD");
	cmd->more = tell;
	return tell(cmd);
}

enum cmd_result cmd_thread(struct cmd *cmd)
{
	struct thread_state *state = mem_new(cmd, struct thread_state);
	enum thread_kind kind;
	struct search_args args;
	struct search_node *root;
	const char *problem;
	struct str name;

	cmd->state = state;
	cmd->more = thread_more;
	if (!arg_string(&cmd->args[0], &name) ||
	    cmd->args[1].kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Invalid arguments");
	if (!parse_kind(name, &kind))
		return cmd_bad(cmd, "Unknown thread algorithm");
	problem = search_parse_charset(cmd, &cmd->args[1], &args, &root);
	if (args.bad_charset)
		return cmd_reply(cmd, "NO [BADCHARSET] Unknown charset");
	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	if (args.modseq && !modseq_wanted(cmd, "THREAD MODSEQ"))
		return CMD_DONE;
	state->thread = thread_begin(cmd, cmd->session->box, root, kind);
	return thread_more(cmd);
}
