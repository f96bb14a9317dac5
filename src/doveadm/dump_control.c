/* SPDX-License-Identifier: MIT */
/*
 * doveadm/dump_control.c - Maildir's control files (doc/formats.md), line by
 * line: they are text, and stand here with names for their fields.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "doveadm/dump.h"

enum { FILE_MAX = 1 << 30, LINE_SHOWN = 4096 };

struct letter {
	char letter;
	const char *name;
};

static const struct letter header_letters[] = {
	{'V', "uidvalidity"}, {'N', "uidnext"}, {'G', "guid"}, {0, NULL}};
static const struct letter mail_letters[] = {
	{'G', "guid"},      {'S', "size"},       {'W', "vsize"},
	{'P', "pop3.uidl"}, {'O', "pop3.order"}, {0, NULL}};

static void show_word(struct str word, const struct letter *letters)
{
	for (; letters->name != NULL; letters++) {
		if (word.data[0] == letters->letter) {
			printf(" %s=%.*s", letters->name,
			       STR_FMT(str_from(word, 1)));
			return;
		}
	}
	printf(" %.*s", STR_FMT(word));
}

/* "3 V1795356871 N3 G3485..." */
static void show_header(struct str line)
{
	struct str word;

	if (str_word(&line, &word))
		printf("version=%.*s", STR_FMT(word));
	while (str_word(&line, &word))
		show_word(word, header_letters);
	putchar('\n');
}

/* "2 G1795356000.M1P2.host W40 :1795356871.M6P1.host,S=35" */
static void show_mail(struct str line)
{
	ptrdiff_t colon = str_find_char(line, ':');
	struct str fields = line, word;

	if (colon >= 0)
		fields.len = (size_t)colon;
	if (str_word(&fields, &word))
		printf("uid=%.*s", STR_FMT(word));
	while (str_word(&fields, &word))
		show_word(word, mail_letters);
	if (colon >= 0)
		printf(" file=%.*s",
		       STR_FMT(str_from(line, (size_t)colon + 1)));
	putchar('\n');
}

/* Each line without what a terminal might take for a command. */
static int each_line(const char *path, void (*fn)(unsigned n, struct str line),
		     struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);
	struct str rest, line;

	if (file_read(path, &text, err) < 0)
		return -1;
	rest = str_n(text.data, text.len);
	for (unsigned n = 1; str_split(&rest, '\n', &line); n++) {
		char *clean;

		if (line.len == 0)
			continue;
		clean = str_sanitize(NULL, line, LINE_SHOWN);
		fn(n, str_of(clean));
		mem_free(clean);
	}
	return 0;
}

static void uidlist_line(unsigned n, struct str line)
{
	if (n == 1)
		show_header(line);
	else
		show_mail(line);
}

int dump_uidlist(const char *path, struct err *err)
{
	printf("-- UIDLIST: %s\n", path);
	return each_line(path, uidlist_line, err);
}

static void keywords_line(unsigned n, struct str line)
{
	struct str number;
	uint32_t bit;

	(void)n;
	if (!str_split(&line, ' ', &number) || !str_to_u32(number, &bit)) {
		printf("? %.*s\n", STR_FMT(number));
		return;
	}
	printf("keyword=%u letter=%c name=%.*s\n", (unsigned)bit,
	       bit < 26 ? (char)('a' + bit) : '-', STR_FMT(line));
}

int dump_keywords(const char *path, struct err *err)
{
	printf("-- KEYWORDS: %s\n", path);
	return each_line(path, keywords_line, err);
}
