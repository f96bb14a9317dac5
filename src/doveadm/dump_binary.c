/* SPDX-License-Identifier: MIT */
/*
 * doveadm/dump_binary.c - small files that are not text (doc/formats.md).
 */
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/pack.h"
#include "base/str.h"
#include "doveadm/dump.h"

enum {
	FILE_MAX = 1 << 30,
	SUM_LEN = 16,
	JOURNAL_START = 8, /* behind the magic */
	JOURNAL_NUMBERS = 24,
	JOURNAL_SUM = 56,
};

static void show_hex(const char *name, const char *data, size_t len)
{
	CLEANUP(buf_free) struct buf hex = buf_init(len * 2 + 1);

	hex_encode(str_n(data, len), &hex);
	printf("%s=%s", name, hex.data);
}

/* Only its head: what is behind it is mail. */
int dump_journal(const char *path, struct err *err)
{
	static const char *const kinds[] = {"none",  "text", "cut",  "append",
					    "patch", "room", "shift"};
	static const char *const numbers[] = {"start", "len", "from",
					      "old_size"};
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);
	struct unpack in;
	uint32_t kind;

	if (file_read(path, &text, err) < 0)
		return -1;
	if (text.len < JOURNAL_SUM + SUM_LEN ||
	    !str_starts(str_n(text.data, text.len), "DTMBOXJ2")) {
		puts("kind=none");
		return 0;
	}
	in.bad = false;
	in.in = str_from(str_n(text.data, text.len), JOURNAL_START);
	kind = unpack_u32(&in);
	printf("kind=%s",
	       kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : "?");
	printf(" context=%u", (unsigned)unpack_u32(&in));
	printf(" probe=%u", (unsigned)unpack_u32(&in));
	in.in = str_from(str_n(text.data, text.len), JOURNAL_NUMBERS);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		printf(" %s=%llu", numbers[i],
		       (unsigned long long)unpack_u64(&in));
	show_hex(" md5", text.data + JOURNAL_SUM, SUM_LEN);
	putchar('\n');
	return 0;
}

int dump_dupes(const char *path, struct err *err)
{
	static const char magic[] = "DTDUPES1";
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);
	struct unpack in = {.bad = false};

	if (file_read(path, &text, err) < 0)
		return -1;
	in.in = str_n(text.data, text.len);
	if (!str_starts(in.in, magic))
		return err_set(err, ERR_CORRUPT, "%s does not begin with %s",
			       path, magic);
	in.in = str_from(in.in, sizeof(magic) - 1);
	while (in.in.len >= SUM_LEN + 8) {
		show_hex("id", in.in.data, SUM_LEN);
		in.in = str_from(in.in, SUM_LEN);
		printf(" until=%llu\n", (unsigned long long)unpack_u64(&in));
	}
	return 0;
}
