/* SPDX-License-Identifier: MIT */
/*
 * doveadm/log_search.c - look through what was added to log files.
 */
#include "doveadm/log_search.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/mem.h"
#include "base/str.h"

enum {
	FILES_MAX = 10000,
	DEPTH_MAX = 2,
	ADDED_MAX = 256 * 1024, /* read of what was added to a file */
	WAIT_MS = 1000,
	STEP_MS = 50,
};

struct log_file {
	const char *path;
	off_t size;
};

struct log_search {
	struct log_file *files;
	size_t count;
	uint64_t deadline_ms; /* for all finds together */
};

static void add_file(struct log_search *search, const char *path, off_t size)
{
	if (search->count == FILES_MAX)
		return;
	search->files = mem_resize(search, search->files, struct log_file,
				   search->count + 1);
	search->files[search->count].path = mem_strdup(search, path);
	search->files[search->count].size = size;
	search->count++;
}

static void add_directory(struct log_search *search, const char *path,
			  int depth)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "entry");
		char *name = mem_printf(ctx, "%s/%s", path, entry->d_name);
		struct stat st;

		if (entry->d_name[0] == '.' || lstat(name, &st) < 0)
			continue;
		if (S_ISREG(st.st_mode))
			add_file(search, name, st.st_size);
		else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			add_directory(search, name, depth + 1);
	}
	closedir(dir);
}

struct log_search *log_search_begin(const void *ctx, const char *dir)
{
	struct log_search *search = mem_new(ctx, struct log_search);

	add_directory(search, dir, 1);
	search->deadline_ms = clock_monotonic_ms() + WAIT_MS;
	return search;
}

static bool was_added(const struct log_file *file, const char *text)
{
	CLEANUP(fd_close)
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	char *data;
	ssize_t len;
	bool found;

	if (fd < 0)
		return false;
	data = mem_array(NULL, char, ADDED_MAX);
	len = pread(fd, data, ADDED_MAX, file->size);
	found = len > 0 &&
		str_find(str_n(data, (size_t)len), str_of(text)) >= 0;
	mem_free(data);
	return found;
}

const char *log_search_find(struct log_search *search, const char *text)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

	for (;;) {
		for (size_t i = 0; i < search->count; i++) {
			if (was_added(&search->files[i], text))
				return search->files[i].path;
		}
		if (clock_monotonic_ms() >= search->deadline_ms)
			return NULL;
		nanosleep(&step, NULL);
	}
}
