/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/append.c - new mails behind the others, all or none of them.
 *
 * The journal's head says how many octets will come. Their last one is written
 * first, a line end, so that what others append after a kill lies behind ours
 * and begins a line; then the rest. What is missing after a kill or a power cut
 * is sectors of NULs, or the end: then all of it is taken out of the file again
 * (recover.c), for nobody was told that it is there. So two fsyncs are enough,
 * unless the same may be seen later for other reasons: NULs in the text, or one
 * of several mails expunged by others. Then a third one is for the journal.
 */
#include <assert.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "storage/mbox/journal.h"

void mbox_journal_expect(struct mbox_journal *journal, uint64_t len)
{
	journal->expected = len;
}

static int announce(struct mbox_journal *journal, struct err *err)
{
	const struct driver_box *box = journal->box;
	const struct buf *buf = &journal->buf;
	struct journal_head head = {
		.phase = JOURNAL_APPEND,
		.start = journal->start,
		.len = journal->expected,
		.old_size = journal->start,
		.probe_len = buf->len < JOURNAL_CONTEXT ? (uint32_t)buf->len
							: JOURNAL_CONTEXT,
	};

	memcpy(head.probe, buf->data, head.probe_len);
	journal->armed = true;
	if (journal_head_only(box, journal->fd, &head, err) < 0)
		return -1;
	return mbox_write_at(box, journal->target, "\n", 1,
			     journal->start + journal->expected - 1, err);
}

static int put(struct mbox_journal *journal, struct err *err)
{
	struct buf *buf = &journal->buf;

	if ((!journal->armed && announce(journal, err) < 0) ||
	    mbox_write_at(journal->box, journal->target, buf->data, buf->len,
			  journal->start + journal->filed, err) < 0)
		return -1;
	journal->filed += buf->len;
	buf_reset(buf);
	return 0;
}

int journal_append_add(struct mbox_journal *journal, const void *data,
		       size_t len, struct err *err)
{
	journal->len += len;
	if (len == 0)
		return 0;
	journal->thorough |= memchr(data, '\0', len) != NULL;
	buf_append(&journal->buf, data, len);
	return journal->buf.len < JOURNAL_PIECE ? 0 : put(journal, err);
}

int journal_append_commit(struct mbox_journal *journal, struct err *err)
{
	if (journal->buf.overflow)
		return err_set(err, ERR_LIMIT, "too much at once");
	assert(journal->expected == journal->len);
	if (put(journal, err) < 0 ||
	    mbox_fsync(journal->box, journal->target, err) < 0 ||
	    journal_clear(journal->box, journal->fd, journal->thorough, err) <
		    0)
		return -1;
	journal->armed = false;
	return 0;
}

/* What can't be taken back here is taken out by whoever comes next. */
void journal_append_end(struct mbox_journal *journal)
{
	struct stat st;
	struct err err;

	if (!journal->armed)
		return;
	if ((fstat(journal->target, &st) == 0 &&
	     (uint64_t)st.st_size > journal->start &&
	     journal_cut(journal->box, journal->target, journal->start, &err) <
		     0) ||
	    journal_clear(journal->box, journal->fd, true, &err) < 0)
		log_error("%s", err.text);
}

/* after a kill */

static bool begins(const struct journal_head *head, const char *now, size_t len)
{
	for (size_t i = 0; i < head->probe_len && i < len; i++) {
		if (now[i] != head->probe[i] && now[i] != '\0')
			return false;
	}
	return true;
}

/* Whether a sector of what is at `at`, or the part of one that is in `text`, is
 * all NUL. */
static bool has_hole(const char *text, size_t len, uint64_t at)
{
	for (size_t i = 0; i < len;) {
		size_t n = MBOX_SECTOR - (at + i) % MBOX_SECTOR;

		if (n > len - i)
			n = len - i;
		if (text[i] == '\0' &&
		    memcmp(text + i, text + i + 1, n - 1) == 0)
			return true;
		i += n;
	}
	return false;
}

int journal_append_is_torn(const struct driver_box *box, int fd,
			   const struct journal_head *head, uint64_t size,
			   uint64_t *end_out, struct err *err)
{
	CLEANUP(buf_free) struct buf buf = buf_init(JOURNAL_PIECE + 1);
	char *text = buf_space(&buf, JOURNAL_PIECE);
	/* Without the octet that was written first. */
	uint64_t end = head->start + head->len - 1;

	if (size <= head->start || head->len == 0)
		return 0;
	*end_out = end + 1;
	if (size < *end_out)
		end = *end_out = size;
	for (uint64_t at = head->start; at < end;) {
		size_t n = end - at < JOURNAL_PIECE ? (size_t)(end - at)
						    : JOURNAL_PIECE;

		if (at + n < end)
			n -= (size_t)((at + n) % MBOX_SECTOR);
		if (mbox_read_at(box, fd, text, n, at, err) < 0)
			return -1;
		if (at == head->start && !begins(head, text, n))
			return 0;
		if (has_hole(text, n, at))
			return 1;
		at += n;
	}
	return size < head->start + head->len;
}
