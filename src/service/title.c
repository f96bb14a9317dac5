/* SPDX-License-Identifier: MIT */
/*
 * service/title.c - what ps shows: written over the arguments and the
 * environment, which lie behind one another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "service/env.h"

static struct {
	char *start;
	size_t size;
	char first[64]; /* "dovetail/imap" */
} title;

void title_init(int argc, char **argv)
{
	char *end = argv[0];
	char **copy;
	size_t count = 0;

	snprintf(title.first, sizeof(title.first), "%s", argv[0]);
	for (int i = 0; i < argc; i++) {
		if (argv[i] == end)
			end = argv[i] + strlen(argv[i]) + 1;
	}
	for (char **env = environ; *env != NULL; env++, count++) {
		if (*env == end)
			end = *env + strlen(*env) + 1;
	}
	/* The environment moves out of the way. */
	copy = mem_array(NULL, char *, count + 1);
	for (size_t i = 0; i < count; i++)
		copy[i] = mem_strdup(copy, environ[i]);
	environ = copy;
	title.start = argv[0];
	title.size = (size_t)(end - argv[0]);
}

void title_set(const char *text)
{
	size_t used;

	if (title.size < 2)
		return;
	memset(title.start, 0, title.size);
	used = strlen(title.first);
	if (used >= title.size)
		used = title.size - 1;
	memcpy(title.start, title.first, used);
	if (text[0] != '\0' && used + 2 < title.size) {
		size_t room = title.size - used - 2;
		size_t len = strlen(text);

		title.start[used] = ' ';
		memcpy(title.start + used + 1, text, len < room ? len : room);
	}
}
