/* SPDX-License-Identifier: MIT */
/*
 * sieve/vars.c - variables at run time (RFC 5229).
 */
#include "base/cleanup.h"
#include "base/encode.h"
#include "sieve/machine.h"

/* Section 6. */
struct str sieve_run_cut(struct sieve_run *run, struct str value)
{
	size_t max = (size_t)run->machine->set->sieve_variables_max_variable_size;

	if (value.len <= max)
		return value;
	while (max > 0 && ((unsigned char)value.data[max] & 0xc0) == 0x80)
		max--;
	return str_n(value.data, max);
}

static void set(struct sieve_run *run, struct sieve_variable *variable,
		struct str value)
{
	struct sieve_machine *machine = run->machine;

	value = sieve_run_cut(run, value);
	if (value.len > variable->cap) {
		/* It may be a part of what it replaces. */
		char *data = mem_memdup(machine->ctx, value.data, value.len);

		mem_free(variable->data);
		variable->data = data;
		variable->cap = value.len;
	} else if (value.len > 0) {
		memmove(variable->data, value.data, value.len);
	}
	variable->len = value.len;
}

/* As the script wrote it. */
static struct str name_of(const struct sieve_frame *frame,
			  const struct sieve_piece *variable)
{
	struct str rest = frame->unit->variable_names, name = variable->text;

	if (variable->kind != SIEVE_PIECE_VARIABLE)
		return name;
	for (unsigned i = 0; i <= variable->number; i++) {
		if (!str_word(&rest, &name))
			return STR("");
	}
	return name;
}

int sieve_run_set(struct sieve_run *run, const struct sieve_piece *variable,
		  struct str value, struct err *err)
{
	struct sieve_frame *frame = run->machine->frame;

	sieve_trace(run, SIEVE_TRACE_COMMANDS,
		    "  assign '%.*s' [%u] = \"%.*s\"", STR_FMT(name_of(frame, variable)),
		    variable->number, STR_FMT(value));
	if (variable->kind == SIEVE_PIECE_NAMESPACE &&
	    variable->space->set != NULL)
		return variable->space->set(run, variable->text, value, err);
	if (variable->kind != SIEVE_PIECE_VARIABLE ||
	    variable->number >= frame->unit->variables)
		return sieve_corrupt(err, "variable");
	set(run, &frame->variables[variable->number], value);
	return 0;
}

static struct str value_of(const struct sieve_variable *variable)
{
	return variable->data == NULL ? STR("")
				      : str_n(variable->data, variable->len);
}

int sieve_run_get(struct sieve_run *run, const struct sieve_piece *variable,
		  struct str *out, struct err *err)
{
	const struct sieve_frame *frame = run->machine->frame;

	switch (variable->kind) {
	case SIEVE_PIECE_TEXT:
		*out = variable->text;
		return 0;
	case SIEVE_PIECE_VARIABLE:
		if (variable->number >= frame->unit->variables)
			break;
		*out = value_of(&frame->variables[variable->number]);
		return 0;
	case SIEVE_PIECE_MATCH:
		*out = variable->number < frame->match_count
			       ? value_of(&frame->matches[variable->number])
			       : STR("");
		return 0;
	case SIEVE_PIECE_NAMESPACE:
		return variable->space->get(run, variable->text, out, err);
	}
	return sieve_corrupt(err, "variable");
}

bool sieve_run_wants_matches(const struct sieve_run *run)
{
	return run->program->variables;
}

void sieve_run_matches(struct sieve_run *run, const struct str *captures,
		       unsigned count)
{
	struct sieve_frame *frame = run->machine->frame;

	if (count > SIEVE_MAX_MATCHES)
		count = SIEVE_MAX_MATCHES;
	/* Captures may be parts of older ones: what is matched is a copy in
	 * the scratch arena, if it came from a variable. */
	for (unsigned i = 0; i < count; i++)
		set(run, &frame->matches[i], captures[i]);
	frame->match_count = count;
}

/* modifiers */

static const struct sieve_tag *next_modifier(const struct sieve_args *args,
					     unsigned below)
{
	const struct sieve_tag *found = NULL;

	for (unsigned i = 0; i < args->tag_count; i++) {
		const struct sieve_tag *tag = args->tags[i].tag;

		if (tag->modify != NULL && tag->precedence < below &&
		    (found == NULL || tag->precedence > found->precedence))
			found = tag;
	}
	return found;
}

int sieve_run_modify(struct sieve_run *run, const struct sieve_args *args,
		     struct str *value, struct err *err)
{
	size_t max = (size_t)run->machine->set->sieve_max_string_size;
	const struct sieve_tag *tag;
	unsigned below = UINT32_MAX;

	while ((tag = next_modifier(args, below)) != NULL) {
		CLEANUP(buf_free) struct buf out = buf_init(max);

		if (tag->modify(run, *value, &out, err) < 0)
			return -1;
		*value =
			sieve_arena_str(run->scratch, str_n(out.data, out.len));
		below = tag->precedence;
	}
	return 0;
}
