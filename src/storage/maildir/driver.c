/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/driver.c - the table of the Maildir driver.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "storage/maildir/maildir.h"

static bool maildir_detect(const char *root)
{
	char path[4096];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/cur", root) <
		       (int)sizeof(path) &&
	       stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void maildir_close(struct driver_box *box)
{
	mem_free(box->driver);
	box->driver = NULL;
}

bool maildir_readonly(const struct driver_box *box)
{
	char path[4096];

	return snprintf(path, sizeof(path), "%s/cur", box->path) <
		       (int)sizeof(path) &&
	       faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0 &&
	       (errno == EACCES || errno == EROFS);
}

static void maildir_watch_paths(const void *ctx, struct driver_box *box,
				const char *const **paths_out,
				unsigned *count_out)
{
	const char **paths = mem_array(ctx, const char *, 2);

	paths[0] = mem_printf(paths, "%s/new", box->path);
	paths[1] = mem_printf(paths, "%s/cur", box->path);
	*paths_out = paths;
	*count_out = 2;
}

const struct driver maildir_driver = {
	.name = "maildir",
	.default_layout = "maildir++",
	.by_guid = true,
	.root_mailbox = true,
	.subscriptions = "subscriptions",
	.detect = maildir_detect,
	.paths = maildir_paths,
	.list = maildir_list,
	.exists = maildir_exists,
	.create = maildir_create,
	.remove = maildir_remove,
	.rename = maildir_rename,
	.move = maildir_move,
	.sync = maildir_sync,
	.unchanged = maildir_unchanged,
	.close = maildir_close,
	.readonly = maildir_readonly,
	.watch_paths = maildir_watch_paths,
	.open_mail = maildir_open_mail,
	.look = maildir_look,
	.guid = maildir_guid,
	.special = maildir_special,
	.save_uidls = maildir_save_uidls,
	.save_begin = maildir_save_begin,
	.save_complete = maildir_save_complete,
	.save_publish = maildir_save_publish,
	.save_end = maildir_save_end,
	.save_link = maildir_save_link,
	.lock = maildir_wait,
	.write_flags = maildir_write_flags,
	.flush = maildir_flush,
	.remove_mail = maildir_remove_mail,
	.update = maildir_update,
};
