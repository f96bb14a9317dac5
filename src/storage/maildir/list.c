/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/list.c - which mailboxes there are.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/guid_names.h"
#include "storage/layout.h"
#include "storage/maildir/layout.h"
#include "storage/maildir/maildir.h"

struct lister {
	const struct location *location;
	struct layout_list list;
	/* Layout fs: */
	struct buf path, name;
	struct stat above[MAILDIR_LEVELS_MAX]; /* the directories that we are
						  in */
	unsigned depth;
	bool in_link;
};

/* maildir++ */

static bool looks_like_plus(const char *file)
{
	return file[0] == '.' && file[1] != '\0' && file[1] != '.';
}

static int list_plus(struct lister *lister, struct err *err)
{
	CLEANUP(dir_close) DIR *dir = opendir(lister->location->root);
	struct dirent *entry;

	if (dir == NULL)
		return errno == ENOENT ? 0
				       : err_sys(err, "opendir(%s)",
						 lister->location->root);
	while ((entry = readdir(dir)) != NULL) {
		bool valid;

		buf_reset(&lister->name);
		valid = layout_plus_decode(lister->location, entry->d_name,
					   &lister->name);
		if ((!valid && !looks_like_plus(entry->d_name)) ||
		    !layout_entry_is(dirfd(dir), entry, S_IFDIR))
			continue;
		if (!valid)
			layout_name_left_out(lister->location->root,
					     entry->d_name);
		else if (layout_list_add(&lister->list,
					 layout_told(lister->location,
						     lister->name.data),
					 true, false, err) < 0)
			return -1;
	}
	return 0;
}

/* fs */

static bool has_cur(struct lister *lister)
{
	const char *dirname = lister->location->dirname;
	size_t len = lister->path.len;
	struct stat st;
	bool has;

	if (dirname != NULL)
		buf_printf(&lister->path, "/%s", dirname);
	buf_add(&lister->path, "/cur");
	has = !lister->path.overflow && stat(lister->path.data, &st) == 0 &&
	      S_ISDIR(st.st_mode);
	buf_truncate(&lister->path, len);
	return has;
}

/* Whether to look below: not in a circle, and through one link only, for many
 * of them could make a tree without end. */
static bool enter(struct lister *lister, bool link)
{
	struct stat *st = &lister->above[lister->depth];

	if (lister->depth >= MAILDIR_LEVELS_MAX || (link && lister->in_link) ||
	    stat(lister->path.data, st) < 0)
		return false;
	for (unsigned i = 0; link && i < lister->depth; i++) {
		if (lister->above[i].st_dev == st->st_dev &&
		    lister->above[i].st_ino == st->st_ino)
			return false;
	}
	lister->in_link |= link;
	lister->depth++;
	return true;
}

static int list_dir(struct lister *lister, struct err *err);

/* path and name are those of the entry now. */
static int list_level(struct lister *lister, bool link, struct err *err)
{
	const char *name = layout_told(lister->location, lister->name.data);
	bool was_in_link = lister->in_link;
	int ret;

	if (name != NULL && layout_list_add(&lister->list, name,
					    has_cur(lister), false, err) < 0)
		return -1;
	if (!enter(lister, link))
		return 0;
	ret = list_dir(lister, err);
	lister->depth--;
	lister->in_link = was_in_link;
	return ret;
}

static int list_one(struct lister *lister, int fd, const struct dirent *entry,
		    struct err *err)
{
	size_t path_len = lister->path.len, name_len = lister->name.len;
	struct str file = str_of(entry->d_name);
	int ret = 0;

	if (maildir_level_reserved(lister->location, file, name_len == 0) ||
	    !layout_entry_is(fd, entry, S_IFDIR))
		return 0;
	if (name_len > 0)
		buf_putc(&lister->name, '/');
	buf_putc(&lister->path, '/');
	buf_add_str(&lister->path, file);
	if (!layout_decode_level(lister->location, file, &lister->name))
		layout_name_left_out(lister->location->root, entry->d_name);
	else if (!lister->name.overflow && !lister->path.overflow)
		ret = list_level(lister, entry->d_type == DT_LNK, err);
	buf_truncate(&lister->path, path_len);
	buf_truncate(&lister->name, name_len);
	return ret;
}

/* What can't be read is left out, as is what others may not read. */
static int list_dir(struct lister *lister, struct err *err)
{
	CLEANUP(dir_close) DIR *dir = opendir(lister->path.data);
	struct dirent *entry;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (list_one(lister, dirfd(dir), entry, err) < 0)
			return -1;
	}
	return 0;
}

static int list_fs(struct lister *lister, struct err *err)
{
	struct stat st;

	buf_add(&lister->path, lister->location->root);
	if (stat(lister->path.data, &st) < 0)
		return errno == ENOENT ? 0
				       : err_sys(err, "stat(%s)",
						 lister->location->root);
	return enter(lister, false) ? list_dir(lister, err) : 0;
}

/* index */

static int list_names(struct lister *lister, struct err *err)
{
	const char *const *names;
	size_t count;

	if (guid_names_all(lister->location, &names, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!maildir_is_inbox(names[i]) &&
		    layout_list_add(&lister->list, names[i], true, false, err) <
			    0)
			return -1;
	}
	return 0;
}

/* all */

static int list_by_layout(struct lister *lister, struct err *err)
{
	if (lister->location->names != NULL)
		return list_names(lister, err);
	return layout_is_fs(lister->location) ? list_fs(lister, err)
					      : list_plus(lister, err);
}

int maildir_list(const void *ctx, const struct location *location,
		 struct driver_entry **out, size_t *count_out, struct err *err)
{
	struct lister lister = {
		.location = location,
		.list = {.ctx = ctx},
		.path = buf_init(LAYOUT_PATH_MAX),
		.name = buf_init(LAYOUT_PATH_MAX),
	};
	struct err ignored;
	int ret = 0;

	if (maildir_exists(location, "INBOX", &ignored) == 0)
		ret = layout_list_add(&lister.list, "INBOX", true, false, err);
	if (ret == 0)
		ret = list_by_layout(&lister, err);
	buf_free(&lister.path);
	buf_free(&lister.name);
	if (ret < 0)
		return -1;
	*out = lister.list.entries;
	*count_out = lister.list.count;
	return 0;
}
