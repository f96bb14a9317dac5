/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/shift.c - expunged mails out of a file on a full disk, where
 * there is no room for a journal with the text.
 *
 * The journal's head says: what is at `from` and behind it goes to `start`.
 * Each step moves less than what lies between the two, so that what is to be
 * moved stays where it is until the head has gone on, and there is an octet for
 * the mark; a kill at any moment leaves a head that is right. The head's room
 * was taken with the first write to the mailbox.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "storage/mbox/journal.h"

/* What is left between the two, so that it goes on. */
enum { GAP_MIN = 32 };

static int put_head(const struct driver_box *box, int journal,
		    struct journal_head *head, int fd, struct err *err)
{
	head->phase = JOURNAL_SHIFT;
	if (mbox_fsync(box, fd, err) < 0 ||
	    journal_take_context(box, fd, head, err) < 0)
		return -1;
	return journal_head_only(box, journal, head, err);
}

/* All is moved: the mark, as in journal.c, and the cut. */
static int cut(const struct driver_box *box, struct journal_head *head, int fd,
	       struct err *err)
{
	if (mbox_write_at(box, fd, "", 1, head->start, err) < 0 ||
	    mbox_fsync(box, fd, err) < 0)
		return -1;
	return journal_cut(box, fd, head->start, err);
}

int journal_shift_rest(const struct driver_box *box, int journal,
		       struct journal_head *head, int fd, struct err *err)
{
	while (head->from < head->old_size && head->start + 1 < head->from) {
		uint64_t n = head->from - head->start - 1;

		if (n > head->old_size - head->from)
			n = head->old_size - head->from;
		if (journal_copy_text(box, fd, head->from, fd, head->start, n,
				      err) < 0)
			return -1;
		head->start += n;
		head->from += n;
		/* The mark before a head that asks for it. */
		if (head->from == head->old_size &&
		    mbox_write_at(box, fd, "", 1, head->start, err) < 0)
			return -1;
		if (put_head(box, journal, head, fd, err) < 0)
			return -1;
	}
	return cut(box, head, fd, err);
}

/* as the rewrite walks through the file */

static int step(struct mbox_journal *journal, struct err *err)
{
	struct journal_head head = {
		.start = journal->start + journal->buf.len,
		.from = journal->from,
		.old_size = journal->old_size,
	};

	if (mbox_write_at(journal->box, journal->target, journal->buf.data,
			  journal->buf.len, journal->start, err) < 0 ||
	    (head.from == head.old_size &&
	     mbox_write_at(journal->box, journal->target, "", 1, head.start,
			   err) < 0) ||
	    put_head(journal->box, journal->fd, &head, journal->target, err) <
		    0)
		return -1;
	journal->start = head.start;
	journal->safe = head.from;
	buf_reset(&journal->buf);
	return 0;
}

int journal_shift_begin(struct mbox_journal *journal, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", journal->box->path);
	journal->old_size = (uint64_t)st.st_size;
	journal->armed = true;
	return step(journal, err);
}

/* How much fits in front of what must not be touched yet. */
static uint64_t room(const struct mbox_journal *journal)
{
	uint64_t room = journal->safe - journal->start - journal->buf.len - 1;

	if (room > JOURNAL_PIECE - journal->buf.len)
		room = JOURNAL_PIECE - journal->buf.len;
	return room;
}

bool mbox_journal_fits(const struct mbox_journal *journal, uint64_t from,
		       uint64_t len)
{
	return journal->kind != MBOX_JOURNAL_SHIFT ||
	       (len <= JOURNAL_PIECE &&
		mbox_journal_at(journal) + len + GAP_MIN <= from);
}

/* In place of what ends at `from`, which comes next. */
int journal_shift_add(struct mbox_journal *journal, const void *data,
		      size_t len, struct err *err)
{
	if (len > room(journal) && step(journal, err) < 0)
		return -1;
	if (len > room(journal))
		return err_set(err, ERR_NO_SPACE, "%s: no room to write in",
			       journal->box->path);
	buf_append(&journal->buf, data, len);
	return 0;
}

int journal_shift_copy(struct mbox_journal *journal, uint64_t at, uint64_t len,
		       struct err *err)
{
	while (len > 0) {
		uint64_t take = room(journal);
		char *space;

		/* What comes before is gone, or written already. */
		if (take == 0) {
			journal->from = at;
			if (step(journal, err) < 0)
				return -1;
			take = room(journal);
			if (take == 0)
				return err_set(err, ERR_NO_SPACE,
					       "%s: no room to write in",
					       journal->box->path);
		}
		if (take > len)
			take = len;
		space = buf_space(&journal->buf, (size_t)take);
		if (mbox_read_at(journal->box, journal->target, space,
				 (size_t)take, at, err) < 0)
			return -1;
		buf_grew(&journal->buf, (size_t)take);
		at += take;
		len -= take;
		journal->from = at;
	}
	return 0;
}

int journal_shift_commit(struct mbox_journal *journal, struct err *err)
{
	struct journal_head head = {0};

	journal->from = journal->old_size;
	if (step(journal, err) < 0)
		return -1;
	head.start = journal->start;
	head.old_size = journal->old_size;
	if (cut(journal->box, &head, journal->target, err) < 0)
		return -1;
	return journal_clear(journal->box, journal->fd, true, err);
}
