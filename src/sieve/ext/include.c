/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/include.c - include, return, global (RFC 6609).
 *
 * All scripts are one program; each is a unit of it with its own variables.
 */
#include "base/cleanup.h"
#include "base/encode.h"
#include "sieve/ext.h"

struct global {
	struct str name, value;
	struct global *next;
};

struct include_run {
	bool *included; /* by unit, for :once */
	struct global *globals;
	unsigned global_count;
};

extern const struct sieve_extension ext_include;
static const struct sieve_namespace *global_space(void);

static const char *location(const struct sieve_node *node)
{
	return sieve_node_tag(node, "global") != NULL ? "global" : "personal";
}

/* include */

/* RFC 6609 section 3.2: as ManageSieve has them. */
static void name_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (arg->text.len > 255 || !utf8_is_name(arg->text))
		sieve_error(check, arg->at,
			    "include: invalid script name '%.*s'",
			    STR_FMT(arg->text));
}

/* That a script is missing is told with all other errors; what is wrong in it
 * comes later. */
static void include_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_engine_options *options =
		sieve_engine_options(sieve_check_engine(check));
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "include");
	struct sieve_source source;
	struct err err = {.code = ERR_NOT_FOUND};

	if (sieve_node_tag(node, "optional") != NULL ||
	    (options->script != NULL &&
	     options->script(options->ctx, ctx, location(node),
			     node->params[0]->text, &source, &err) == 0))
		return;
	if (err.code == ERR_NOT_FOUND && sieve_check_upload(check))
		sieve_warning(check, node->params[0]->at,
			      "included %s script '%.*s' does not exist "
			      "(ignored during upload)",
			      location(node), STR_FMT(node->params[0]->text));
	else
		sieve_error(check, node->params[0]->at,
			    "included %s script '%.*s' %s", location(node),
			    STR_FMT(node->params[0]->text),
			    err.code == ERR_NOT_FOUND ? "does not exist"
						      : "can't be read");
}

static void include_emit(struct sieve_emit *emit, const struct sieve_node *node)
{
	struct sieve_node call = *node;
	int unit = sieve_emit_include(emit, node, location(node),
				      node->params[0]->text,
				      sieve_node_tag(node, "optional") != NULL,
				      sieve_node_tag(node, "once") != NULL);

	if (unit < 0)
		return;
	call.params[1] =
		sieve_check_number(sieve_emit_check(emit), (uint64_t)unit);
	sieve_emit_call(emit, &call);
}

static int include_run(struct sieve_run *run, const struct sieve_args *args,
		       bool *, struct err *err)
{
	struct include_run *state = sieve_run_state(run, &ext_include);
	unsigned units = sieve_run_units(run);
	uint64_t unit = args->params[1].number;

	if (unit >= units)
		return err_set(err, ERR_CORRUPT, "include: no such unit");
	if (state->included == NULL)
		state->included = sieve_arena_array(run->arena, bool, units);
	if (state->included[unit] && sieve_args_tag(args, "once") != NULL)
		return 0;
	state->included[unit] = true;
	sieve_trace(run, SIEVE_TRACE_COMMANDS, "include script '%.*s'",
		    STR_FMT(args->params[0].text));
	return sieve_run_unit(run, (unsigned)unit, err);
}

/* Ends the unit, not the run. */
static void return_emit(struct sieve_emit *emit, const struct sieve_node *)
{
	sieve_emit_op(emit, SIEVE_OP_END);
}

/* global */

static bool is_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.data[i]);

		if (c != '_' && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9' && i > 0))
			return false;
	}
	return name.len > 0;
}

static void global_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_arg *arg = node->params[0];

	if (!sieve_check_active(check, "variables")) {
		sieve_error(check, node->at,
			    "the %s command requires that the variables "
			    "extension is required",
			    node->command->name);
		return;
	}
	for (arg = arg->type == SIEVE_STRINGS ? arg->items : arg; arg != NULL;
	     arg = arg->next) {
		if (!is_name(arg->text))
			sieve_error(check, arg->at,
				    "invalid variable identifier '%.*s'",
				    STR_FMT(arg->text));
		else if (!sieve_check_alias(check, arg->text, global_space()))
			sieve_error(check, arg->at,
				    "declaration of new global variable "
				    "'%.*s' conflicts with earlier local use",
				    STR_FMT(arg->text));
	}
}

static void emit_nothing(struct sieve_emit *, const struct sieve_node *)
{
}

static void space_check(struct sieve_check *check, struct sieve_place at,
			struct str name, bool)
{
	if (!is_name(name))
		sieve_error(check, at, "invalid variable name 'global.%.*s'",
			    STR_FMT(name));
}

static struct global *find(struct include_run *state, struct str name)
{
	struct global *global = state->globals;

	while (global != NULL && !str_equal(global->name, name))
		global = global->next;
	return global;
}

static int global_get(struct sieve_run *run, struct str name, struct str *out,
		      struct err *)
{
	struct include_run *state = sieve_run_state(run, &ext_include);
	struct global *global = find(state, name);

	*out = global == NULL ? STR("") : global->value;
	return 0;
}

/* An old value's place is used again, so that a loop does not fill memory. */
static int global_set(struct sieve_run *run, struct str name, struct str value,
		      struct err *err)
{
	struct include_run *state = sieve_run_state(run, &ext_include);
	const struct sieve_settings *set = sieve_engine_settings(run->engine);
	struct global *global = find(state, name);
	size_t max = (size_t)set->sieve_variables_max_variable_size;

	if (global == NULL) {
		if (state->global_count++ >=
		    set->sieve_variables_max_scope_size)
			return err_set(err, ERR_LIMIT,
				       "too many global variables");
		global = sieve_arena_new_of(run->arena, struct global);
		global->name = sieve_arena_str(run->arena, name);
		global->value.data = sieve_arena_alloc(run->arena, max + 1);
		global->next = state->globals;
		state->globals = global;
	}
	value = sieve_run_cut(run, value);
	memmove((char *)(uintptr_t)global->value.data, value.data, value.len);
	global->value.len = value.len;
	return 0;
}

static const struct sieve_namespace namespaces[] = {
	{.name = "global",
	 .check = space_check,
	 .get = global_get,
	 .set = global_set},
	SIEVE_END,
};

static const struct sieve_namespace *global_space(void)
{
	return &namespaces[0];
}

static const struct sieve_tag include_tags[] = {
	{.name = "personal", .group = "LOCATION"},
	{.name = "global", .group = "LOCATION"},
	{.name = "once"},
	{.name = "optional"},
	SIEVE_END,
};

#define NAMES                                                                  \
	{                                                                      \
		{                                                              \
			"variable names", SIEVE_STRINGS, SIEVE_LITERAL, NULL   \
		}                                                              \
	}

static const struct sieve_command commands[] = {
	{.name = "include",
	 .tags = include_tags,
	 .params = {{"script name", SIEVE_STRING, SIEVE_LITERAL, name_check},
		    {"unit", SIEVE_NUMBER, SIEVE_HIDDEN, NULL}},
	 .check = include_check,
	 .emit = include_emit,
	 .run = include_run},
	{.name = "return", .emit = return_emit},
	{.name = "global",
	 .params = NAMES,
	 .check = global_check,
	 .emit = emit_nothing},
	/* What it was called in drafts. */
	{.name = "import",
	 .params = NAMES,
	 .check = global_check,
	 .emit = emit_nothing},
	{.name = "export",
	 .params = NAMES,
	 .check = global_check,
	 .emit = emit_nothing},
	SIEVE_END,
};

const struct sieve_extension ext_include = {.name = "include",
					    .flags = SIEVE_EXT_INCLUDES,
					    .commands = commands,
					    .namespaces = namespaces,
					    .run_size =
						    sizeof(struct include_run)};
