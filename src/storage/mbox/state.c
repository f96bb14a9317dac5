/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/state.c - what the index remembers of a file and of its mails.
 */
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "index/bytes.h"
#include "storage/mbox/mbox.h"

enum {
	STATE_VERSION = 1,
	RECORD_SIZE = 41,
	STATE_TAIL_ONLY = 1,
	STATE_GAPS = 2,
};

bool mbox_record_get(const struct index_record *record, struct mbox_record *out)
{
	const unsigned char *at = (const unsigned char *)record->driver.data;

	if (record->driver.len != RECORD_SIZE)
		return false;
	out->dirty = ((at[0] | record->mark) & MBOX_DIRTY) != 0;
	out->end_len = (at[0] >> 1) & 3;
	out->offset = le64_get(at + 1);
	out->body_len = le64_get(at + 9);
	out->from_len = le32_get(at + 17);
	out->header_len = le32_get(at + 21);
	memcpy(out->md5, at + 25, sizeof(out->md5));
	return out->offset <= INT64_MAX / 4 && out->body_len <= INT64_MAX / 4;
}

struct str mbox_record_make(const void *ctx, const struct mbox_record *data)
{
	unsigned char *at = mem_zero(ctx, 1, RECORD_SIZE, "record");

	at[0] = (unsigned char)((data->dirty ? MBOX_DIRTY : 0U) |
				(data->end_len << 1));
	le64_put(at + 1, data->offset);
	le64_put(at + 9, data->body_len);
	le32_put(at + 17, data->from_len);
	le32_put(at + 21, data->header_len);
	memcpy(at + 25, data->md5, sizeof(data->md5));
	return str_n(at, RECORD_SIZE);
}

void mbox_record_put(const void *ctx, const struct mbox_record *data,
		     struct index_record *record)
{
	record->driver = mbox_record_make(ctx, data);
	record->mark = 0;
}

uint64_t mbox_record_end(const struct mbox_record *record)
{
	return record->offset + record->from_len + record->header_len +
	       record->body_len + record->end_len;
}

void mbox_state_get(const struct index_box *box, struct mbox_state *out)
{
	const unsigned char *at = box->driver;

	memset(out, 0, sizeof(*out));
	out->dirty_first = UINT32_MAX;
	if (at[0] != STATE_VERSION)
		return;
	out->valid = true;
	out->tail_only = (at[1] & STATE_TAIL_ONLY) != 0;
	out->gaps = (at[1] & STATE_GAPS) != 0;
	out->mtime_nsec = le32_get(at + 4);
	out->mtime_sec = (int64_t)le64_get(at + 8);
	out->ino = le64_get(at + 16);
	out->size = le64_get(at + 24);
	out->first = le64_get(at + 32);
	out->base_at = le64_get(at + 40);
	out->base_uid = le32_get(at + 48);
	out->base_names = le32_get(at + 52);
	out->messages = le32_get(at + 56);
	out->dirty_first = le32_get(at + 60);
	out->dirty_last = le32_get(at + 64);
	out->old_below = le32_get(at + 68);
	out->tail_uid = le32_get(at + 72);
}

void mbox_state_put(struct index_box *box, const struct mbox_state *state)
{
	unsigned char *at = box->driver;

	memset(at, 0, sizeof(box->driver));
	at[0] = state->valid ? STATE_VERSION : 0;
	at[1] = (unsigned char)((state->tail_only ? STATE_TAIL_ONLY : 0) |
				(state->gaps ? STATE_GAPS : 0));
	le32_put(at + 4, state->mtime_nsec);
	le64_put(at + 8, (uint64_t)state->mtime_sec);
	le64_put(at + 16, state->ino);
	le64_put(at + 24, state->size);
	le64_put(at + 32, state->first);
	le64_put(at + 40, state->base_at);
	le32_put(at + 48, state->base_uid);
	le32_put(at + 52, state->base_names);
	le32_put(at + 56, state->messages);
	le32_put(at + 60, state->dirty_first);
	le32_put(at + 64, state->dirty_last);
	le32_put(at + 68, state->old_below);
	le32_put(at + 72, state->tail_uid);
}

void mbox_state_put_dirty(struct index_box *box, uint32_t uid)
{
	unsigned char *at = box->driver;

	if (at[0] != STATE_VERSION)
		return;
	if (uid < le32_get(at + 60))
		le32_put(at + 60, uid);
	if (uid > le32_get(at + 64))
		le32_put(at + 64, uid);
}

void mbox_state_dirty(struct mbox_state *state, uint32_t uid)
{
	if (uid < state->dirty_first)
		state->dirty_first = uid;
	if (uid > state->dirty_last)
		state->dirty_last = uid;
}

bool mbox_state_same_file(const struct mbox_state *state, const struct stat *st)
{
	return state->valid && state->ino == st->st_ino &&
	       state->size == (uint64_t)st->st_size &&
	       state->mtime_sec == st->st_mtim.tv_sec &&
	       state->mtime_nsec == (uint32_t)st->st_mtim.tv_nsec;
}

/* Before Linux 6.13 two changes within a tick of the clock (up to 10 ms) give
 * the same time: one nanosecond earlier is a time that no change of others in
 * this tick can give. Not everybody may set a file's time; then such a change
 * goes unseen if it leaves the size as it was. */
static void step_back(int fd, struct stat *st)
{
	struct timespec tick, times[2] = {{.tv_nsec = UTIME_OMIT}};

	clock_gettime(CLOCK_REALTIME_COARSE, &tick);
	if (tick.tv_sec != st->st_mtim.tv_sec ||
	    tick.tv_nsec != st->st_mtim.tv_nsec || tick.tv_nsec == 0)
		return;
	times[1] = st->st_mtim;
	times[1].tv_nsec--;
	if (futimens(fd, times) == 0)
		st->st_mtim = times[1];
}

int mbox_state_take_file(struct mbox_state *state, int fd, bool own,
			 struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(mbox)");
	if (own)
		step_back(fd, &st);
	state->ino = st.st_ino;
	state->size = (uint64_t)st.st_size;
	state->mtime_sec = st.st_mtim.tv_sec;
	state->mtime_nsec = (uint32_t)st.st_mtim.tv_nsec;
	return 0;
}
