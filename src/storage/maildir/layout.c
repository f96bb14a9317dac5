/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/layout.c - mailbox names as directories.
 *
 * maildir++: all in the root, ".Level.Level", names in modified UTF-7; INBOX is
 * the root itself, or INBOX=. fs: directories within directories; each mailbox
 * has its own cur/, new/ and tmp/ (below DIRNAME= if that is set, and INBOX is
 * "INBOX" then). index: by GUID, names are in a file (storage/guid_names.h).
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/guid_names.h"
#include "storage/layout.h"
#include "storage/maildir/layout.h"
#include "storage/maildir/maildir.h"

bool maildir_is_inbox(const char *name)
{
	return strcmp(name, "INBOX") == 0;
}

/* A directory of the mailbox above, of the server, or of nobody. */
bool maildir_level_reserved(const struct location *location, struct str level,
			    bool first)
{
	if (str_is(level, ".") || str_is(level, "..") ||
	    str_is(level, maildir_trash))
		return true;
	/* The index, in the root unless INDEX= says otherwise. */
	if (first && (str_is(level, "dovetail.index") ||
		      str_is(level, "dovetail.index.damaged")))
		return true;
	if (location->dirname != NULL)
		return str_is(level, location->dirname);
	return str_is(level, "cur") || str_is(level, "new") ||
	       str_is(level, "tmp");
}

static int bad_name(struct err *err)
{
	return err_set(err, ERR_INVALID,
		       "a mailbox here cannot have this name");
}

static int path_fs(const struct location *location, const char *name,
		   struct buf *out, struct err *err)
{
	struct str rest = layout_levels(name), level;

	while (str_split(&rest, '/', &level)) {
		if (maildir_level_reserved(location, level, out->len == 0))
			return bad_name(err);
		if (out->len > 0)
			buf_putc(out, '/');
		if (layout_encode_level(location, level, out, err) < 0)
			return -1;
	}
	return 0;
}

static int path_index(const struct location *location, const char *name,
		      struct buf *out, struct err *err)
{
	const char *guid;

	if (guid_names_find(location, name, &guid, err) < 0)
		return -1;
	buf_add(out, guid);
	return 0;
}

int maildir_name_path(const struct location *location, const char *name,
		      struct buf *out, struct err *err)
{
	if (location->names != NULL)
		return path_index(location, name, out, err);
	if (layout_is_fs(location))
		return path_fs(location, name, out, err);
	return layout_plus_encode(location, name, out, err);
}

static void add_dirname(const struct location *location, struct buf *path)
{
	if (location->dirname == NULL)
		return;
	buf_putc(path, '/');
	buf_add(path, location->dirname);
}

static bool inbox_is_root(const struct location *location, const char *name)
{
	return maildir_is_inbox(name) && location->names == NULL &&
	       location->dirname == NULL;
}

static bool inbox_is_elsewhere(const struct location *location,
			       const char *name)
{
	return maildir_is_inbox(name) && location->names == NULL &&
	       location->inbox != NULL;
}

bool maildir_inbox_is_apart(const struct location *location, const char *name)
{
	return inbox_is_root(location, name) ||
	       inbox_is_elsewhere(location, name);
}

static int mail_path(const struct location *location, const char *name,
		     struct buf *out, struct err *err)
{
	if (inbox_is_root(location, name))
		return 0;
	if (maildir_name_path(location, name, out, err) < 0)
		return -1;
	add_dirname(location, out);
	return 0;
}

bool maildir_relative_path(const struct location *location, const char *name,
			   struct buf *out)
{
	struct err err;

	return !inbox_is_elsewhere(location, name) &&
	       mail_path(location, name, out, &err) == 0;
}

/* Control files of INBOX have a directory of their own, too. */
static int control_path(const void *ctx, const struct location *location,
			const char *name, char **out, struct err *err)
{
	CLEANUP(buf_free) struct buf path = buf_init(LAYOUT_PATH_MAX);

	if (maildir_name_path(location, name, &path, err) < 0)
		return -1;
	if (location->full_dirname)
		add_dirname(location, &path);
	*out = mem_printf(ctx, "%s/%s", location->control, path.data);
	return 0;
}

int maildir_paths(const void *ctx, const struct location *location,
		  const char *name, char **path_out, char **control_out,
		  struct err *err)
{
	CLEANUP(buf_free) struct buf relative = buf_init(LAYOUT_PATH_MAX);
	const char *root = location->root;
	char *path, *control;

	if (inbox_is_elsewhere(location, name))
		root = location->inbox;
	else if (mail_path(location, name, &relative, err) < 0)
		return -1;
	path = relative.len == 0
		       ? mem_strdup(ctx, root)
		       : mem_printf(ctx, "%s/%s", root, relative.data);
	if (layout_check_links(root, path, err) < 0)
		return -1;
	control = mem_strdup(ctx, path);
	if (location->control != NULL &&
	    control_path(ctx, location, name, &control, err) < 0)
		return -1;
	*path_out = path;
	*control_out = control;
	return 0;
}

/* In maildir++ a directory is a mailbox, and what it lacks is made. */
int maildir_exists(const struct location *location, const char *name,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "exists");
	char *path, *control, *look;
	struct stat st;

	if (maildir_paths(ctx, location, name, &path, &control, err) < 0)
		return -1;
	look = path;
	if (layout_is_fs(location) || maildir_is_inbox(name))
		look = mem_printf(ctx, "%s/cur", path);
	if (stat(look, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	if (errno == EACCES)
		return err_sys(err, "stat(%s)", look);
	return err_set(err, ERR_NOT_FOUND, "mailbox %s does not exist", name);
}

int maildir_lock(const struct driver_box *box, const char *path,
		 struct err *err)
{
	const struct location *location = box->location;
	struct stat st;

	if (dotlock_get(path, location->rights.file_mode, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND || strcmp(box->control, box->path) == 0)
		return -1;
	if (stat(box->path, &st) < 0)
		return err_sys(err, "stat(%s)", box->path);
	if (layout_make_path(location, box->control, err) < 0)
		return -1;
	return dotlock_get(path, location->rights.file_mode, err);
}
