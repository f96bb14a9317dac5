/* SPDX-License-Identifier: MIT */
/*
 * scripts/active.c - the link that makes one script the active one.
 *
 * It is replaced at once; a delivery finds the old script or the new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "scripts/store.h"
#include "sieve/engine.h"

enum { ORIGINALS_MAX = 1000, SUFFIX_LEN = sizeof(".sieve") - 1 };

/* The directory of a path, and what it is called there. */
static const char *split(const void *ctx, const char *path,
			 const char **base_out)
{
	const char *slash = strrchr(path, '/');

	*base_out = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		return ".";
	return mem_strndup(ctx, path,
			   slash == path ? 1 : (size_t)(slash - path));
}

static int open_parent(const void *ctx, const struct store *store,
		       const char **base_out, struct err *err)
{
	const char *dir = split(ctx, store->scripts->active, base_out);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : store_sys(err, "open(%s)", dir);
}

/* reading */

/* A link leads to a script if what stands before the last slash leads to its
 * directory, however that is written. */
static bool same_dir(const struct store *store, int parent, const char *dir)
{
	struct stat a, b;

	return store->fd >= 0 && fstat(store->fd, &a) == 0 &&
	       fstatat(parent, dir, &b, 0) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static void read_link(const void *ctx, const struct store *store, int parent,
		      const char *target, struct active *out)
{
	const char *base, *dir = split(ctx, target, &base);
	struct str name = str_of(base);

	*out = (struct active){.kind = ACTIVE_FOREIGN};
	if (!same_dir(store, parent, dir)) {
		log_warning("sieve: Active sieve script symlink %s is broken: "
			    "Invalid/unknown path to storage (points to %s).",
			    store->scripts->active, dir);
		return;
	}
	if (name.len <= SUFFIX_LEN ||
	    strcmp(base + name.len - SUFFIX_LEN, ".sieve") != 0)
		return;
	name.len -= SUFFIX_LEN;
	out->name = name;
	if (script_name_valid(name))
		out->kind = ACTIVE_SCRIPT;
}

int active_read(const void *ctx, const struct store *store, struct active *out,
		struct err *err)
{
	const char *path = store->scripts->active, *base;
	char target[PATH_MAX + 1];
	CLEANUP(fd_close) int parent = -1;
	ssize_t len;

	*out = (struct active){.kind = ACTIVE_NONE};
	if (path == NULL)
		return 0;
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (len < 0 && errno == EINVAL) {
		log_warning("sieve: Active sieve script symlink %s is no "
			    "symlink.",
			    path);
		out->kind = ACTIVE_FILE;
		return 0;
	}
	if (len < 0)
		return store_sys(err, "readlink(%s)", path);
	parent = open_parent(ctx, store, &base, err);
	if (parent < 0)
		return -1;
	read_link(ctx, store, parent, mem_strndup(ctx, target, (size_t)len),
		  out);
	return 0;
}

/* a file in its place */

/* From another file system, or another's file. */
static int copy_original(const struct store *store, int parent,
			 const char *base, struct str name, struct err *err)
{
	const struct sieve_settings *set =
		sieve_engine_settings(store->scripts->engine);
	uint64_t max = set->sieve_max_script_size;
	CLEANUP(buf_free)
	struct buf text =
		buf_init(max == 0 || max > INT32_MAX ? INT32_MAX : (size_t)max);
	CLEANUP(fd_close)
	int fd = openat(parent, base,
			O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return store_sys(err, "open(%s)", store->scripts->active);
	if (file_read_fd(fd, store->scripts->active, &text, err) < 0)
		return store_internal(err);
	return store_write(store, name, str_n(text.data, text.len), true, err);
}

static int keep_as(const struct store *store, int parent, const char *base,
		   const char *name, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "original");
	char *file = store_file(ctx, str_of(name));

	if (linkat(parent, base, store->fd, file, 0) == 0)
		return store_sync(store->scripts, store->fd,
				  store->scripts->dir, err);
	if (errno == EXDEV || errno == EPERM || errno == EMLINK)
		return copy_original(store, parent, base, str_of(name), err);
	if (errno == EEXIST)
		return err_set(err, ERR_EXISTS, "%s exists", file);
	return store_sys(err, "link(%s, %s/%s)", store->scripts->active,
			 store->scripts->dir, file);
}

/* What the user wrote there by hand is a script from now on, as in Pigeonhole,
 * and replaces none. */
static int keep_original(const struct store *store, int parent,
			 const char *base, struct err *err)
{
	char name[32] = "dovecot.orig";
	struct stat st;

	if (fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return store_sys(err, "stat(%s)", store->scripts->active);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_TEMPORARY,
			       "%s is neither a link nor a regular file",
			       store->scripts->active);
	for (unsigned n = 2; n < ORIGINALS_MAX; n++) {
		if (keep_as(store, parent, base, name, err) == 0) {
			log_info("sieve: Moved active sieve script file '%s' "
				 "to script storage as '%s/%s.sieve'.",
				 store->scripts->active, store->scripts->dir,
				 name);
			return 0;
		}
		if (err->code != ERR_EXISTS)
			return -1;
		snprintf(name, sizeof(name), "dovecot.orig%u", n);
	}
	return store_internal(err);
}

/* writing */

/* Relative if the directory is below the link's, so that a home can move. */
static char *link_target(const void *ctx, const struct store *store,
			 struct str name)
{
	const char *base;
	const char *parent = split(ctx, store->scripts->active, &base);
	const char *dir = store->scripts->dir;
	size_t len = strlen(parent);

	if (strcmp(dir, parent) == 0)
		return store_file(ctx, name);
	if (len > 1 && strncmp(dir, parent, len) == 0 && dir[len] == '/')
		dir += len + 1;
	return mem_printf(ctx, "%s/%.*s.sieve", dir, STR_FMT(name));
}

static int put_link(const struct store *store, int parent, const char *base,
		    const char *target, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "link");
	char *temp = mem_printf(ctx, "%s.%d.tmp", base, (int)getpid());

	/* Of a process with our number that was killed: nobody else has the
	 * lock. */
	unlinkat(parent, temp, 0);
	if (symlinkat(target, parent, temp) < 0)
		return store_sys(err, "symlink(%s, %s)", target,
				 store->scripts->active);
	if (renameat(parent, temp, parent, base) == 0)
		return store_sync(store->scripts, parent,
				  store->scripts->active, err);
	store_sys(err, "rename(%s, %s)", temp, store->scripts->active);
	unlinkat(parent, temp, 0);
	return -1;
}

static int replace(const struct store *store, const struct active *before,
		   const struct str *name, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "active");
	CLEANUP(fd_close) int parent = -1;
	const char *base;

	parent = open_parent(ctx, store, &base, err);
	if (parent < 0 || (before->kind == ACTIVE_FILE &&
			   keep_original(store, parent, base, err) < 0))
		return -1;
	if (name != NULL)
		return put_link(store, parent, base,
				link_target(ctx, store, *name), err);
	if (unlinkat(parent, base, 0) < 0 && errno != ENOENT)
		return store_sys(err, "unlink(%s)", store->scripts->active);
	return store_sync(store->scripts, parent, store->scripts->active, err);
}

int active_set(const struct store *store, const struct active *before,
	       struct str name, struct err *err)
{
	return replace(store, before, &name, err);
}

int active_clear(const struct store *store, const struct active *before,
		 struct err *err)
{
	return replace(store, before, NULL, err);
}
