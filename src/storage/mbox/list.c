/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/list.c - which mailboxes there are.
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
#include "storage/layout.h"
#include "storage/mbox/mbox.h"

enum { DEPTH_MAX = 64 };

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

/* INBOX is listed under that name, and as the file that it is for namespaces
 * that are not INBOX's. True, too, for what is gone by now. */
static bool is_inbox_elsewhere(const struct lister *lister, const char *path,
			       const char *name)
{
	const char *own = layout_is_fs(lister->location) ? "inbox" : "INBOX";
	struct stat st;

	return stat(path, &st) < 0 ||
	       (st.st_ino == lister->inbox.st_ino &&
		st.st_dev == lister->inbox.st_dev && strcmp(name, own) != 0);
}

/* maildir++ */

static int list_plus(struct lister *lister, struct buf *name, struct err *err)
{
	const struct location *location = lister->location;
	CLEANUP(dir_close) DIR *dir = opendir(location->root);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "list");
	struct dirent *entry;

	if (dir == NULL)
		return errno == ENOENT
			       ? 0
			       : err_sys(err, "opendir(%s)", location->root);
	while ((entry = readdir(dir)) != NULL) {
		const char *told;

		buf_reset(name);
		if (entry->d_name[0] != '.' ||
		    mbox_file_reserved(location, str_of(entry->d_name)) ||
		    !layout_entry_is(dirfd(dir), entry, S_IFREG))
			continue;
		if (!layout_plus_decode(location, entry->d_name, name)) {
			layout_name_left_out(location->root, entry->d_name);
			continue;
		}
		told = layout_told(location, name->data);
		if (is_inbox_elsewhere(lister,
				       mem_printf(ctx, "%s/%s", location->root,
						  entry->d_name),
				       name->data))
			continue;
		if (layout_list_add(&lister->list, told, true, false, err) < 0)
			return -1;
	}
	return 0;
}

/* fs */

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
	bool dirname = mbox_has_dirname(location);

	if (is_inbox_elsewhere(lister, full, name->data))
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

		if (mbox_file_reserved(lister->location, str_of(entry->d_name)))
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

	if (stat(mbox_inbox_path(work, location), &lister.inbox) < 0)
		memset(&lister.inbox, 0, sizeof(lister.inbox));
	else if (layout_list_add(&lister.list, "INBOX", true, false, err) < 0)
		return -1;
	if ((layout_is_fs(location)
		     ? list_dir(&lister, location->root, &name, 0, err)
		     : list_plus(&lister, &name, err)) < 0)
		return -1;
	*out = lister.list.entries;
	*count_out = lister.list.count;
	return 0;
}
