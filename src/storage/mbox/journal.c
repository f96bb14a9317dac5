/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/journal.c - writing to a mailbox's file so that a kill or a
 * power cut at any moment loses nothing. See journal.h.
 *
 * A new end for the file: the text goes to `dovetail-mbox-journal` in the
 * mailbox's control directory; the file is made as long as the longer of both;
 * the journal's head says so; the text is copied into the file, and the file is
 * cut. Others, who know nothing of it, may append mails in between: they lie
 * behind the longer end and are kept. A NUL behind the new text tells that the
 * file was not cut yet.
 *
 * New mails need no text in the journal: see append.c. Changes in place that
 * are not within one sector: a list of them.
 */
#include "storage/mbox/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "index/bytes.h"
#include "storage/layout.h"

#define JOURNAL_NAME "dovetail-mbox-journal"

enum { BUFFER_MAX = 1 << 30 };

static const char magic[8] = "DTMBOXJ3";

char *journal_path(const void *ctx, const struct driver_box *box)
{
	return mem_printf(ctx, "%s/" JOURNAL_NAME, box->control);
}

/* What was done leaves the head behind: a full disk has room for that, then. */
bool mbox_journal_exists(const struct driver_box *box)
{
	char path[PATH_MAX];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/" JOURNAL_NAME, box->control) <
		       (int)sizeof(path) &&
	       stat(path, &st) == 0 && st.st_size > JOURNAL_HEAD;
}

/* the head */

static void head_pack(const struct journal_head *head,
		      unsigned char at[JOURNAL_HEAD])
{
	memset(at, 0, JOURNAL_HEAD);
	memcpy(at, magic, sizeof(magic));
	le32_put(at + 8, head->phase);
	le32_put(at + 12, head->context_len);
	le32_put(at + 16, head->probe_len);
	le64_put(at + 24, head->start);
	le64_put(at + 32, head->len);
	le64_put(at + 40, head->from);
	le64_put(at + 48, head->old_size);
	memcpy(at + 56, head->sum, sizeof(head->sum));
	memcpy(at + 72, head->context, sizeof(head->context));
	memcpy(at + 136, head->probe, sizeof(head->probe));
}

int journal_head_write(const struct driver_box *box, int journal,
		       const struct journal_head *head, struct err *err)
{
	unsigned char at[JOURNAL_HEAD];

	head_pack(head, at);
	return mbox_write_at(box, journal, at, JOURNAL_HEAD, 0, err);
}

int journal_head_only(const struct driver_box *box, int journal,
		      const struct journal_head *head, struct err *err)
{
	unsigned char at[JOURNAL_HEAD + 1] = {0};

	head_pack(head, at);
	if (mbox_write_at(box, journal, at, sizeof(at), 0, err) < 0)
		return -1;
	return mbox_fsync(box, journal, err);
}

bool journal_head_read(int journal, struct journal_head *out)
{
	unsigned char at[JOURNAL_HEAD];
	struct stat st;
	uint32_t phase;

	if (pread(journal, at, JOURNAL_HEAD, 0) != JOURNAL_HEAD ||
	    fstat(journal, &st) < 0 || memcmp(at, magic, sizeof(magic)) != 0)
		return false;
	phase = le32_get(at + 8);
	out->context_len = le32_get(at + 12);
	out->probe_len = le32_get(at + 16);
	if (phase < JOURNAL_TEXT || phase > JOURNAL_SHIFT ||
	    out->context_len > JOURNAL_CONTEXT ||
	    out->probe_len > JOURNAL_CONTEXT)
		return false;
	out->phase = (enum journal_phase)phase;
	out->start = le64_get(at + 24);
	out->len = le64_get(at + 32);
	out->from = le64_get(at + 40);
	out->old_size = le64_get(at + 48);
	memcpy(out->sum, at + 56, sizeof(out->sum));
	memcpy(out->context, at + 72, sizeof(out->context));
	memcpy(out->probe, at + 136, sizeof(out->probe));
	return out->start <= INT64_MAX / 4 && out->from <= INT64_MAX / 4 &&
	       out->old_size <= INT64_MAX / 4 &&
	       out->context_len <= out->start &&
	       (phase == JOURNAL_APPEND
			? out->len <= INT64_MAX / 4
			: out->len <= (uint64_t)st.st_size - JOURNAL_HEAD);
}

int journal_take_context(const struct driver_box *box, int fd,
			 struct journal_head *head, struct err *err)
{
	uint64_t probe =
		head->phase == JOURNAL_SHIFT ? head->from : head->start;
	uint64_t left = head->old_size - probe;

	head->context_len = head->start < JOURNAL_CONTEXT
				    ? (uint32_t)head->start
				    : JOURNAL_CONTEXT;
	head->probe_len =
		left < JOURNAL_CONTEXT ? (uint32_t)left : JOURNAL_CONTEXT;
	if (mbox_read_at(box, fd, head->probe, head->probe_len, probe, err) < 0)
		return -1;
	return mbox_read_at(box, fd, head->context, head->context_len,
			    head->start - head->context_len, err);
}

int journal_clear(const struct driver_box *box, int journal, bool durable,
		  struct err *err)
{
	static const unsigned char none[JOURNAL_HEAD];

	if (mbox_write_at(box, journal, none, JOURNAL_HEAD, 0, err) < 0)
		return -1;
	if (ftruncate(journal, JOURNAL_HEAD) < 0)
		return err_sys(err, "ftruncate(journal of %s)", box->path);
	return durable ? mbox_fsync(box, journal, err) : 0;
}

/* making one */

static int journal_destroy(struct mbox_journal *journal)
{
	if (journal->kind == MBOX_JOURNAL_APPEND) {
		journal_append_end(journal);
		/* Given up: it gives back its room. */
	} else if (!journal->armed && journal->filed > 0 &&
		   ftruncate(journal->fd, JOURNAL_HEAD) < 0) {
		log_error("ftruncate(journal of %s): %s", journal->box->path,
			  strerror(errno));
	}
	fd_close(&journal->fd);
	buf_free(&journal->buf);
	return 0;
}

/* It stays for ever, so that its name need not be made durable each time. */
static int open_file(struct mbox_journal *journal, struct err *err)
{
	const struct location *location = journal->box->location;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "journal");
	char *path = journal_path(ctx, journal->box);
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;

	journal->fd = open(path, flags);
	if (journal->fd >= 0)
		return 0;
	if (errno == ENOTDIR) /* it is not the mailbox that is not there */
		return err_set(err, ERR_TEMPORARY, "open(%s): %s", path,
			       strerror(errno));
	if (errno != ENOENT ||
	    layout_make_path(location, journal->box->control, err) < 0)
		return errno == ENOENT ? -1 : err_sys(err, "open(%s)", path);
	journal->fd = open(path, flags | O_CREAT, location->rights.file_mode);
	if (journal->fd < 0)
		return err_sys(err, "open(%s)", path);
	if (rights_give(&location->rights, journal->fd, path, err) < 0)
		return -1;
	if (journal_clear(journal->box, journal->fd, true, err) < 0)
		return -1;
	return layout_sync(location, journal->box->control, err);
}

int mbox_journal_begin(const void *ctx, struct driver_box *box,
		       enum mbox_journal_kind kind, int fd, uint64_t start,
		       uint64_t from, struct mbox_journal **out,
		       struct err *err)
{
	static const unsigned char head[JOURNAL_HEAD];
	struct mbox_journal *journal = mem_new(ctx, struct mbox_journal);

	journal->box = box;
	journal->kind = kind;
	journal->target = fd;
	journal->fd = -1;
	journal->start = start;
	journal->from = from;
	journal->buf = buf_init(BUFFER_MAX);
	talloc_set_destructor(journal, journal_destroy);
	if (kind == MBOX_JOURNAL_PATCH) {
		journal->sum = digest_new(journal, "md5");
		if (journal->sum == NULL) {
			mem_free(journal);
			return err_set(err, ERR_UNSUPPORTED,
				       "MD5 is not to be had");
		}
	}
	if (open_file(journal, err) < 0 ||
	    (kind == MBOX_JOURNAL_SHIFT &&
	     journal_shift_begin(journal, fd, err) < 0)) {
		mem_free(journal);
		return -1;
	}
	/* Its place, so that a small one is written at once. */
	if (kind == MBOX_JOURNAL_TEXT || kind == MBOX_JOURNAL_PATCH)
		buf_append(&journal->buf, head, JOURNAL_HEAD);
	*out = journal;
	return 0;
}

uint64_t mbox_journal_at(const struct mbox_journal *journal)
{
	return journal->start + (journal->kind == MBOX_JOURNAL_SHIFT
					 ? journal->buf.len
					 : journal->len);
}

void mbox_journal_skip(struct mbox_journal *journal, uint64_t from)
{
	if (journal->kind == MBOX_JOURNAL_SHIFT)
		journal->from = from;
}

/* `buf` is what comes at `filed`. */
static int flush(struct mbox_journal *journal, struct err *err)
{
	if (mbox_write_at(journal->box, journal->fd, journal->buf.data,
			  journal->buf.len, journal->filed, err) < 0)
		return -1;
	journal->filed += journal->buf.len;
	buf_reset(&journal->buf);
	return 0;
}

static int grew(struct mbox_journal *journal, size_t len, struct err *err)
{
	struct buf *buf = &journal->buf;

	if (journal->sum != NULL)
		digest_add(journal->sum,
			   str_n(buf->data + buf->len - len, len));
	journal->len += len;
	/* A list of patches stays in memory. */
	if (buf->len < JOURNAL_PIECE || journal->kind == MBOX_JOURNAL_PATCH)
		return 0;
	return flush(journal, err);
}

int mbox_journal_add(struct mbox_journal *journal, const void *data, size_t len,
		     struct err *err)
{
	const char *at = data;

	if (journal->kind == MBOX_JOURNAL_SHIFT)
		return journal_shift_add(journal, data, len, err);
	if (journal->kind == MBOX_JOURNAL_APPEND)
		return journal_append_add(journal, data, len, err);
	while (len > 0) {
		size_t take = len < JOURNAL_PIECE ? len : JOURNAL_PIECE;

		buf_append(&journal->buf, at, take);
		if (grew(journal, take, err) < 0)
			return -1;
		at += take;
		len -= take;
	}
	return 0;
}

int mbox_journal_copy(struct mbox_journal *journal, uint64_t at, uint64_t len,
		      struct err *err)
{
	if (journal->kind == MBOX_JOURNAL_SHIFT)
		return journal_shift_copy(journal, at, len, err);
	while (len > 0) {
		size_t take = len < JOURNAL_PIECE ? (size_t)len : JOURNAL_PIECE;
		char *space = buf_space(&journal->buf, take);

		if (mbox_read_at(journal->box, journal->target, space, take, at,
				 err) < 0)
			return -1;
		buf_grew(&journal->buf, take);
		if (grew(journal, take, err) < 0)
			return -1;
		at += take;
		len -= take;
	}
	return 0;
}

/* putting it in place */

int journal_copy_text(const struct driver_box *box, int from, uint64_t from_at,
		      int to, uint64_t to_at, uint64_t len, struct err *err)
{
	CLEANUP(buf_free) struct buf buf = buf_init(JOURNAL_PIECE + 1);
	char *space = buf_space(&buf, JOURNAL_PIECE);

	while (len > 0) {
		size_t take = len < JOURNAL_PIECE ? (size_t)len : JOURNAL_PIECE;

		if (mbox_read_at(box, from, space, take, from_at, err) < 0 ||
		    mbox_write_at(box, to, space, take, to_at, err) < 0)
			return -1;
		from_at += take;
		to_at += take;
		len -= take;
	}
	return 0;
}

int journal_cut(const struct driver_box *box, int fd, uint64_t size,
		struct err *err)
{
	if (ftruncate(fd, (off_t)size) < 0)
		return err_sys(err, "ftruncate(%s)", box->path);
	return mbox_fsync(box, fd, err);
}

/* The text, then, if the file becomes shorter, the mark and the cut. */
int journal_put_text(const struct driver_box *box, int journal,
		     struct journal_head *head, int fd, struct err *err)
{
	uint64_t end = head->start + head->len;
	bool shorter = end < head->old_size;

	if (journal_copy_text(box, journal, JOURNAL_HEAD, fd, head->start,
			      head->len, err) < 0 ||
	    (shorter && mbox_write_at(box, fd, "", 1, end, err) < 0) ||
	    mbox_fsync(box, fd, err) < 0)
		return -1;
	if (!shorter)
		return 0;
	head->phase = JOURNAL_CUT;
	if (journal_head_write(box, journal, head, err) < 0 ||
	    mbox_fsync(box, journal, err) < 0)
		return -1;
	return journal_cut(box, fd, end, err);
}

static int arm(struct mbox_journal *journal, const struct journal_head *head,
	       struct err *err)
{
	journal->armed = true;
	if (journal_head_write(journal->box, journal->fd, head, err) < 0)
		return -1;
	return mbox_fsync(journal->box, journal->fd, err);
}

/* Room for it now, for there is no way back later. */
static int make_room(struct mbox_journal *journal, struct journal_head *head,
		     uint64_t len, struct err *err)
{
	const struct driver_box *box = journal->box;
	struct journal_head room = {.phase = JOURNAL_ROOM,
				    .start = head->old_size,
				    .from = head->old_size + len,
				    .old_size = head->old_size};
	struct err ignored;
	int ret;

	if (arm(journal, &room, err) < 0)
		return -1;
	ret = posix_fallocate(journal->target, (off_t)head->old_size,
			      (off_t)len);
	if (ret == 0)
		return 0;
	errno = ret;
	err_sys(err, "fallocate(%s)", box->path);
	if (ftruncate(journal->target, (off_t)head->old_size) == 0 &&
	    journal_clear(box, journal->fd, true, &ignored) == 0)
		journal->armed = false;
	return -1;
}

static int commit_text(struct mbox_journal *journal, struct journal_head *head,
		       struct err *err)
{
	const struct driver_box *box = journal->box;
	uint64_t end = head->start + head->len;
	int fd = journal->target;

	head->phase = JOURNAL_TEXT;
	/* The context, and the new length, must be there before the head is. */
	if (journal_take_context(box, fd, head, err) < 0 ||
	    flush(journal, err) < 0 || mbox_fsync(box, journal->fd, err) < 0 ||
	    (end > head->old_size &&
	     make_room(journal, head, end - head->old_size, err) < 0) ||
	    mbox_fsync(box, fd, err) < 0 || arm(journal, head, err) < 0 ||
	    journal_put_text(box, journal->fd, head, fd, err) < 0)
		return -1;
	return journal_clear(box, journal->fd, true, err);
}

static int commit_patches(struct mbox_journal *journal,
			  struct journal_head *head, struct err *err)
{
	const struct driver_box *box = journal->box;
	struct str text = str_n(journal->buf.data + JOURNAL_HEAD, journal->len);
	unsigned char sum[DIGEST_MAX];

	/* Head and list in one go: the sum tells if one of them got lost. */
	head->phase = JOURNAL_PATCH;
	digest_end(journal->sum, sum);
	memcpy(head->sum, sum, sizeof(head->sum));
	head_pack(head, (unsigned char *)journal->buf.data);
	journal->armed = true;
	if (mbox_write_at(box, journal->fd, journal->buf.data, journal->buf.len,
			  0, err) < 0 ||
	    mbox_fsync(box, journal->fd, err) < 0 ||
	    journal_put_patches(box, text, journal->target, false, err) < 0 ||
	    mbox_fsync(box, journal->target, err) < 0)
		return -1;
	return journal_clear(box, journal->fd, true, err);
}

int mbox_journal_commit(struct mbox_journal *journal, struct err *err)
{
	struct journal_head head = {.start = journal->start,
				    .len = journal->len};
	struct stat st;

	if (fstat(journal->target, &st) < 0)
		return err_sys(err, "fstat(%s)", journal->box->path);
	head.old_size = (uint64_t)st.st_size;
	switch (journal->kind) {
	case MBOX_JOURNAL_TEXT:
		return commit_text(journal, &head, err);
	case MBOX_JOURNAL_APPEND:
		return journal_append_commit(journal, err);
	case MBOX_JOURNAL_PATCH:
		return commit_patches(journal, &head, err);
	case MBOX_JOURNAL_SHIFT:
		break;
	}
	return journal_shift_commit(journal, err);
}

/* patches: where (8), how long (4), what was there, what comes there */

enum { PATCH_HEAD = 12 };

int mbox_journal_patch(struct mbox_journal *journal, uint64_t at,
		       struct str old, struct str new, struct err *err)
{
	unsigned char head[PATCH_HEAD];

	le64_put(head, at);
	le32_put(head + 8, (uint32_t) new.len);
	if (journal->len + PATCH_HEAD + 2 * new.len > JOURNAL_PIECE * 2)
		return err_set(err, ERR_LIMIT, "too many changes at once");
	if (mbox_journal_add(journal, head, sizeof(head), err) < 0 ||
	    mbox_journal_add(journal, old.data, old.len, err) < 0)
		return -1;
	return mbox_journal_add(journal, new.data, new.len, err);
}

bool mbox_journal_is_full(const struct mbox_journal *journal)
{
	return journal->len > JOURNAL_PIECE;
}

/* Nobody else was there: each sector is what it was, or what it becomes. */
static bool is_either(const struct driver_box *box, int fd, uint64_t at,
		      const char *old, const char *new, size_t len)
{
	CLEANUP(buf_free) struct buf buf = buf_init(JOURNAL_PIECE * 2);
	char *now = buf_space(&buf, len);
	struct err err;

	if (now == NULL || mbox_read_at(box, fd, now, len, at, &err) < 0)
		return false;
	for (size_t i = 0; i < len;) {
		size_t n = MBOX_SECTOR - (at + i) % MBOX_SECTOR;

		if (n > len - i)
			n = len - i;
		if (memcmp(now + i, old + i, n) != 0 &&
		    memcmp(now + i, new + i, n) != 0)
			return false;
		i += n;
	}
	return true;
}

int journal_put_patches(const struct driver_box *box, struct str text, int fd,
			bool check, struct err *err)
{
	while (text.len >= PATCH_HEAD) {
		const unsigned char *head = (const unsigned char *)text.data;
		uint64_t at = le64_get(head);
		size_t len = le32_get(head + 8);
		const char *old = text.data + PATCH_HEAD;

		if (at > INT64_MAX / 4 || (text.len - PATCH_HEAD) / 2 < len)
			break;
		if ((!check || is_either(box, fd, at, old, old + len, len)) &&
		    mbox_write_at(box, fd, old + len, len, at, err) < 0)
			return -1;
		text = str_from(text, PATCH_HEAD + 2 * len);
	}
	return 0;
}
