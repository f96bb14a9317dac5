/* SPDX-License-Identifier: MIT */
#include "sieve/emit.h"

#include "sieve/code.h"
#include "sieve/compile.h"

void sieve_put_long(struct buf *out, uint64_t value)
{
	char bytes[10];
	size_t len = 0;

	do {
		bytes[len++] = (char)((value & 0x7f) | (value > 0x7f) << 7);
		value >>= 7;
	} while (value > 0);
	buf_append(out, bytes, len);
}

void sieve_put_str(struct buf *out, struct str text)
{
	sieve_put_number(out, text.len);
	buf_add_str(out, text);
}

static unsigned put_text(struct sieve_emit *emit, struct str text)
{
	bool new;

	return sieve_table_put(&emit->check->build->texts, text, &new);
}

static unsigned put_extension(struct sieve_emit *emit,
			      const struct sieve_extension *ext)
{
	struct sieve_table *table = &emit->check->build->extensions;
	bool new;
	unsigned number = sieve_table_put(table, str_of(ext->name), &new);

	if (new)
		sieve_put_number(&table->list.bytes, ext->version);
	return number;
}

static unsigned put_command(struct sieve_emit *emit,
			    const struct sieve_node *node)
{
	struct sieve_declared *commands = &emit->check->build->commands;
	struct buf *bytes = &commands->list.bytes;
	const char *name = node->command->name;
	const struct sieve_word *word;
	bool new;
	unsigned number = sieve_declared_put(commands, node->command, &new);

	if (new) {
		word = sieve_check_word(emit->check, node->is_test ? 't' : 'c',
					str_of(name));
		sieve_put_number(bytes, put_extension(emit, word->ext));
		sieve_put_number(bytes, node->is_test);
		sieve_put_str(bytes, str_of(name));
	}
	return number;
}

/* A tag is found again by its owner, a command (number + 1) or an extension,
 * and by its place and name. */
static unsigned put_tag(struct sieve_emit *emit, const struct sieve_node *node,
			const struct sieve_tag *tag)
{
	struct sieve_declared *tags = &emit->check->build->tags;
	struct buf *bytes = &tags->list.bytes;
	const struct sieve_tag *first = node->command->tags;
	bool new, own = tag->of == NULL;
	unsigned number = sieve_declared_put(tags, tag, &new);

	if (!new)
		return number;
	if (own) {
		sieve_put_number(bytes, put_command(emit, node) + 1);
	} else {
		const struct sieve_word *word =
			sieve_check_word(emit->check, ':', str_of(tag->name));

		while (word->tag != tag)
			word = word->more;
		first = word->ext->tags;
		sieve_put_number(bytes, 0);
		sieve_put_number(bytes, put_extension(emit, word->ext));
	}
	sieve_put_number(bytes, (uint64_t)(tag - first));
	sieve_put_str(bytes, str_of(tag->name));
	return number;
}

/* operands */

static void put_operand(struct sieve_emit *emit, enum sieve_operand kind,
			uint64_t value)
{
	sieve_put_number(emit->code, value << SIEVE_OPERAND_BITS | kind);
}

static const struct sieve_extension *
owner_of(struct sieve_emit *emit, const struct sieve_namespace *space,
	 unsigned *place_out)
{
	const struct sieve_engine *engine = emit->check->build->engine;
	const struct sieve_extension *ext;

	for (unsigned i = 0; (ext = sieve_engine_extension(engine, i)); i++) {
		const struct sieve_namespace *at = ext->namespaces;

		for (*place_out = 0; at != NULL && at->name != NULL; at++) {
			if (at == space)
				return ext;
			(*place_out)++;
		}
	}
	return NULL;
}

static void put_piece(struct sieve_emit *emit, const struct sieve_piece *piece)
{
	unsigned place = 0;

	sieve_put_number(emit->code, piece->kind);
	switch (piece->kind) {
	case SIEVE_PIECE_TEXT:
		sieve_put_number(emit->code, put_text(emit, piece->text));
		break;
	case SIEVE_PIECE_VARIABLE:
	case SIEVE_PIECE_MATCH:
		sieve_put_number(emit->code, piece->number);
		break;
	case SIEVE_PIECE_NAMESPACE:
		sieve_put_number(
			emit->code,
			put_extension(emit,
				      owner_of(emit, piece->space, &place)));
		sieve_put_number(emit->code, place);
		sieve_put_number(emit->code, put_text(emit, piece->text));
		break;
	}
}

static void put_arg(struct sieve_emit *emit, const struct sieve_arg *arg,
		    const struct sieve_param *param)
{
	unsigned count = 0;

	if (arg == NULL) {
		put_operand(emit, SIEVE_OPERAND_NONE, 0);
	} else if (arg->type == SIEVE_NUMBER) {
		put_operand(emit, SIEVE_OPERAND_NUMBER, 0);
		sieve_put_number(emit->code, arg->number);
	} else if (arg->type == SIEVE_STRINGS) {
		put_operand(emit, SIEVE_OPERAND_LIST, arg->count);
		for (arg = arg->items; arg != NULL; arg = arg->next)
			put_arg(emit, arg, param);
	} else if (arg->pieces == NULL) {
		put_operand(emit, SIEVE_OPERAND_TEXT,
			    put_text(emit, arg->text));
	} else if ((param->flags & SIEVE_VARIABLE) != 0) {
		put_operand(emit, SIEVE_OPERAND_VARIABLE, 0);
		put_piece(emit, arg->pieces);
	} else {
		for (const struct sieve_piece *p = arg->pieces; p; p = p->next)
			count++;
		put_operand(emit, SIEVE_OPERAND_PIECES, count);
		for (const struct sieve_piece *p = arg->pieces; p; p = p->next)
			put_piece(emit, p);
	}
}

void sieve_emit_call(struct sieve_emit *emit, const struct sieve_node *node)
{
	unsigned tags = 0;

	sieve_emit_op(emit, SIEVE_OP_CALL);
	sieve_put_number(emit->code, put_command(emit, node));
	sieve_put_number(emit->code, node->at.line);
	for (const struct sieve_arg *arg = node->args; arg; arg = arg->next)
		tags += arg->tag != NULL;
	sieve_put_number(emit->code, tags);
	for (const struct sieve_arg *arg = node->args; arg; arg = arg->next) {
		if (arg->tag == NULL)
			continue;
		sieve_put_number(emit->code, put_tag(emit, node, arg->tag));
		if (arg->value != NULL)
			put_arg(emit, arg->value, &arg->tag->param);
	}
	for (unsigned i = 0; i < SIEVE_MAX_PARAMS &&
			     node->command->params[i].type != SIEVE_NONE;
	     i++)
		put_arg(emit, node->params[i], &node->command->params[i]);
}

/* control */

struct sieve_check *sieve_emit_check(struct sieve_emit *emit)
{
	return emit->check;
}

void sieve_emit_op(struct sieve_emit *emit, enum sieve_op op)
{
	buf_putc(emit->code, (char)op);
}

/* Four octets, little endian, for what is not known yet: from behind them. */
size_t sieve_emit_jump(struct sieve_emit *emit, enum sieve_op op)
{
	sieve_emit_op(emit, op);
	buf_append(emit->code, "\0\0\0\0", 4);
	return emit->code->len;
}

static void set_jump(struct sieve_emit *emit, size_t jump, size_t to)
{
	uint32_t distance = (uint32_t)(to - jump);

	if (emit->code->overflow)
		return;
	for (unsigned i = 0; i < 4; i++)
		emit->code->data[jump - 4 + i] = (char)(distance >> 8 * i);
}

void sieve_emit_land(struct sieve_emit *emit, size_t jump)
{
	set_jump(emit, jump, emit->code->len);
}

size_t sieve_emit_here(struct sieve_emit *emit)
{
	return emit->code->len;
}

void sieve_emit_jump_back(struct sieve_emit *emit, enum sieve_op op, size_t to)
{
	set_jump(emit, sieve_emit_jump(emit, op), to);
}

static void emit_node(struct sieve_emit *emit, const struct sieve_node *node)
{
	if (emit->failed || node->command == NULL)
		return;
	if (node->command->emit != NULL)
		node->command->emit(emit, node);
	else if (node->command->run != NULL)
		sieve_emit_call(emit, node);
}

void sieve_emit_test(struct sieve_emit *emit, const struct sieve_node *test)
{
	if (test->constant == SIEVE_VARIES)
		emit_node(emit, test);
	else
		sieve_emit_op(emit, test->constant == SIEVE_ALWAYS
					    ? SIEVE_OP_TRUE
					    : SIEVE_OP_FALSE);
}

void sieve_emit_block(struct sieve_emit *emit, const struct sieve_node *block)
{
	for (; block != NULL; block = block->next)
		emit_node(emit, block);
}

void sieve_emit_end(struct sieve_emit *emit)
{
	struct sieve_check *check = emit->check;
	const struct sieve_extension *ext;

	/* What was required is needed again, even if nothing calls it. */
	for (unsigned i = 0;
	     (ext = sieve_engine_extension(check->build->engine, i)) != NULL;
	     i++) {
		if (check->active[i])
			(void)put_extension(emit, ext);
	}
	sieve_emit_op(emit, SIEVE_OP_END);
	if (emit->code->overflow && !emit->failed) {
		sieve_error(check, (struct sieve_place){0, 0},
			    "program is too large");
		emit->failed = true;
	}
}
