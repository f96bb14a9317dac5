/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/foreverypart.c - foreverypart, break (RFC 5703 section 3).
 *
 * A loop is a `begin`, and a jump back to a `next` that is false at the end; a
 * `break` is an `end` and a jump. Loops that were left by the end of an
 * included script are dropped by the loop around them when it goes on.
 */
#include "sieve/ext/foreverypart.h"

#include "base/cleanup.h"
#include "mime/parse.h"
#include "sieve/ext.h"
#include "sieve/part.h"

extern const struct sieve_extension ext_foreverypart;

enum { MAX_LOOPS = 32, MAX_BREAKS = 64 };

struct loop {
	const void *owner; /* its script's scratch: one for each unit at work */
	uint64_t level;    /* of loops in one another, from 0 */
	/* It goes over what is in `top`. By number too, as a `replace` makes
	 * another tree. */
	const struct mime_part *top, *part;
	unsigned top_number, number;
	bool begun; /* `part` is one; else it comes first */
	bool skip;  /* what is in `part` was not there when it began */
};

struct state {
	struct loop loops[MAX_LOOPS];
	unsigned count;
	unsigned generation; /* of the message that the pointers are into */
};

/* compiling */

/* One loop that is being written, and the jumps out of it. */
struct writing {
	const struct sieve_node *node;
	size_t breaks[MAX_BREAKS];
	unsigned count;
	struct writing *up;
};

struct check_state {
	struct writing *writing;
};

static bool is_loop(const struct sieve_node *node)
{
	return node->command != NULL && str_case_is(node->name, "foreverypart");
}

static unsigned loops_around(struct sieve_check *check)
{
	const struct sieve_node *node;
	unsigned count = 0;

	for (unsigned i = 0; (node = sieve_check_parent(check, i)) != NULL; i++)
		count += is_loop(node);
	return count;
}

bool sieve_loop_around(struct sieve_check *check)
{
	return loops_around(check) > 0;
}

static struct str name_of(const struct sieve_node *node)
{
	const struct sieve_arg *tag = sieve_node_tag(node, "name");

	/* Without a value, that was an error already. */
	return tag == NULL || tag->value == NULL ? (struct str){NULL, 0}
						 : tag->value->text;
}

static void loop_check(struct sieve_check *check, struct sieve_node *node)
{
	unsigned around = loops_around(check);

	if (around >= MAX_LOOPS)
		sieve_error(check, node->at,
			    "the nested foreverypart loop is too deep");
	node->params[0] = sieve_check_number(check, around);
}

/* The loop that `break` is for; NULL if there is none. */
static const struct sieve_node *target(struct sieve_check *check,
				       const struct sieve_node *node)
{
	struct str name = name_of(node);
	const struct sieve_node *parent;

	for (unsigned i = 0; (parent = sieve_check_parent(check, i)) != NULL;
	     i++) {
		if (is_loop(parent) &&
		    (name.data == NULL || (name_of(parent).data != NULL &&
					   str_equal(name_of(parent), name))))
			return parent;
	}
	return NULL;
}

static void break_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_node *loop = target(check, node);

	if (loop == NULL)
		sieve_error(check, node->at,
			    name_of(node).data == NULL
				    ? "the break command is not placed inside "
				      "a foreverypart loop"
				    : "the break command names no loop that "
				      "it is in");
	node->data = (void *)(uintptr_t)loop;
}

enum { BEGIN, BREAK, NEXT, END, COMMANDS };
static const struct sieve_command commands[COMMANDS + 1];

static void loop_emit(struct sieve_emit *emit, const struct sieve_node *node)
{
	struct check_state *state =
		sieve_check_state(sieve_emit_check(emit), &ext_foreverypart);
	struct writing loop = {.node = node, .up = state->writing};
	struct sieve_node next = *node;
	size_t again, end;

	sieve_emit_call(emit, node);
	again = sieve_emit_here(emit);
	next.command = &commands[NEXT];
	next.args = NULL;
	sieve_emit_call(emit, &next);
	end = sieve_emit_jump(emit, SIEVE_OP_JUMP_FALSE);
	state->writing = &loop;
	sieve_emit_block(emit, node->block);
	state->writing = loop.up;
	sieve_emit_jump_back(emit, SIEVE_OP_JUMP, again);
	sieve_emit_land(emit, end);
	for (unsigned i = 0; i < loop.count; i++)
		sieve_emit_land(emit, loop.breaks[i]);
}

static void break_emit(struct sieve_emit *emit, const struct sieve_node *node)
{
	struct check_state *state =
		sieve_check_state(sieve_emit_check(emit), &ext_foreverypart);
	struct writing *loop = state->writing;
	struct sieve_node end = *node;

	while (loop != NULL && loop->node != node->data)
		loop = loop->up;
	if (loop == NULL)
		return;
	if (loop->count == MAX_BREAKS) {
		sieve_error(sieve_emit_check(emit), node->at,
			    "too many break commands in one loop");
		return;
	}
	end.command = &commands[END];
	end.args = NULL;
	end.params[0] = loop->node->params[0];
	sieve_emit_call(emit, &end);
	loop->breaks[loop->count++] = sieve_emit_jump(emit, SIEVE_OP_JUMP);
}

/* running */

static const struct mime_part *part_at(const struct mime_part *root,
				       unsigned number)
{
	const struct mime_part *part = root;

	while (part != NULL && number-- > 0)
		part = sieve_part_next(root, part);
	return part;
}

/* The loops, pointing into the message as it is now. */
static struct state *get_state(struct sieve_run *run)
{
	struct state *state = sieve_run_state(run, &ext_foreverypart);
	const struct mime_part *root = sieve_message_mime(run->message)->root;
	unsigned generation = sieve_message_generation(run->message);

	if (state->generation == generation)
		return state;
	state->generation = generation;
	for (unsigned i = 0; i < state->count; i++) {
		struct loop *loop = &state->loops[i];

		loop->top = part_at(root, loop->top_number);
		loop->part = part_at(root, loop->number);
	}
	return state;
}

static struct loop *find_loop(struct sieve_run *run, uint64_t level)
{
	struct state *state = get_state(run);

	for (unsigned i = state->count; i > 0; i--) {
		struct loop *loop = &state->loops[i - 1];

		if (loop->owner == run->scratch && loop->level <= level)
			return loop->level == level ? loop : NULL;
	}
	return NULL;
}

/* Loops of this script that are as deep, and those above them, are over. */
static void drop_from(struct sieve_run *run, uint64_t level)
{
	struct state *state = get_state(run);

	for (unsigned i = 0; i < state->count; i++) {
		if (state->loops[i].owner == run->scratch &&
		    state->loops[i].level >= level) {
			state->count = i;
			return;
		}
	}
}

/* Of the innermost loop of this script that is at work. */
static struct loop *current(struct sieve_run *run)
{
	struct state *state = get_state(run);

	for (unsigned i = state->count; i > 0; i--) {
		if (state->loops[i - 1].owner == run->scratch)
			return &state->loops[i - 1];
	}
	return NULL;
}

const struct mime_part *sieve_loop_part(struct sieve_run *run)
{
	struct loop *loop = current(run);

	return loop == NULL ? NULL : loop->part;
}

/* A loop in a loop goes over what is in the part, without itself. */
static int begin_run(struct sieve_run *run, const struct sieve_args *args,
		     bool *, struct err *err)
{
	struct state *state = get_state(run);
	const struct mime_part *root = sieve_message_mime(run->message)->root;
	uint64_t level = args->params[0].number;
	struct loop *around = NULL, *loop;

	if (level > 0)
		around = find_loop(run, level - 1);
	drop_from(run, level);
	if (state->count == MAX_LOOPS)
		return err_set(err, ERR_LIMIT,
			       "foreverypart loops are nested too deeply");
	loop = &state->loops[state->count++];
	*loop = (struct loop){.owner = run->scratch, .level = level};
	loop->top = loop->part = around == NULL ? root : around->part;
	loop->top_number = loop->number = around == NULL ? 0 : around->number;
	loop->begun = around != NULL;
	loop->skip = around != NULL && around->skip;
	return 0;
}

static unsigned count_parts(const struct mime_part *top)
{
	const struct mime_part *part = NULL;
	unsigned count = 0;

	while ((part = sieve_part_next(top, part)) != NULL)
		count++;
	return count;
}

/* False at the end. */
static bool advance(struct loop *loop)
{
	unsigned steps =
		loop->skip && loop->part != NULL ? count_parts(loop->part) : 1;

	loop->skip = false;
	if (!loop->begun) {
		loop->begun = true;
		return loop->part != NULL;
	}
	for (; steps > 0 && loop->part != NULL; steps--) {
		loop->part = sieve_part_next(loop->top, loop->part);
		loop->number++;
	}
	return loop->part != NULL;
}

static int next_run(struct sieve_run *run, const struct sieve_args *args,
		    bool *result_out, struct err *err)
{
	struct loop *loop = find_loop(run, args->params[0].number);

	*result_out = false;
	if (loop == NULL)
		return err_set(err, ERR_CORRUPT, "a loop that has not begun");
	drop_from(run, args->params[0].number + 1);
	*result_out = advance(loop);
	if (!*result_out)
		drop_from(run, args->params[0].number);
	return sieve_run_work(run, 1, err);
}

static int end_run(struct sieve_run *run, const struct sieve_args *args, bool *,
		   struct err *)
{
	drop_from(run, args->params[0].number);
	return 0;
}

/* replace */

int sieve_loop_replace(struct sieve_run *run, struct str with, struct err *err)
{
	struct loop *loop = current(run);
	struct str raw = sieve_message_raw(run->message), header, body;
	uint64_t max = sieve_engine_settings(run->engine)->sieve_max_memory;
	CLEANUP(buf_free) struct buf out = buf_init((size_t)max);
	size_t from = 0, end = raw.len;

	if (loop != NULL && loop->number > 0) {
		header = sieve_part_header(run->message, loop->part);
		body = sieve_part_body(run->message, loop->part);
		from = (size_t)(header.data - raw.data);
		end = (size_t)(body.data + body.len - raw.data);
	}
	buf_append(&out, raw.data, from);
	buf_add_str(&out, with);
	buf_add_str(&out, str_from(raw, end));
	if (out.overflow)
		return err_set(err, ERR_LIMIT,
			       "the message is too large for a part of it to "
			       "be replaced (sieve_max_memory)");
	if (sieve_run_replace(run, str_n(out.data, out.len), err) < 0)
		return -1;
	if (loop != NULL)
		loop->skip = true;
	return sieve_run_work(run, 1 + out.len / 64, err);
}

void sieve_loop_shift(struct sieve_run *run, unsigned parts)
{
	struct state *state = sieve_run_state(run, &ext_foreverypart);

	for (unsigned i = 0; i < state->count; i++) {
		state->loops[i].top_number += parts;
		state->loops[i].number += parts;
	}
}

static const struct sieve_tag loop_tags[] = {
	{.name = "name",
	 .param = {"name of the loop", SIEVE_STRING, SIEVE_LITERAL, NULL}},
	SIEVE_END,
};

#define LEVEL                                                                  \
	{                                                                      \
		{                                                              \
			"level", SIEVE_NUMBER, SIEVE_HIDDEN, NULL              \
		}                                                              \
	}

static const struct sieve_command commands[COMMANDS + 1] = {
	[BEGIN] = {.name = "foreverypart",
		   .flags = SIEVE_TAKES_BLOCK,
		   .tags = loop_tags,
		   .params = LEVEL,
		   .check = loop_check,
		   .emit = loop_emit,
		   .run = begin_run},
	[BREAK] = {.name = "break",
		   .tags = loop_tags,
		   .check = break_check,
		   .emit = break_emit},
	[NEXT] = {.name = "@next part", .params = LEVEL, .run = next_run},
	[END] = {.name = "@last part", .params = LEVEL, .run = end_run},
	[COMMANDS] = SIEVE_END,
};

const struct sieve_extension ext_foreverypart = {
	.name = "foreverypart",
	.version = 1,
	.commands = commands,
	.run_size = sizeof(struct state),
	.check_size = sizeof(struct check_state)};
