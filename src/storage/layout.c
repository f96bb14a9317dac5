/* SPDX-License-Identifier: MIT */
#include "storage/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/driver.h"
#include "storage/user.h"

bool layout_is_fs(const struct location *location)
{
	return strcmp(location->layout, "fs") == 0;
}

const char *layout_control_root(const struct location *location)
{
	return location->control != NULL ? location->control : location->root;
}

/* levels */

int layout_encode_level(const struct location *location, struct str level,
			struct buf *out, struct err *err)
{
	size_t start = out->len;

	if (level.len == 0 || memchr(level.data, '\0', level.len) != NULL ||
	    memchr(level.data, '\n', level.len) != NULL)
		return err_set(err, ERR_INVALID,
			       "a mailbox here cannot have this name");
	if (location->broken_char != '\0') {
		if (!layout_broken_encode(location, level, out))
			return err_set(err, ERR_INVALID,
				       "a mailbox here cannot have this name");
	} else if (location->utf8) {
		buf_add_str(out, level);
	} else if (!utf7_encode(level, out)) {
		return err_set(err, ERR_INVALID, "mailbox name is not UTF-8");
	}
	if (out->overflow || out->len - start > LAYOUT_COMPONENT_MAX)
		return err_set(err, ERR_INVALID, "mailbox name is too long");
	return 0;
}

bool layout_decode_level(const struct location *location, struct str level,
			 struct buf *out)
{
	size_t start = out->len;

	if (level.len == 0 || level.len > LAYOUT_COMPONENT_MAX)
		return false;
	if (location->broken_char != '\0') {
		layout_broken_decode(location, level, out);
		return str_find_char(level, '\n') < 0;
	}
	if (location->utf8) {
		buf_add_str(out, level);
		return utf8_valid(level);
	}
	/* A '/' in a name would be a level of ours. */
	return utf7_decode(level, out) &&
	       memchr(out->data + start, '/', out->len - start) == NULL;
}

bool layout_same_names(const struct location *a, const struct location *b)
{
	return a->utf8 == b->utf8 && a->broken_char == b->broken_char;
}

struct str layout_levels(const char *name)
{
	return str_from(str_of(name), strcmp(name, LAYOUT_PLAIN_INBOX) == 0
					      ? strlen("./")
					      : 0);
}

int layout_plus_encode(const struct location *location, const char *name,
		       struct buf *out, struct err *err)
{
	struct str rest = layout_levels(name), level;

	while (str_split(&rest, '/', &level)) {
		buf_putc(out, '.');
		if (str_find_char(level, '.') >= 0)
			return err_set(err, ERR_INVALID,
				       "a mailbox here cannot have this name");
		if (layout_encode_level(location, level, out, err) < 0)
			return -1;
	}
	/* All of it is one file name. */
	if (out->overflow || out->len > LAYOUT_COMPONENT_MAX)
		return err_set(err, ERR_INVALID, "mailbox name is too long");
	return 0;
}

bool layout_plus_decode(const struct location *location, const char *file,
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
	return !out->overflow;
}

const char *layout_told(const struct location *location, const char *levels)
{
	if (strcmp(levels, "INBOX") != 0)
		return levels;
	return location->dirname == NULL ? LAYOUT_PLAIN_INBOX : NULL;
}

/* levels without a mailbox */

static int level_path(const void *ctx, const struct location *location,
		      const char *root, const char *name, char **out,
		      struct err *err)
{
	CLEANUP(buf_free) struct buf path = buf_init(LAYOUT_PATH_MAX);
	struct str rest = layout_levels(name), level;

	buf_add(&path, root);
	while (str_split(&rest, '/', &level)) {
		buf_putc(&path, '/');
		if (layout_encode_level(location, level, &path, err) < 0)
			return -1;
	}
	*out = buf_steal(ctx, &path);
	return layout_check_links(root, *out, err);
}

int layout_level_exists(const struct location *location, const char *name,
			struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "level");
	struct stat st;
	char *path;

	if (level_path(ctx, location, location->root, name, &path, err) < 0)
		return -1;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return err_set(err, ERR_NOT_FOUND, "%s does not exist", path);
}

int layout_level_make(const struct location *location, const char *name,
		      struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "level");
	char *path;

	if (level_path(ctx, location, location->root, name, &path, err) < 0)
		return -1;
	return layout_make_path(location, path, err);
}

static int remove_level(const char *path, struct err *err)
{
	if (rmdir(path) == 0 || (errno == ENOTDIR && unlink(path) == 0))
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST)
		return err_set(err, ERR_INVALID,
			       "Mailbox has children, delete them first");
	return err_sys(err, "rmdir(%s)", path);
}

int layout_level_remove(const struct location *location, const char *name,
			struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "level");
	char *path;

	if (layout_level_exists(location, name, err) < 0 ||
	    level_path(ctx, location, location->root, name, &path, err) < 0 ||
	    remove_level(path, err) < 0)
		return -1;
	if (location->control != NULL &&
	    level_path(ctx, location, location->control, name, &path, err) == 0)
		rmdir(path);
	return 0;
}

void layout_levels_tidy(const struct location *location, const char *name)
{
	char *above = mem_strdup(NULL, name), *slash;
	struct err err;

	while ((slash = strrchr(above, '/')) != NULL) {
		*slash = '\0';
		if (layout_level_remove(location, above, &err) < 0)
			break;
	}
	mem_free(above);
}

/* symbolic links */

/* Of a link: what it leads to, if it is followed. */
static bool follow(int fd, const char *name, const struct stat *link,
		   struct stat *out)
{
	return fstatat(fd, name, out, 0) == 0 &&
	       (link->st_uid == 0 || link->st_uid == out->st_uid);
}

bool layout_entry_is(int fd, const struct dirent *entry, mode_t type)
{
	struct stat st, target;

	if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
		return entry->d_type == IFTODT(type);
	if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (!S_ISLNK(st.st_mode))
		return (st.st_mode & S_IFMT) == type;
	return follow(fd, entry->d_name, &st, &target) &&
	       (target.st_mode & S_IFMT) == type;
}

int layout_check_link(const char *path, struct err *err)
{
	struct stat st, target;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISLNK(st.st_mode) || follow(AT_FDCWD, path, &st, &target))
		return 1;
	return err_set(err, ERR_DENIED,
		       "%s is a symbolic link to what its owner does not own",
		       path);
}

int layout_check_links(const char *root, const char *path, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "links");
	char *part = mem_strdup(ctx, path);
	char *at = part + strlen(root);
	int ret = 1;

	while (ret > 0 && *at != '\0') {
		at = strchrnul(at + 1, '/');
		if (*at == '\0')
			return layout_check_link(part, err) < 0 ? -1 : 0;
		*at = '\0';
		ret = layout_check_link(part, err);
		*at = '/';
	}
	return ret < 0 ? -1 : 0;
}

/* making */

/* A file of ours, or somebody's, that has the name of a mailbox. */
static int check_dir(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return err_set(err, ERR_INVALID, "a file has the name of this mailbox");
}

int layout_make_dir(const struct rights *rights, const char *path,
		    struct err *err)
{
	int made = rights_make_dir(rights, path, err);

	return made == 0 ? check_dir(path, err) : made;
}

int layout_sync(const struct location *location, const char *path,
		struct err *err)
{
	if (strcmp(location->settings->mail_fsync, "never") == 0 ||
	    dir_fsync(path, err) == 0)
		return 0;
	/* Writable, but not readable: then it cannot be opened for this. */
	return err->code == ERR_DENIED ? 0 : -1;
}

int layout_sync_parent(const struct location *location, const char *path,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "parent");
	char *parent = mem_strdup(ctx, path);
	char *slash = strrchr(parent, '/');

	if (slash == NULL)
		return layout_sync(location, ".", err);
	slash[slash == parent ? 1 : 0] = '\0';
	return layout_sync(location, parent, err);
}

static int make_synced(const struct location *location,
		       const struct rights *rights, const char *path,
		       struct err *err)
{
	if (layout_make_dir(rights, path, err) < 0)
		return -1;
	return layout_sync_parent(location, path, err);
}

int layout_make_path(const struct location *location, const char *path,
		     struct err *err)
{
	return layout_make_path_as(location, &location->rights, path, err);
}

int layout_make_path_as(const struct location *location,
			const struct rights *rights, const char *path,
			struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "mkdir");
	char *part = mem_strdup(ctx, path);
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	for (char *at = strchr(part + 1, '/'); at != NULL;
	     at = strchr(at + 1, '/')) {
		*at = '\0';
		if ((stat(part, &st) < 0 || !S_ISDIR(st.st_mode)) &&
		    make_synced(location, rights, part, err) < 0)
			return -1;
		*at = '/';
	}
	return make_synced(location, rights, path, err);
}

int layout_list_add(struct layout_list *list, const char *name, bool selectable,
		    bool no_inferiors, struct err *err)
{
	if (list->count >= LAYOUT_ENTRIES_MAX)
		return err_set(err, ERR_LIMIT, "too many mailboxes");
	if (list->count == list->cap) {
		list->cap = list->cap == 0 ? 64 : list->cap * 2;
		list->entries = mem_resize(list->ctx, list->entries,
					   struct driver_entry, list->cap);
	}
	list->entries[list->count++] = (struct driver_entry){
		.name = mem_strdup(list->ctx, name),
		.selectable = selectable,
		.no_inferiors = no_inferiors,
	};
	return 0;
}

enum { LEFT_OUT_MAX = 1000 };

struct left_out {
	UT_hash_handle hh;
	char path[];
};

void layout_name_left_out(const char *root, const char *file)
{
	static struct left_out *told;
	size_t size = strlen(root) + strlen(file) + 2;
	struct left_out *one = mem_zero(NULL, 1, sizeof(*one) + size, "name");
	struct left_out *found;
	char *clean;

	snprintf(one->path, size, "%s/%s", root, file);
	HASH_FIND_STR(told, one->path, found);
	if (found != NULL || HASH_COUNT(told) >= LEFT_OUT_MAX) {
		mem_free(one);
		return;
	}
	HASH_ADD_STR(told, path, one);
	clean = str_sanitize(NULL, str_of(one->path), LAYOUT_PATH_MAX);
	log_warning("%s is left out: not a mailbox name as mail_location "
		    "spells them (modified UTF-7, or UTF-8; with BROKENCHAR=~ "
		    "there are names for all)",
		    clean);
	mem_free(clean);
}
