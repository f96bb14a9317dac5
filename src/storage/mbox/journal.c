/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/journal.c - a new end for a file, put in place so that a kill at
 * any moment loses nothing.
 *
 * The new text goes to `dovetail-mbox-journal` in the mailbox's control
 * directory first; then the file is made as long as the longer of both, the
 * journal is marked as complete, the text is copied into the file, and the file
 * is cut. Whoever finds a complete journal does the rest; one that is not
 * complete changed nothing.
 *
 * Others, who know nothing of it, may append mails in between: they lie behind
 * the longer end and are kept. A NUL behind the new text tells that the file
 * was not cut yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "index/bytes.h"
#include "storage/layout.h"
#include "storage/mbox/mbox.h"

enum { HEAD = 48, PIECE = 262144 };

static const char magic[8] = "DTMBOXJ1";

enum phase { PHASE_TEXT = 1, PHASE_CUT = 2 };

struct head {
	enum phase phase;
	uint64_t ino, start, len, old_size;
};

static char *journal_path(const void *ctx, const struct driver_box *box)
{
	return mem_printf(ctx, "%s/dovetail-mbox-journal", box->control);
}

bool mbox_journal_exists(const struct driver_box *box)
{
	char *path = journal_path(NULL, box);
	struct stat st;
	bool found = stat(path, &st) == 0;

	mem_free(path);
	return found;
}

static int write_head(const struct driver_box *box, int fd,
		      const struct head *head, struct err *err)
{
	unsigned char at[HEAD] = {0};

	memcpy(at, magic, sizeof(magic));
	le32_put(at + 8, head->phase);
	le64_put(at + 16, head->ino);
	le64_put(at + 24, head->start);
	le64_put(at + 32, head->len);
	le64_put(at + 40, head->old_size);
	if (pwrite(fd, at, HEAD, 0) != HEAD)
		return err_sys(err, "write(journal of %s)", box->path);
	return 0;
}

static bool read_head(int fd, struct head *out)
{
	unsigned char at[HEAD];
	struct stat st;
	uint32_t phase;

	if (pread(fd, at, HEAD, 0) != HEAD || fstat(fd, &st) < 0 ||
	    memcmp(at, magic, sizeof(magic)) != 0)
		return false;
	phase = le32_get(at + 8);
	out->phase = phase == PHASE_CUT ? PHASE_CUT : PHASE_TEXT;
	out->ino = le64_get(at + 16);
	out->start = le64_get(at + 24);
	out->len = le64_get(at + 32);
	out->old_size = le64_get(at + 40);
	return out->start <= INT64_MAX / 4 &&
	       out->len == (uint64_t)st.st_size - HEAD;
}

/* making one */

static int journal_destroy(struct mbox_journal *journal)
{
	fd_close(&journal->fd);
	buf_free(&journal->buf);
	return 0;
}

int mbox_journal_begin(const void *ctx, struct driver_box *box, uint64_t start,
		       struct mbox_journal **out, struct err *err)
{
	const struct location *location = box->location;
	struct mbox_journal *journal;

	if (layout_make_path(location, box->control, err) < 0)
		return -1;
	journal = mem_new(ctx, struct mbox_journal);
	journal->box = box;
	journal->path = journal_path(journal, box);
	journal->start = start;
	journal->buf = buf_init(PIECE * 2);
	journal->fd = open(journal->path,
			   O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			   location->file_mode);
	talloc_set_destructor(journal, journal_destroy);
	if (journal->fd < 0) {
		err_sys(err, "open(%s)", journal->path);
		mem_free(journal);
		return -1;
	}
	*out = journal;
	return 0;
}

static int flush(struct mbox_journal *journal, struct err *err)
{
	uint64_t at = HEAD + journal->len - journal->buf.len;

	if (mbox_write_at(journal->box, journal->fd, journal->buf.data,
			  journal->buf.len, at, err) < 0)
		return err_wrap(err, "%s", journal->path);
	buf_reset(&journal->buf);
	return 0;
}

int mbox_journal_add(struct mbox_journal *journal, const void *data, size_t len,
		     struct err *err)
{
	const char *at = data;

	while (len > 0) {
		size_t take = len < PIECE ? len : PIECE;

		buf_append(&journal->buf, at, take);
		journal->len += take;
		at += take;
		len -= take;
		if (journal->buf.len >= PIECE && flush(journal, err) < 0)
			return -1;
	}
	return 0;
}

int mbox_journal_copy(struct mbox_journal *journal, int fd, uint64_t at,
		      uint64_t len, struct err *err)
{
	while (len > 0) {
		size_t take = len < PIECE ? (size_t)len : PIECE;
		char *space = buf_space(&journal->buf, take);

		if (mbox_read_at(journal->box, fd, space, take, at, err) < 0)
			return -1;
		buf_grew(&journal->buf, take);
		journal->len += take;
		at += take;
		len -= take;
		if (journal->buf.len >= PIECE && flush(journal, err) < 0)
			return -1;
	}
	return 0;
}

void mbox_journal_drop(struct mbox_journal **journal)
{
	if (*journal == NULL)
		return;
	unlink((*journal)->path);
	mem_free(*journal);
	*journal = NULL;
}

/* putting it in place */

static int copy(const struct driver_box *box, int from, uint64_t from_at,
		int to, uint64_t to_at, uint64_t len, struct err *err)
{
	CLEANUP(buf_free) struct buf buf = buf_init(PIECE);
	char *space = buf_space(&buf, PIECE);

	while (len > 0) {
		size_t take = len < PIECE ? (size_t)len : PIECE;

		if (mbox_read_at(box, from, space, take, from_at, err) < 0 ||
		    mbox_write_at(box, to, space, take, to_at, err) < 0)
			return -1;
		from_at += take;
		to_at += take;
		len -= take;
	}
	return 0;
}

static int cut(const struct driver_box *box, int fd, uint64_t size,
	       struct err *err)
{
	if (ftruncate(fd, (off_t)size) < 0)
		return err_sys(err, "ftruncate(%s)", box->path);
	return mbox_fsync(box, fd, err);
}

/* The text, then, if the file becomes shorter, the mark. */
static int put_text(const struct driver_box *box, int journal,
		    struct head *head, int fd, struct err *err)
{
	uint64_t end = head->start + head->len;

	if (copy(box, journal, HEAD, fd, head->start, head->len, err) < 0)
		return -1;
	if (end < head->old_size && mbox_write_at(box, fd, "", 1, end, err) < 0)
		return -1;
	if (mbox_fsync(box, fd, err) < 0)
		return -1;
	if (end >= head->old_size)
		return 0;
	head->phase = PHASE_CUT;
	if (write_head(box, journal, head, err) < 0)
		return -1;
	return mbox_fsync(box, journal, err);
}

int mbox_journal_commit(struct mbox_journal *journal, int fd, struct err *err)
{
	const struct driver_box *box = journal->box;
	struct head head = {.phase = PHASE_TEXT,
			    .start = journal->start,
			    .len = journal->len};
	uint64_t end = journal->start + journal->len;
	struct stat st;

	if (flush(journal, err) < 0 || mbox_fsync(box, journal->fd, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", box->path);
	head.ino = st.st_ino;
	head.old_size = (uint64_t)st.st_size;
	/* Room for it now, for there is no way back later. */
	if (end > head.old_size) {
		int ret = posix_fallocate(fd, (off_t)head.old_size,
					  (off_t)(end - head.old_size));

		if (ret != 0) {
			errno = ret;
			err_sys(err, "fallocate(%s)", box->path);
			if (ftruncate(fd, st.st_size) < 0)
				log_error("ftruncate(%s): %s", box->path,
					  strerror(errno));
			return -1;
		}
	}
	if (write_head(box, journal->fd, &head, err) < 0 ||
	    mbox_fsync(box, journal->fd, err) < 0 ||
	    put_text(box, journal->fd, &head, fd, err) < 0)
		return -1;
	if (end < head.old_size && cut(box, fd, end, err) < 0)
		return -1;
	unlink(journal->path);
	return 0;
}

/* after a crash */

/* What others have appended behind the old end comes behind the new one. */
static int keep_appended(const struct driver_box *box, const struct head *head,
			 int fd, struct err *err)
{
	uint64_t end = head->start + head->len;
	struct stat st;
	uint64_t more;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", box->path);
	more = (uint64_t)st.st_size - head->old_size;
	if (copy(box, fd, head->old_size, fd, end, more, err) < 0)
		return -1;
	return cut(box, fd, end + more, err);
}

static int finish(const struct driver_box *box, int journal, struct head *head,
		  int fd, struct err *err)
{
	uint64_t end = head->start + head->len;
	char mark = 'x';

	if (head->phase == PHASE_TEXT &&
	    put_text(box, journal, head, fd, err) < 0)
		return -1;
	if (end >= head->old_size)
		return 0;
	if (pread(fd, &mark, 1, (off_t)end) != 1 || mark != '\0')
		return 0; /* it was cut */
	return keep_appended(box, head, fd, err);
}

int mbox_journal_recover(struct driver_box *box, int fd, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "recover");
	char *path = journal_path(ctx, box);
	CLEANUP(fd_close)
	int journal = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct head head;
	struct stat st;

	if (journal < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open(%s)", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", box->path);
	/* A file that is shorter than it was was changed by others since. */
	if (read_head(journal, &head) && head.ino == st.st_ino &&
	    (head.phase == PHASE_CUT ||
	     ((uint64_t)st.st_size >= head.old_size &&
	      (uint64_t)st.st_size >= head.start + head.len))) {
		log_warning("%s: finishing a write that was interrupted",
			    box->path);
		if (finish(box, journal, &head, fd, err) < 0)
			return -1;
	}
	if (unlink(path) < 0)
		return err_sys(err, "unlink(%s)", path);
	return 1;
}
