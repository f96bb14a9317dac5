/* SPDX-License-Identifier: MIT */
/*
 * test_transcripts.c - plays tests/proto/imap/NAME.txt: lines that begin with
 * "C: " are sent, what begins with "S: " must come back, to the letter but for
 * times, validities and modseqs (~0, ~1...; ~v is the UIDVALIDITY of the last
 * answer); "#" is a comment. Each begins with a new user.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "harness.h"

static int setup(void **state)
{
	(void)state;
	harness_setup("namespace inbox {\n"
		      "  mailbox Sent {\n"
		      "    auto = subscribe\n"
		      "    special_use = \\Sent\n"
		      "  }\n"
		      "  mailbox Trash {\n"
		      "    auto = create\n"
		      "    special_use = \\Trash\n"
		      "  }\n"
		      "}\n");
	harness_login();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_teardown();
	return 0;
}

/* The tag of the answer that ends what was sent: that of the last line to
 * come. */
static void check(const struct buf *sent, const struct buf *wanted,
		  const char *name)
{
	char tag[32];
	CLEANUP(buf_free) struct buf real = buf_init(SIZE_MAX);
	const char *last = wanted->data, *at, *got;

	if (sent->len == 0)
		return;
	for (at = wanted->data; (at = strstr(at, "\r\n")) != NULL; at += 2) {
		if (at[2] != '\0')
			last = at + 2;
	}
	snprintf(tag, sizeof(tag), "%.*s ", (int)strcspn(last, " "), last);
	harness_expand(sent->data, &real);
	harness_send(real.data, real.len);
	got = harness_expect(tag);
	if (strcmp(got, wanted->data) != 0)
		fail_msg("%s: after\n%sshould come\n%sbut came\n%s", name,
			 sent->data, wanted->data, got);
}

static void play(const char *name)
{
	CLEANUP(buf_free) struct buf sent = buf_init(1000000);
	CLEANUP(buf_free) struct buf wanted = buf_init(1000000);
	CLEANUP(malloc_free) char *line = NULL;
	const char *srcdir = getenv("srcdir");
	char path[4096];
	size_t size = 0;
	FILE *fp;

	snprintf(path, sizeof(path), "%s/tests/proto/imap/%s.txt",
		 srcdir == NULL ? "." : srcdir, name);
	fp = fopen(path, "r");
	if (fp == NULL)
		fail_msg("no %s", path);
	while (getline(&line, &size, fp) > 0) {
		struct buf *to = line[0] == 'C' ? &sent : &wanted;

		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (line[0] == 'C' && wanted.len > 0) {
			check(&sent, &wanted, name);
			buf_reset(&sent);
			buf_reset(&wanted);
		}
		line[strcspn(line, "\n")] = '\0';
		buf_add(to, strlen(line) > 3 ? line + 3 : "");
		buf_add(to, "\r\n");
	}
	fclose(fp);
	check(&sent, &wanted, name);
}

#define TRANSCRIPT(name)                                                       \
	static void test_##name(void **state)                                  \
	{                                                                      \
		(void)state;                                                   \
		play(#name);                                                   \
	}

TRANSCRIPT(state)
TRANSCRIPT(mailboxes)
TRANSCRIPT(fetch)
TRANSCRIPT(store)
TRANSCRIPT(search)
TRANSCRIPT(append)
TRANSCRIPT(condstore)
TRANSCRIPT(qresync)
TRANSCRIPT(preview)

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
		T(state),  T(mailboxes), T(fetch),   T(store),   T(search),
		T(append), T(condstore), T(qresync), T(preview),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
