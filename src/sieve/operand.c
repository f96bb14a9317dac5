/* SPDX-License-Identifier: MIT */
/*
 * sieve/operand.c - operands of instructions, from bytes to values.
 */
#include "base/cleanup.h"
#include "sieve/machine.h"

int sieve_corrupt(struct err *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "Compiled script is corrupt: %s",
		       what);
}

/* A piece of a program's code, as the tree has it; false if malformed. */
static bool get_piece(const struct sieve_program *program,
		      struct sieve_code *code, struct sieve_piece *out)
{
	const struct sieve_namespace *space = NULL;
	uint64_t kind = sieve_code_number(code);
	uint64_t number = sieve_code_number(code);

	*out = (struct sieve_piece){.number = (unsigned)number};
	if (code->bad || number > UINT32_MAX)
		return false;
	if (kind == SIEVE_PIECE_NAMESPACE) {
		if (number >= program->extension_count)
			return false;
		space = program->extensions[number]->namespaces;
		number = sieve_code_number(code);
		while (space != NULL && space->name != NULL && number-- > 0)
			space++;
		if (space == NULL || space->name == NULL)
			return false;
		out->space = space;
		number = sieve_code_number(code);
	}
	if (kind == SIEVE_PIECE_TEXT || kind == SIEVE_PIECE_NAMESPACE) {
		if (number >= program->text_count)
			return false;
		out->text = program->texts[number];
	}
	out->kind = kind;
	return !code->bad && kind <= SIEVE_PIECE_NAMESPACE;
}

static int get_pieces(struct sieve_run *run, struct sieve_code *code,
		      uint64_t count, struct str *out, struct err *err)
{
	const struct sieve_settings *set = run->machine->set;
	CLEANUP(buf_free)
	struct buf text = buf_init((size_t)set->sieve_max_string_size);

	while (count-- > 0 && !code->bad) {
		struct sieve_piece piece;
		struct str part;

		if (!get_piece(run->program, code, &piece))
			return sieve_corrupt(err, "piece of a string");
		if (sieve_run_get(run, &piece, &part, err) < 0)
			return -1;
		buf_add_str(&text, part);
		if (text.overflow)
			return err_set(err, ERR_LIMIT,
				       "string is too long (maximum %zu "
				       "octets)",
				       text.max);
	}
	*out = sieve_arena_str(run->scratch, str_n(text.data, text.len));
	if (sieve_arena_size(run->scratch) > set->sieve_max_memory)
		return err_set(err, ERR_LIMIT,
			       "strings of one command are too long together "
			       "(sieve_max_memory)");
	return sieve_run_work(run, text.len / 256, err);
}

static int get_string(struct sieve_run *run, struct sieve_code *code,
		      uint64_t head, struct str *out, struct err *err)
{
	uint64_t number = head >> SIEVE_OPERAND_BITS;

	switch (head & ((1 << SIEVE_OPERAND_BITS) - 1)) {
	case SIEVE_OPERAND_TEXT:
		if (number >= run->program->text_count)
			break;
		*out = run->program->texts[number];
		return 0;
	case SIEVE_OPERAND_PIECES:
		return get_pieces(run, code, number, out, err);
	default:
		break;
	}
	return sieve_corrupt(err, "string");
}

static int get_variable(struct sieve_run *run, struct sieve_code *code,
			struct sieve_piece *out, struct err *err)
{
	if (!get_piece(run->program, code, out) ||
	    (out->kind != SIEVE_PIECE_VARIABLE &&
	     (out->kind != SIEVE_PIECE_NAMESPACE || out->space->set == NULL)))
		return sieve_corrupt(err, "variable");
	return 0;
}

/* A list of strings, or of variables. */
static int get_list(struct sieve_run *run, struct sieve_code *code,
		    uint64_t head, bool variables, struct sieve_value *out,
		    struct err *err)
{
	bool is_list =
		(head & ((1 << SIEVE_OPERAND_BITS) - 1)) == SIEVE_OPERAND_LIST;
	uint64_t count = is_list ? head >> SIEVE_OPERAND_BITS : 1;
	struct sieve_piece *pieces = NULL;
	struct str *list = NULL;

	if (count > run->machine->set->sieve_max_list_items)
		return sieve_corrupt(err, "list");
	if (variables)
		pieces = sieve_arena_array(run->scratch, struct sieve_piece,
					   count + 1);
	else
		list = sieve_arena_array(run->scratch, struct str, count + 1);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t item = is_list ? sieve_code_number(code) : head;

		if (variables ? get_variable(run, code, &pieces[i], err) < 0
			      : get_string(run, code, item, &list[i], err) < 0)
			return -1;
	}
	out->variable = pieces;
	out->list = list;
	out->count = (unsigned)count;
	return 0;
}

int sieve_operand_get(struct sieve_run *run, struct sieve_code *code,
		      const struct sieve_param *param, struct sieve_value *out,
		      struct err *err)
{
	uint64_t head = sieve_code_number(code);
	unsigned kind = head & ((1 << SIEVE_OPERAND_BITS) - 1);
	bool variable = (param->flags & SIEVE_VARIABLE) != 0;

	*out = (struct sieve_value){.type = SIEVE_NONE};
	if (kind == SIEVE_OPERAND_NONE)
		return (param->flags & SIEVE_OPTIONAL) != 0
			       ? 0
			       : sieve_corrupt(err, "missing operand");
	out->type = param->type;
	switch (param->type) {
	case SIEVE_NUMBER:
		out->number = sieve_code_number(code);
		return kind == SIEVE_OPERAND_NUMBER && !code->bad
			       ? 0
			       : sieve_corrupt(err, "number");
	case SIEVE_STRING:
		if (variable || kind == SIEVE_OPERAND_LIST)
			return kind == SIEVE_OPERAND_VARIABLE
				       ? get_list(run, code, head, true, out,
						  err)
				       : sieve_corrupt(err, "string");
		out->count = 1;
		out->list = &out->text;
		return get_string(run, code, head, &out->text, err);
	case SIEVE_STRINGS:
		return get_list(run, code, head, variable, out, err);
	default:
		return sieve_corrupt(err, "operand");
	}
}
