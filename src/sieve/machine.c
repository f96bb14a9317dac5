/* SPDX-License-Identifier: MIT */
/*
 * sieve/machine.c - runs a program, within limits.
 */
#include "sieve/machine.h"

#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "sieve/script.h"

enum {
	SCRATCH_CHUNK = 8 << 10,
	CLOCK_EVERY = 1000, /* operations between two looks at the CPU time */
};

/* limits */

static uint64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int sieve_run_work(struct sieve_run *run, uint64_t steps, struct err *err)
{
	struct sieve_machine *machine = run->machine;

	machine->operations += steps;
	if (machine->operations < machine->next_clock)
		return 0;
	machine->next_clock = machine->operations + CLOCK_EVERY;
	if (machine->operations > machine->set->sieve_max_operations)
		return err_set(err, ERR_LIMIT,
			       "execution exceeded the limit of %u operations",
			       machine->set->sieve_max_operations);
	if (machine->cpu_end_us > 0 && cpu_us() > machine->cpu_end_us)
		return err_set(err, ERR_LIMIT,
			       "execution exceeded CPU time limit");
	return 0;
}

/* for extensions */

const struct sieve_value *sieve_args_tag(const struct sieve_args *args,
					 const char *name)
{
	for (unsigned i = 0; i < args->tag_count; i++) {
		if (strcmp(args->tags[i].tag->name, name) == 0)
			return &args->tags[i].value;
	}
	return NULL;
}

void *sieve_run_state(struct sieve_run *run, const struct sieve_extension *ext)
{
	struct sieve_machine *machine = run->machine;
	int place = sieve_engine_place(run->engine, ext);

	if (place < 0)
		return NULL;
	if (machine->states[place] == NULL)
		machine->states[place] =
			sieve_arena_alloc(run->arena, ext->run_size);
	return machine->states[place];
}

const char *sieve_run_text(struct sieve_run *run, struct str text)
{
	return sieve_arena_str(run->scratch, text).data;
}

const char *sieve_run_tag(struct sieve_run *run, const struct sieve_args *args,
			  const char *name)
{
	const struct sieve_value *value = sieve_args_tag(args, name);

	return value == NULL ? NULL : sieve_run_text(run, value->text);
}

const char *const *sieve_run_texts(struct sieve_run *run,
				   const struct sieve_value *list)
{
	const char **out;

	if (list->type == SIEVE_NONE)
		return NULL;
	out = sieve_arena_array(run->scratch, const char *, list->count + 1);
	for (unsigned i = 0; i < list->count; i++)
		out[i] = sieve_run_text(run, list->list[i]);
	return out;
}

static struct sieve_store *get_fcc(struct sieve_run *run,
				   struct sieve_store **fcc)
{
	if (*fcc == NULL)
		*fcc = sieve_arena_new_of(run->scratch, struct sieve_store);
	return *fcc;
}

struct sieve_store *sieve_run_store(struct sieve_run *run,
				    struct sieve_action *action)
{
	if (action->kind == SIEVE_ACTION_VACATION)
		return get_fcc(run, &action->vacation.fcc);
	if (action->kind == SIEVE_ACTION_NOTIFY)
		return get_fcc(run, &action->notify.fcc);
	return &action->store;
}

static void trace_action(struct sieve_run *run, const char *name,
			 const struct sieve_action *action)
{
	const char *what = "", *about = "";

	switch (action->kind) {
	case SIEVE_ACTION_KEEP:
		what = "store message in default mailbox";
		break;
	case SIEVE_ACTION_FILEINTO:
		what = "store message in mailbox ";
		about = action->store.mailbox;
		break;
	case SIEVE_ACTION_REDIRECT:
		what = "forward message to ";
		about = action->redirect.list != NULL
				? action->redirect.list
				: action->redirect.address;
		break;
	case SIEVE_ACTION_DISCARD:
		what = "cancel implicit keep";
		break;
	case SIEVE_ACTION_REJECT:
		what = "reject message with reason ";
		about = action->reject.reason;
		break;
	case SIEVE_ACTION_VACATION:
		what = "auto-reply with message ";
		about = action->vacation.reason;
		break;
	case SIEVE_ACTION_NOTIFY:
		what = "notify with uri ";
		about = action->notify.method;
		break;
	case SIEVE_ACTION_REPORT:
		what = "report message to ";
		about = action->report.address;
		break;
	case SIEVE_ACTION_PIPE:
		what = "pipe message to program ";
		about = action->pipe.program;
		break;
	default:
		what = sieve_action_name(action->kind);
		break;
	}
	sieve_trace(run, SIEVE_TRACE_ACTIONS, about[0] == '\0' ? "%s action; %s"
						: "%s action; %s'%.200s'",
		    name, what, about);
}

int sieve_run_action(struct sieve_run *run, const struct sieve_args *args,
		     struct sieve_action *action, struct err *err)
{
	action->line = run->line;
	action->text = sieve_message_now(run->message);
	for (unsigned i = 0; i < args->tag_count; i++) {
		const struct sieve_tag *tag = args->tags[i].tag;

		if (tag->apply != NULL &&
		    tag->apply(run, &args->tags[i].value, action, err) < 0)
			return -1;
	}
	if ((action->kind == SIEVE_ACTION_KEEP ||
	     action->kind == SIEVE_ACTION_FILEINTO) &&
	    action->store.flags == NULL)
		action->store.flags = run->result->flags;
	trace_action(run, args->command->name, action);
	return sieve_result_add(run->result, run->machine->set, action, err);
}

bool sieve_run_part(struct sieve_run *run, const struct sieve_args *args,
		    const struct sieve_address *address, struct str *out)
{
	for (unsigned i = 0; i < args->tag_count; i++) {
		if (args->tags[i].tag->part != NULL)
			return args->tags[i].tag->part(run, address, out);
	}
	*out = address->all;
	return true;
}

/* All fields of a name, linked by `same`. */
static struct sieve_field *
fields_of(struct sieve_run *run, const struct sieve_args *args, struct str name)
{
	for (unsigned i = 0; i < args->tag_count; i++) {
		const struct sieve_tag *tag = args->tags[i].tag;

		if (tag->fields != NULL)
			return tag->fields(run, args, name);
	}
	return sieve_message_field(run->message, name);
}

static uint64_t count_fields(const struct sieve_fields *fields)
{
	struct sieve_fields all = *fields;
	uint64_t count = 0;

	while (sieve_fields_next(&all) != NULL)
		count++;
	return count;
}

void sieve_fields_begin(struct sieve_fields *fields, struct sieve_run *run,
			const struct sieve_args *args, const struct str *names,
			unsigned count)
{
	const struct sieve_value *index = sieve_args_tag(args, "index");
	bool last = sieve_args_tag(args, "last") != NULL;
	uint64_t place = index != NULL ? index->number : 1;

	*fields = (struct sieve_fields){
		.run = run, .args = args, .names = names, .count = count};
	if (index == NULL && !last)
		return;
	/* RFC 5260 section 6: those of all names are counted. */
	if (last) {
		uint64_t all = count_fields(fields);

		place = place > all ? 0 : all - place + 1;
	}
	if (place == 0)
		fields->count = 0;
	while (place > 1 && sieve_fields_next(fields) != NULL)
		place--;
	fields->single = true;
}

struct sieve_field *sieve_fields_next(struct sieve_fields *fields)
{
	struct sieve_field *field;

	while (fields->at == NULL && fields->count > 0) {
		fields->at =
			fields_of(fields->run, fields->args, *fields->names++);
		fields->count--;
	}
	field = fields->at;
	if (field != NULL)
		fields->at = fields->single ? NULL : field->same;
	if (fields->single)
		fields->count = 0;
	return field;
}

int sieve_run_replace(struct sieve_run *run, struct str raw, struct err *err)
{
	const struct sieve_settings *set = run->machine->set;

	sieve_message_replace(run->message, raw);
	if (sieve_message_kept(run->message) > set->sieve_max_memory + raw.len)
		return err_set(err, ERR_LIMIT,
			       "the message was changed between too many "
			       "actions (sieve_max_memory)");
	return 0;
}

uint64_t sieve_run_now_us(struct sieve_run *run)
{
	struct sieve_machine *machine = run->machine;

	if (machine->now_us == 0)
		machine->now_us = run->host->now_us != NULL
					  ? run->host->now_us(run->host->ctx)
					  : clock_real_us();
	return machine->now_us;
}

void sieve_run_log(struct sieve_run *run, enum log_level level, const char *fmt,
		   ...)
{
	const struct sieve_log *log = &run->host->log;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	char text[1000], where[300];
	va_list args;

	if (log->line == NULL)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(where, sizeof(where), "%.200s: line %u", run->script,
		 run->line);
	log->line(log->ctx, level, where,
		  str_sanitize(ctx, str_of(text), 1000));
}

void sieve_trace_line(struct sieve_run *run, const char *fmt, ...)
{
	const struct sieve_trace *trace = &run->host->trace;
	const struct sieve_frame *frame = run->machine->frame;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "trace");
	char text[500], line[600], address[12] = "", place[16] = "";
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (trace->addresses)
		snprintf(address, sizeof(address), "%08x: ",
			 frame == NULL
				 ? 0
				 : (unsigned)(frame->code.at - frame->start));
	if (run->line > 0)
		snprintf(place, sizeof(place), "%4u: ", run->line);
	else
		snprintf(place, sizeof(place), "%6s", "");
	snprintf(line, sizeof(line), "%s%s%s", address, place,
		 str_sanitize(ctx, str_of(text), 500));
	trace->line(trace->ctx, line);
}

/* instructions */

static int get_tags(struct sieve_run *run, struct sieve_code *code,
		    uint64_t command, struct sieve_args *args, struct err *err)
{
	uint64_t count = sieve_code_number(code);

	if (count > SIEVE_MAX_TAGS)
		return sieve_corrupt(err, "too many tags");
	args->tag_count = (unsigned)count;
	for (unsigned i = 0; i < count; i++) {
		uint64_t number = sieve_code_number(code);
		const struct sieve_tag *tag;

		if (number >= run->program->tag_count ||
		    !sieve_program_takes(run->program, command, number))
			return sieve_corrupt(err, "tag");
		args->tags[i].tag = tag = run->program->tags[number];
		args->tags[i].value.type = SIEVE_NONE;
		if (tag->param.type != SIEVE_NONE &&
		    sieve_operand_get(run, code, &tag->param,
				      &args->tags[i].value, err) < 0)
			return -1;
	}
	return 0;
}

static int get_args(struct sieve_run *run, struct sieve_code *code,
		    uint64_t number, struct sieve_args *args, struct err *err)
{
	const struct sieve_command *command = args->command;

	if (get_tags(run, code, number, args, err) < 0)
		return -1;
	for (unsigned i = 0; i < SIEVE_MAX_PARAMS; i++) {
		if (command->params[i].type == SIEVE_NONE) {
			args->params[i].type = SIEVE_NONE;
			break;
		}
		if (sieve_operand_get(run, code, &command->params[i],
				      &args->params[i], err) < 0)
			return -1;
	}
	return code->bad ? sieve_corrupt(err, "operands") : 0;
}

static int call(struct sieve_run *run, struct sieve_code *code, struct err *err)
{
	uint64_t number = sieve_code_number(code);
	struct sieve_args args;
	bool result = true, test;

	run->line = (unsigned)sieve_code_number(code);
	if (number >= run->program->command_count)
		return sieve_corrupt(err, "command");
	args.command = run->program->commands[number];
	sieve_arena_reset(run->scratch);
	if (get_args(run, code, number, &args, err) < 0)
		return -1;
	test = (args.command->flags & SIEVE_IS_TEST) != 0;
	sieve_trace(run, test ? SIEVE_TRACE_TESTS : SIEVE_TRACE_COMMANDS,
		    "%s %s", args.command->name, test ? "test" : "command");
	if (args.command->run(run, &args, &result, err) < 0)
		return -1;
	run->machine->flag = result;
	if (test)
		sieve_trace(run, SIEVE_TRACE_TESTS, "  result: %s",
			    result ? "true" : "false");
	return 0;
}

/* From behind the four octets; must land within the unit. */
static int jump(struct sieve_frame *frame, bool taken, struct err *err)
{
	struct sieve_code *code = &frame->code;
	uint32_t raw = 0;
	ptrdiff_t to;

	if (code->end - code->at < 4)
		return sieve_corrupt(err, "jump");
	for (unsigned i = 0; i < 4; i++)
		raw |= (uint32_t)code->at[i] << 8 * i;
	code->at += 4;
	if (!taken)
		return 0;
	to = code->at - frame->start + (int32_t)raw;
	if (to < 0 || to > code->end - frame->start)
		return sieve_corrupt(err, "jump");
	code->at = frame->start + to;
	return 0;
}

static int step(struct sieve_run *run, struct sieve_frame *frame, bool *end,
		struct err *err)
{
	struct sieve_machine *machine = run->machine;

	if (frame->code.at >= frame->code.end)
		return sieve_corrupt(err, "no end");
	switch ((enum sieve_op) * frame->code.at++) {
	case SIEVE_OP_END:
		*end = true;
		return 0;
	case SIEVE_OP_STOP:
		*end = run->stopped = true;
		return 0;
	case SIEVE_OP_JUMP:
		return jump(frame, true, err);
	case SIEVE_OP_JUMP_FALSE:
		return jump(frame, !machine->flag, err);
	case SIEVE_OP_JUMP_TRUE:
		return jump(frame, machine->flag, err);
	case SIEVE_OP_NOT:
		machine->flag = !machine->flag;
		return 0;
	case SIEVE_OP_TRUE:
		machine->flag = true;
		return 0;
	case SIEVE_OP_FALSE:
		machine->flag = false;
		return 0;
	case SIEVE_OP_CALL:
		return call(run, &frame->code, err);
	case SIEVE_OP_COUNT:
		break;
	}
	return sieve_corrupt(err, "instruction");
}

static int run_frame(struct sieve_run *run, struct sieve_frame *frame,
		     struct err *err)
{
	bool end = false;

	while (!end && !run->stopped) {
		if (sieve_run_work(run, 1, err) < 0 ||
		    step(run, frame, &end, err) < 0)
			return -1;
	}
	return 0;
}

static void frame_free(struct sieve_frame *frame)
{
	for (unsigned i = 0; i < frame->unit->variables; i++)
		mem_free(frame->variables[i].data);
	for (unsigned i = 0; i < SIEVE_MAX_MATCHES; i++)
		mem_free(frame->matches[i].data);
}

int sieve_run_unit(struct sieve_run *run, unsigned unit, struct err *err)
{
	struct sieve_machine *machine = run->machine;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	const char *script = run->script;
	struct sieve_arena *scratch = run->scratch;
	struct sieve_frame frame = {.up = machine->frame};
	unsigned line = run->line;
	int result;

	if (unit >= run->program->unit_count)
		return sieve_corrupt(err, "unit");
	if (machine->depth > machine->set->sieve_include_max_nesting_depth)
		return err_set(err, ERR_LIMIT, "scripts are nested too deeply");
	ctx = mem_ctx(NULL, "unit");
	frame.unit = &run->program->units[unit];
	frame.variables = mem_array(ctx, struct sieve_variable,
				    frame.unit->variables + 1);
	frame.start = (const unsigned char *)frame.unit->code.data;
	frame.code = (struct sieve_code){
		.at = frame.start, .end = frame.start + frame.unit->code.len};
	run->script = frame.unit->name;
	run->scratch = sieve_arena_new(ctx, SCRATCH_CHUNK);
	machine->frame = &frame;
	machine->depth++;
	result = run_frame(run, &frame, err);
	frame_free(&frame);
	machine->depth--;
	machine->frame = frame.up;
	run->scratch = scratch;
	if (result == 0) { /* else they tell where it was */
		run->script = script;
		run->line = line;
	}
	return result;
}

unsigned sieve_run_units(const struct sieve_run *run)
{
	return run->program->unit_count;
}

/* What the script added and changed is taken back, if it failed. */
struct before {
	struct sieve_result result;
	struct sieve_action *actions; /* copies */
	struct sieve_action **end;
};

static void remember(const void *ctx, struct sieve_result *result,
		     struct before *before)
{
	struct sieve_action **at = &result->actions;
	size_t count = 0;

	for (; *at != NULL; at = &(*at)->next)
		count++;
	before->result = *result;
	before->end = at;
	before->actions = mem_array(ctx, struct sieve_action, count);
	at = &result->actions;
	for (size_t i = 0; i < count; i++, at = &(*at)->next)
		before->actions[i] = **at;
}

static void undo(struct sieve_result *result, const struct before *before)
{
	struct sieve_action *action = *before->end;
	const struct sieve_action *copy = before->actions;

	*before->end = NULL;
	*result = before->result;
	while (action != NULL) {
		struct sieve_action *next = action->next;

		mem_free(action);
		action = next;
	}
	/* Flags of a later store were merged into an earlier script's. */
	for (action = result->actions; action != NULL; action = action->next)
		*action = *copy++;
}

int sieve_program_run(struct sieve_program *program,
		      struct sieve_message *message,
		      const struct sieve_envelope *envelope,
		      const struct sieve_host *host,
		      struct sieve_result *result, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sieve");
	struct sieve_machine *machine = mem_new(ctx, struct sieve_machine);
	struct before before;
	uint64_t start_us;
	int failed;
	struct sieve_run run = {
		.engine = program->engine,
		.program = program,
		.message = message,
		.envelope = envelope,
		.host = host,
		.result = result,
		.arena = sieve_arena_new(ctx, SCRATCH_CHUNK),
		.machine = machine,
		.script = program->units[0].name,
	};

	machine->ctx = ctx;
	machine->set = sieve_engine_settings(program->engine);
	machine->next_clock = CLOCK_EVERY;
	start_us = cpu_us();
	if (machine->set->sieve_max_cpu_time.ms > 0)
		machine->cpu_end_us =
			start_us + machine->set->sieve_max_cpu_time.ms * 1000;
	remember(ctx, result, &before);
	sieve_trace(&run, SIEVE_TRACE_ACTIONS,
		    "## Started executing script "
		    "'%s'",
		    run.script);
	failed = sieve_usage_excessive(program)
			 ? err_set(err, ERR_LIMIT,
				   "not run: cumulative resource usage limit "
				   "exceeded")
			 : sieve_run_unit(&run, 0, err);
	sieve_usage_add(program, (cpu_us() - start_us) / 1000);
	if (failed < 0) {
		sieve_trace(&run, SIEVE_TRACE_ACTIONS, "error: %s", err->text);
		sieve_run_log(&run, LOG_LEVEL_ERROR, "%s", err->text);
		undo(result, &before);
		sieve_message_revert(message);
		return -1;
	}
	run.line = 0;
	sieve_trace(&run, SIEVE_TRACE_ACTIONS,
		    "## Finished executing script '%s'", run.script);
	return 0;
}
