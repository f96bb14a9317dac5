/* SPDX-License-Identifier: MIT */
/*
 * storage/uidvalidity.c - UIDVALIDITY values that no other mailbox of
 * the location has or had, as Dovecot gives them out.
 *
 * `dovecot-uidvalidity` has the last one in hex, and an empty file
 * `dovecot-uidvalidity.<hex>` is renamed to take the next one: a rename works
 * once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/driver.h"
#include "storage/layout.h"

enum { HEX_LEN = 8, TRIES = 100 };

static const char base_name[] = "dovecot-uidvalidity";

static bool parse_hex(struct str s, uint32_t *out)
{
	char text[HEX_LEN + 1], *end;

	if (s.len != HEX_LEN)
		return false;
	memcpy(text, s.data, HEX_LEN);
	text[HEX_LEN] = '\0';
	if (strspn(text, "0123456789abcdefABCDEF") != HEX_LEN)
		return false;
	*out = (uint32_t)strtoul(text, &end, 16);
	return *out != 0 && *out != UINT32_MAX;
}

/* The highest number among dovecot-uidvalidity.*; 0 if there is none. */
static int find_highest(const char *root, uint32_t *out, struct err *err)
{
	CLEANUP(dir_close) DIR *dir = opendir(root);
	const size_t len = sizeof(base_name) - 1;
	struct dirent *entry;

	*out = 0;
	if (dir == NULL)
		return err_sys(err, "opendir(%s)", root);
	while ((entry = readdir(dir)) != NULL) {
		uint32_t value;

		if (strncmp(entry->d_name, base_name, len) == 0 &&
		    entry->d_name[len] == '.' &&
		    parse_hex(str_of(entry->d_name + len + 1), &value) &&
		    value > *out)
			*out = value;
	}
	return 0;
}

static bool read_last(int fd, uint32_t *out)
{
	char text[HEX_LEN + 1];
	ssize_t len = pread(fd, text, sizeof(text), 0);

	return len > 0 && parse_hex(str_n(text, (size_t)len), out);
}

static int write_last(int fd, const char *path, uint32_t value, struct err *err)
{
	char text[HEX_LEN + 1];

	snprintf(text, sizeof(text), "%08x", value);
	return pwrite(fd, text, HEX_LEN, 0) == HEX_LEN
		       ? 0
		       : err_sys(err, "write(%s)", path);
}

/* Take `value`: the file of `last` is renamed, or made if there is none. */
static int take(const char *path, uint32_t last, uint32_t value,
		struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uidvalidity");
	char *to = mem_printf(ctx, "%s.%08x", path, value);
	char *from = mem_printf(ctx, "%s.%08x", path, last);
	int fd;

	if (last != 0)
		return rename(from, to) == 0 ? 0
					     : err_sys(err, "rename(%s)", from);
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0)
		return err_sys(err, "open(%s)", to);
	fchmod(fd, 0444); /* the umask does not matter to who may list it */
	fd_close(&fd);
	return 0;
}

static int open_last(const struct location *location, const char *root,
		     const char *path, struct err *err)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
	const mode_t mode = location->rights.file_mode;
	int fd = open(path, flags);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT && layout_make_path(location, root, err) < 0)
		return -1;
	fd = open(path, flags | O_CREAT, mode);
	if (fd < 0)
		return err_sys(err, "open(%s)", path);
	if (rights_give(&location->rights, fd, path, err) == 0)
		return fd;
	fd_close(&fd);
	return -1;
}

int uid_validity_next(const struct location *location, uint32_t *out,
		      struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uidvalidity");
	CLEANUP(fd_close) int fd = -1;
	const char *root = layout_control_root(location);
	const char *hidden = location->driver->hidden_dir;
	char *path;
	uint32_t last, value;

	if (hidden != NULL)
		root = mem_printf(ctx, "%s/%s", root, hidden);
	path = mem_printf(ctx, "%s/%s", root, base_name);
	fd = open_last(location, root, path, err);
	if (fd < 0)
		return -1;
	for (int i = 0; i < TRIES; i++) {
		if ((i > 0 || !read_last(fd, &last)) &&
		    find_highest(root, &last, err) < 0)
			return -1;
		value = last == 0 ? (uint32_t)time(NULL) : last + 1;
		if (take(path, last, value, err) == 0) {
			*out = value;
			if (write_last(fd, path, value, err) < 0)
				return -1;
			/* It must not be given out again. */
			return layout_sync(location, root, err);
		}
		if (err->code != ERR_NOT_FOUND && err->code != ERR_EXISTS)
			return -1;
	}
	return err_set(err, ERR_TEMPORARY, "%s: no number to be had", path);
}
