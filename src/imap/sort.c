/* SPDX-License-Identifier: MIT */
/*
 * imap/sort.c - SORT and UID SORT (RFC 5256), DISPLAYFROM and DISPLAYTO (RFC
 * 5957), with the results of ESORT (RFC 5267).
 */
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/context.h"
#include "imap/modseq.h"
#include "imap/search.h"
#include "imap/search_return.h"
#include "imap/session.h"
#include "storage/storage.h"

struct sort_state {
	struct search_return ret;
	struct sort_key *keys;
	size_t key_count;
	struct search_args args;
	struct search_node *root;
	struct sort *sort;
	const uint32_t *seqs; /* the result */
	size_t count;
	size_t at, end; /* of what is told */
	bool modseq;    /* MODSEQ is among the keys */
	uint64_t highest;
};

/* the sort program */

static const struct {
	const char *name;
	enum sort_kind kind;
} kinds[] = {
	{"ARRIVAL", SORT_ARRIVAL},
	{"CC", SORT_CC},
	{"DATE", SORT_DATE},
	{"DISPLAYFROM", SORT_DISPLAY_FROM},
	{"DISPLAYTO", SORT_DISPLAY_TO},
	{"FROM", SORT_FROM},
	{"SIZE", SORT_SIZE},
	{"SUBJECT", SORT_SUBJECT},
	{"TO", SORT_TO},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const char *add_key(struct cmd *cmd, const struct imap_arg *arg,
			   bool reverse)
{
	struct sort_state *state = cmd->state;

	for (size_t i = 0; i < KINDS; i++) {
		if (!imap_arg_atom_is(arg, kinds[i].name))
			continue;
		state->keys = mem_resize(cmd, state->keys, struct sort_key,
					 state->key_count + 1);
		state->keys[state->key_count++] =
			(struct sort_key){kinds[i].kind, reverse};
		return NULL;
	}
	return mem_printf(cmd, "Unknown sort argument: %s",
			  str_upper(cmd, arg->text));
}

/* REVERSE twice is none, as for Dovecot. */
static const char *parse_program(struct cmd *cmd, const struct imap_arg *arg)
{
	const char *problem;
	bool reverse = false, last = false;

	if (arg->kind != IMAP_ARG_LIST)
		return "Invalid sort argument";
	arg = arg->list;
	if (arg->kind == IMAP_ARG_END)
		return "Empty sort program";
	for (; arg->kind != IMAP_ARG_END; arg++) {
		if (arg->kind != IMAP_ARG_ATOM)
			return "Invalid sort list argument";
		last = imap_arg_atom_is(arg, "REVERSE");
		if (last) {
			reverse = !reverse;
			continue;
		}
		problem = add_key(cmd, arg, reverse);
		if (problem != NULL)
			return problem;
		reverse = false;
	}
	return last ? "Sort list ends with REVERSE" : NULL;
}

/* results */

static uint32_t number_at(const struct cmd *cmd, size_t at)
{
	const struct sort_state *state = cmd->state;

	return cmd->uid ? mailbox_uid_of(cmd->session->box, state->seqs[at])
			: state->seqs[at];
}

static enum cmd_result sort_end(struct cmd *cmd)
{
	return cmd_sync(cmd, cmd->uid ? 0 : TELL_NO_EXPUNGES,
			"OK Sort completed");
}

/* "* SORT 3 1 2" */
static enum cmd_result tell_numbers(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct sort_state *state = cmd->state;

	while (state->at < state->end) {
		buf_putc(&session->line, ' ');
		buf_number(&session->line, number_at(cmd, state->at++));
		if (output_full(session))
			return CMD_OUTPUT;
	}
	modseq_write_highest(&session->line, state->highest);
	buf_add(&session->line, "\r\n");
	return sort_end(cmd);
}

static enum cmd_result end_extended(struct cmd *cmd)
{
	const struct sort_state *state = cmd->state;
	struct buf *line = &cmd->session->line;

	if ((state->ret.wanted & RETURN_PARTIAL) != 0)
		buf_putc(line, ')');
	if ((state->ret.wanted & RETURN_COUNT) != 0)
		esearch_number(line, " COUNT ", state->count);
	if (state->highest > 0)
		esearch_number(line, " MODSEQ ", state->highest);
	buf_add(line, "\r\n");
	return sort_end(cmd);
}

/* The set of ALL and PARTIAL, in their order: "3,1:2". */
static enum cmd_result tell_set(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct sort_state *state = cmd->state;

	while (state->at < state->end) {
		uint32_t first = number_at(cmd, state->at++), last = first;

		while (state->at < state->end &&
		       number_at(cmd, state->at) == last + 1) {
			last++;
			state->at++;
		}
		buf_number(&session->line, first);
		if (last > first) {
			buf_putc(&session->line, ':');
			buf_number(&session->line, last);
		}
		if (state->at < state->end)
			buf_putc(&session->line, ',');
		if (output_full(session))
			return CMD_OUTPUT;
	}
	return end_extended(cmd);
}

static void begin_partial(struct cmd *cmd)
{
	struct sort_state *state = cmd->state;
	const struct search_return *ret = &state->ret;

	esearch_partial(&cmd->session->line, ret);
	state->at = ret->first - 1;
	if (state->end > ret->last)
		state->end = ret->last;
	if (state->at >= state->end)
		buf_add(&cmd->session->line, "NIL");
}

static enum cmd_result tell_extended(struct cmd *cmd)
{
	struct sort_state *state = cmd->state;
	struct buf *line = &cmd->session->line;
	unsigned wanted = state->ret.wanted;

	if (!search_return_tells(&state->ret))
		return sort_end(cmd);
	esearch_begin(cmd);
	if (state->count > 0 && (wanted & RETURN_MIN) != 0)
		esearch_number(line, " MIN ", number_at(cmd, 0));
	if (state->count > 0 && (wanted & RETURN_MAX) != 0)
		esearch_number(line, " MAX ", number_at(cmd, state->count - 1));
	if ((wanted & RETURN_PARTIAL) != 0)
		begin_partial(cmd);
	else if ((wanted & RETURN_ALL) == 0)
		state->end = 0;
	else if (state->count > 0)
		buf_add(line, " ALL ");
	cmd->more = tell_set;
	return tell_set(cmd);
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;

	return (one > two) - (one < two);
}

/* In ascending order: a set grows cheaply at its end only. */
static void save_places(struct cmd *cmd, size_t from, size_t to)
{
	const struct sort_state *state = cmd->state;
	size_t count = 0;
	uint32_t *seqs;

	if (to > state->count)
		to = state->count;
	if (from >= to)
		return;
	seqs = mem_array(cmd, uint32_t, to - from);
	while (from < to)
		seqs[count++] = state->seqs[from++];
	qsort(seqs, count, sizeof(*seqs), compare_numbers);
	for (size_t i = 0; i < count; i++) {
		uint32_t uid = mailbox_uid_of(cmd->session->box, seqs[i]);

		range_set_add(&cmd->session->saved, uid, uid);
	}
}

/* What $ means from now on: as in SEARCH, by places in this order. */
static void save(struct cmd *cmd)
{
	const struct sort_state *state = cmd->state;
	const struct search_return *ret = &state->ret;

	range_set_clear(&cmd->session->saved);
	if (!search_return_saves_part(ret)) {
		mailbox_uids_of(cmd->session->box, sort_result_set(state->sort),
				&cmd->session->saved);
		return;
	}
	if ((ret->wanted & RETURN_MIN) != 0)
		save_places(cmd, 0, 1);
	if ((ret->wanted & RETURN_PARTIAL) != 0)
		save_places(cmd, ret->first - 1, ret->last);
	if ((ret->wanted & RETURN_MAX) != 0 && state->count > 0)
		save_places(cmd, state->count - 1, state->count);
}

/* As in SEARCH (RFC 7162 section 3.1.10). */
static int find_highest(struct cmd *cmd, struct err *err)
{
	struct sort_state *state = cmd->state;
	struct range_set few = range_set_init(cmd);
	uint32_t first, last;

	if (!state->modseq || state->count == 0)
		return 0;
	if (!search_return_extremes(&state->ret))
		return modseq_highest_of(cmd, sort_result_set(state->sort),
					 &state->highest, err);
	first = state->seqs[0];
	last = state->seqs[state->count - 1];
	if ((state->ret.wanted & RETURN_MIN) != 0)
		range_set_add(&few, first, first);
	if ((state->ret.wanted & RETURN_MAX) != 0)
		range_set_add(&few, last, last);
	return modseq_highest_of(cmd, &few, &state->highest, err);
}

static enum cmd_result found(struct cmd *cmd)
{
	struct sort_state *state = cmd->state;
	struct err err;

	state->seqs = sort_result(state->sort, &state->count);
	state->end = state->count;
	if (find_highest(cmd, &err) < 0)
		return cmd_box_error(cmd, &err);
	if ((state->ret.wanted & RETURN_SAVE) != 0)
		save(cmd);
	if ((state->ret.wanted & RETURN_UPDATE) != 0)
		context_begin(cmd, &state->args, state->root,
			      sort_result_set(state->sort));
	if (state->ret.extended)
		return tell_extended(cmd);
	buf_add(&cmd->session->line, "* SORT");
	cmd->more = tell_numbers;
	return tell_numbers(cmd);
}

/* running */

static void forget_saved(struct cmd *cmd)
{
	const struct sort_state *state = cmd->state;

	if ((state->ret.wanted & RETURN_SAVE) != 0) /* RFC 5182 section 2.1 */
		range_set_clear(&cmd->session->saved);
}

static enum cmd_result sort_more(struct cmd *cmd)
{
	struct sort_state *state = cmd->state;
	struct err err;
	int done = sort_run(state->sort, TURN_MS, &err);

	if (done == 0)
		return CMD_TURN;
	if (done > 0)
		return found(cmd);
	forget_saved(cmd);
	return cmd_box_error(cmd, &err);
}

enum cmd_result cmd_sort(struct cmd *cmd)
{
	struct sort_state *state = mem_new(cmd, struct sort_state);
	const struct imap_arg *arg = cmd->args;
	const char *problem;

	cmd->state = state;
	cmd->more = sort_more;
	problem = search_return_parse(&arg, &state->ret);
	if (problem == NULL && (state->ret.wanted & RETURN_UPDATE) != 0)
		problem = context_refused(cmd);
	if (problem == NULL)
		problem = parse_program(cmd, arg);
	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	problem = search_parse_charset(cmd, arg + 1, &state->args,
				       &state->root);
	if (state->args.bad_charset) {
		forget_saved(cmd);
		return cmd_reply(cmd, "NO [BADCHARSET] Unknown charset");
	}
	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	if (state->args.modseq && !modseq_wanted(cmd, "SORT MODSEQ"))
		return CMD_DONE;
	state->modseq = state->args.modseq;
	state->sort = sort_begin(cmd, cmd->session->box, state->root,
				 state->keys,
				 state->key_count);
	return sort_more(cmd);
}
