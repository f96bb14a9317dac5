/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/recover.c - finishing what a journal tells of after a kill or a
 * power cut.
 *
 * Others may have been at the file since. What they appended is kept; where
 * they changed what the journal is about, it is not believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/mbox/journal.h"

struct recovery {
	const struct driver_box *box;
	int journal, fd;
	struct journal_head head;
	uint64_t size; /* of the file */
};

static void tell(const struct recovery *recovery)
{
	log_warning("%s: finishing a write that was interrupted",
		    recovery->box->path);
}

/* Whether the text is the one that was summed. */
static int has_sum(const struct recovery *recovery, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sum");
	CLEANUP(buf_free) struct buf buf = buf_init(JOURNAL_PIECE + 1);
	char *space = buf_space(&buf, JOURNAL_PIECE);
	struct digest *sum = digest_new(ctx, "md5");
	unsigned char digest[DIGEST_MAX];

	if (sum == NULL)
		return err_set(err, ERR_UNSUPPORTED, "MD5 is not to be had");
	for (uint64_t at = 0; at < recovery->head.len;) {
		uint64_t left = recovery->head.len - at;
		size_t take =
			left < JOURNAL_PIECE ? (size_t)left : JOURNAL_PIECE;

		if (mbox_read_at(recovery->box, recovery->journal, space, take,
				 JOURNAL_HEAD + at, err) < 0)
			return -1;
		digest_add(sum, str_n(space, take));
		at += take;
	}
	digest_end(sum, digest);
	return memcmp(digest, recovery->head.sum, 16) == 0;
}

static bool has_context(const struct recovery *recovery)
{
	const struct journal_head *head = &recovery->head;
	char now[JOURNAL_CONTEXT];

	return pread(recovery->fd, now, head->context_len,
		     (off_t)(head->start - head->context_len)) ==
		       (ssize_t)head->context_len &&
	       memcmp(now, head->context, head->context_len) == 0;
}

/* By what is around the place that is to be written; the inode may be another
 * one, when all was restored from a backup. */
static bool is_same_file(const struct recovery *recovery)
{
	const struct journal_head *head = &recovery->head;
	bool shift = head->phase == JOURNAL_SHIFT;
	char now[JOURNAL_CONTEXT], text[JOURNAL_CONTEXT];
	ssize_t len, text_len = 0;

	if (head->phase == JOURNAL_APPEND)
		return true; /* see there */
	if (!has_context(recovery))
		return false;
	len = pread(recovery->fd, now, head->probe_len,
		    (off_t)(shift ? head->from : head->start));
	if (!shift)
		text_len = pread(recovery->journal, text,
				 head->len < head->probe_len ? head->len
							     : head->probe_len,
				 JOURNAL_HEAD);
	for (ssize_t i = 0; i < len; i++) {
		if (now[i] != head->probe[i] &&
		    (i >= text_len || now[i] != text[i]) &&
		    (i != text_len || now[i] != '\0'))
			return false;
	}
	return true;
}

/* a new end */

/* What others have appended comes behind the new text: it is part of the
 * journal from here on, and all begins again. */
static int take_appended(struct recovery *recovery, struct err *err)
{
	struct journal_head *head = &recovery->head;
	uint64_t more = recovery->size - head->old_size;

	if (journal_copy_text(recovery->box, recovery->fd, head->old_size,
			      recovery->journal, JOURNAL_HEAD + head->len, more,
			      err) < 0 ||
	    mbox_fsync(recovery->box, recovery->journal, err) < 0)
		return -1;
	head->phase = JOURNAL_TEXT;
	head->len += more;
	head->old_size = recovery->size;
	if (journal_head_write(recovery->box, recovery->journal, head, err) < 0)
		return -1;
	return mbox_fsync(recovery->box, recovery->journal, err);
}

static int finish_text(struct recovery *recovery, struct err *err)
{
	struct journal_head *head = &recovery->head;
	uint64_t end = head->start + head->len;
	char mark = 'x';

	if (head->phase == JOURNAL_CUT &&
	    (pread(recovery->fd, &mark, 1, (off_t)end) != 1 || mark != '\0'))
		return 0; /* it was cut */
	/* Too short, it is not the file that it was. */
	if (recovery->size < head->old_size || recovery->size < end)
		return 1;
	tell(recovery);
	if (end < head->old_size && recovery->size > head->old_size &&
	    take_appended(recovery, err) < 0)
		return -1;
	return journal_put_text(recovery->box, recovery->journal, head,
				recovery->fd, err);
}

/* What is from `start` to `from` goes; others may have appended since. */
static int take_out(struct recovery *recovery, struct err *err)
{
	struct journal_head *head = &recovery->head;

	if (recovery->size <= head->start)
		return 0;
	tell(recovery);
	if (recovery->size <= head->from)
		return journal_cut(recovery->box, recovery->fd, head->start,
				   err);
	head->old_size = recovery->size;
	head->len = 0;
	head->phase = JOURNAL_SHIFT;
	if (journal_take_context(recovery->box, recovery->fd, head, err) < 0 ||
	    journal_head_write(recovery->box, recovery->journal, head, err) <
		    0 ||
	    mbox_fsync(recovery->box, recovery->journal, err) < 0)
		return -1;
	return journal_shift_rest(recovery->box, recovery->journal, head,
				  recovery->fd, err);
}

/* The NULs that were to be the room for it go. */
static int finish_room(struct recovery *recovery, struct err *err)
{
	struct journal_head *head = &recovery->head;
	uint64_t end =
		head->from < recovery->size ? head->from : recovery->size;
	CLEANUP(buf_free) struct buf buf = buf_init(JOURNAL_PIECE + 1);
	char *space = buf_space(&buf, JOURNAL_PIECE);

	for (uint64_t at = head->start; at < end;) {
		size_t n = end - at < JOURNAL_PIECE ? (size_t)(end - at)
						    : JOURNAL_PIECE;

		if (mbox_read_at(recovery->box, recovery->fd, space, n, at,
				 err) < 0)
			return -1;
		/* Others were there before the file had got longer. */
		if (space[0] != '\0' || memcmp(space, space + 1, n - 1) != 0)
			return 0;
		at += n;
	}
	return take_out(recovery, err);
}

/* new mails */

static int finish_append(struct recovery *recovery, struct err *err)
{
	struct journal_head *head = &recovery->head;
	int ret = journal_append_is_torn(recovery->box, recovery->fd, head,
					 recovery->size, &head->from, err);

	return ret <= 0 ? ret : take_out(recovery, err);
}

/* the others */

static int finish_patches(struct recovery *recovery, struct err *err)
{
	CLEANUP(buf_free) struct buf buf = buf_init(JOURNAL_PIECE * 4);
	char *space = buf_space(&buf, (size_t)recovery->head.len);
	int ret = has_sum(recovery, err);

	if (ret <= 0 || space == NULL)
		return ret;
	tell(recovery);
	if (mbox_read_at(recovery->box, recovery->journal, space,
			 (size_t)recovery->head.len, JOURNAL_HEAD, err) < 0 ||
	    journal_put_patches(recovery->box,
				str_n(space, (size_t)recovery->head.len),
				recovery->fd, true, err) < 0)
		return -1;
	return mbox_fsync(recovery->box, recovery->fd, err);
}

static int finish_shift(struct recovery *recovery, struct err *err)
{
	struct journal_head *head = &recovery->head;
	char mark = 'x';

	if (head->start > head->from)
		return 1;
	if (head->from >= head->old_size &&
	    (pread(recovery->fd, &mark, 1, (off_t)head->start) != 1 ||
	     mark != '\0'))
		return 0; /* it was cut */
	if (recovery->size < head->old_size)
		return 1;
	tell(recovery);
	head->old_size = recovery->size;
	if (journal_head_write(recovery->box, recovery->journal, head, err) <
		    0 ||
	    mbox_fsync(recovery->box, recovery->journal, err) < 0)
		return -1;
	return journal_shift_rest(recovery->box, recovery->journal, head,
				  recovery->fd, err);
}

/* 1: others were there, it can't be done. */
static int finish(struct recovery *recovery, struct err *err)
{
	if (!is_same_file(recovery))
		return 1;
	switch (recovery->head.phase) {
	case JOURNAL_NONE:
		break;
	case JOURNAL_TEXT:
	case JOURNAL_CUT:
		return finish_text(recovery, err);
	case JOURNAL_APPEND:
		return finish_append(recovery, err);
	case JOURNAL_PATCH:
		return finish_patches(recovery, err);
	case JOURNAL_ROOM:
		return finish_room(recovery, err);
	case JOURNAL_SHIFT:
		return finish_shift(recovery, err);
	}
	return 0;
}

static int recover(struct recovery *recovery, struct err *err)
{
	const struct driver_box *box = recovery->box;
	struct stat st;
	int ret;

	if (!journal_head_read(recovery->journal, &recovery->head))
		return 0; /* not complete: nothing was done */
	if (fstat(recovery->fd, &st) < 0)
		return err_sys(err, "fstat(%s)", box->path);
	recovery->size = (uint64_t)st.st_size;
	ret = finish(recovery, err);
	if (ret > 0)
		log_error("%s: others changed it since a write was "
			  "interrupted, so that is not finished",
			  box->path);
	return ret < 0 ? -1 : 0;
}

int mbox_journal_recover(struct driver_box *box, int fd, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "recover");
	char *path = journal_path(ctx, box);
	CLEANUP(fd_close)
	int journal = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct recovery recovery = {.box = box, .journal = journal, .fd = fd};

	if (journal < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open(%s)", path);
	if (recover(&recovery, err) < 0 ||
	    journal_clear(box, journal, true, err) < 0)
		return -1;
	return 1;
}
