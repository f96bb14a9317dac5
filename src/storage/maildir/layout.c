/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/layout.c - mailbox names as directories.
 *
 * maildir++: all in the root, ".Level.Level", names in modified UTF-7, with an
 * empty file `maildirfolder`. fs: directories within directories; each mailbox
 * has its own cur/, new/ and tmp/ (below DIRNAME= if that is set). INBOX is the
 * root itself, or INBOX=.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/layout.h"
#include "storage/maildir/maildir.h"

enum {
	DEPTH_MAX = 32,
	ENTRIES_MAX = 1 << 20,
};

static const char trash_name[] = "..DOVECOT-TRASHED";
static const char *const sub_dirs[] = {"cur", "new", "tmp"};
static const char *const control_files[] = {
	"dovecot-uidlist", "dovecot-keywords", "maildirfolder"};

static bool is_inbox(const char *name)
{
	return strcmp(name, "INBOX") == 0;
}

/* names to paths */

static bool is_sub_dir(struct str s)
{
	return str_is(s, "cur") || str_is(s, "new") || str_is(s, "tmp");
}

/* The index's directory, in the root unless INDEX= says otherwise. */
static bool is_index(struct str s)
{
	return str_is(s, "dovetail.index") ||
	       str_is(s, "dovetail.index.damaged");
}

static int encode_level(const struct location *location, struct str level,
			struct buf *out, struct err *err)
{
	bool fs = layout_is_fs(location);

	if (level.len == 0 || level.data[0] == '.' ||
	    (!fs && str_find_char(level, '.') >= 0) ||
	    (fs && (is_sub_dir(level) || is_index(level))))
		return err_set(err, ERR_INVALID,
			       "a mailbox here cannot have this name");
	return layout_encode_level(location, level, out, err);
}

/* Below the root: ".A.B", "A/B"; "" for INBOX. */
static int relative_path(const struct location *location, const char *name,
			 struct buf *out, struct err *err)
{
	struct str rest = str_of(name), level;
	bool fs = layout_is_fs(location), first = true;
	size_t start = 0;

	if (is_inbox(name))
		return 0;
	while (str_split(&rest, '/', &level)) {
		if (!fs || !first)
			buf_putc(out, fs ? '/' : '.');
		if (fs)
			start = out->len;
		if (encode_level(location, level, out, err) < 0)
			return -1;
		if (out->overflow || out->len - start > LAYOUT_COMPONENT_MAX)
			return err_set(err, ERR_INVALID,
				       "mailbox name is too long");
		first = false;
	}
	return 0;
}

static char *join(const void *ctx, const struct location *location,
		  const char *root, const struct buf *relative)
{
	bool dirname = location->dirname != NULL &&
		       location->dirname[0] != '\0' && layout_is_fs(location);

	if (relative->len == 0)
		return mem_strdup(ctx, root);
	return mem_printf(ctx, "%s/%s%s%s", root, relative->data,
			  dirname ? "/" : "", dirname ? location->dirname : "");
}

int maildir_paths(const void *ctx, const struct location *location,
		  const char *name, char **path_out, char **control_out,
		  struct err *err)
{
	CLEANUP(buf_free) struct buf relative = buf_init(LAYOUT_PATH_MAX);
	const char *root = location->root;
	char *path;

	if (relative_path(location, name, &relative, err) < 0)
		return -1;
	if (relative.len == 0 && location->inbox != NULL)
		root = location->inbox;
	path = join(ctx, location, root, &relative);
	if (layout_check_links(root, path, err) < 0)
		return -1;
	*path_out = path;
	*control_out =
		location->control != NULL
			? join(ctx, location, location->control, &relative)
			: mem_strdup(ctx, *path_out);
	return 0;
}

bool maildir_relative_path(const struct location *location, const char *name,
			   struct buf *out)
{
	struct err err;

	return !(is_inbox(name) && location->inbox != NULL) &&
	       relative_path(location, name, out, &err) == 0;
}

/* listing */

struct lister {
	const void *ctx;
	const struct location *location;
	struct driver_entry *entries;
	size_t count, cap;
};

static void dir_close(DIR **dir)
{
	if (*dir != NULL)
		closedir(*dir);
}

static int add_entry(struct lister *lister, const char *name, bool selectable,
		     struct err *err)
{
	if (lister->count >= ENTRIES_MAX)
		return err_set(err, ERR_LIMIT, "%s has too many mailboxes",
			       lister->location->root);
	if (lister->count == lister->cap) {
		lister->cap = lister->cap == 0 ? 64 : lister->cap * 2;
		lister->entries = mem_resize(lister->ctx, lister->entries,
					     struct driver_entry, lister->cap);
	}
	lister->entries[lister->count++] = (struct driver_entry){
		.name = mem_strdup(lister->ctx, name),
		.selectable = selectable,
	};
	return 0;
}

/* ".A.B" to "A/B"; false if it is no mailbox's. */
static bool decode_plus(const struct location *location, const char *file,
			struct buf *out)
{
	struct str rest = str_of(file), level;

	if (file[0] != '.' || file[1] == '.' || file[1] == '\0')
		return false;
	rest = str_from(rest, 1);
	while (str_split(&rest, '.', &level)) {
		if (out->len > 0)
			buf_putc(out, '/');
		if (!layout_decode_level(location, level, out))
			return false;
	}
	return !out->overflow && !is_inbox(out->data);
}

static int list_plus(struct lister *lister, struct err *err)
{
	CLEANUP(buf_free) struct buf name = buf_init(LAYOUT_PATH_MAX);
	CLEANUP(dir_close) DIR *dir = opendir(lister->location->root);
	struct dirent *entry;

	if (dir == NULL)
		return errno == ENOENT ? 0
				       : err_sys(err, "opendir(%s)",
						 lister->location->root);
	while ((entry = readdir(dir)) != NULL) {
		buf_reset(&name);
		if (!decode_plus(lister->location, entry->d_name, &name) ||
		    !layout_entry_is(dirfd(dir), entry, S_IFDIR))
			continue;
		if (add_entry(lister, name.data, true, err) < 0)
			return -1;
	}
	return 0;
}

static bool has_cur(const void *ctx, const struct location *location,
		    const char *path)
{
	const char *dirname = location->dirname;
	struct stat st;

	if (dirname != NULL && dirname[0] != '\0')
		path = mem_printf(ctx, "%s/%s", path, dirname);
	return stat(mem_printf(ctx, "%s/cur", path), &st) == 0 &&
	       S_ISDIR(st.st_mode);
}

static int list_fs(struct lister *lister, const char *path, struct buf *name,
		   unsigned depth, struct err *err);

static int list_fs_entry(struct lister *lister, const char *path, int fd,
			 const struct dirent *entry, struct buf *name,
			 unsigned depth, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "list");
	const struct location *location = lister->location;
	struct str file = str_of(entry->d_name);
	size_t len = name->len;
	int ret = 0;
	char *sub;

	if (file.data[0] == '.' || is_sub_dir(file) ||
	    (depth == 0 && is_index(file)) ||
	    (location->dirname != NULL && str_is(file, location->dirname)) ||
	    !layout_entry_is(fd, entry, S_IFDIR))
		return 0;
	if (len > 0)
		buf_putc(name, '/');
	if (layout_decode_level(location, file, name) && !name->overflow) {
		sub = mem_printf(ctx, "%s/%s", path, entry->d_name);
		if (!is_inbox(name->data))
			ret = add_entry(lister, name->data,
					has_cur(ctx, location, sub), err);
		if (ret == 0)
			ret = list_fs(lister, sub, name, depth + 1, err);
	}
	buf_truncate(name, len);
	return ret;
}

static int list_fs(struct lister *lister, const char *path, struct buf *name,
		   unsigned depth, struct err *err)
{
	CLEANUP(dir_close) DIR *dir = NULL;
	struct dirent *entry;

	if (depth > DEPTH_MAX)
		return 0;
	dir = opendir(path);
	if (dir == NULL)
		return errno == ENOENT || errno == EACCES
			       ? 0
			       : err_sys(err, "opendir(%s)", path);
	while ((entry = readdir(dir)) != NULL) {
		if (list_fs_entry(lister, path, dirfd(dir), entry, name, depth,
				  err) < 0)
			return -1;
	}
	return 0;
}

int maildir_list(const void *ctx, const struct location *location,
		 struct driver_entry **out, size_t *count_out, struct err *err)
{
	CLEANUP(buf_free) struct buf name = buf_init(LAYOUT_PATH_MAX);
	struct lister lister = {.ctx = ctx, .location = location};
	struct err ignored;

	if (maildir_exists(location, "INBOX", &ignored) == 0 &&
	    add_entry(&lister, "INBOX", true, err) < 0)
		return -1;
	if ((layout_is_fs(location)
		     ? list_fs(&lister, location->root, &name, 0, err)
		     : list_plus(&lister, err)) < 0)
		return -1;
	*out = lister.entries;
	*count_out = lister.count;
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
	if (layout_is_fs(location) || is_inbox(name))
		look = mem_printf(ctx, "%s/cur", path);
	if (stat(look, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	if (errno == EACCES)
		return err_sys(err, "stat(%s)", look);
	return err_set(err, ERR_NOT_FOUND, "mailbox %s does not exist", name);
}

/* making */

int maildir_make_dirs(const struct location *location, const char *path,
		      struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "mkdir");

	if (layout_make_path(location, path, err) < 0)
		return -1;
	for (size_t i = 0; i < 3; i++) {
		if (layout_make_dir(location,
				    mem_printf(ctx, "%s/%s", path, sub_dirs[i]),
				    err) < 0)
			return -1;
	}
	return 0;
}

static int touch_file(const char *path, mode_t mode, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);

	return fd < 0 ? err_sys(err, "open(%s)", path) : 0;
}

/* UIDVALIDITY and GUID are given at once, so that whoever comes next, we or
 * Dovecot, finds the same. */
static int make_uidlist(const struct location *location, const char *control,
			struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uidlist");
	char *path = mem_printf(ctx, "%s/dovecot-uidlist", control);
	struct uidlist_header header = {.uid_next = 1, .has_guid = true};
	struct stat st;

	if (stat(path, &st) == 0)
		return 0;
	if (uid_validity_next(location, &header.uid_validity, err) < 0)
		return -1;
	guid128_new(header.guid);
	return uidlist_create(path, &header, location->file_mode, err);
}

int maildir_create(const struct location *location, const char *name,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "create");
	char *path, *control;

	if (maildir_exists(location, name, err) == 0)
		return err_set(err, ERR_EXISTS, "mailbox %s exists", name);
	if (err->code != ERR_NOT_FOUND ||
	    maildir_paths(ctx, location, name, &path, &control, err) < 0 ||
	    layout_make_path(location, layout_control_root(location), err) <
		    0 ||
	    maildir_make_dirs(location, path, err) < 0 ||
	    layout_make_path(location, control, err) < 0)
		return -1;
	if (!is_inbox(name) && !layout_is_fs(location) &&
	    touch_file(mem_printf(ctx, "%s/maildirfolder", path),
		       location->file_mode, err) < 0)
		return -1;
	return make_uidlist(location, control, err);
}

/* removing */

/* At once for everybody else: renamed first, removed then. */
static int trash_dir(const char *root, const char *path, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "trash");
	char *trash = mem_printf(ctx, "%s/%s", root, trash_name);

	for (int i = 0; i < 3; i++) {
		if (rename(path, trash) == 0)
			return dir_remove(trash, err);
		if (errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			break;
		if (dir_remove(trash, err) < 0 && err->code != ERR_NOT_FOUND)
			return -1;
	}
	return err_sys(err, "rename(%s, %s)", path, trash);
}

/* Layout fs: the mailbox goes, the directories of its children stay. */
static int remove_fs(const struct location *location, const char *path,
		     const char *control, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");

	for (size_t i = 0; i < 3; i++) {
		if (trash_dir(location->root,
			      mem_printf(ctx, "%s/%s", path, sub_dirs[i]),
			      err) < 0)
			return -1;
	}
	for (size_t i = 0; i < 3; i++) {
		char *file =
			mem_printf(ctx, "%s/%s", control, control_files[i]);

		if (unlink(file) < 0 && errno != ENOENT)
			return err_sys(err, "unlink(%s)", file);
	}
	/* Children, or files that are not ours, keep them. */
	if (strcmp(control, path) != 0)
		rmdir(control);
	rmdir(path);
	return 0;
}

int maildir_remove(const struct location *location, const char *name,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");
	char *path, *control;

	if (is_inbox(name))
		return err_set(err, ERR_INVALID, "INBOX cannot be deleted");
	if (maildir_exists(location, name, err) < 0 ||
	    maildir_paths(ctx, location, name, &path, &control, err) < 0)
		return -1;
	if (layout_is_fs(location))
		return remove_fs(location, path, control, err);
	if (trash_dir(location->root, path, err) < 0)
		return -1;
	return strcmp(path, control) == 0
		       ? 0
		       : trash_dir(layout_control_root(location), control, err);
}

/* renaming */

/* Every ".from" and ".from.*" of a root. */
static int rename_plus(const char *root, const char *from, const char *to,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rename");
	CLEANUP(dir_close) DIR *dir = opendir(root);
	size_t len = strlen(from), count = 0;
	char **names = NULL;
	struct dirent *entry;

	if (dir == NULL)
		return err_sys(err, "opendir(%s)", root);
	while ((entry = readdir(dir)) != NULL && count < ENTRIES_MAX) {
		if (strncmp(entry->d_name, from, len) != 0 ||
		    (entry->d_name[len] != '\0' && entry->d_name[len] != '.'))
			continue;
		names = mem_resize(ctx, names, char *, count + 1);
		names[count++] = mem_strdup(ctx, entry->d_name);
	}
	for (size_t i = 0; i < count; i++) {
		char *old = mem_printf(ctx, "%s/%s", root, names[i]);
		char *new =
			mem_printf(ctx, "%s/%s%s", root, to, names[i] + len);

		if (rename(old, new) == 0)
			continue;
		err_sys(err, "rename(%s, %s)", old, new);
		/* All or none, as well as one can. */
		while (i-- > 0)
			(void)rename(mem_printf(ctx, "%s/%s%s", root, to,
						names[i] + len),
				     mem_printf(ctx, "%s/%s", root, names[i]));
		return -1;
	}
	return 0;
}

static int rename_fs(const struct location *location, const char *root,
		     const char *from, const char *to, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rename");
	char *old = mem_printf(ctx, "%s/%s", root, from);
	char *new = mem_printf(ctx, "%s/%s", root, to);
	char *parent = mem_strdup(ctx, new);

	*strrchr(parent, '/') = '\0';
	if (layout_make_path(location, parent, err) < 0)
		return -1;
	/* A directory that only children would have needed. */
	rmdir(new);
	return rename(old, new) == 0 ? 0
				     : err_sys(err, "rename(%s, %s)", old, new);
}

static int rename_in(const struct location *location, const char *root,
		     const char *from, const char *to, struct err *err)
{
	return layout_is_fs(location) ? rename_fs(location, root, from, to, err)
				      : rename_plus(root, from, to, err);
}

int maildir_rename(const struct location *location, const char *from,
		   const char *to, struct err *err)
{
	CLEANUP(buf_free) struct buf old = buf_init(LAYOUT_PATH_MAX);
	CLEANUP(buf_free) struct buf new = buf_init(LAYOUT_PATH_MAX);

	if (is_inbox(from) || is_inbox(to))
		return err_set(err, ERR_INVALID, "INBOX cannot be renamed so");
	if (relative_path(location, from, &old, err) < 0 ||
	    relative_path(location, to, &new, err) < 0)
		return -1;
	if (maildir_exists(location, to, err) == 0)
		return err_set(err, ERR_EXISTS, "mailbox %s exists", to);
	if (err->code != ERR_NOT_FOUND ||
	    rename_in(location, location->root, old.data, new.data, err) < 0)
		return -1;
	if (strcmp(layout_control_root(location), location->root) == 0)
		return 0;
	return rename_in(location, location->control, old.data, new.data, err);
}
