/* SPDX-License-Identifier: MIT */
/*
 * sieve/check.c - the validator: which words there are, where they stand.
 */
#include "sieve/check.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "sieve/compile.h"

static void tell(struct sieve_check *check, enum log_level level,
		 struct sieve_place at, const char *text)
{
	const struct sieve_log *log = check->build->log;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "report");
	char where[300] = "", place[60] = "";

	if (at.line > 0)
		snprintf(place, sizeof(place), ": line %u, column %u", at.line,
			 at.column);
	snprintf(where, sizeof(where), "%.200s%s", check->source->name, place);
	log->line(log->ctx, level, str_sanitize(ctx, str_of(where), 300),
		  str_sanitize(ctx, str_of(text), 1000));
}

static void hold(struct sieve_check *check, enum log_level level,
		 struct sieve_place at, const char *text)
{
	struct sieve_held *held =
		sieve_arena_new_of(check->arena, struct sieve_held);

	held->level = level;
	held->at = at;
	held->text = sieve_arena_str(check->arena, str_of(text)).data;
	*check->held_end = held;
	check->held_end = &held->next;
}

__attribute__((format(printf, 4, 0))) static void
report(struct sieve_check *check, enum log_level level, struct sieve_place at,
       const char *fmt, va_list args)
{
	const struct sieve_log *log = check->build->log;
	char text[1000];

	if (log == NULL || log->line == NULL)
		return;
	vsnprintf(text, sizeof(text), fmt, args); /* may be cut */
	if (check->holding)
		hold(check, level, at, text);
	else
		tell(check, level, at, text);
}

void sieve_check_tell(struct sieve_check *check)
{
	for (const struct sieve_held *held = check->held; held != NULL;
	     held = held->next)
		tell(check, held->level, held->at, held->text);
	check->held = NULL;
	check->held_end = &check->held;
}

/* What can't be parsed is told alone. */
static void parse_error(struct sieve_check *check)
{
	check->unparsed = true;
	check->errors = 0;
	check->held = NULL;
	check->held_end = &check->held;
}

void sieve_error(struct sieve_check *check, struct sieve_place at,
		 const char *fmt, ...)
{
	unsigned max = check->build->set->sieve_max_compile_errors;
	va_list args;

	if (check->parsing && !check->holding && !check->unparsed)
		parse_error(check);
	check->errors++;
	if (max > 0 && check->errors > max)
		return;
	va_start(args, fmt);
	report(check, LOG_LEVEL_ERROR, at, fmt, args);
	va_end(args);
}

void sieve_warning(struct sieve_check *check, struct sieve_place at,
		   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report(check, LOG_LEVEL_WARNING, at, fmt, args);
	va_end(args);
}

struct sieve_engine *sieve_check_engine(struct sieve_check *check)
{
	return check->build->engine;
}

bool sieve_check_upload(const struct sieve_check *check)
{
	return check->source->upload;
}

struct sieve_arena *sieve_check_arena(struct sieve_check *check)
{
	return check->tree;
}

bool sieve_check_requires_over(struct sieve_check *check)
{
	return check->requires_over;
}

const struct sieve_node *sieve_check_parent(struct sieve_check *check,
					    unsigned levels)
{
	const struct sieve_level *level = check->level;

	while (level != NULL && levels-- > 0)
		level = level->up;
	return level == NULL ? NULL : level->node;
}

const struct sieve_node *sieve_check_previous(struct sieve_check *check)
{
	return check->previous;
}

/* nodes */

const char *sieve_node_kind(const struct sieve_node *node)
{
	return node->is_test ? "test" : "command";
}

/* Which extension would know the word, for the error. */
static const char *known_to(struct sieve_check *check,
			    const struct sieve_node *node)
{
	const struct sieve_extension *ext;

	for (unsigned i = 0;
	     (ext = sieve_engine_extension(check->build->engine, i)) != NULL;
	     i++) {
		const struct sieve_command *c = ext->commands;

		if (ext->name[0] == '@' ||
		    !sieve_check_may(check, str_of(ext->name)))
			continue;
		for (; c != NULL && c->name != NULL; c++) {
			if (((c->flags & SIEVE_IS_TEST) != 0) ==
				    node->is_test &&
			    str_case_is(node->name, c->name))
				return ext->name;
		}
	}
	return NULL;
}

static void unknown(struct sieve_check *check, const struct sieve_node *node)
{
	const char *ext = known_to(check, node);

	if (ext != NULL)
		sieve_error(check, node->at,
			    "unknown %s '%.*s': require \"%s\" is missing "
			    "(only reported once)",
			    sieve_node_kind(node), STR_FMT(node->name), ext);
	else
		sieve_error(check, node->at,
			    "unknown %s '%.*s' (only reported once)",
			    sieve_node_kind(node), STR_FMT(node->name));
	/* A word without a command: it has been reported. */
	sieve_check_note(check, node->is_test ? 't' : 'c', node->name);
}

static void check_shape(struct sieve_check *check, struct sieve_node *node);
static void check_children(struct sieve_check *check, struct sieve_node *node);

static void check_place(struct sieve_check *check,
			const struct sieve_node *node)
{
	if ((node->command->flags & SIEVE_TOP_LEVEL) != 0 &&
	    check->level != NULL)
		sieve_error(check, node->at,
			    "the %s command can only stand at top level",
			    node->command->name);
	if (!node->is_test && strcmp(node->command->name, "require") != 0)
		check->requires_over = true;
}

static void check_node(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_word *word =
		sieve_check_word(check, node->is_test ? 't' : 'c', node->name);
	unsigned errors = check->errors;

	if (word == NULL) {
		unknown(check, node);
		return;
	}
	if (word->command == NULL)
		return;
	node->command = word->command;
	check_place(check, node);
	check_shape(check, node);
	if (check->errors == errors)
		sieve_check_args(check, node);
	check_children(check, node);
	if (check->errors == errors && node->command->check != NULL)
		node->command->check(check, node);
}

static bool needs_test(const struct sieve_command *command)
{
	return (command->flags & (SIEVE_TAKES_TEST | SIEVE_TAKES_TESTS)) != 0;
}

/* A name behind the arguments was read as a test: it may be the next command,
 * or a string without quotes. */
static void no_test(struct sieve_check *check, const struct sieve_node *node)
{
	const char *name = node->command->name;
	const struct sieve_node *test = node->tests;

	if (str_case_is(node->name, "else"))
		sieve_error(check, test->at,
			    "the else command does not accept a test: use "
			    "elsif");
	else if (node->is_test || node->has_list ||
		 (node->command->flags & SIEVE_TAKES_BLOCK) != 0)
		sieve_error(check, test->at,
			    "the %s %s does not accept tests, but '%.*s' was "
			    "found",
			    name, sieve_node_kind(node), STR_FMT(test->name));
	else if (sieve_check_word(check, 'c', test->name) != NULL)
		sieve_error(check, node->at,
			    "missing semicolon ';' behind the %s command",
			    name);
	else
		sieve_error(check, test->at,
			    "unexpected '%.*s' behind the %s command: quotes "
			    "\"...\" or a semicolon ';' are missing",
			    STR_FMT(test->name), name);
}

/* Where the block is missing, what should be in it was read as a test of the
 * last test. */
static void drop_block(struct sieve_check *check, struct sieve_node *test)
{
	const struct sieve_word *word;

	while (test != NULL && test->next != NULL)
		test = test->next;
	if (test == NULL)
		return;
	word = sieve_check_word(check, 't', test->name);
	if (word != NULL && word->command != NULL && needs_test(word->command))
		drop_block(check, test->tests);
	else
		test->tests = NULL;
}

static void check_shape(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_command *command = node->command;
	const char *kind = sieve_node_kind(node);

	if (!needs_test(command) && node->tests != NULL) {
		no_test(check, node);
		node->tests = NULL;
	} else if (needs_test(command) && node->tests == NULL)
		sieve_error(check, node->at, "the %s %s requires %s",
			    command->name, kind,
			    (command->flags & SIEVE_TAKES_TEST) != 0
				    ? "a test"
				    : "tests in parentheses");
	else if ((command->flags & SIEVE_TAKES_TEST) != 0 && node->has_list)
		sieve_error(check, node->at,
			    "the %s %s requires one test, but a list of tests "
			    "was found",
			    command->name, kind);
	else if ((command->flags & SIEVE_TAKES_TESTS) != 0 && !node->has_list)
		sieve_error(check, node->at,
			    "the %s %s requires tests in parentheses",
			    command->name, kind);
	if ((command->flags & SIEVE_TAKES_BLOCK) == 0 && node->has_block)
		sieve_error(check, node->at,
			    "the %s command does not accept a block",
			    command->name);
	else if ((command->flags & SIEVE_TAKES_BLOCK) != 0 &&
		 !node->has_block) {
		sieve_error(check, node->at,
			    "the %s command requires a block '{ ... }'",
			    command->name);
		drop_block(check, node->tests);
	}
}

/* What decides the list: allof (`decides` NEVER), anyof (ALWAYS). What comes
 * behind is not looked at (RFC 5463 section 4). */
static enum sieve_constant deciding(const struct sieve_command *command)
{
	if ((command->flags & SIEVE_TAKES_TESTS) == 0)
		return SIEVE_VARIES;
	return strcmp(command->name, "allof") == 0 ? SIEVE_NEVER : SIEVE_ALWAYS;
}

static void check_tests(struct sieve_check *check, struct sieve_node *node)
{
	enum sieve_constant decides = deciding(node->command);
	const struct sieve_node *previous = check->previous;

	for (struct sieve_node *test = node->tests; test; test = test->next) {
		check_node(check, test);
		if (decides == SIEVE_VARIES || test->constant != decides)
			continue;
		test->next = NULL;
		break;
	}
	check->previous = previous;
}

static bool is_dead(struct sieve_check *check, const struct sieve_node *node)
{
	return node->command->dead != NULL && node->command->dead(check, node);
}

static void check_children(struct sieve_check *check, struct sieve_node *node)
{
	struct sieve_level level = {node, check->level};
	const struct sieve_node *previous = check->previous;

	if (!is_dead(check, node))
		check_tests(check, node);
	else
		node->tests = NULL;
	if (node->has_block && is_dead(check, node)) {
		node->block = NULL;
		return;
	}
	check->level = &level;
	check->previous = NULL;
	sieve_check_nodes(check, node->block);
	check->level = level.up;
	check->previous = previous;
}

void sieve_check_nodes(struct sieve_check *check, struct sieve_node *nodes)
{
	for (struct sieve_node *node = nodes; node; node = node->next) {
		check_node(check, node);
		check->previous = node;
	}
}

void sieve_check_begin(struct sieve_check *check)
{
	const struct sieve_engine *engine = check->build->engine;
	const struct sieve_extension *ext;
	struct str rest = str_of(
		sieve_engine_settings(engine)->sieve_implicit_extensions);
	struct str part;

	for (unsigned i = 0; (ext = sieve_engine_extension(engine, i)) != NULL;
	     i++) {
		if ((ext->flags & SIEVE_EXT_BASE) != 0)
			sieve_check_activate(check, ext,
					     (struct sieve_place){0, 0});
	}
	while (str_word(&rest, &part)) {
		if (sieve_check_may(check, part) != NULL)
			(void)sieve_check_require(
				check, (struct sieve_place){0, 0}, part);
	}
}

void sieve_check_end(struct sieve_check *check)
{
	HASH_CLEAR(hh, check->words);
	HASH_CLEAR(hh, check->symbols);
}
