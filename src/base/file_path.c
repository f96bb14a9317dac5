/* SPDX-License-Identifier: MIT */
/*
 * base/file_path.c - paths as text, and removing directory trees.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

/* Deeper trees are not ours. */
enum { REMOVE_DEPTH_MAX = 64 };

static int remove_tree(int parent, const char *name, unsigned depth,
		       struct err *err);

static int remove_entries(DIR *dir, const char *name, unsigned depth,
			  struct err *err)
{
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			break;
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 ||
		    errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return err_sys(err, "unlink(%s/%s)", name,
				       entry->d_name);
		if (remove_tree(dirfd(dir), entry->d_name, depth + 1, err) < 0)
			return err_wrap(err, "%s", name);
	}
	if (errno != 0)
		return err_sys(err, "readdir(%s)", name);
	return 0;
}

static int remove_tree(int parent, const char *name, unsigned depth,
		       struct err *err)
{
	int fd, ret;
	DIR *dir;

	if (depth > REMOVE_DEPTH_MAX)
		return err_set(err, ERR_LIMIT, "%s: directories nest too deep",
			       name);
	fd = openat(parent, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open(%s)", name);
	dir = fdopendir(fd);
	if (dir == NULL) {
		err_sys(err, "fdopendir(%s)", name);
		close(fd);
		return -1;
	}
	ret = remove_entries(dir, name, depth, err);
	closedir(dir);
	if (ret < 0)
		return -1;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(err, "rmdir(%s)", name);
	return 0;
}

int dir_remove(const char *path, struct err *err)
{
	return remove_tree(AT_FDCWD, path, 0, err);
}

char *path_parent(const void *ctx, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_strdup(ctx, ".");
	if (slash == path)
		return mem_strdup(ctx, "/");
	return mem_strndup(ctx, path, (size_t)(slash - path));
}

/* Append one component to an absolute path; "." and ".." are worked out. */
static void path_add(char *path, struct str part)
{
	size_t len = strlen(path);

	if (part.len == 0 || str_is(part, "."))
		return;
	if (str_is(part, "..")) {
		char *slash = strrchr(path, '/');

		if (slash != NULL)
			*slash = '\0';
		return;
	}
	path[len] = '/';
	memcpy(path + len + 1, part.data, part.len);
	path[len + 1 + part.len] = '\0';
}

char *path_expand(const void *ctx, const char *path, const char *home)
{
	struct str from = str_of(home != NULL ? home : "");
	struct str rest = str_of(path), part;
	char *out;

	if (path[0] == '/')
		from = STR("");
	else if (path[0] == '~' && (path[1] == '/' || path[1] == '\0'))
		rest = str_from(rest, 1);
	out = mem_array(ctx, char, from.len + rest.len + 4);
	while (str_split(&from, '/', &part))
		path_add(out, part);
	while (str_split(&rest, '/', &part))
		path_add(out, part);
	if (out[0] == '\0')
		memcpy(out, "/", 2);
	return out;
}
