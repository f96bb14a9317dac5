/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/layout.c - mailbox names as files: "a/b" is the file b in the
 * directory a below the root; INBOX is the file that INBOX= names, or `inbox`
 * there. A directory has mailboxes and is none, unless DIRNAME= names the file
 * in it that has its mails.
 *
 * What belongs to a mailbox but is not mail lies beside it in .imap/NAME/.
 */
#include <dirent.h>
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

enum { DEPTH_MAX = 64 };

static const char hidden[] = ".imap";

static bool is_inbox(const char *name)
{
	return strcmp(name, "INBOX") == 0;
}

static const char *dirname_of(const struct location *location)
{
	return location->dirname == NULL ? "" : location->dirname;
}

static bool has_dirname(const struct location *location)
{
	return dirname_of(location)[0] != '\0';
}

/* Files beside mail that are none. */
static bool is_reserved(const struct location *location, struct str file)
{
	return file.len == 0 || str_is(file, ".") || str_is(file, "..") ||
	       str_is(file, hidden) || str_is(file, location->subscriptions) ||
	       str_is(file, "dovetail.index") ||
	       str_is(file, "dovetail.index.damaged") ||
	       (file.len >= 5 &&
		str_is(str_from(file, file.len - 5), ".lock")) ||
	       (has_dirname(location) && str_is(file, location->dirname));
}

/* names to paths */

static int encode_level(const struct location *location, struct str level,
			struct buf *out, struct err *err)
{
	size_t start = out->len;

	if (layout_encode_level(location, level, out, err) < 0)
		return -1;
	if (out->overflow || out->len - start > LAYOUT_COMPONENT_MAX)
		return err_set(err, ERR_INVALID, "mailbox name is too long");
	if (is_reserved(location, str_n(out->data + start, out->len - start)))
		return err_set(err, ERR_INVALID,
			       "a mailbox here cannot have this name");
	return 0;
}

static int relative_path(const struct location *location, const char *name,
			 struct buf *out, struct err *err)
{
	struct str rest = layout_levels(name), level;

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

static char *inbox_path(const void *ctx, const struct location *location)
{
	if (location->inbox != NULL)
		return mem_strdup(ctx, location->inbox);
	return mem_printf(ctx, "%s/inbox", location->root);
}

int mbox_paths(const void *ctx, const struct location *location,
	       const char *name, char **path_out, char **control_out,
	       struct err *err)
{
	CLEANUP(buf_free) struct buf relative = buf_init(LAYOUT_PATH_MAX);
	char *path;

	if (is_inbox(name)) {
		*path_out = inbox_path(ctx, location);
		*control_out = control_path(ctx, location, name);
		return 0;
	}
	if (relative_path(location, name, &relative, err) < 0)
		return -1;
	path = mem_printf(ctx, "%s/%s%s%s", location->root, relative.data,
			  has_dirname(location) ? "/" : "",
			  has_dirname(location) ? location->dirname : "");
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

/* listing */

struct lister {
	const struct location *location;
	struct stat inbox; /* st_ino 0: not there */
	struct layout_list list;
};

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int list_dir(struct lister *lister, const char *path, struct buf *name,
		    unsigned depth, struct err *err);

static int list_entry(struct lister *lister, const char *path, int fd,
		      const struct dirent *entry, struct buf *name,
		      unsigned depth, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "list");
	const struct location *location = lister->location;
	char *full = mem_printf(ctx, "%s/%s", path, entry->d_name);
	const char *told = layout_told(location, name->data);
	bool dirname = has_dirname(location);
	struct stat st;

	/* INBOX is listed under that name, and as the file that it is for
	 * namespaces that are not INBOX's. */
	if (stat(full, &st) < 0 || (st.st_ino == lister->inbox.st_ino &&
				    st.st_dev == lister->inbox.st_dev &&
				    strcmp(name->data, "inbox") != 0))
		return 0;
	if (layout_entry_is(fd, entry, S_IFREG) && !dirname && told != NULL)
		return layout_list_add(&lister->list, told, true, true, err);
	if (!layout_entry_is(fd, entry, S_IFDIR))
		return 0;
	if (told != NULL &&
	    layout_list_add(&lister->list, told,
			    dirname && is_file(mem_printf(ctx, "%s/%s", full,
							  location->dirname)),
			    false, err) < 0)
		return -1;
	return list_dir(lister, full, name, depth + 1, err);
}

static int list_dir(struct lister *lister, const char *path, struct buf *name,
		    unsigned depth, struct err *err)
{
	CLEANUP(dir_close) DIR *dir = NULL;
	struct dirent *entry;

	if (depth > DEPTH_MAX)
		return 0;
	dir = opendir(path);
	if (dir == NULL)
		return errno == ENOENT || errno == EACCES || errno == ELOOP
			       ? 0
			       : err_sys(err, "opendir(%s)", path);
	while ((entry = readdir(dir)) != NULL) {
		size_t len = name->len;
		int ret = 0;

		if (is_reserved(lister->location, str_of(entry->d_name)))
			continue;
		if (len > 0)
			buf_putc(name, '/');
		if (layout_decode_level(lister->location, str_of(entry->d_name),
					name) &&
		    !name->overflow)
			ret = list_entry(lister, path, dirfd(dir), entry, name,
					 depth, err);
		buf_truncate(name, len);
		if (ret < 0)
			return -1;
	}
	return 0;
}

int mbox_list(const void *ctx, const struct location *location,
	      struct driver_entry **out, size_t *count_out, struct err *err)
{
	CLEANUP(buf_free) struct buf name = buf_init(LAYOUT_PATH_MAX);
	CLEANUP(ctx_free) TALLOC_CTX *work = mem_ctx(NULL, "list");
	struct lister lister = {.location = location, .list = {.ctx = ctx}};

	if (stat(inbox_path(work, location), &lister.inbox) < 0)
		memset(&lister.inbox, 0, sizeof(lister.inbox));
	else if (layout_list_add(&lister.list, "INBOX", true, false, err) < 0)
		return -1;
	if (list_dir(&lister, location->root, &name, 0, err) < 0)
		return -1;
	*out = lister.list.entries;
	*count_out = lister.list.count;
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
	if (has_dirname(location))
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
		return errno == EXDEV ? err_set(err, ERR_UNSUPPORTED,
						"another file system")
				      : err_sys(err, "rename(%s, %s)", from,
						to);
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

int mbox_rename(const struct location *location, const char *from,
		const char *to, struct err *err)
{
	if (is_inbox(from) || is_inbox(to))
		return err_set(err, ERR_INVALID, "INBOX cannot be renamed so");
	return rename_to(location, from, location, to, err);
}

int mbox_move(const struct location *location, const char *from,
	      const struct location *to_location, const char *to,
	      struct err *err)
{
	/* What is below it must be found by the same rules there. */
	if (is_inbox(from) || is_inbox(to) || location->control != NULL ||
	    to_location->control != NULL ||
	    location->utf8 != to_location->utf8 ||
	    strcmp(dirname_of(location), dirname_of(to_location)) != 0)
		return err_set(err, ERR_UNSUPPORTED, "not one directory");
	return rename_to(location, from, to_location, to, err);
}
