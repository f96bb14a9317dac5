/* SPDX-License-Identifier: MIT */
#include "delivery/dupes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum {
	HASH_SIZE = 16,
	ENTRY_SIZE = HASH_SIZE + 8,
	HEADER_SIZE = 8,
	/* 40,000 entries; beyond that the oldest half is forgotten. */
	FILE_MAX = 1024 * 1024,
	/* From here on, what has ended is looked for when adding. */
	CLEAN_SIZE = 16 * 1024,
	HOLD_MS = 60 * 1000,
	HOLD_STEP_MS = 50,
};

struct dupes_hold {
	/* Of the file that is locked, a byte for each id. It is not the one
	 * that flock() is for: where that is such a lock, too (NFS), we would
	 * wait for ourselves. */
	const char *path;
	int fd;
};

static const char magic[HEADER_SIZE + 1] = "DTDUPES1";

static void hash_of(enum dupe_kind kind, struct str id,
		    unsigned char out[HASH_SIZE])
{
	unsigned char full[DIGEST_MAX];
	const char kind_char = (char)('0' + kind);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dupes");
	struct digest *digest = digest_new(ctx, "sha256");

	digest_add(digest, str_n(&kind_char, 1));
	digest_add(digest, id);
	digest_end(digest, full);
	memcpy(out, full, HASH_SIZE);
}

static void put_u64(unsigned char out[8], uint64_t value)
{
	for (int i = 0; i < 8; i++)
		out[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_u64(const char *in)
{
	uint64_t value = 0;

	for (int i = 7; i >= 0; i--)
		value = value << 8 | (unsigned char)in[i];
	return value;
}

static uint64_t now_seconds(void)
{
	return (uint64_t)time(NULL);
}

/* The entries; none of a file that is not ours, or half of an entry. */
static int load(int fd, const char *path, struct buf *out, struct err *err)
{
	if (file_read_fd(fd, path, out, err) < 0)
		return -1;
	if (out->len < HEADER_SIZE ||
	    memcmp(out->data, magic, HEADER_SIZE) != 0)
		buf_reset(out);
	else
		buf_shift(out, HEADER_SIZE);
	buf_truncate(out, out->len - out->len % ENTRY_SIZE);
	return 0;
}

/* Open the file, lock it as flock() says, and read it; -1 in *fd_out, and no
 * entries, if it is missing. */
static int open_entries(const char *path, int flags, int lock, int *fd_out,
			struct buf *out, struct err *err)
{
	*fd_out = file_open_regular(path, flags, err);
	if (*fd_out < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (flock(*fd_out, lock) < 0)
		return err_sys(err, "flock(%s)", path);
	return load(*fd_out, path, out, err);
}

int dupes_has(const char *path, enum dupe_kind kind, struct str id,
	      bool *has_out, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	CLEANUP(buf_free) struct buf entries = buf_init(2 * FILE_MAX);
	unsigned char hash[HASH_SIZE];

	*has_out = false;
	if (open_entries(path, O_RDONLY, LOCK_SH, &fd, &entries, err) < 0)
		return -1;
	hash_of(kind, id, hash);
	for (size_t at = 0; at < entries.len; at += ENTRY_SIZE) {
		const char *entry = entries.data + at;

		if (memcmp(entry, hash, HASH_SIZE) == 0 &&
		    get_u64(entry + HASH_SIZE) > now_seconds())
			*has_out = true;
	}
	return 0;
}

/* Entries that still count. */
static void clean(struct buf *entries)
{
	uint64_t now = now_seconds();
	size_t kept = 0;

	if (entries->len > FILE_MAX - HEADER_SIZE - ENTRY_SIZE)
		buf_shift(entries, entries->len / ENTRY_SIZE / 2 * ENTRY_SIZE);
	for (size_t at = 0; at < entries->len; at += ENTRY_SIZE) {
		char *entry = entries->data + at;

		if (get_u64(entry + HASH_SIZE) <= now)
			continue;
		memmove(entries->data + kept, entry, ENTRY_SIZE);
		kept += ENTRY_SIZE;
	}
	buf_truncate(entries, kept);
}

static int write_at(int fd, const char *path, off_t at, const void *data,
		    size_t len, struct err *err)
{
	if (lseek(fd, at, SEEK_SET) < 0)
		return err_sys(err, "lseek(%s)", path);
	return file_write_all(fd, data, len, path, err);
}

/* All anew, without what has ended. The lock is on the file: it stays. */
static int rewrite(int fd, const char *path, struct buf *entries,
		   struct err *err)
{
	CLEANUP(buf_free) struct buf out = buf_init(2 * FILE_MAX);

	clean(entries);
	buf_append(&out, magic, HEADER_SIZE);
	buf_append(&out, entries->data, entries->len);
	if (write_at(fd, path, 0, out.data, out.len, err) < 0)
		return -1;
	if (ftruncate(fd, (off_t)out.len) < 0)
		return err_sys(err, "ftruncate(%s)", path);
	return 0;
}

static int add(int fd, const char *path, const char entry[ENTRY_SIZE],
	       struct err *err)
{
	CLEANUP(buf_free) struct buf entries = buf_init(2 * FILE_MAX);
	off_t size = lseek(fd, 0, SEEK_END);

	if (size >= HEADER_SIZE && size < CLEAN_SIZE &&
	    (size - HEADER_SIZE) % ENTRY_SIZE == 0)
		return write_at(fd, path, size, entry, ENTRY_SIZE, err);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "lseek(%s)", path);
	if (load(fd, path, &entries, err) < 0)
		return -1;
	buf_append(&entries, entry, ENTRY_SIZE);
	return rewrite(fd, path, &entries, err);
}

int dupes_mark(const char *path, enum dupe_kind kind, struct str id,
	       uint64_t seconds, struct err *err)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dupes");
	CLEANUP(fd_close) int fd = open(path, flags, 0600);
	unsigned char entry[ENTRY_SIZE];

	if (fd < 0 && errno == ENOENT) {
		if (dir_create(path_parent(ctx, path), 0700, err) < 0)
			return -1;
		fd = open(path, flags, 0600);
	}
	if (fd < 0)
		return err_sys(err, "open(%s)", path);
	if (flock(fd, LOCK_EX) < 0)
		return err_sys(err, "flock(%s)", path);
	hash_of(kind, id, entry);
	put_u64(entry + HASH_SIZE, now_seconds() + seconds);
	if (add(fd, path, (const char *)entry, err) < 0)
		return -1;
	if (fdatasync(fd) < 0)
		return err_sys(err, "fdatasync(%s)", path);
	return 0;
}

int dupes_forget(const char *path, enum dupe_kind kind, struct str id,
		 struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	CLEANUP(buf_free) struct buf entries = buf_init(2 * FILE_MAX);
	unsigned char entry[ENTRY_SIZE] = {0}; /* has ended long ago */

	if (open_entries(path, O_RDWR, LOCK_EX, &fd, &entries, err) < 0)
		return -1;
	hash_of(kind, id, entry);
	for (size_t at = 0; at < entries.len; at += ENTRY_SIZE) {
		if (memcmp(entries.data + at, entry, HASH_SIZE) == 0 &&
		    write_at(fd, path, (off_t)(HEADER_SIZE + at), entry,
			     ENTRY_SIZE, err) < 0)
			return -1;
	}
	return 0;
}

/* ids that are held */

static int close_hold(struct dupes_hold *hold)
{
	if (hold->fd >= 0)
		close(hold->fd);
	return 0;
}

struct dupes_hold *dupes_hold_new(const void *ctx, const char *path)
{
	struct dupes_hold *hold = mem_new(ctx, struct dupes_hold);

	hold->path = mem_printf(hold, "%s.lock", path);
	hold->fd = -1;
	talloc_set_destructor(hold, close_hold);
	return hold;
}

static int set_lock(int fd, short type, const unsigned char hash[HASH_SIZE])
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(get_u64((const char *)hash) >> 2),
		.l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

int dupes_hold(struct dupes_hold *hold, enum dupe_kind kind, struct str id,
	       struct err *err)
{
	const struct timespec step = {.tv_nsec = HOLD_STEP_MS * 1000 * 1000};
	unsigned char hash[HASH_SIZE];

	if (hold->fd < 0)
		hold->fd = open(hold->path,
				O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
					O_NONBLOCK,
				0600);
	if (hold->fd < 0)
		return 0;
	hash_of(kind, id, hash);
	for (unsigned waited = 0; set_lock(hold->fd, F_WRLCK, hash) < 0;
	     waited += HOLD_STEP_MS) {
		if (errno != EAGAIN && errno != EACCES)
			return 0;
		if (waited >= HOLD_MS)
			return err_set(err, ERR_TEMPORARY,
				       "%s: another delivery of the same mail "
				       "takes too long",
				       hold->path);
		nanosleep(&step, NULL);
	}
	return 0;
}

void dupes_let_go(struct dupes_hold *hold, enum dupe_kind kind, struct str id)
{
	unsigned char hash[HASH_SIZE];

	if (hold->fd < 0)
		return;
	hash_of(kind, id, hash);
	(void)set_lock(hold->fd, F_UNLCK, hash);
}
