/* SPDX-License-Identifier: MIT */
/*
 * sieve/dump_hex.c - the octets of a program, block by block.
 */
#include "base/buf.h"
#include "sieve/program.h"
#include "sieve/script.h"

enum { ROW = 16 };

static void dump_row(struct str bytes, size_t at, struct buf *out)
{
	size_t len = bytes.len - at < ROW ? bytes.len - at : ROW;

	buf_printf(out, "%08zx  ", at);
	for (size_t i = 0; i < ROW; i++) {
		if (i < len)
			buf_printf(out, "%02x ",
				   (unsigned char)bytes.data[at + i]);
		else
			buf_add(out, "   ");
		if (i == ROW / 2 - 1)
			buf_putc(out, ' ');
	}
	buf_add(out, " |");
	for (size_t i = 0; i < len; i++) {
		char c = bytes.data[at + i];

		buf_putc(out, c >= ' ' && c <= '~' ? c : '.');
	}
	buf_add(out, "|\n");
}

static void dump_block(const struct sieve_program *program, const char *name,
		       struct str block, struct buf *out)
{
	buf_printf(out, "* %s (%zu bytes, file offset %08zx):\n\n", name,
		   block.len, (size_t)(block.data - program->bytes.data));
	for (size_t at = 0; at < block.len; at += ROW)
		dump_row(block, at, out);
	buf_printf(out, "%08zx\n\n", block.len);
}

void sieve_program_hexdump(const struct sieve_program *program, struct buf *out)
{
	size_t head =
		(size_t)(program->units[0].code.data - program->bytes.data);

	dump_block(program, "Header and tables",
		   str_n(program->bytes.data, head), out);
	for (unsigned i = 0; i < program->unit_count; i++)
		dump_block(program, program->units[i].name,
			   program->units[i].code, out);
}
