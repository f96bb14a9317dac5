/* SPDX-License-Identifier: MIT */
/*
 * sieve/dump.c - a program, for people.
 */
#include "base/buf.h"
#include "sieve/program.h"
#include "sieve/script.h"

struct dump {
	const struct sieve_program *program;
	const struct sieve_unit *unit;
	struct sieve_code code;
	struct buf *out;
};

/* In quotes, on one line. */
static void put_text(struct dump *dump, struct str text)
{
	buf_putc(dump->out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < ' ' || c == 0x7f)
			buf_printf(dump->out, "\\x%02x", c);
		else
			buf_printf(dump->out,
				   c == '"' || c == '\\' ? "\\%c" : "%c", c);
	}
	buf_putc(dump->out, '"');
}

static void put_number_text(struct dump *dump, uint64_t number)
{
	if (number < dump->program->text_count)
		put_text(dump, dump->program->texts[number]);
	else
		dump->code.bad = true;
}

static void put_piece(struct dump *dump)
{
	uint64_t kind = sieve_code_number(&dump->code);
	uint64_t number = sieve_code_number(&dump->code);

	switch (kind) {
	case SIEVE_PIECE_TEXT:
		put_number_text(dump, number);
		break;
	case SIEVE_PIECE_VARIABLE:
		buf_printf(dump->out, "${#%llu}", (unsigned long long)number);
		break;
	case SIEVE_PIECE_MATCH:
		buf_printf(dump->out, "${%llu}", (unsigned long long)number);
		break;
	case SIEVE_PIECE_NAMESPACE:
		buf_printf(dump->out, "${%llu/%llu ",
			   (unsigned long long)number,
			   (unsigned long long)sieve_code_number(&dump->code));
		put_number_text(dump, sieve_code_number(&dump->code));
		buf_putc(dump->out, '}');
		break;
	default:
		dump->code.bad = true;
	}
}

/* Lists hold strings, so this goes two levels deep at most. */
static void put_operand(struct dump *dump, bool in_list)
{
	uint64_t head = sieve_code_number(&dump->code);
	uint64_t number = head >> SIEVE_OPERAND_BITS;

	switch (head & ((1 << SIEVE_OPERAND_BITS) - 1)) {
	case SIEVE_OPERAND_NONE:
		buf_putc(dump->out, '-');
		break;
	case SIEVE_OPERAND_NUMBER:
		buf_printf(dump->out, "%llu",
			   (unsigned long long)sieve_code_number(&dump->code));
		break;
	case SIEVE_OPERAND_TEXT:
		put_number_text(dump, number);
		break;
	case SIEVE_OPERAND_PIECES:
		for (uint64_t i = 0; i < number && !dump->code.bad; i++)
			put_piece(dump);
		break;
	case SIEVE_OPERAND_LIST:
		dump->code.bad |= in_list;
		buf_putc(dump->out, '[');
		for (uint64_t i = 0; i < number && !dump->code.bad; i++) {
			buf_add(dump->out, i > 0 ? ", " : "");
			put_operand(dump, true);
		}
		buf_putc(dump->out, ']');
		break;
	case SIEVE_OPERAND_VARIABLE:
		put_piece(dump);
		break;
	default:
		dump->code.bad = true;
	}
}

static void put_call(struct dump *dump)
{
	uint64_t number = sieve_code_number(&dump->code);
	uint64_t line = sieve_code_number(&dump->code);
	uint64_t tags = sieve_code_number(&dump->code);
	const struct sieve_command *command;

	if (number >= dump->program->command_count) {
		dump->code.bad = true;
		return;
	}
	command = dump->program->commands[number];
	buf_printf(dump->out, "%s (line %llu)", command->name,
		   (unsigned long long)line);
	for (uint64_t i = 0; i < tags && !dump->code.bad; i++) {
		number = sieve_code_number(&dump->code);
		if (number >= dump->program->tag_count) {
			dump->code.bad = true;
			return;
		}
		buf_printf(dump->out, " :%s",
			   dump->program->tags[number]->name);
		if (dump->program->tags[number]->param.type == SIEVE_NONE)
			continue;
		buf_putc(dump->out, ' ');
		put_operand(dump, false);
	}
	for (unsigned i = 0;
	     i < SIEVE_MAX_PARAMS && command->params[i].type != SIEVE_NONE;
	     i++) {
		buf_putc(dump->out, ' ');
		put_operand(dump, false);
	}
}

static void put_jump(struct dump *dump, const char *name)
{
	const unsigned char *start =
		(const unsigned char *)dump->unit->code.data;
	uint32_t raw = 0;

	if (dump->code.end - dump->code.at < 4) {
		dump->code.bad = true;
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		raw |= (uint32_t)dump->code.at[i] << 8 * i;
	dump->code.at += 4;
	buf_printf(dump->out, "%s %08tx", name,
		   dump->code.at - start + (int32_t)raw);
}

static void put_op(struct dump *dump)
{
	static const char *const names[SIEVE_OP_COUNT] = {
		"end", "stop", "jump",  "jump-if-false", "jump-if-true",
		"not", "true", "false", "call",
	};
	unsigned op = *dump->code.at++;

	switch (op) {
	case SIEVE_OP_JUMP:
	case SIEVE_OP_JUMP_FALSE:
	case SIEVE_OP_JUMP_TRUE:
		put_jump(dump, names[op]);
		break;
	case SIEVE_OP_CALL:
		put_call(dump);
		break;
	default:
		dump->code.bad |= op >= SIEVE_OP_COUNT;
		buf_add(dump->out, op < SIEVE_OP_COUNT ? names[op] : "?");
	}
}

static void dump_unit(struct dump *dump)
{
	const unsigned char *start =
		(const unsigned char *)dump->unit->code.data;

	dump->code = (struct sieve_code){.at = start,
					 .end = start + dump->unit->code.len};
	buf_printf(dump->out, "\n* Script %s: %zu octets, %u variables %.*s\n",
		   dump->unit->name, dump->unit->code.len,
		   dump->unit->variables, STR_FMT(dump->unit->variable_names));
	while (dump->code.at < dump->code.end && !dump->code.bad) {
		buf_printf(dump->out, "%08tx: ", dump->code.at - start);
		put_op(dump);
		buf_putc(dump->out, '\n');
	}
	if (dump->code.bad)
		buf_add(dump->out, "(corrupt)\n");
}

void sieve_program_dump(const struct sieve_program *program, struct buf *out)
{
	struct dump dump = {.program = program, .out = out};

	buf_add(out, "* Required extensions:\n\n");
	for (unsigned i = 0; i < program->extension_count; i++)
		buf_printf(out, "%3u: %s\n", i, program->extensions[i]->name);
	buf_add(out, "\n* Compiled from:\n\n");
	for (unsigned i = 0; i < program->source_count; i++)
		buf_printf(out, "%3u: %s\n", i, program->sources[i].path);
	for (unsigned i = 0; i < program->unit_count; i++) {
		dump.unit = &program->units[i];
		dump_unit(&dump);
	}
}
