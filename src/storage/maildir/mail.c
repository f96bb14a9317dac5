/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/mail.c - the file of a mail: reading, flags, removing. Others
 * may rename or remove it at any time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/maildir/sync.h"
#include "storage/user.h"

enum { FIND_TRIES = 10 };

static char *file_path(const void *ctx, const struct driver_box *box, char dir,
		       const char *name)
{
	return mem_printf(ctx, "%s/%s/%s", box->path,
			  dir == 'n' ? "new" : "cur", name);
}

static int find_in(const void *ctx, struct driver_box *box, char where,
		   struct str base, char **name_out, struct err *err)
{
	char *path = file_path(ctx, box, where, "");
	CLEANUP(dir_close) DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL)
		return errno == ENOENT ? 0 : err_sys(err, "opendir(%s)", path);
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, base.data, base.len) != 0 ||
		    (entry->d_name[base.len] != '\0' &&
		     entry->d_name[base.len] != ':'))
			continue;
		*name_out = mem_strdup(ctx, entry->d_name);
		return 1;
	}
	return 0;
}

/* A file that is renamed while its directory is read may be missed: what was
 * not found is looked for again, as long as the directories change. */
int maildir_find(const void *ctx, struct driver_box *box, struct str base,
		 char *dir_out, char **name_out, struct err *err)
{
	static const char dirs[] = {'c', 'n', 'c'};
	struct dir_times before, after;

	for (int tries = 0; tries < FIND_TRIES; tries++) {
		if (dir_times_get(box, &before, err) < 0)
			return -1;
		for (size_t i = 0; i < sizeof(dirs); i++) {
			int ret =
				find_in(ctx, box, dirs[i], base, name_out, err);

			*dir_out = dirs[i];
			if (ret != 0)
				return ret;
		}
		if (dir_times_get(box, &after, err) < 0)
			return -1;
		if (file_time_same(before.new_time, after.new_time) &&
		    file_time_same(before.cur_time, after.cur_time))
			break;
	}
	return 0;
}

struct uid_search {
	uint32_t uid;
	struct str base; /* what it is in the index */
	bool other;
};

static void compare_line(void *ctx, const struct uidlist_entry *entry)
{
	struct uid_search *search = ctx;

	if (entry->uid == search->uid)
		search->other = !str_equal(entry->base, search->base);
}

int maildir_gone(struct driver_box *box, uint32_t uid, struct str base,
		 struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "gone");
	struct uid_search search = {.uid = uid, .base = base};
	struct uidlist_mark mark = {.lines = 0};
	struct uidlist_header header;

	if (uidlist_read(uidlist_path(ctx, box), false, &mark, &header,
			 compare_line, &search, err) == 0 &&
	    search.other)
		return driver_bad_record(box, uid, err);
	return err_set(err, ERR_EXPUNGED, "%s: UID %u is gone", box->path, uid);
}

/* reading */

static int open_file(struct driver_box *box, char dir, struct str name,
		     struct driver_mail_file *out, struct err *err)
{
	int dir_fd = maildir_dir_fd(box, dir, err);
	char file[256];
	struct stat st;
	int fd;

	if (dir_fd < 0)
		return -1;
	memcpy(file, name.data, name.len); /* below 256: record_name_get() */
	file[name.len] = '\0';
	fd = openat(dir_fd, file,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_sys(err, "open(%s/%s/%s)", box->path,
			       dir == 'n' ? "new" : "cur", file);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fd_close(&fd);
		return err_set(err, ERR_INVALID, "%s/%s is not a regular file",
			       box->path, file);
	}
	out->fd = fd;
	out->offset = 0;
	out->len = (uint64_t)st.st_size;
	return 0;
}

/* The new name stays allocated below the box until the record's next change:
 * it is rare, and the box goes with its session. */
static int open_renamed(struct driver_box *box, struct index_record *record,
			const struct record_name *name,
			struct driver_mail_file *out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "find");
	struct file_name parsed;
	char dir, *file;
	int ret;

	maildir_dirs_forget(box);
	file_name_parse(name->name, &parsed);
	ret = maildir_find(ctx, box, parsed.base, &dir, &file, err);
	if (ret < 0)
		return -1;
	if (ret == 0)
		return maildir_gone(box, record->uid, parsed.base, err);
	if (open_file(box, dir, str_of(file), out, err) < 0)
		return err->code == ERR_NOT_FOUND
			       ? maildir_gone(box, record->uid, parsed.base,
					      err)
			       : -1;
	record->driver = record_name_make(box, dir, str_of(file), name->ext);
	return 0;
}

int maildir_open_mail(struct driver_box *box, struct index_record *record,
		      struct driver_mail_file *out, struct err *err)
{
	struct record_name name;

	if (!record_name_get(record->driver, &name))
		return driver_bad_record(box, record->uid, err);
	if (open_file(box, name.dir, name.name, out, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	return open_renamed(box, record, &name, out, err);
}

void maildir_looked(const struct driver_box *box, const struct stat *st,
		    struct index_record *record)
{
	uint64_t size = (uint64_t)st->st_size;

	/* Sizes in the name are not always right: then neither is W=. */
	if (box->location->settings->maildir_broken_filename_sizes ||
	    (record->size_physical != UINT64_MAX &&
	     record->size_physical != size) ||
	    record->size_virtual < size)
		record->size_virtual = UINT64_MAX;
	record->size_physical = size;
	record->received = st->st_mtime;
	if (record->saved == INDEX_TIME_UNKNOWN) /* a copy knows it */
		record->saved = st->st_ctime;
}

int maildir_look(struct driver_box *box, struct index_record *record,
		 struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	struct driver_mail_file file;
	struct stat st;

	if (maildir_open_mail(box, record, &file, err) < 0)
		return -1;
	fd = file.fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", box->path);
	maildir_looked(box, &st, record);
	return 0;
}

char *maildir_guid(const void *ctx, const struct index_record *record)
{
	struct record_name name;
	struct file_name parsed;
	struct str guid;

	if (!record_name_get(record->driver, &name))
		return mem_strdup(ctx, "");
	guid = ext_field(name.ext, 'G');
	if (guid.len > 0)
		return str_dup(ctx, guid);
	file_name_parse(name.name, &parsed);
	return str_dup(ctx, parsed.base);
}

/* flags */

static uint32_t letters_of(const struct index_record *record)
{
	return (uint32_t)(record->keywords.bits[0] &
			  ((1U << MAILDIR_KEYWORDS) - 1));
}

/* Somebody renamed it: what he changed stays, and what we change is added. */
static int merge_foreign(struct index_txn *txn, struct driver_box *box,
			 struct index_record *record, const char *file,
			 struct err *err)
{
	uint32_t mine = letters_of(record), was, now;
	struct index_record old;
	struct file_name found;

	if (index_record_get(txn, box->id, record->uid, &old, err) < 0)
		return -1;
	file_name_parse(str_of(file), &found);
	was = letters_of(&old);
	now = (found.keywords & ~(was & ~mine)) | (mine & ~was);
	record->flags =
		(uint8_t)((found.flags & ~(old.flags & ~record->flags)) |
			  (record->flags & ~old.flags));
	record->keywords.bits[0] ^= mine ^ now;
	return 0;
}

/* Returns 1 when done, 0 when the file is not where it was. */
static int rename_to_flags(const void *ctx, struct driver_box *box,
			   struct index_record *record, char dir,
			   struct str file, struct str ext, struct err *err)
{
	/* Of the record: what it becomes, and in it the name. */
	char *data = mem_array(ctx, char,
			       file.len + FILE_FLAGS_ROOM + ext.len + 2);
	char *to = data + 1, from[256];
	size_t len = file_name_flags_put(to, file, record->flags,
					 letters_of(record));
	int from_fd = maildir_dir_fd(box, dir, err);
	int to_fd = maildir_dir_fd(box, 'c', err);

	if (from_fd < 0 || to_fd < 0)
		return -1;
	memcpy(from, file.data, file.len); /* below 256 */
	from[file.len] = '\0';
	if (dir != 'c' || !str_is(file, to)) {
		if (renameat(from_fd, from, to_fd, to) < 0)
			return errno == ENOENT
				       ? 0
				       : err_sys(err, "rename(%s/cur/%s)",
						 box->path, to);
		witness_own(&maildir_box_get(box)->witness,
			    dir == 'c' ? 2 : 1);
	}
	data[0] = 'c';
	if (ext.len > 0)
		memcpy(to + ++len, ext.data, ext.len);
	record->driver = str_n(data, 1 + len + ext.len);
	return 1;
}

/* Others renamed it: from where it is now. */
static int rename_found(const void *ctx, struct index_txn *txn,
			struct driver_box *box, struct index_record *record,
			const struct record_name *name, struct err *err)
{
	struct file_name parsed;
	char dir, *file;
	int ret;

	maildir_dirs_forget(box);
	file_name_parse(name->name, &parsed);
	ret = maildir_find(ctx, box, parsed.base, &dir, &file, err);
	if (ret > 0 && merge_foreign(txn, box, record, file, err) < 0)
		return -1;
	if (ret > 0)
		ret = rename_to_flags(ctx, box, record, dir, str_of(file),
				      name->ext, err);
	return ret == 0 ? maildir_gone(box, record->uid, parsed.base, err)
			: ret;
}

int maildir_write_flags(const void *ctx, struct index_txn *txn,
			struct driver_box *box, struct index_box *index_box,
			struct index_record *record, struct err *err)
{
	struct record_name name;
	int ret;

	if (!record_name_get(record->driver, &name))
		return driver_bad_record(box, record->uid, err);
	if (keywords_ensure(box, txn, index_box, letters_of(record), false,
			    err) < 0 ||
	    batch_begin(box, index_box,
			name.dir == 'n' ? PENDING_BOTH : PENDING_CUR, err) < 0)
		return -1;
	ret = rename_to_flags(ctx, box, record, name.dir, name.name, name.ext,
			      err);
	if (ret == 0) {
		batch_spoil(index_box, PENDING_BOTH);
		ret = rename_found(ctx, txn, box, record, &name, err);
	}
	return ret < 0 ? -1 : 0;
}

/* 0 if it is not there. */
static int unlink_file(struct driver_box *box, char dir, const char *file,
		       struct err *err)
{
	int dir_fd = maildir_dir_fd(box, dir, err);

	if (dir_fd < 0)
		return -1;
	if (unlinkat(dir_fd, file, 0) == 0) {
		if (dir == 'c')
			witness_own(&maildir_box_get(box)->witness, 1);
		return 1;
	}
	/* A directory in its place is no mail, for the sync neither. */
	if (errno == ENOENT || errno == EISDIR)
		return 0;
	return err_sys(err, "unlink(%s/%s/%s)", box->path,
		       dir == 'n' ? "new" : "cur", file);
}

int maildir_remove_mail(struct index_txn *txn, struct driver_box *box,
			struct index_box *index_box,
			const struct index_record *record, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");
	struct record_name name;
	struct file_name parsed;
	char dir, *file;
	int ret;

	(void)txn;
	if (!record_name_get(record->driver, &name))
		return driver_bad_record(box, record->uid, err);
	if (batch_begin(box, index_box,
			name.dir == 'n' ? PENDING_NEW : PENDING_CUR, err) < 0)
		return -1;
	file = str_dup(ctx, name.name);
	ret = unlink_file(box, name.dir, file, err);
	if (ret != 0)
		return ret < 0 ? -1 : 0;
	batch_spoil(index_box, PENDING_BOTH);
	maildir_dirs_forget(box);
	file_name_parse(name.name, &parsed);
	ret = maildir_find(ctx, box, parsed.base, &dir, &file, err);
	/* Gone is what was wanted. */
	if (ret > 0)
		ret = unlink_file(box, dir, file, err);
	return ret < 0 ? -1 : 0;
}

int maildir_flush(struct index_txn *txn, struct driver_box *box,
		  struct index_box *index_box, bool keywords_changed,
		  struct err *err)
{
	struct maildir_state state;

	state_get(index_box, &state);
	/* Letters in names of files were written before they were used. If
	 * somebody gave others new names, the next sync takes them over; mails
	 * that were published can't be begun again. */
	if (keywords_changed) {
		if (keywords_write(box, txn, &state, false, err) == 0)
			state_put(index_box, &state);
		else if (err->code != ERR_CHANGED)
			return -1;
	}
	if ((state.pending & PENDING_CUR) != 0 &&
	    (maildir_fsync_always(box->location) ||
	     (box->durable && !maildir_fsync_never(box->location))) &&
	    maildir_dir_fsync(box, 'c', err) < 0)
		return -1;
	if (batch_end(box, index_box, 1, err) < 0)
		return -1;
	return index_box_put(txn, index_box, err);
}
