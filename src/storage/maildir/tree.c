/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/tree.c - make, remove and rename mailboxes on disk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/guid_names.h"
#include "storage/layout.h"
#include "storage/maildir/layout.h"
#include "storage/maildir/maildir.h"

static const char *const sub_dirs[] = {"cur", "new", "tmp"};
static const char *const control_files[] = {
	"dovecot-uidlist", "dovecot-keywords", "maildirfolder"};

/* making */

/* A directory made just now has the time of this tick of the clock, and who
 * reads it would wait for the next one (state.c): it gets an earlier time. */
static void make_older(const char *path)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};

	clock_gettime(CLOCK_REALTIME, &times[1]);
	times[1].tv_sec--;
	utimensat(AT_FDCWD, path, times, 0);
}

int maildir_make_dirs(const struct location *location,
		      const struct rights *rights, const char *path,
		      struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "mkdir");

	if (layout_make_path_as(location, rights, path, err) < 0)
		return -1;
	for (size_t i = 0; i < 3; i++) {
		char *sub = mem_printf(ctx, "%s/%s", path, sub_dirs[i]);
		int made = layout_make_dir(rights, sub, err);

		if (made < 0)
			return -1;
		if (made > 0)
			make_older(sub);
	}
	return layout_sync(location, path, err);
}

/* The mailbox above `name`, or else the location, says what a new one is. */
static void rights_of_parent(const void *ctx, const struct location *location,
			     const char *name, struct rights *out)
{
	char *above = mem_strdup(ctx, name), *slash, *path, *control;
	struct err ignored;

	*out = location->rights;
	while (location->names == NULL &&
	       (slash = strrchr(above, '/')) != NULL) {
		*slash = '\0';
		if (maildir_paths(ctx, location, above, &path, &control,
				  &ignored) == 0 &&
		    rights_read(path, out) == 0)
			return;
		*out = location->rights;
	}
}

static int touch_file(const char *path, const struct rights *rights,
		      struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		      rights->file_mode);

	return fd < 0 ? err_sys(err, "open(%s)", path)
		      : rights_give(rights, fd, path, err);
}

/* UIDVALIDITY and GUID are given at once, so that whoever comes next, we or
 * Dovecot, finds the same. */
static int make_uidlist(const struct location *location,
			const struct rights *rights, const char *control,
			const unsigned char guid[16], struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uidlist");
	char *path = mem_printf(ctx, "%s/dovecot-uidlist", control);
	struct uidlist_header header = {.uid_next = 1, .has_guid = true};
	struct stat st;

	if (stat(path, &st) == 0)
		return 0;
	if (uid_validity_next(location, &header.uid_validity, err) < 0)
		return -1;
	memcpy(header.guid, guid, sizeof(header.guid));
	return uidlist_create(path, &header, rights, err);
}

static int make_mailbox(const struct location *location,
			const struct rights *rights, const char *path,
			const char *control, const unsigned char guid[16],
			struct err *err)
{
	if (layout_make_path(location, layout_control_root(location), err) <
		    0 ||
	    maildir_make_dirs(location, rights, path, err) < 0 ||
	    layout_make_path_as(location, rights, control, err) < 0)
		return -1;
	return make_uidlist(location, rights, control, guid, err);
}

/* A mailbox that could not be made whole is not to be listed. What has anything
 * in it stays. */
static void take_back(const char *path, const char *control)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rmdir");

	for (size_t i = 0; i < 3; i++)
		rmdir(mem_printf(ctx, "%s/%s", path, sub_dirs[i]));
	rmdir(path);
	rmdir(control);
}

/* Whole on disk before its name is. */
static int create_by_guid(const struct location *location, const char *name,
			  const unsigned char guid[16], struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "create");
	CLEANUP(buf_free) struct buf hex = buf_init(GUID_HEX_LEN);
	char *path, *control;

	hex_encode(str_n(guid, 16), &hex);
	path = mem_printf(ctx, "%s/%s", location->root, hex.data);
	control = mem_printf(ctx, "%s/%s", layout_control_root(location),
			     hex.data);
	if (make_mailbox(location, &location->rights, path, control, guid,
			 err) < 0)
		return -1;
	return guid_names_add(location, name, hex.data, err);
}

int maildir_create(const struct location *location, const char *name,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "create");
	unsigned char guid[16];
	struct rights rights;
	char *path, *control;

	if (maildir_exists(location, name, err) == 0)
		return err_set(err, ERR_EXISTS, "mailbox %s exists", name);
	if (err->code != ERR_NOT_FOUND)
		return -1;
	guid128_new(guid);
	if (location->names != NULL)
		return create_by_guid(location, name, guid, err);
	rights_of_parent(ctx, location, name, &rights);
	if (maildir_paths(ctx, location, name, &path, &control, err) < 0)
		return -1;
	if (make_mailbox(location, &rights, path, control, guid, err) < 0) {
		if (!maildir_is_inbox(name))
			take_back(path, control);
		return -1;
	}
	if (maildir_is_inbox(name) || layout_is_fs(location))
		return 0;
	return touch_file(mem_printf(ctx, "%s/maildirfolder", path), &rights,
			  err);
}

/* removing */

/* At once for everybody else: renamed first, removed then. Of a link only that
 * goes, not what it leads to. */
static int trash_dir(const char *root, const char *path, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "trash");
	char *trash = mem_printf(ctx, "%s/%s", root, maildir_trash);
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return unlink(path) == 0 ? 0 : err_sys(err, "unlink(%s)", path);
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

static int trash_both(const struct location *location, const char *path,
		      const char *control, struct err *err)
{
	if (trash_dir(location->root, path, err) < 0)
		return -1;
	return strcmp(path, control) == 0
		       ? 0
		       : trash_dir(layout_control_root(location), control, err);
}

static int unlink_control_files(const char *control, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");

	for (size_t i = 0; i < 3; i++) {
		char *file =
			mem_printf(ctx, "%s/%s", control, control_files[i]);

		if (unlink(file) < 0 && errno != ENOENT)
			return err_sys(err, "unlink(%s)", file);
	}
	return 0;
}

/* Layout fs: the mailbox goes, the directories of its children stay. */
static int remove_fs(const struct location *location, const char *path,
		     const char *control, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return trash_dir(location->root, path, err);
	for (size_t i = 0; i < 3; i++) {
		if (trash_dir(location->root,
			      mem_printf(ctx, "%s/%s", path, sub_dirs[i]),
			      err) < 0)
			return -1;
	}
	if (unlink_control_files(control, err) < 0)
		return -1;
	/* Children, or files that are not ours, keep them. */
	if (strcmp(control, path) != 0)
		rmdir(control);
	rmdir(path);
	return 0;
}

/* With DIRNAME= its directory has nothing but the mailbox. */
static int remove_dirname(const struct location *location, const char *path,
			  const char *control, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");
	char *above = mem_strdup(ctx, path);

	if (location->control == NULL || location->full_dirname) {
		if (trash_both(location, path, control, err) < 0)
			return -1;
	} else if (trash_dir(location->root, path, err) < 0 ||
		   unlink_control_files(control, err) < 0) {
		return -1;
	}
	*strrchr(above, '/') = '\0';
	rmdir(above);
	if (location->control != NULL)
		rmdir(control);
	return 0;
}

int maildir_remove(const struct location *location, const char *name,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");
	char *path, *control;

	if (maildir_inbox_is_apart(location, name))
		return err_set(err, ERR_INVALID, "INBOX cannot be deleted");
	if (maildir_exists(location, name, err) < 0 ||
	    maildir_paths(ctx, location, name, &path, &control, err) < 0)
		return -1;
	if (location->dirname != NULL)
		return remove_dirname(location, path, control, err);
	if (layout_is_fs(location))
		return remove_fs(location, path, control, err);
	if (location->names != NULL &&
	    guid_names_remove(location, name, err) < 0)
		return -1;
	return trash_both(location, path, control, err);
}

/* renaming */

/* Every ".from" and ".from.*" of a root. */
static int rename_plus(const struct location *location, const char *root,
		       const char *from, const char *to, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rename");
	CLEANUP(dir_close) DIR *dir = opendir(root);
	size_t len = strlen(from), count = 0;
	char **names = NULL;
	struct dirent *entry;

	if (dir == NULL)
		return err_sys(err, "opendir(%s)", root);
	while ((entry = readdir(dir)) != NULL && count < LAYOUT_ENTRIES_MAX) {
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
	return layout_sync(location, root, err);
}

/* Up to the root, directories that nobody needs any more. */
static void remove_empty_above(const char *root, const char *path)
{
	char *part = mem_strdup(NULL, path);

	for (;;) {
		*strrchr(part, '/') = '\0';
		if (strlen(part) <= strlen(root) || rmdir(part) < 0)
			break;
	}
	mem_free(part);
}

static int rename_fs(const struct location *location, const char *root,
		     const char *from, const char *to, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rename");
	char *old = mem_printf(ctx, "%s/%s", root, from);
	char *new = mem_printf(ctx, "%s/%s", root, to);
	char *parent = mem_strdup(ctx, new);
	struct stat st;

	*strrchr(parent, '/') = '\0';
	if (layout_make_path(location, parent, err) < 0)
		return -1;
	/* A directory that only children would have needed. */
	rmdir(new);
	if (lstat(new, &st) == 0)
		return err_set(err, ERR_EXISTS,
			       "Target mailbox already exists");
	if (rename(old, new) < 0)
		return err_sys(err, "rename(%s, %s)", old, new);
	remove_empty_above(root, old);
	return layout_sync_parent(location, new, err);
}

static int rename_in(const struct location *location, const char *root,
		     const char *from, const char *to, struct err *err)
{
	return layout_is_fs(location) ? rename_fs(location, root, from, to, err)
				      : rename_plus(location, root, from, to, err);
}

/* Where only the mails of `from` are: nothing of it was ever opened. */
static int rename_control(const struct location *location, const char *from,
			  const char *to, struct err *err)
{
	if (location->control == NULL ||
	    rename_in(location, location->control, from, to, err) == 0 ||
	    err->code == ERR_NOT_FOUND)
		return 0;
	return -1;
}

int maildir_rename(const struct location *location, const char *from,
		   const char *to, struct err *err)
{
	CLEANUP(buf_free) struct buf old = buf_init(LAYOUT_PATH_MAX);
	CLEANUP(buf_free) struct buf new = buf_init(LAYOUT_PATH_MAX);

	if (maildir_inbox_is_apart(location, from) ||
	    maildir_inbox_is_apart(location, to))
		return err_set(err, ERR_INVALID, "INBOX cannot be renamed so");
	if (location->names != NULL)
		return guid_names_rename(location, from, to, err);
	if (maildir_name_path(location, from, &old, err) < 0 ||
	    maildir_name_path(location, to, &new, err) < 0)
		return -1;
	if (maildir_exists(location, to, err) == 0)
		return err_set(err, ERR_EXISTS, "mailbox %s exists", to);
	if (err->code != ERR_NOT_FOUND ||
	    rename_in(location, location->root, old.data, new.data, err) < 0)
		return -1;
	return rename_control(location, old.data, new.data, err);
}

/* All of a mailbox is in its directory, and nothing else. */
static bool is_one_dir(const struct location *location)
{
	return location->names == NULL && location->control == NULL &&
	       location->dirname == NULL;
}

/* What others find there must be a mailbox of the other layout. */
static int make_fit(const struct location *location, const char *path,
		    struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fit");

	return layout_is_fs(location)
		       ? 0
		       : touch_file(mem_printf(ctx, "%s/maildirfolder", path),
				    &location->rights, err);
}

int maildir_move(const struct location *location, const char *from,
		 const struct location *to_location, const char *to,
		 struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "move");
	char *old, *new, *parent, *control;
	struct stat st;

	if (maildir_is_inbox(from) || !is_one_dir(location) ||
	    !is_one_dir(to_location) ||
	    !layout_same_names(location, to_location))
		return err_set(err, ERR_UNSUPPORTED, "not one directory");
	if (maildir_paths(ctx, location, from, &old, &control, err) < 0 ||
	    maildir_paths(ctx, to_location, to, &new, &control, err) < 0)
		return -1;
	if (lstat(old, &st) < 0)
		return err_sys(err, "stat(%s)", old);
	if (!S_ISDIR(st.st_mode)) /* a link, which may lead elsewhere there */
		return err_set(err, ERR_UNSUPPORTED, "%s is a link", old);
	parent = mem_strdup(ctx, new);
	*strrchr(parent, '/') = '\0';
	if (layout_make_path(to_location, parent, err) < 0 ||
	    make_fit(to_location, old, err) < 0)
		return -1;
	/* As rename_fs(): a level that only others would have needed. */
	rmdir(new);
	if (rename(old, new) < 0)
		return errno == EXDEV ? err_set(err, ERR_UNSUPPORTED,
						"another file system")
				      : err_sys(err, "rename(%s, %s)", old,
						new);
	if (layout_is_fs(location))
		remove_empty_above(location->root, old);
	if (layout_sync_parent(to_location, new, err) < 0)
		return -1;
	return layout_sync_parent(location, old, err) == 0 ||
			       err->code == ERR_NOT_FOUND
		       ? 0
		       : -1;
}
