/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target's main() without libFuzzer: run it once on each file of its
 * corpus (CORPUS, below the source directory) or of the arguments.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(const char *path)
{
	CLEANUP(buf_free) struct buf data = buf_init(64 << 20);
	struct err err;

	if (file_read(path, &data, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)data.data, data.len);
	return 0;
}

int main(int argc, char **argv)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "replay");
	const char *srcdir = getenv("srcdir");
	const struct dirent *entry;
	unsigned count = 0;
	char *path;
	DIR *dir;

	for (int i = 1; i < argc; i++) {
		if (run(argv[i]) < 0)
			return 1;
	}
	if (argc > 1)
		return 0;
	path = mem_printf(ctx, "%s/%s", srcdir == NULL ? "." : srcdir, CORPUS);
	dir = opendir(path);
	if (dir == NULL) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (run(mem_printf(ctx, "%s/%s", path, entry->d_name)) < 0)
			return 1;
		count++;
	}
	closedir(dir);
	return count > 0 ? 0 : 1;
}
