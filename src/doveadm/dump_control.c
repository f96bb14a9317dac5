/* SPDX-License-Identifier: MIT */
/*
 * doveadm/dump_control.c - control files of Maildir and others (doc/formats.md)
 * that are text: line by line, with names for their fields.
 */
#include <stdio.h>
#include <stdlib.h>

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

/* Without what a terminal might take for a command. */
static void show(struct str text)
{
	char *clean = str_sanitize(NULL, text, LINE_SHOWN);

	fputs(clean, stdout);
	mem_free(clean);
}

static void show_as(const char *name, struct str text)
{
	printf(" %s=", name);
	show(text);
}

static void show_word(struct str word, const struct letter *letters)
{
	for (; letters->name != NULL; letters++) {
		if (word.data[0] == letters->letter) {
			show_as(letters->name, str_from(word, 1));
			return;
		}
	}
	putchar(' ');
	show(word);
}

/* "3 V1795356871 N3 G3485..." */
static void show_header(struct str line)
{
	struct str word;

	fputs("version=", stdout);
	if (str_word(&line, &word))
		show(word);
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
	fputs("uid=", stdout);
	if (str_word(&fields, &word))
		show(word);
	while (str_word(&fields, &word))
		show_word(word, mail_letters);
	if (colon >= 0)
		show_as("file", str_from(line, (size_t)colon + 1));
	putchar('\n');
}

static int each_line(const char *path, void (*fn)(unsigned n, struct str line),
		     struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);
	struct str rest, line;

	if (file_read(path, &text, err) < 0)
		return -1;
	rest = str_n(text.data, text.len);
	for (unsigned n = 1; str_split(&rest, '\n', &line); n++) {
		if (rest.data != NULL || line.len > 0)
			fn(n, line);
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
	return each_line(path, uidlist_line, err);
}

static void keywords_line(unsigned n, struct str line)
{
	struct str number;
	uint32_t bit;

	(void)n;
	if (!str_split(&line, ' ', &number) || !str_to_u32(number, &bit)) {
		fputs("? ", stdout);
		show(number);
		putchar('\n');
		return;
	}
	printf("keyword=%u letter=%c", (unsigned)bit,
	       bit < 26 ? (char)('a' + bit) : '-');
	show_as("name", line);
	putchar('\n');
}

int dump_keywords(const char *path, struct err *err)
{
	return each_line(path, keywords_line, err);
}

/* "6b0b8b87" */
static void uidvalidity_line(unsigned n, struct str line)
{
	char *text = str_dup(NULL, line);

	printf("uidvalidity=%lu line=%u\n", strtoul(text, NULL, 16), n);
	mem_free(text);
}

int dump_uidvalidity(const char *path, struct err *err)
{
	return each_line(path, uidvalidity_line, err);
}

/* "V<tab>2", an empty line, then levels divided by tabs. */
static void subscription_line(unsigned n, struct str line)
{
	struct str level;
	bool first = true;

	if (n == 1 && str_starts(line, "V\t")) {
		fputs("version=", stdout);
		show(str_from(line, 2));
	} else if (line.len == 0) {
		return;
	} else {
		fputs("name=", stdout);
		while (str_split(&line, '\t', &level)) {
			char *plain = str_tab_unescape(NULL, level);

			if (!first)
				putchar('/');
			show(str_of(plain));
			mem_free(plain);
			first = false;
		}
	}
	putchar('\n');
}

int dump_subscriptions(const char *path, struct err *err)
{
	return each_line(path, subscription_line, err);
}

/* "V<tab>1", then "GUID<tab>name". */
static void names_line(unsigned n, struct str line)
{
	struct str guid = line;
	char *name;

	if (n == 1) {
		subscription_line(n, line);
		return;
	}
	if (!str_split(&line, '\t', &guid))
		return;
	name = str_tab_unescape(NULL, line.data == NULL ? STR("") : line);
	fputs("guid=", stdout);
	show(guid);
	show_as("name", str_of(name));
	putchar('\n');
	mem_free(name);
}

int dump_names(const char *path, struct err *err)
{
	return each_line(path, names_line, err);
}

/* A key, and its value in the next line. */
static void attribute_line(unsigned n, struct str line)
{
	char *plain = str_tab_unescape(NULL, line);

	fputs(n % 2 == 1 ? "key=" : " value=", stdout);
	show(str_of(plain));
	if (n % 2 == 0)
		putchar('\n');
	mem_free(plain);
}

int dump_attributes(const char *path, struct err *err)
{
	return each_line(path, attribute_line, err);
}
