/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/save.c - new mails: tmp/, then new/ (without flags) or cur/,
 * then a line in the uidlist; the index comes last. A crash in between leaves a
 * file, or a file and its UID, for the next sync. A copy needs no tmp/: the
 * file is whole, and gets another name where it goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/maildir/sync.h"
#include "storage/user.h"

enum {
	LINE_SIZE = 1024,
	GUID_MAX = 200,
	BASE_ROOM = 256,
	UIDLIST_SPARE = 1000
};

struct maildir_save {
	struct driver_save pub; /* first */
	char *base;             /* of the temporary file */
	/* A copy: of this file, there. */
	struct driver_box *from;
	struct record_name source;
	uint32_t source_uid;
	/* Where it went: the record's driver data, and what is in them. */
	struct str data;
	char dir;
	char *name;
	size_t base_len;
	struct str ext; /* for the uidlist */
	bool published;
	int64_t begun; /* seconds: no write to the file was before */
};

static struct maildir_save *save_of(struct driver_save *save)
{
	return save->driver;
}

static struct maildir_save *save_new(const void *ctx, struct driver_box *box)
{
	struct maildir_save *save = mem_new(ctx, struct maildir_save);

	save->base = file_name_new(save);
	save->pub.box = box;
	save->pub.fd = -1;
	save->pub.driver = save;
	return save;
}

static void temp_unlink(struct maildir_save *save)
{
	struct err err;
	int dir = maildir_dir_fd(save->pub.box, 't', &err);

	if (dir >= 0)
		unlinkat(dir, save->base, 0);
}

static int temp_open(struct maildir_save *save, struct err *err)
{
	const struct rights *rights = rights_of_box(save->pub.box);
	int dir = maildir_dir_fd(save->pub.box, 't', err), fd;

	if (dir < 0)
		return -1;
	save->begun = (int64_t)time(NULL);
	fd = openat(dir, save->base,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    rights->file_mode);
	if (fd < 0)
		return err_sys(err, "open(%s)", save->pub.temp);
	if (rights_give(rights, fd, save->pub.temp, err) < 0) {
		fd_close(&fd);
		temp_unlink(save);
		return -1;
	}
	save->pub.fd = fd;
	return 0;
}

int maildir_save_begin(const void *ctx, struct driver_box *box,
		       struct driver_save **out, struct err *err)
{
	struct maildir_save *save = save_new(ctx, box);

	save->pub.temp = mem_printf(save, "%s/tmp/%s", box->path, save->base);
	if (temp_open(save, err) < 0) {
		maildir_dirs_forget(box);
		if (err->code != ERR_NOT_FOUND ||
		    maildir_make_dirs(box->location, rights_of_box(box),
				      box->path, err) < 0 ||
		    temp_open(save, err) < 0) {
			mem_free(save);
			return -1;
		}
	}
	*out = &save->pub;
	return 0;
}

/* A mail that came just now has that time, unless a second ended meanwhile. */
static bool has_time(const struct maildir_save *save)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return save->pub.received == save->begun && save->begun == now.tv_sec;
}

int maildir_save_complete(struct driver_save *save, struct err *err)
{
	int fd = save->fd, ret = 0;

	const struct timespec times[2] = {{.tv_sec = save->received},
					  {.tv_sec = save->received}};

	save->fd = -1;
	if (!has_time(save_of(save)) && futimens(fd, times) < 0)
		ret = err_sys(err, "futimens(%s)", save->temp);
	if (ret == 0 && !maildir_fsync_never(save->box->location) &&
	    fdatasync(fd) < 0)
		ret = err_sys(err, "fdatasync(%s)", save->temp);
	if (close(fd) < 0 && ret == 0)
		ret = err_sys(err, "close(%s)", save->temp);
	return ret;
}

/* a copy by hard link */

static bool link_possible(struct driver_box *box, struct driver_box *from,
			  const struct index_record *record)
{
	const struct rights *to_rights = rights_of_box(box);
	const struct rights *from_rights = rights_of_box(from);

	return box->location->settings->maildir_copy_with_hardlinks &&
	       to_rights->file_mode == from_rights->file_mode &&
	       to_rights->gid == from_rights->gid &&
	       record->size_physical != UINT64_MAX &&
	       record->size_virtual != UINT64_MAX;
}

int maildir_save_link(const void *ctx, struct driver_box *box,
		      struct driver_box *from,
		      const struct index_record *record,
		      struct driver_save **out, struct err *err)
{
	struct maildir_save *save;
	struct record_name name;

	if (!link_possible(box, from, record))
		return err_set(err, ERR_UNSUPPORTED, "no hard link");
	if (!record_name_get(record->driver, &name))
		return driver_bad_record(from, record->uid, err);
	save = save_new(ctx, box);
	save->from = from;
	save->source.dir = name.dir;
	save->source.name = str_of(str_dup(save, name.name));
	save->source_uid = record->uid;
	save->pub.size_physical = record->size_physical;
	save->pub.size_virtual = record->size_virtual;
	save->pub.received = record->received;
	/* It is the same mail, under a base name of its own. */
	save->pub.guid = maildir_guid(save, record);
	*out = &save->pub;
	return 0;
}

/* publishing */

static bool guid_ok(const char *guid)
{
	size_t len = strlen(guid);

	if (len == 0 || len > GUID_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)guid[i] <= ' ' || guid[i] == 127)
			return false;
	}
	return true;
}

static uint32_t letters_of(const struct keywords *keywords)
{
	return (uint32_t)(keywords->bits[0] & ((1U << MAILDIR_KEYWORDS) - 1));
}

static size_t base_put(const struct maildir_save *save, char room[BASE_ROOM])
{
	const struct driver_save *pub = &save->pub;
	int len = snprintf(room, BASE_ROOM, "%s,S=%ju", save->base,
			   (uintmax_t)pub->size_physical);

	if (pub->size_virtual != UINT64_MAX)
		len += snprintf(room + len, BASE_ROOM - (size_t)len, ",W=%ju",
				(uintmax_t)pub->size_virtual);
	return (size_t)len;
}

static void name_save(struct maildir_save *save)
{
	const struct driver_save *pub = &save->pub;
	uint32_t letters = letters_of(&pub->keywords);
	char room[BASE_ROOM], *data;
	struct str base = str_n(room, base_put(save, room));
	struct str guid = STR("");
	size_t len = base.len;

	if (pub->guid != NULL && guid_ok(pub->guid) && !str_is(base, pub->guid))
		guid = str_of(pub->guid);
	data = mem_array(save, char, base.len + FILE_FLAGS_ROOM + guid.len + 3);
	save->name = data + 1;
	save->dir = 'n';
	if ((pub->flags & ~MAIL_RECENT) != 0 || letters != 0) {
		save->dir = 'c';
		len = file_name_flags_put(save->name, base, pub->flags,
					  letters);
	} else {
		memcpy(save->name, base.data, len);
	}
	save->base_len = base.len;
	data[0] = save->dir;
	save->data = str_n(data, 1 + len);
	save->ext = STR("");
	if (guid.len == 0)
		return;
	data[len + 2] = 'G';
	memcpy(data + len + 3, guid.data, guid.len);
	save->ext = str_n(data + len + 2, 1 + guid.len);
	save->data.len += 1 + save->ext.len;
}

/* 0: the mail is not where it was. */
static int link_source(struct maildir_save *save, struct err *err)
{
	const char *file = save->source.name.data;
	int from = maildir_dir_fd(save->from, save->source.dir, err);
	int to = maildir_dir_fd(save->pub.box, save->dir, err);

	if (from < 0 || to < 0)
		return -1;
	if (linkat(from, file, to, save->name, 0) == 0)
		return 1;
	if (errno == EXDEV || errno == EMLINK || errno == EPERM ||
	    errno == EACCES)
		return err_set(err, ERR_UNSUPPORTED, "link(%s) is not possible",
			       file);
	return errno == ENOENT
		       ? 0
		       : err_sys(err, "link(%s/%s)", save->from->path, file);
}

/* The mail is looked for if others renamed it. */
static int publish_link(struct maildir_save *save, struct err *err)
{
	int ret = link_source(save, err);
	struct file_name parsed;
	char *file;

	if (ret != 0)
		return ret;
	file_name_parse(save->source.name, &parsed);
	maildir_dirs_forget(save->from);
	maildir_dirs_forget(save->pub.box);
	ret = maildir_find(save, save->from, parsed.base, &save->source.dir,
			   &file, err);
	if (ret > 0) {
		save->source.name = str_of(file);
		ret = link_source(save, err);
	}
	return ret == 0 ? maildir_gone(save->from, save->source_uid,
				       parsed.base, err)
			: ret;
}

static int publish_temp(struct maildir_save *save, struct err *err)
{
	int from = maildir_dir_fd(save->pub.box, 't', err);
	int to = maildir_dir_fd(save->pub.box, save->dir, err);

	if (from < 0 || to < 0)
		return -1;
	return renameat(from, save->base, to, save->name) == 0
		       ? 0
		       : err_sys(err, "rename(%s, %s)", save->pub.temp,
				 save->name);
}

static int publish_one(struct maildir_save *save, struct err *err)
{
	if ((save->from != NULL ? publish_link(save, err)
				: publish_temp(save, err)) < 0)
		return -1;
	save->published = true;
	if (save->dir == 'c')
		witness_own(&maildir_box_get(save->pub.box)->witness, 1);
	return 0;
}

static void take_back_one(struct maildir_save *save)
{
	struct err err;
	int dir = maildir_dir_fd(save->pub.box, save->dir, &err);

	if (dir >= 0)
		unlinkat(dir, save->name, 0);
	save->published = false;
}

static void take_back(struct driver_save **saves, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct maildir_save *save = save_of(saves[i]);

		if (save->published)
			take_back_one(save);
	}
}

/* Bring in UIDs that another server gave out meanwhile. */
static int follow_uidlist(struct driver_box *box, struct index_txn *txn,
			  struct index_box *index_box, const char *path,
			  struct err *err)
{
	struct maildir_state state;
	struct file_mark mark;

	state_get(index_box, &state);
	if (file_mark_get(path, &mark, err) < 0)
		return -1;
	if (state.valid && mark.ino != 0 &&
	    file_mark_same(&mark, &state.uidlist.file))
		return 0;
	return sync_within(box, txn, index_box, err);
}

/* Nothing but the renames lies between the looks at the directories, for what
 * others do there meanwhile goes unseen (state.c). */
static int publish_files(struct driver_box *box, struct index_box *index_box,
			 struct driver_save **saves, size_t count,
			 struct err *err)
{
	unsigned dirs = 0;

	for (size_t i = 0; i < count; i++)
		dirs |= save_of(saves[i])->dir == 'n' ? PENDING_NEW
						      : PENDING_CUR;
	if (batch_begin(box, index_box, dirs, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (publish_one(save_of(saves[i]), err) < 0)
			return -1;
	}
	if (batch_end(box, index_box, (uint32_t)count, err) < 0)
		return -1;
	if (maildir_fsync_never(box->location))
		return 0;
	if ((dirs & PENDING_NEW) != 0 && maildir_dir_fsync(box, 'n', err) < 0)
		return -1;
	return (dirs & PENDING_CUR) != 0 ? maildir_dir_fsync(box, 'c', err) : 0;
}

/* Lines that are left from expunged mails are dropped when they are more than
 * the others: that costs O(1) for each expunge. */
static int tidy_uidlist(struct driver_box *box, struct index_txn *txn,
			const struct index_box *index_box,
			struct maildir_state *state, struct err *err)
{
	if (state->uidlist.lines / 2 <=
	    index_box->counts.messages + UIDLIST_SPARE)
		return 0;
	return uidlist_rewrite(box, txn, index_box, state, err);
}

static int publish_uids(struct driver_box *box, struct index_txn *txn,
			struct index_box *index_box, const char *path,
			struct driver_save **saves, size_t count,
			struct err *err)
{
	CLEANUP(buf_free) struct buf lines = buf_init(count * LINE_SIZE);
	uint32_t uid = index_box->uid_next;
	struct maildir_state state;

	state_get(index_box, &state);
	if (uid > UINT32_MAX - count - 1)
		return err_set(err, ERR_LIMIT, "no UIDs are left");
	if (tidy_uidlist(box, txn, index_box, &state, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct maildir_save *save = save_of(saves[i]);

		save->pub.uid = uid++;
		uidlist_line(&lines, save->pub.uid, save->ext,
			     str_n(save->name, save->base_len));
		if (save->dir == 'n' && state.first_new_uid > save->pub.uid)
			state.first_new_uid = save->pub.uid;
	}
	if (lines.overflow)
		return err_set(err, ERR_LIMIT, "file names are too long");
	if (uidlist_append(path, str_n(lines.data, lines.len), (uint32_t)count,
			   uid - 1, !maildir_fsync_never(box->location),
			   &state.uidlist, err) < 0)
		return -1;
	state_put(index_box, &state);
	return 0;
}

static int publish_locked(struct driver_box *box, struct index_txn *txn,
			  struct index_box *index_box, const char *path,
			  struct driver_save **saves, size_t count,
			  struct err *err)
{
	uint32_t letters = 0;

	for (size_t i = 0; i < count; i++) {
		letters |= letters_of(&saves[i]->keywords);
		name_save(save_of(saves[i]));
	}
	if (follow_uidlist(box, txn, index_box, path, err) < 0 ||
	    keywords_ensure(box, txn, index_box, letters, true, err) < 0)
		return -1;
	if (publish_files(box, index_box, saves, count, err) < 0 ||
	    publish_uids(box, txn, index_box, path, saves, count, err) < 0) {
		take_back(saves, count);
		return -1;
	}
	return 0;
}

int maildir_save_publish(const void *ctx, struct index_txn *txn,
			 struct index_box *index_box,
			 struct driver_save **saves, size_t count,
			 struct str *driver_data_out, struct err *err)
{
	struct driver_box *box;
	char *path;
	int ret;

	if (count == 0)
		return 0;
	box = saves[0]->box;
	path = uidlist_path(ctx, box);
	if (maildir_lock(box, path, err) < 0)
		return -1;
	ret = publish_locked(box, txn, index_box, path, saves, count, err);
	dotlock_release(path);
	if (ret == 0 && index_box_put(txn, index_box, err) < 0) {
		take_back(saves, count);
		ret = -1;
	}
	for (size_t i = 0; ret == 0 && i < count; i++)
		driver_data_out[i] = save_of(saves[i])->data;
	return ret;
}

void maildir_save_end(struct driver_save *pub)
{
	struct maildir_save *save = save_of(pub);

	fd_close(&pub->fd);
	if (save->published && pub->failed)
		take_back_one(save);
	else if (!save->published && save->from == NULL)
		temp_unlink(save);
	mem_free(save);
}
