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

/* words */

static struct sieve_word *find_word(struct sieve_check *check, char kind,
				    struct str name)
{
	struct sieve_word **recent, *word;
	char key[64];

	if (name.len == 0 || name.len + 1 > sizeof(key))
		return NULL;
	recent = &check->recent[(name.len * 7 +
				 (unsigned char)name.data[0] * 3 +
				 (unsigned char)name.data[name.len / 2]) %
				64];
	if (*recent != NULL && (*recent)->hh.keylen == name.len + 1 &&
	    (*recent)->name[0] == kind &&
	    memcmp((*recent)->name + 1, name.data, name.len) == 0)
		return *recent;
	key[0] = kind;
	for (size_t i = 0; i < name.len; i++)
		key[i + 1] = ascii_lower(name.data[i]);
	HASH_FIND(hh, check->words, key, name.len + 1, word);
	if (word != NULL)
		*recent = word;
	return word;
}

const struct sieve_word *sieve_check_word(struct sieve_check *check, char kind,
					  struct str name)
{
	return find_word(check, kind, name);
}

static void add_word(struct sieve_check *check, char kind, const char *name,
		     const struct sieve_word *what)
{
	struct sieve_word *first = find_word(check, kind, str_of(name));
	struct sieve_word *word =
		sieve_arena_new_of(check->arena, struct sieve_word);
	size_t len = strlen(name) + 1;

	*word = *what;
	if (first != NULL) {
		word->more = first->more;
		first->more = word;
		return;
	}
	word->name = sieve_arena_alloc(check->arena, len + 1);
	word->name[0] = kind;
	for (size_t i = 1; i < len; i++)
		word->name[i] = ascii_lower(name[i - 1]);
	HASH_ADD_KEYPTR(hh, check->words, word->name, len, word);
}

static void add_words(struct sieve_check *check,
		      const struct sieve_extension *ext)
{
	const struct sieve_command *command = ext->commands;
	const struct sieve_tag *tag = ext->tags;

	for (; command != NULL && command->name != NULL; command++) {
		struct sieve_word word = {.ext = ext, .command = command};

		add_word(check,
			 (command->flags & SIEVE_IS_TEST) != 0 ? 't' : 'c',
			 command->name, &word);
	}
	for (; tag != NULL && tag->name != NULL; tag++) {
		struct sieve_word word = {.ext = ext, .tag = tag};

		add_word(check, ':', tag->name, &word);
	}
}

void sieve_check_note(struct sieve_check *check, char kind, struct str name)
{
	struct sieve_word word = {0};

	if (name.len < 60)
		add_word(check, kind, sieve_arena_str(check->arena, name).data,
			 &word);
}

/* extensions */

static void add_string(struct sieve_check *check,
		       const struct sieve_extension *ext, int place)
{
	unsigned i = check->string_count++;

	for (; i > 0 && sieve_engine_place(check->build->engine,
					   check->strings[i - 1]) > place;
	     i--)
		check->strings[i] = check->strings[i - 1];
	check->strings[i] = ext;
}

static const struct sieve_extension *find_any(struct sieve_check *check,
					      struct str name)
{
	const struct sieve_engine *engine = check->build->engine;
	bool global = check->source->global;
	const struct sieve_extension *ext =
		sieve_engine_find(engine, name, global);

	return ext != NULL ? ext : sieve_engine_misplaced(engine, name, global);
}

static void activate(struct sieve_check *check,
		     const struct sieve_extension *ext, struct sieve_place at)
{
	int place = sieve_engine_place(check->build->engine, ext);
	struct str rest = str_of(ext->implies == NULL ? "" : ext->implies);
	struct str part;

	if (place < 0 || check->active[place])
		return;
	check->active[place] = true;
	check->includes |= (ext->flags & SIEVE_EXT_INCLUDES) != 0;
	if (ext->string != NULL)
		add_string(check, ext, place);
	while (str_word(&rest, &part)) {
		const struct sieve_extension *other = find_any(check, part);

		if (other != NULL)
			activate(check, other, at);
	}
	add_words(check, ext);
	if (ext->required != NULL)
		ext->required(check, at);
}

bool sieve_check_active(struct sieve_check *check, const char *name)
{
	const struct sieve_extension *ext =
		sieve_engine_find(check->build->engine, str_of(name), true);
	int place = ext == NULL ? -1
				: sieve_engine_place(check->build->engine, ext);

	return place >= 0 && check->active[place];
}

void *sieve_check_state(struct sieve_check *check,
			const struct sieve_extension *ext)
{
	int place = sieve_engine_place(check->build->engine, ext);

	if (place < 0)
		return NULL;
	if (check->states[place] == NULL)
		check->states[place] =
			sieve_arena_alloc(check->arena, ext->check_size);
	return check->states[place];
}

const struct sieve_extension *sieve_check_may(struct sieve_check *check,
					      struct str name)
{
	return sieve_engine_find(check->build->engine, name,
				 check->source->global);
}

static void hold_excluded(struct sieve_check *check, struct sieve_place at,
			  const struct sieve_extension *ext)
{
	const struct sieve_extension *other;

	for (unsigned i = 0;
	     (other = sieve_engine_extension(check->build->engine, i)) != NULL;
	     i++) {
		if (!check->active[i] ||
		    (!str_case_has_word(ext->excludes, str_of(other->name)) &&
		     !str_case_has_word(other->excludes, str_of(ext->name))))
			continue;
		sieve_error(check, at,
			    "extensions '%s' and '%s' can't be used together",
			    ext->name, other->name);
		return;
	}
}

bool sieve_check_require(struct sieve_check *check, struct sieve_place at,
			 struct str name)
{
	const struct sieve_extension *ext = find_any(check, name);

	if (ext == NULL)
		return false;
	if (sieve_check_may(check, name) == NULL)
		sieve_error(check, at,
			    "the %s extension cannot be used in this context "
			    "(needs access to message envelope)",
			    ext->name);
	hold_excluded(check, at, ext);
	/* With its words known, what follows is no error, too. */
	activate(check, ext, at);
	return true;
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
	struct sieve_word word = {0};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");

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
	if (node->name.len < 60)
		add_word(check, node->is_test ? 't' : 'c',
			 str_dup(ctx, node->name), &word);
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
			activate(check, ext, (struct sieve_place){0, 0});
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
