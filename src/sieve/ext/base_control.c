/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/base_control.c - require, if, stop, and tests of tests (RFC 5228
 * sections 3, 5).
 */
#include "sieve/ext.h"

/* require */

static void require_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_arg *arg = node->params[0];
	const struct sieve_arg *item =
		arg->type == SIEVE_STRINGS ? arg->items : arg;

	if (sieve_check_requires_over(check) ||
	    sieve_check_parent(check, 0) != NULL) {
		sieve_error(check, node->at,
			    "require commands can only be placed at top level "
			    "at the beginning of the file");
		return;
	}
	for (; item != NULL; item = item->next) {
		if (sieve_check_require(check, item->at, item->text))
			continue;
		sieve_error(check, item->at,
			    sieve_check_is_kept(check, item->text)
				    ? "require command: the use of '%.*s' is "
				      "restricted to global scripts"
				    : "require command: unknown Sieve "
				      "capability '%.*s'",
			    STR_FMT(item->text));
	}
}

static void emit_nothing(struct sieve_emit *, const struct sieve_node *)
{
}

/* if, elsif, else: node->constant is ALWAYS when no later branch is reached. */

static bool is_if(const struct sieve_node *node)
{
	return node != NULL && (str_case_is(node->name, "if") ||
				str_case_is(node->name, "elsif"));
}

static bool after_certain(struct sieve_check *check,
			  const struct sieve_node *node)
{
	const struct sieve_node *previous = sieve_check_previous(check);

	return !str_case_is(node->name, "if") && is_if(previous) &&
	       (previous->constant == SIEVE_ALWAYS ||
		(previous->tests != NULL &&
		 previous->tests->constant == SIEVE_ALWAYS));
}

static bool if_dead(struct sieve_check *check, const struct sieve_node *node)
{
	return after_certain(check, node) ||
	       (node->tests != NULL && node->tests->constant == SIEVE_NEVER);
}

static void if_check(struct sieve_check *check, struct sieve_node *node)
{
	if (!str_case_is(node->name, "if") &&
	    !is_if(sieve_check_previous(check))) {
		sieve_error(check, node->at,
			    "the %s command must follow an if or elsif command",
			    node->command->name);
		return;
	}
	if (after_certain(check, node) ||
	    (node->tests != NULL && node->tests->constant == SIEVE_ALWAYS))
		node->constant = SIEVE_ALWAYS;
}

static const struct sieve_node *next_branch(const struct sieve_node *node)
{
	node = node->next;
	return node != NULL && (str_case_is(node->name, "elsif") ||
				str_case_is(node->name, "else"))
		       ? node
		       : NULL;
}

static bool is_live(const struct sieve_node *node)
{
	return node->block != NULL &&
	       (node->tests == NULL || node->tests->constant != SIEVE_NEVER);
}

/* One branch; returns the jump over the others, or 0. */
static size_t emit_branch(struct sieve_emit *emit,
			  const struct sieve_node *node, bool last)
{
	bool varies =
		node->tests != NULL && node->tests->constant == SIEVE_VARIES;
	size_t skip = 0, out = 0;

	if (varies) {
		sieve_emit_test(emit, node->tests);
		skip = sieve_emit_jump(emit, SIEVE_OP_JUMP_FALSE);
	}
	if (is_live(node))
		sieve_emit_block(emit, node->block);
	if (varies && !last)
		out = sieve_emit_jump(emit, SIEVE_OP_JUMP);
	if (varies)
		sieve_emit_land(emit, skip);
	return out;
}

/* The whole chain is written by its `if`; the rest write nothing. */
static void if_emit(struct sieve_emit *emit, const struct sieve_node *node)
{
	struct sieve_arena *arena = sieve_check_arena(sieve_emit_check(emit));
	size_t count = 0, *jumps;

	for (const struct sieve_node *n = node; n; n = next_branch(n))
		count++;
	jumps = sieve_arena_array(arena, size_t, count);
	count = 0;
	for (const struct sieve_node *n = node, *next; n != NULL; n = next) {
		size_t out;

		next = n->constant == SIEVE_ALWAYS ? NULL : next_branch(n);
		out = emit_branch(emit, n, next == NULL);
		if (out > 0)
			jumps[count++] = out;
	}
	for (size_t i = 0; i < count; i++)
		sieve_emit_land(emit, jumps[i]);
}

static void stop_emit(struct sieve_emit *emit, const struct sieve_node *)
{
	sieve_emit_op(emit, SIEVE_OP_STOP);
}

/* tests */

static void true_check(struct sieve_check *, struct sieve_node *node)
{
	node->constant =
		str_case_is(node->name, "true") ? SIEVE_ALWAYS : SIEVE_NEVER;
}

static void not_check(struct sieve_check *, struct sieve_node *node)
{
	if (node->tests->constant != SIEVE_VARIES)
		node->constant = node->tests->constant == SIEVE_ALWAYS
					 ? SIEVE_NEVER
					 : SIEVE_ALWAYS;
}

static void not_emit(struct sieve_emit *emit, const struct sieve_node *node)
{
	sieve_emit_test(emit, node->tests);
	sieve_emit_op(emit, SIEVE_OP_NOT);
}

/* The validator has cut the list behind what decides it. */
static void list_check(struct sieve_check *, struct sieve_node *node)
{
	bool all = str_case_is(node->name, "allof");
	enum sieve_constant decides = all ? SIEVE_NEVER : SIEVE_ALWAYS;
	bool varies = false;

	for (const struct sieve_node *t = node->tests; t; t = t->next) {
		if (t->constant == decides && (!varies || t->next == NULL)) {
			if (!varies)
				node->constant = decides;
			return;
		}
		varies |= t->constant == SIEVE_VARIES;
	}
	if (!varies)
		node->constant = all ? SIEVE_ALWAYS : SIEVE_NEVER;
}

static void list_emit(struct sieve_emit *emit, const struct sieve_node *node)
{
	bool all = str_case_is(node->name, "allof");
	enum sieve_op op = all ? SIEVE_OP_JUMP_FALSE : SIEVE_OP_JUMP_TRUE;
	enum { MAX_JUMPS = 64 };
	size_t jumps[MAX_JUMPS], count = 0;

	for (const struct sieve_node *t = node->tests; t; t = t->next) {
		sieve_emit_test(emit, t);
		if (t->next == NULL)
			break;
		if (count == MAX_JUMPS) { /* by way of one behind them */
			size_t on = sieve_emit_jump(emit, SIEVE_OP_JUMP);

			for (size_t i = 0; i < count; i++)
				sieve_emit_land(emit, jumps[i]);
			jumps[0] = sieve_emit_jump(emit, op);
			count = 1;
			sieve_emit_land(emit, on);
		}
		jumps[count++] = sieve_emit_jump(emit, op);
	}
	for (size_t i = 0; i < count; i++)
		sieve_emit_land(emit, jumps[i]);
}

static const struct sieve_command commands[] = {
	{.name = "require",
	 .params = {{"capabilities", SIEVE_STRINGS, SIEVE_LITERAL, NULL}},
	 .check = require_check,
	 .emit = emit_nothing},
	{.name = "if",
	 .flags = SIEVE_TAKES_TEST | SIEVE_TAKES_BLOCK,
	 .check = if_check,
	 .dead = if_dead,
	 .emit = if_emit},
	{.name = "elsif",
	 .flags = SIEVE_TAKES_TEST | SIEVE_TAKES_BLOCK,
	 .check = if_check,
	 .dead = if_dead,
	 .emit = emit_nothing},
	{.name = "else",
	 .flags = SIEVE_TAKES_BLOCK,
	 .check = if_check,
	 .dead = if_dead,
	 .emit = emit_nothing},
	{.name = "stop", .emit = stop_emit},
	{.name = "true", .flags = SIEVE_IS_TEST, .check = true_check},
	{.name = "false", .flags = SIEVE_IS_TEST, .check = true_check},
	{.name = "not",
	 .flags = SIEVE_IS_TEST | SIEVE_TAKES_TEST,
	 .check = not_check,
	 .emit = not_emit},
	{.name = "allof",
	 .flags = SIEVE_IS_TEST | SIEVE_TAKES_TESTS,
	 .check = list_check,
	 .emit = list_emit},
	{.name = "anyof",
	 .flags = SIEVE_IS_TEST | SIEVE_TAKES_TESTS,
	 .check = list_check,
	 .emit = list_emit},
	SIEVE_END,
};

const struct sieve_extension ext_base_control = {
	.name = "@control", .flags = SIEVE_EXT_BASE, .commands = commands};
