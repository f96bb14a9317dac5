/* SPDX-License-Identifier: MIT */
/*
 * imap/search.c - SEARCH and UID SEARCH with the results of ESEARCH (RFC 4731)
 * and SAVE (RFC 5182).
 */
#include "imap/search.h"

#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "storage/storage.h"

enum {
	RETURN_MIN = 1 << 0,
	RETURN_MAX = 1 << 1,
	RETURN_ALL = 1 << 2,
	RETURN_COUNT = 1 << 3,
	RETURN_SAVE = 1 << 4,
	TURN_MS = 50, /* how long others in this process wait for us */
};

struct search_state {
	bool extended;
	unsigned wanted;
	struct search *search;
	struct range_set result; /* numbers, or UIDs for UID SEARCH */
	uint64_t at;             /* of result, when it is told one by one */
};

static const char *parse_return(const struct imap_arg *arg, unsigned *wanted)
{
	static const struct {
		const char *name;
		unsigned flag;
	} options[] = {
		{"MIN", RETURN_MIN},   {"MAX", RETURN_MAX},
		{"ALL", RETURN_ALL},   {"COUNT", RETURN_COUNT},
		{"SAVE", RETURN_SAVE},
	};
	size_t i;

	*wanted = arg->kind == IMAP_ARG_END ? RETURN_ALL : 0;
	for (; arg->kind != IMAP_ARG_END; arg++) {
		for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
			if (imap_arg_atom_is(arg, options[i].name))
				break;
		}
		if (i == sizeof(options) / sizeof(options[0]))
			return "Unknown SEARCH return option";
		*wanted |= options[i].flag;
	}
	return NULL;
}

/* results */

static void add_extreme(struct buf *line, const char *word, uint32_t number)
{
	buf_add(line, word);
	buf_number(line, number);
}

static void tell_extended(struct cmd *cmd, const struct search_state *state)
{
	struct buf *line = &cmd->session->line;
	const struct range_set *set = &state->result;

	if ((state->wanted & ~(unsigned)RETURN_SAVE) == 0)
		return;
	buf_add(line, "* ESEARCH (TAG ");
	imap_write_nstring(line, str_of(cmd->tag));
	buf_add(line, cmd->uid ? ") UID" : ")");
	if (set->count > 0) {
		if ((state->wanted & RETURN_MIN) != 0)
			add_extreme(line, " MIN ", set->ranges[0].first);
		if ((state->wanted & RETURN_MAX) != 0)
			add_extreme(line, " MAX ",
				    set->ranges[set->count - 1].last);
		if ((state->wanted & RETURN_ALL) != 0) {
			buf_add(line, " ALL ");
			range_set_write(set, line);
		}
	}
	if ((state->wanted & RETURN_COUNT) != 0) {
		buf_add(line, " COUNT ");
		buf_number(line, range_set_size(set));
	}
	buf_add(line, "\r\n");
}

/* What $ means from now on: with MIN or MAX alone, only those (RFC 5182 section
 * 2.1). */
static void save(struct cmd *cmd, const struct search_state *state,
		 const struct range_set *uids)
{
	struct range_set *saved = &cmd->session->saved;
	const struct range *last = &uids->ranges[uids->count - 1];

	range_set_clear(saved);
	if (uids->count == 0)
		return;
	if ((state->wanted & (RETURN_ALL | RETURN_COUNT)) != 0 ||
	    (state->wanted & (RETURN_MIN | RETURN_MAX)) == 0) {
		range_set_merge(saved, uids);
		return;
	}
	if ((state->wanted & RETURN_MIN) != 0)
		range_set_add(saved, uids->ranges[0].first,
			      uids->ranges[0].first);
	if ((state->wanted & RETURN_MAX) != 0)
		range_set_add(saved, last->last, last->last);
}

/* running */

static enum cmd_result search_end(struct cmd *cmd)
{
	return cmd_sync(cmd, cmd->uid ? 0 : TELL_NO_EXPUNGES,
			"OK Search completed");
}

/* "* SEARCH 1 2 3", which may be long. */
static enum cmd_result tell_numbers(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct search_state *state = cmd->state;
	uint32_t number;

	while (range_set_next(&state->result, &state->at, &number)) {
		buf_putc(&session->line, ' ');
		buf_number(&session->line, number);
		if (session->line.len > 4096 && output_full(session))
			return CMD_OUTPUT;
	}
	buf_add(&session->line, "\r\n");
	return search_end(cmd);
}

static enum cmd_result found(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct search_state *state = cmd->state;
	const struct range_set *seqs = search_result(state->search);
	struct range_set uids = range_set_init(cmd);

	if (cmd->uid || (state->wanted & RETURN_SAVE) != 0)
		mailbox_uids_of(session->box, seqs, &uids);
	if ((state->wanted & RETURN_SAVE) != 0)
		save(cmd, state, &uids);
	state->result = cmd->uid ? uids : *seqs;
	if (state->extended) {
		tell_extended(cmd, state);
		return search_end(cmd);
	}
	buf_add(&session->line, "* SEARCH");
	cmd->more = tell_numbers;
	return tell_numbers(cmd);
}

static enum cmd_result search_more(struct cmd *cmd)
{
	struct search_state *state = cmd->state;
	struct err err;
	int done = search_run(state->search, TURN_MS, &err);

	if (done == 0)
		return CMD_TURN;
	if (done > 0)
		return found(cmd);
	if ((state->wanted & RETURN_SAVE) != 0) /* RFC 5182 section 2.1 */
		range_set_clear(&cmd->session->saved);
	return cmd_error(cmd, &err, NULL);
}

static enum cmd_result no_charset(struct cmd *cmd,
				  const struct search_state *state)
{
	if ((state->wanted & RETURN_SAVE) != 0)
		range_set_clear(&cmd->session->saved);
	return cmd_reply(cmd, "NO [BADCHARSET] Unknown charset");
}

enum cmd_result cmd_search(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct search_state *state = mem_new(cmd, struct search_state);
	struct search_args args = {
		.ctx = cmd,
		.box = session->box,
		.saved = &session->saved,
		.max_depth = session->set->imap_max_nesting,
		.now = time(NULL),
	};
	const struct imap_arg *arg = cmd->args;
	const char *problem = NULL;
	struct search_node *root;

	if (imap_arg_atom_is(arg, "RETURN") && arg[1].kind == IMAP_ARG_LIST) {
		state->extended = true;
		problem = parse_return(arg[1].list, &state->wanted);
		arg += 2;
	}
	if (problem == NULL)
		problem = search_parse(&args, arg, &root);
	if (args.bad_charset)
		return no_charset(cmd, state);
	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	cmd->state = state;
	cmd->more = search_more;
	state->search = search_begin(cmd, session->box, root);
	return search_more(cmd);
}
