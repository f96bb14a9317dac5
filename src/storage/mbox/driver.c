/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/driver.c - the table of the mbox driver.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "storage/mbox/mbox.h"

/* As documented: a directory that has .imap/, inbox or mbox in it. */
static bool mbox_detect(const char *root)
{
	static const char *const names[] = {".imap", "inbox", "mbox"};
	char path[4096];
	struct stat st;

	for (size_t i = 0; i < 3; i++) {
		if (snprintf(path, sizeof(path), "%s/%s", root, names[i]) <
			    (int)sizeof(path) &&
		    stat(path, &st) == 0 &&
		    (i == 0 ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)))
			return true;
	}
	return false;
}

static bool mbox_readonly(const struct driver_box *box)
{
	return faccessat(AT_FDCWD, box->path, W_OK, AT_EACCESS) < 0 &&
	       (errno == EACCES || errno == EROFS);
}

static void mbox_watch_paths(const void *ctx, struct driver_box *box,
			     const char *const **paths_out, unsigned *count_out)
{
	const char **paths = mem_array(ctx, const char *, 1);

	paths[0] = mem_strdup(paths, box->path);
	*paths_out = paths;
	*count_out = 1;
}

const struct driver mbox_driver = {
	.name = "mbox",
	.default_layout = "fs",
	.whole_lines = true,
	.hidden_dir = ".imap",
	.subscriptions = ".subscriptions",
	.detect = mbox_detect,
	.paths = mbox_paths,
	.list = mbox_list,
	.exists = mbox_exists,
	.create = mbox_create,
	.remove = mbox_remove,
	.rename = mbox_rename,
	.move = mbox_move,
	.sync = mbox_sync_box,
	.write_late = mbox_write_late,
	.close = mbox_close,
	.readonly = mbox_readonly,
	.watch_paths = mbox_watch_paths,
	.open_mail = mbox_open_mail,
	.look = mbox_look,
	.guid = mbox_guid,
	.special = mbox_special,
	.save_begin = mbox_save_begin,
	.save_write = mbox_save_write,
	.save_complete = mbox_save_complete,
	.save_publish = mbox_save_publish,
	.save_end = mbox_save_end,
	.save_link = mbox_save_link,
	.lock = mbox_hold,
	.unlock = mbox_unhold,
	.write_flags = mbox_write_flags,
	.note_flags = mbox_note_flags,
	.flag_mark = MBOX_DIRTY,
	.flush = mbox_flush,
	.remove_mail = mbox_remove_mail,
	.update = mbox_update,
};
