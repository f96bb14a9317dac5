/* SPDX-License-Identifier: MIT */
/*
 * imap/search.c - SEARCH and UID SEARCH with the results of ESEARCH (RFC 4731),
 * SAVE (RFC 5182) and MODSEQ (RFC 7162).
 */
#include "imap/search.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/context.h"
#include "imap/modseq.h"
#include "imap/search_return.h"
#include "imap/session.h"
#include "storage/storage.h"

struct search_state {
	struct search_return ret;
	bool modseq; /* MODSEQ is among the keys */
	struct search_args args;
	struct search_node *root;
	struct search *search;
	struct range_set result; /* numbers, or UIDs for UID SEARCH */
	uint64_t highest;        /* modseq among those that are told */
	uint64_t at;             /* of result, when it is told one by one */
};

/* results */

/* Of a set, the members whose places PARTIAL asks for. */
static void take_places(const struct search_return *ret,
			const struct range_set *set, struct range_set *part)
{
	uint64_t skip = ret->first - 1, left = ret->last - skip;

	for (size_t i = 0; i < set->count && left > 0; i++) {
		const struct range *range = &set->ranges[i];
		uint64_t len = (uint64_t)range->last - range->first + 1, take;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		take = len - skip < left ? len - skip : left;
		range_set_add(part, range->first + (uint32_t)skip,
			      range->first + (uint32_t)(skip + take - 1));
		left -= take;
		skip = 0;
	}
}

static void add_partial(const struct cmd *cmd, const struct search_state *state)
{
	struct buf *line = &cmd->session->line;
	struct range_set part = range_set_init(cmd);

	take_places(&state->ret, &state->result, &part);
	esearch_partial(line, &state->ret);
	if (part.count == 0)
		buf_add(line, "NIL");
	else
		range_set_write(&part, line);
	buf_putc(line, ')');
}

static void tell_extended(struct cmd *cmd, const struct search_state *state)
{
	struct buf *line = &cmd->session->line;
	const struct range_set *set = &state->result;
	unsigned wanted = state->ret.wanted;

	if (!search_return_tells(&state->ret))
		return;
	esearch_begin(cmd);
	if (set->count > 0) {
		if ((wanted & RETURN_MIN) != 0)
			esearch_number(line, " MIN ", set->ranges[0].first);
		if ((wanted & RETURN_MAX) != 0)
			esearch_number(line, " MAX ",
				       set->ranges[set->count - 1].last);
		if ((wanted & RETURN_ALL) != 0) {
			buf_add(line, " ALL ");
			range_set_write(set, line);
		}
	}
	if ((wanted & RETURN_PARTIAL) != 0)
		add_partial(cmd, state);
	if ((wanted & RETURN_COUNT) != 0)
		esearch_number(line, " COUNT ", range_set_size(set));
	if (state->highest > 0)
		esearch_number(line, " MODSEQ ", state->highest);
	buf_add(line, "\r\n");
}

/* Of what is told: with MIN or MAX alone, of those (RFC 7162 section 3.1.10).
 */
static int find_highest(struct cmd *cmd, struct search_state *state,
			const struct range_set *seqs, struct err *err)
{
	struct range_set few = range_set_init(cmd);
	uint32_t first, last;

	if (!state->modseq || seqs->count == 0)
		return 0;
	if (!search_return_extremes(&state->ret))
		return modseq_highest_of(cmd, seqs, &state->highest, err);
	first = seqs->ranges[0].first;
	last = seqs->ranges[seqs->count - 1].last;
	if ((state->ret.wanted & RETURN_MIN) != 0)
		range_set_add(&few, first, first);
	if ((state->ret.wanted & RETURN_MAX) != 0)
		range_set_add(&few, last, last);
	return modseq_highest_of(cmd, &few, &state->highest, err);
}

/* What $ means from now on: of MIN, MAX and PARTIAL, only those (RFC 5182
 * section 2.1, RFC 9394). */
static void save(struct cmd *cmd, const struct search_state *state,
		 const struct range_set *uids)
{
	struct range_set *saved = &cmd->session->saved;
	unsigned wanted = state->ret.wanted;
	uint32_t first, last;

	range_set_clear(saved);
	if (uids->count == 0)
		return;
	if (!search_return_saves_part(&state->ret)) {
		range_set_merge(saved, uids);
		return;
	}
	first = uids->ranges[0].first;
	last = uids->ranges[uids->count - 1].last;
	if ((wanted & RETURN_MIN) != 0)
		range_set_add(saved, first, first);
	if ((wanted & RETURN_PARTIAL) != 0)
		take_places(&state->ret, uids, saved);
	if ((wanted & RETURN_MAX) != 0)
		range_set_add(saved, last, last);
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
		if (output_full(session))
			return CMD_OUTPUT;
	}
	modseq_write_highest(&session->line, state->highest);
	buf_add(&session->line, "\r\n");
	return search_end(cmd);
}

static enum cmd_result found(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct search_state *state = cmd->state;
	const struct range_set *seqs = search_result(state->search);
	struct range_set uids = range_set_init(cmd);
	struct err err;

	if (find_highest(cmd, state, seqs, &err) < 0)
		return cmd_box_error(cmd, &err);
	if (cmd->uid || (state->ret.wanted & RETURN_SAVE) != 0)
		mailbox_uids_of(session->box, seqs, &uids);
	if ((state->ret.wanted & RETURN_SAVE) != 0)
		save(cmd, state, &uids);
	state->result = cmd->uid ? uids : *seqs;
	if ((state->ret.wanted & RETURN_UPDATE) != 0)
		context_begin(cmd, &state->args, state->root, seqs);
	if (state->ret.extended) {
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
	if ((state->ret.wanted & RETURN_SAVE) != 0) /* RFC 5182 section 2.1 */
		range_set_clear(&cmd->session->saved);
	return cmd_box_error(cmd, &err);
}

static enum cmd_result no_charset(struct cmd *cmd,
				  const struct search_state *state)
{
	if ((state->ret.wanted & RETURN_SAVE) != 0)
		range_set_clear(&cmd->session->saved);
	return cmd_reply(cmd, "NO [BADCHARSET] Unknown charset");
}

enum cmd_result cmd_search(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct search_state *state = mem_new(cmd, struct search_state);
	struct search_args *args = &state->args;
	const struct imap_arg *arg = cmd->args;
	const char *problem;

	search_args_init(cmd, args);
	problem = search_return_parse(&arg, &state->ret);
	if (problem == NULL && (state->ret.wanted & RETURN_UPDATE) != 0)
		problem = context_refused(cmd);
	if (problem == NULL)
		problem = search_parse(args, arg, &state->root);
	if (args->bad_charset)
		return no_charset(cmd, state);
	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	if (args->modseq && !modseq_wanted(cmd, "SEARCH MODSEQ"))
		return CMD_DONE;
	state->modseq = args->modseq;
	cmd->state = state;
	cmd->more = search_more;
	state->search = search_begin(cmd, session->box, state->root);
	return search_more(cmd);
}
