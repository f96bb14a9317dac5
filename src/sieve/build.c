/* SPDX-License-Identifier: MIT */
/*
 * sieve/build.c - from a script's text to a program.
 */
#include <endian.h>

#include "base/cleanup.h"
#include "sieve/code.h"
#include "sieve/compile.h"
#include "sieve/parse.h"
#include "sieve/program.h"
#include "sieve/script.h"

enum { ARENA_CHUNK = 64 << 10 };

uint64_t sieve_checksum(struct str data)
{
	static const uint64_t prime = 0x100000001b3;
	uint64_t sum = 0xcbf29ce484222325, word;
	size_t i = 0;

	for (; data.len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, data.data + i, sizeof(word));
		sum = (sum ^ le64toh(word)) * prime;
		sum ^= sum >> 32;
	}
	for (; i < data.len; i++)
		sum = (sum ^ (unsigned char)data.data[i]) * prime;
	return sum;
}

/* An included script has in front how it is found (sieve/program.h). */
static void add_dependency(struct sieve_build *build, const char *location,
			   struct str name, const struct sieve_source *source,
			   uint64_t size)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "source");
	struct buf *out = &build->sources.list.bytes;
	const char *key = source->path;
	bool new;

	if (key == NULL)
		return;
	if (location[0] != '\0')
		key = mem_printf(ctx, "%s %.*s%s", location, STR_FMT(name),
				 key);
	(void)sieve_table_put(&build->sources, str_of(key), &new);
	if (!new)
		return;
	sieve_put_number(out, size);
	sieve_put_number(out, source->mtime_us);
}

/* A script at work. A command is checked, and its code written, when the next
 * one begins: the branches of an `if` go together. So there are two trees at a
 * time, which need little memory, however long the script is. */
struct script {
	struct sieve_parser parser; /* the first */
	struct sieve_check check;
	struct sieve_emit emit;
	struct buf code;
	struct sieve_arena *other; /* the parser's last one */
	/* Without code yet, and those of them that have not been checked. */
	struct sieve_node *first, *unchecked, *last;
};

static bool failed(const struct script *script)
{
	return script->check.errors > 0 || script->emit.failed;
}

static void write_code(struct script *script)
{
	if (!failed(script))
		sieve_emit_block(&script->emit, script->first);
	script->first = script->last = NULL;
}

static void finish_commands(struct script *script)
{
	struct sieve_check *check = &script->check;

	if (check->unparsed) {
		script->first = script->last = script->unchecked = NULL;
		return;
	}
	check->holding = true;
	check->previous = NULL;
	check->tree = check->includes ? check->arena : script->other;
	sieve_check_nodes(check, script->unchecked);
	script->unchecked = NULL;
	if (!check->includes)
		write_code(script);
	check->holding = false;
}

static void add_command(struct sieve_parser *parser, struct sieve_node *node)
{
	struct script *script = (struct script *)parser;
	struct sieve_arena *arena = parser->arena;

	if (!str_case_is(node->name, "elsif") &&
	    !str_case_is(node->name, "else")) {
		finish_commands(script);
		if (script->first == NULL) {
			parser->arena = script->other;
			script->other = arena;
			sieve_arena_reset(parser->arena);
		}
	}
	if (script->last != NULL)
		script->last->next = node;
	if (script->first == NULL)
		script->first = node;
	if (script->unchecked == NULL)
		script->unchecked = node;
	script->last = node;
}

/* Growing would copy it. What comes may be less than guessed, and fit. */
static void reserve(struct buf *buf, size_t len)
{
	if (len < buf->max - buf->len)
		(void)buf_space(buf, len);
}

static void parse(struct script *script)
{
	const struct sieve_settings *set = script->check.build->set;
	struct sieve_check *check = &script->check;
	struct str text = check->source->text;

	/* Most of what it becomes. */
	reserve(&script->code, text.len / 4);
	reserve(&check->build->texts.list.bytes, text.len / 2);
	script->parser = (struct sieve_parser){
		.check = check,
		.arena = sieve_arena_new(check->arena, ARENA_CHUNK),
		.command = add_command,
		.max_depth = set->sieve_max_nesting,
		.max_items = set->sieve_max_list_items,
		.max_string = (size_t)set->sieve_max_string_size,
	};
	script->other = sieve_arena_new(check->arena, ARENA_CHUNK);
	check->parsing = true;
	if (set->sieve_max_script_size > 0 &&
	    text.len > set->sieve_max_script_size)
		sieve_error(check, (struct sieve_place){0, 0},
			    "sieve script is too large (maximum %llu octets)",
			    (unsigned long long)set->sieve_max_script_size);
	else
		sieve_parse(&script->parser, check->source);
	finish_commands(script);
	check->parsing = false;
}

/* False, and its last words, if there was an error. */
static bool finish(struct script *script)
{
	struct sieve_check *check = &script->check;
	unsigned max = check->build->set->sieve_max_compile_errors;
	const char *phase = check->unparsed ? "parse" : "validation";

	sieve_check_tell(check);
	if (!failed(script)) {
		phase = "code generation";
		write_code(script);
		sieve_emit_end(&script->emit);
	}
	/* Units may have moved while others were included. */
	check->build->units[check->unit].code = script->code;
	check->build->units[check->unit].ready = !failed(script);
	if (!failed(script))
		return true;
	if (max > 0 && check->errors > max)
		sieve_warning(check, (struct sieve_place){0, 0},
			      "%u more errors are not shown",
			      check->errors - max);
	/* Of included scripts, only the outermost says so. */
	if (check->build->depth == 0) {
		check->errors = 0;
		sieve_error(check, (struct sieve_place){0, 0}, "%s failed",
			    phase);
	}
	return false;
}

/* One script from its text to its unit. False after errors. */
static bool build_script(struct sieve_build *build,
			 const struct sieve_source *source, unsigned unit)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "compile");
	struct script script = {
		.check = {.build = build,
			  .arena = sieve_arena_new(ctx, ARENA_CHUNK),
			  .source = source,
			  .unit = unit},
		.emit = {.check = &script.check, .code = &script.code},
		.code = buf_init((size_t)build->set->sieve_max_binary_size),
	};
	bool good;

	script.check.held_end = &script.check.held;
	add_dependency(build, build->units[unit].location,
		       str_of(build->units[unit].name), source,
		       source->text.len);
	script.check.holding = true;
	sieve_check_begin(&script.check);
	script.check.holding = false;
	parse(&script);
	good = finish(&script);
	sieve_check_end(&script.check);
	return good;
}

static unsigned add_unit(struct sieve_build *build, const char *location,
			 const char *name)
{
	struct sieve_unit_build *unit;

	build->units = mem_resize(NULL, build->units, struct sieve_unit_build,
				  build->unit_count + 1);
	unit = &build->units[build->unit_count];
	*unit = (struct sieve_unit_build){
		.name = mem_strdup(build->units, name),
		.location = mem_strdup(build->units, location),
		.code = buf_init(0),
		.variable_names = buf_init(64 << 10),
	};
	return build->unit_count++;
}

static int include_error(struct sieve_emit *emit, const struct sieve_node *node,
			 struct str name, const char *why)
{
	emit->failed = true;
	sieve_error(emit->check, node->at, "include of '%.*s': %s",
		    STR_FMT(name), why);
	return -1;
}

static int compile_include(struct sieve_emit *emit,
			   const struct sieve_node *node, const char *location,
			   const struct sieve_source *source, struct str name)
{
	struct sieve_build *build = emit->check->build;
	unsigned unit = add_unit(build, location, source->name);
	bool good;

	build->depth++;
	good = build_script(build, source, unit);
	build->depth--;
	if (!good)
		return include_error(emit, node, name,
				     "failed to compile the script");
	return (int)unit;
}

/* Others may change before it is run (RFC 6609 section 3). */
static int circular(struct sieve_emit *emit, const struct sieve_node *node,
		    struct str name)
{
	if (!emit->check->source->upload)
		return include_error(emit, node, name,
				     "it includes itself (circular include)");
	sieve_warning(emit->check, node->params[0]->at,
		      "include of '%.*s': it includes itself (ignored during "
		      "upload)",
		      STR_FMT(name));
	return -1;
}

int sieve_emit_include(struct sieve_emit *emit, const struct sieve_node *node,
		       const char *location, struct str name, bool optional,
		       bool once)
{
	struct sieve_build *build = emit->check->build;
	const struct sieve_engine_options *options =
		sieve_engine_options(build->engine);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "include");
	struct sieve_source source = {0};
	struct err err;

	for (unsigned i = 0; i < build->unit_count; i++) {
		if (!str_is(name, build->units[i].name) ||
		    strcmp(build->units[i].location, location) != 0)
			continue;
		if (build->units[i].ready || once)
			return (int)i;
		return circular(emit, node, name);
	}
	if (build->depth >= build->set->sieve_include_max_nesting_depth)
		return include_error(emit, node, name,
				     "nested too deeply "
				     "(sieve_include_max_nesting_depth)");
	if (build->unit_count > build->set->sieve_include_max_includes)
		return include_error(emit, node, name,
				     "too many scripts "
				     "(sieve_include_max_includes)");
	if (options->script == NULL ||
	    options->script(options->ctx, ctx, location, name, &source, &err) <
		    0) {
		if ((optional || emit->check->source->upload) &&
		    options->script != NULL && err.code == ERR_NOT_FOUND) {
			add_dependency(build, location, name, &source,
				       SIEVE_NOT_THERE);
			return -1;
		}
		return include_error(emit, node, name,
				     options->script == NULL ||
						     err.code == ERR_NOT_FOUND
					     ? "there is no such script"
					     : "it can't be read");
	}
	source.upload = emit->check->source->upload;
	return compile_include(emit, node, location, &source, name);
}

/* The bytes of all of it. */

enum { LISTS = 6 };

/* In the order they are saved in. */
static void lists_of(struct sieve_build *build, struct sieve_list *out[LISTS])
{
	out[0] = &build->extensions.list;
	out[1] = &build->commands.list;
	out[2] = &build->tags.list;
	out[3] = &build->texts.list;
	out[4] = &build->sources.list;
	out[5] = &build->asked.list;
}

static void put_list(struct buf *out, const struct sieve_list *list)
{
	sieve_put_number(out, list->count);
	buf_append(out, list->bytes.data, list->bytes.len);
	out->overflow |= list->bytes.overflow;
}

static void put_unit(struct buf *out, const struct sieve_unit_build *unit)
{
	sieve_put_str(out, str_of(unit->name));
	sieve_put_number(out, unit->variables);
	sieve_put_str(out, str_n(unit->variable_names.data,
				 unit->variable_names.len));
	sieve_put_str(out, str_n(unit->code.data, unit->code.len));
}

const struct sieve_extension *sieve_check_asks(struct sieve_check *check,
					       struct str name)
{
	const struct sieve_extension *ext = sieve_check_may(check, name);
	struct sieve_table *table = &check->build->asked;
	bool new;

	(void)sieve_table_put(table, name, &new);
	if (new) {
		sieve_put_number(&table->list.bytes, check->source->global);
		sieve_put_number(&table->list.bytes, ext != NULL);
	}
	return ext;
}

static void put_le(char *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		out[i] = (char)(value >> 8 * i);
}

/* About as much as it will be. */
static size_t size_of(const struct sieve_build *build,
		      struct sieve_list *const lists[LISTS])
{
	size_t size = 200;

	for (unsigned i = 0; i < LISTS; i++)
		size += lists[i]->bytes.len;
	for (unsigned i = 0; i < build->unit_count; i++)
		size += build->units[i].code.len + 200;
	return size;
}

static void put_program(struct sieve_build *build, bool global, struct buf *out)
{
	static const char head[SIEVE_HEAD_SIZE] = SIEVE_MAGIC;
	struct sieve_list *lists[LISTS];

	lists_of(build, lists);
	reserve(out, size_of(build, lists));
	buf_append(out, head, sizeof(head));
	sieve_put_number(out, global);
	for (unsigned i = 0; i < LISTS; i++)
		put_list(out, lists[i]);
	sieve_put_number(out, build->unit_count);
	for (unsigned i = 0; i < build->unit_count; i++)
		put_unit(out, &build->units[i]);
	if (out->overflow)
		return;
	put_le(out->data + 8, SIEVE_CODE_VERSION, 4);
	put_le(out->data + 12,
	       sieve_checksum(str_n(out->data + SIEVE_HEAD_SIZE,
				    out->len - SIEVE_HEAD_SIZE)),
	       8);
}

static void build_free(struct sieve_build *build)
{
	sieve_table_free(&build->extensions);
	sieve_table_free(&build->texts);
	sieve_table_free(&build->sources);
	sieve_table_free(&build->asked);
	sieve_declared_free(&build->commands);
	sieve_declared_free(&build->tags);
	for (unsigned i = 0; i < build->unit_count; i++) {
		buf_free(&build->units[i].code);
		buf_free(&build->units[i].variable_names);
	}
	mem_free(build->units);
}

static void build_init(struct sieve_build *build, struct sieve_engine *engine,
		       const struct sieve_log *log)
{
	const struct sieve_settings *set = sieve_engine_settings(engine);
	size_t max = (size_t)set->sieve_max_binary_size;
	struct sieve_list *lists[LISTS];

	*build = (struct sieve_build){
		.engine = engine,
		.set = set,
		.log = log,
	};
	lists_of(build, lists);
	for (unsigned i = 0; i < LISTS; i++)
		lists[i]->bytes = buf_init(max < INT32_MAX ? max : INT32_MAX);
}

int sieve_compile(const void *ctx, struct sieve_engine *engine,
		  const struct sieve_source *source,
		  const struct sieve_log *log, struct sieve_program **out,
		  struct err *err)
{
	CLEANUP(build_free) struct sieve_build build;
	CLEANUP(buf_free) struct buf bytes = buf_init(0);

	build_init(&build, engine, log);
	bytes.max = (size_t)build.set->sieve_max_binary_size;
	if (!build_script(&build, source, add_unit(&build, "", source->name)))
		return err_set(err, ERR_INVALID,
			       "failed to compile sieve script '%s'",
			       source->name);
	put_program(&build, source->global, &bytes);
	if (bytes.overflow)
		return err_set(err, ERR_LIMIT, "program of '%s' is too large",
			       source->name);
	return sieve_program_take(ctx, engine, &bytes, false, out, err);
}
