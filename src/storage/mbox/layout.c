/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/layout.c - mailbox names as files. INBOX is the file that INBOX=
 * names.
 *
 * fs: "a/b" is the file b in the directory a below the root, and INBOX is
 * `inbox` there. A directory has mailboxes and is none, unless DIRNAME= names
 * the file in it that has its mails. maildir++: they are the files ".a.b" and
 * ".INBOX" in the root.
 *
 * What belongs to a mailbox but is not mail lies beside it in .imap/NAME/.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "service/privs.h"
#include "storage/layout.h"
#include "storage/mbox/mbox.h"

static const char hidden[] = ".imap";

static bool is_inbox(const char *name)
{
	return strcmp(name, "INBOX") == 0;
}

static const char *dirname_of(const struct location *location)
{
	return location->dirname == NULL ? "" : location->dirname;
}

bool mbox_has_dirname(const struct location *location)
{
	return dirname_of(location)[0] != '\0';
}

bool mbox_file_reserved(const struct location *location, struct str file)
{
	return file.len == 0 || str_is(file, ".") || str_is(file, "..") ||
	       str_is(file, hidden) || str_is(file, location->subscriptions) ||
	       str_is(file, "dovetail.index") ||
	       str_is(file, "dovetail.index.damaged") ||
	       (file.len >= 5 &&
		str_is(str_from(file, file.len - 5), ".lock")) ||
	       (mbox_has_dirname(location) && str_is(file, location->dirname));
}

/* names to paths */

enum { LOCK_LEN = sizeof(".lock") - 1 };

static int check_file(const struct location *location, struct str file,
		      struct err *err)
{
	if (file.len + LOCK_LEN > LAYOUT_COMPONENT_MAX)
		return err_set(err, ERR_INVALID, "mailbox name is too long");
	if (mbox_file_reserved(location, file))
		return err_set(err, ERR_INVALID,
			       "a mailbox here cannot have this name");
	return 0;
}

static int encode_level(const struct location *location, struct str level,
			struct buf *out, struct err *err)
{
	size_t start = out->len;

	if (layout_encode_level(location, level, out, err) < 0)
		return -1;
	return check_file(location, str_n(out->data + start, out->len - start),
			  err);
}

static int relative_plus(const struct location *location, const char *name,
			 struct buf *out, struct err *err)
{
	if (layout_plus_encode(location, name, out, err) < 0)
		return -1;
	return check_file(location, str_n(out->data, out->len), err);
}

static int relative_path(const struct location *location, const char *name,
			 struct buf *out, struct err *err)
{
	struct str rest = layout_levels(name), level;

	if (!layout_is_fs(location))
		return relative_plus(location, name, out, err);
	while (str_split(&rest, '/', &level)) {
		if (out->len > 0)
			buf_putc(out, '/');
		if (encode_level(location, level, out, err) < 0)
			return -1;
	}
	return 0;
}

/* "root/a/.imap/b" */
static char *control_path(const void *ctx, const struct location *location,
			  const char *relative)
{
	const char *slash = strrchr(relative, '/');
	int parent = slash == NULL ? 0 : (int)(slash + 1 - relative);

	return mem_printf(ctx, "%s/%.*s%s/%s", layout_control_root(location),
			  parent, relative, hidden, relative + parent);
}

char *mbox_inbox_path(const void *ctx, const struct location *location)
{
	if (location->inbox != NULL)
		return mem_strdup(ctx, location->inbox);
	return mem_printf(ctx, "%s/%s", location->root,
			  layout_is_fs(location) ? "inbox" : ".INBOX");
}

int mbox_paths(const void *ctx, const struct location *location,
	       const char *name, char **path_out, char **control_out,
	       struct err *err)
{
	CLEANUP(buf_free) struct buf relative = buf_init(LAYOUT_PATH_MAX);
	char *path;

	if (is_inbox(name)) {
		*path_out = mbox_inbox_path(ctx, location);
		*control_out = control_path(ctx, location, name);
		return 0;
	}
	if (relative_path(location, name, &relative, err) < 0)
		return -1;
	path = mem_printf(ctx, "%s/%s%s%s", location->root, relative.data,
			  mbox_has_dirname(location) ? "/" : "",
			  mbox_has_dirname(location) ? location->dirname : "");
	if (layout_check_links(location->root, path, err) < 0)
		return -1;
	*path_out = path;
	*control_out = control_path(ctx, location, relative.data);
	return 0;
}

/* The file or directory of the level itself. */
static int level_path(const void *ctx, const struct location *location,
		      const char *name, char **out, struct err *err)
{
	CLEANUP(buf_free) struct buf relative = buf_init(LAYOUT_PATH_MAX);

	if (relative_path(location, name, &relative, err) < 0)
		return -1;
	*out = mem_printf(ctx, "%s/%s", location->root, relative.data);
	return 0;
}

int mbox_exists(const struct location *location, const char *name,
		struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "exists");
	char *path, *control;
	struct stat st;

	if (mbox_paths(ctx, location, name, &path, &control, err) < 0)
		return -1;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	if (errno == EACCES)
		return err_sys(err, "stat(%s)", path);
	return err_set(err, ERR_NOT_FOUND, "mailbox %s does not exist", name);
}

/* making */

/* In a directory that only mail_privileged_group may write to (/var/mail). */
static int create_inbox(const struct location *location, const char *path,
			struct err *err)
{
	int fd, error;

	if (privs_group_begin(err) < 0)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  location->rights.file_mode);
	error = errno;
	privs_group_end();
	errno = error;
	if (fd < 0)
		return err_sys(err, "open(%s)", path);
	fd_close(&fd);
	return layout_sync_parent(location, path, err);
}

/* A level that is a file has no room for others. */
static int make_parents(const struct location *location, const char *path,
			struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "mkdir");
	char *dir = path_parent(ctx, path);
	struct stat st;

	if (layout_make_path(location, dir, err) == 0)
		return 0;
	while (stat(dir, &st) < 0 && strrchr(dir, '/') > dir)
		*strrchr(dir, '/') = '\0';
	if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(err, ERR_UNSUPPORTED,
			       "Mailbox doesn't allow inferior mailboxes");
	return -1;
}

/* Those of the directory that it lies in. */
static void rights_of_level(const void *ctx, const struct location *location,
			    const char *path, struct rights *out)
{
	if (rights_read(path_parent(ctx, path), out) < 0)
		*out = location->rights;
}

int mbox_create(const struct location *location, const char *name,
		struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "create");
	CLEANUP(fd_close) int fd = -1;
	struct rights rights;
	char *path, *control;

	if (mbox_paths(ctx, location, name, &path, &control, err) < 0 ||
	    make_parents(location, path, err) < 0)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  location->rights.file_mode);
	if (fd < 0 && errno == EEXIST)
		return err_set(err, ERR_EXISTS, "mailbox %s exists", name);
	if (fd < 0 && errno == EACCES && is_inbox(name))
		return create_inbox(location, path, err);
	if (fd < 0)
		return err_sys(err, "open(%s)", path);
	/* INBOX stays private, wherever it is. */
	if (!is_inbox(name)) {
		rights_of_level(ctx, location, path, &rights);
		if (rights_give(&rights, fd, path, err) < 0)
			return -1;
	}
	return layout_sync_parent(location, path, err);
}

/* removing */

static int remove_control(const char *control, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");
	char *dir = mem_strdup(ctx, control);

	if (dir_remove(control, err) < 0 && err->code != ERR_NOT_FOUND)
		return -1;
	/* The last one's takes .imap with it, so that the level may go. */
	*strrchr(dir, '/') = '\0';
	(void)rmdir(dir);
	return 0;
}

int mbox_remove(const struct location *location, const char *name,
		struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");
	char *path, *control, *level;

	if (is_inbox(name))
		return err_set(err, ERR_INVALID, "INBOX cannot be deleted");
	if (mbox_paths(ctx, location, name, &path, &control, err) < 0 ||
	    level_path(ctx, location, name, &level, err) < 0)
		return -1;
	if (unlink(path) < 0)
		return err_sys(err, "unlink(%s)", path);
	if (layout_sync_parent(location, path, err) < 0)
		return -1;
	if (mbox_has_dirname(location))
		(void)rmdir(level);
	return remove_control(control, err);
}

/* renaming */

static int rename_path(const struct location *location, const char *from,
		       const struct location *to_location, const char *to,
		       struct err *err)
{
	if (make_parents(to_location, to, err) < 0)
		return -1;
	if (rename(from, to) < 0)
		return errno == EXDEV
			       ? err_set(err, ERR_UNSUPPORTED,
					 "another file system")
			       : err_sys(err, "rename(%s, %s)", from, to);
	if (layout_sync_parent(to_location, to, err) < 0)
		return -1;
	return layout_sync_parent(location, from, err);
}

static int rename_control(const struct location *location, const char *from,
			  const struct location *to_location, const char *to,
			  struct err *err)
{
	struct stat st;

	if (stat(from, &st) < 0)
		return 0;
	if (remove_control(to, err) < 0)
		return -1;
	return rename_path(location, from, to_location, to, err);
}

static int rename_to(const struct location *location, const char *from,
		     const struct location *to_location, const char *to,
		     struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rename");
	char *old, *new, *old_control, *new_control, *ignored;
	struct stat st;

	if (level_path(ctx, location, from, &old, err) < 0 ||
	    level_path(ctx, to_location, to, &new, err) < 0 ||
	    mbox_paths(ctx, location, from, &ignored, &old_control, err) < 0 ||
	    mbox_paths(ctx, to_location, to, &ignored, &new_control, err) < 0)
		return -1;
	if (lstat(new, &st) == 0)
		return err_set(err, ERR_EXISTS, "mailbox %s exists", to);
	if (location != to_location && lstat(old, &st) == 0 &&
	    S_ISLNK(st.st_mode)) /* it may lead elsewhere there */
		return err_set(err, ERR_UNSUPPORTED, "%s is a link", old);
	if (rename_path(location, old, to_location, new, err) < 0)
		return -1;
	return rename_control(location, old_control, to_location, new_control,
			      err);
}

/* "from" and "from/..." to "to" and "to/..."; NULL: it is neither. */
static const char *renamed(const void *ctx, const char *name, const char *from,
			   const char *to)
{
	size_t len = strlen(from);

	if (strncmp(name, from, len) != 0 ||
	    (name[len] != '\0' && name[len] != '/'))
		return NULL;
	return mem_printf(ctx, "%s%s", to, name + len);
}

/* maildir++: each is a file by itself. */
static int rename_plus(const struct location *location, const char *from,
		       const char *to, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rename");
	struct driver_entry *entries;
	struct err ignored;
	const char *name;
	size_t count;

	if (mbox_list(ctx, location, &entries, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		name = renamed(ctx, entries[i].name, from, to);
		if (name == NULL || rename_to(location, entries[i].name,
					      location, name, err) == 0)
			continue;
		/* All or none, as well as one can. */
		while (i-- > 0) {
			name = renamed(ctx, entries[i].name, from, to);
			if (name != NULL)
				(void)rename_to(location, name, location,
						entries[i].name, &ignored);
		}
		return -1;
	}
	return 0;
}

int mbox_rename(const struct location *location, const char *from,
		const char *to, struct err *err)
{
	if (is_inbox(from) || is_inbox(to))
		return err_set(err, ERR_INVALID, "INBOX cannot be renamed so");
	return layout_is_fs(location)
		       ? rename_to(location, from, location, to, err)
		       : rename_plus(location, from, to, err);
}

int mbox_move(const struct location *location, const char *from,
	      const struct location *to_location, const char *to,
	      struct err *err)
{
	/* What is below it must be found by the same rules there. */
	if (is_inbox(from) || is_inbox(to) || location->control != NULL ||
	    to_location->control != NULL ||
	    !layout_same_names(location, to_location) ||
	    strcmp(location->layout, to_location->layout) != 0 ||
	    strcmp(dirname_of(location), dirname_of(to_location)) != 0)
		return err_set(err, ERR_UNSUPPORTED, "not one directory");
	return rename_to(location, from, to_location, to, err);
}
