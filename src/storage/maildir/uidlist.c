/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/uidlist.c - dovecot-uidlist, version 3:
 *
 *   3 V<uidvalidity> N<next uid> G<guid of the mailbox>
 *   <uid> [<extension field> ...] :<base name>
 *
 * New mails are appended, which leaves N behind: the next UID is the higher one
 * of N and the last line's + 1. Lines of expunged mails stay until the file is
 * written anew. Version 1 (before Dovecot 1.1) is read as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/layout.h"
#include "storage/maildir/maildir.h"

enum {
	BLOCK = 65536,
	LINE_MAX_LEN = 8192,
	HEADER_MAX_LEN = 512,
	FLUSH_AT = 1 << 15,
};

static void mark_set(struct file_mark *mark, const struct stat *st)
{
	mark->ino = st->st_ino;
	mark->size = (uint64_t)st->st_size;
	mark->mtime.sec = st->st_mtim.tv_sec;
	mark->mtime.nsec = (uint32_t)st->st_mtim.tv_nsec;
}

char *uidlist_path(const void *ctx, const struct driver_box *box)
{
	return mem_printf(ctx, "%s/dovecot-uidlist", box->control);
}

/* reading */

static bool parse_guid(struct str hex, unsigned char guid[16])
{
	CLEANUP(buf_free) struct buf out = buf_init(16);

	if (hex.len != 32 || !hex_decode(hex, &out) || out.len != 16)
		return false;
	memcpy(guid, out.data, 16);
	return true;
}

static bool parse_header_v1(struct str line, struct uidlist_header *out)
{
	struct str word;

	return str_word(&line, &word) && str_to_u32(word, &out->uid_validity) &&
	       str_word(&line, &word) && str_to_u32(word, &out->uid_next);
}

/* A file that went through an editor or FTP has CRLF. */
static void drop_cr(struct str *line)
{
	if (line->len > 0 && line->data[line->len - 1] == '\r')
		line->len--;
}

static bool parse_header(struct str line, unsigned *version,
			 struct uidlist_header *out)
{
	struct str word;

	drop_cr(&line);
	memset(out, 0, sizeof(*out));
	if (!str_word(&line, &word) || !str_to_unsigned(word, version))
		return false;
	if (*version == 1)
		return parse_header_v1(line, out) && out->uid_validity != 0;
	if (*version != 3)
		return false;
	while (str_word(&line, &word)) {
		struct str value = str_from(word, 1);

		if (word.data[0] == 'V' &&
		    !str_to_u32(value, &out->uid_validity))
			return false;
		if (word.data[0] == 'N' && !str_to_u32(value, &out->uid_next))
			return false;
		if (word.data[0] == 'G')
			out->has_guid = parse_guid(value, out->guid);
	}
	return out->uid_validity != 0;
}

static bool parse_line(struct str line, unsigned version,
		       struct uidlist_entry *out)
{
	struct str word, rest = line;
	ptrdiff_t colon;

	drop_cr(&rest);
	if (!str_split(&rest, ' ', &word) || !str_to_u32(word, &out->uid) ||
	    out->uid == 0 || out->uid == UINT32_MAX || rest.data == NULL)
		return false;
	out->ext = STR("");
	if (version == 3) {
		/* Fields end at the first colon behind a blank, or at the
		 * start. */
		if (rest.len > 0 && rest.data[0] == ':') {
			rest = str_from(rest, 1);
		} else {
			colon = str_find(rest, STR(" :"));
			if (colon < 0)
				return false;
			out->ext = str_n(rest.data, (size_t)colon);
			rest = str_from(rest, (size_t)colon + 2);
		}
	}
	colon = str_find_char(rest, ':'); /* flags, that others may leave */
	out->base = colon < 0 ? rest : str_n(rest.data, (size_t)colon);
	return out->base.len > 0 && out->base.len < 256;
}

struct reader {
	unsigned version;
	struct uidlist_mark *mark;
	uidlist_fn *fn;
	void *ctx;
	unsigned bad; /* lines */
};

/* Lines that make no sense, or whose UIDs do not grow, are passed over: their
 * mails get new UIDs. */
static void read_line(struct reader *reader, struct str line)
{
	struct uidlist_entry entry;

	reader->mark->lines++;
	if (!parse_line(line, reader->version, &entry) ||
	    entry.uid <= reader->mark->last_uid) {
		reader->bad++;
		return;
	}
	reader->mark->last_uid = entry.uid;
	reader->fn(reader->ctx, &entry);
}

static struct str take_line(struct buf *buf, size_t *at)
{
	char *end = memchr(buf->data + *at, '\n', buf->len - *at);
	struct str line = {NULL, 0};

	if (end == NULL)
		return line;
	line = str_n(buf->data + *at, (size_t)(end - buf->data) - *at);
	*at += line.len + 1;
	return line;
}

/* All lines of the file from where it stands. A last line without its newline
 * is one that is just being written: it is left for the next time. */
static int read_lines(int fd, const char *path, struct reader *reader,
		      struct uidlist_header *header, uint64_t *done,
		      struct err *err)
{
	CLEANUP(buf_free) struct buf buf = buf_init(BLOCK + LINE_MAX_LEN);

	for (;;) {
		char *room = buf_space(&buf, BLOCK);
		size_t at = 0;
		struct str line;
		ssize_t got;

		if (room == NULL)
			return err_set(err, ERR_CORRUPT, "%s: line too long",
				       path);
		got = read(fd, room, BLOCK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, "read(%s)", path);
		if (got == 0)
			return 0;
		buf_grew(&buf, (size_t)got);
		while ((line = take_line(&buf, &at)).data != NULL) {
			*done += line.len + 1;
			if (reader->version != 0)
				read_line(reader, line);
			else if (!parse_header(line, &reader->version, header))
				return err_set(err, ERR_CORRUPT,
					       "%s: bad header", path);
		}
		buf_shift(&buf, at);
	}
}

/* The header by itself, at the start of the file. */
static bool read_header(int fd, unsigned *version,
			struct uidlist_header *header, size_t *len_out)
{
	char text[HEADER_MAX_LEN];
	ssize_t len = pread(fd, text, sizeof(text), 0);
	struct str rest, line;

	if (len <= 0)
		return false;
	rest = str_n(text, (size_t)len);
	if (!str_split(&rest, '\n', &line) || rest.data == NULL)
		return false;
	*len_out = line.len + 1;
	return parse_header(line, version, header);
}

/* Whether the line in front of mark's end is the last one that was read then.
 * UIDs grow, so all behind it is new, and all before it is not, even if the
 * file was written anew since: inodes are used again at once, and a larger file
 * of the same number need not be the same one. */
static bool tail_fits(int fd, const struct uidlist_mark *mark,
		      size_t header_len)
{
	uint64_t size = mark->file.size;
	size_t want = size < LINE_MAX_LEN ? (size_t)size : LINE_MAX_LEN;
	char text[LINE_MAX_LEN];
	struct uidlist_entry entry;
	const char *start;

	if (size <= header_len)
		return size == header_len && mark->last_uid == 0;
	if (pread(fd, text, want, (off_t)(size - want)) != (ssize_t)want ||
	    text[want - 1] != '\n')
		return false;
	start = memrchr(text, '\n', want - 1);
	if (start == NULL)
		return false;
	start++;
	return parse_line(str_n(start, (size_t)(text + want - 1 - start)), 3,
			  &entry) &&
	       entry.uid == mark->last_uid;
}

int uidlist_read(const char *path, bool tail, struct uidlist_mark *mark,
		 struct uidlist_header *header, uidlist_fn *fn, void *ctx,
		 struct err *err)
{
	CLEANUP(fd_close) int fd = file_open_regular(path, O_RDONLY, err);
	struct reader reader = {.mark = mark, .fn = fn, .ctx = ctx};
	uint64_t done = 0;
	size_t header_len;
	struct stat st;
	bool whole;

	if (fd < 0 && err->code == ERR_INVALID)
		err->code = ERR_CORRUPT; /* it is replaced */
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", path);
	if (tail && read_header(fd, &reader.version, header, &header_len) &&
	    reader.version == 3 && tail_fits(fd, mark, header_len)) {
		done = mark->file.size;
		if (lseek(fd, (off_t)done, SEEK_SET) < 0)
			return err_sys(err, "lseek(%s)", path);
	} else {
		memset(mark, 0, sizeof(*mark));
		reader.version = 0;
	}
	whole = done == 0;
	if (read_lines(fd, path, &reader, header, &done, err) < 0)
		return -1;
	if (reader.version == 0)
		return err_set(err, ERR_CORRUPT, "%s: no header", path);
	if (reader.bad > 0)
		log_warning("%s: %u lines make no sense: their mails get new "
			    "UIDs unless the index knows them",
			    path, reader.bad);
	if (header->uid_next <= mark->last_uid)
		header->uid_next = mark->last_uid + 1;
	header->whole = whole;
	mark_set(&mark->file, &st);
	mark->file.size = done;
	return 0;
}

/* writing */

void uidlist_line(struct buf *out, uint32_t uid, struct str ext,
		  struct str base)
{
	buf_number(out, uid);
	buf_putc(out, ' ');
	if (ext.len > 0) {
		buf_add_str(out, ext);
		buf_putc(out, ' ');
	}
	buf_putc(out, ':');
	buf_add_str(out, base);
	buf_putc(out, '\n');
}

int uidlist_append(const char *path, struct str lines, uint32_t count,
		   uint32_t last_uid, bool sync, struct uidlist_mark *mark,
		   struct err *err)
{
	CLEANUP(fd_close)
	int fd = file_open_regular(path, O_RDWR | O_APPEND, err);
	struct stat st;
	char last = '\n';

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", path);
	/* Half a line that somebody left when he died: we read whole ones. */
	if ((uint64_t)st.st_size != mark->file.size && st.st_size > 0 &&
	    pread(fd, &last, 1, st.st_size - 1) == 1 &&
	    last != '\n' && file_write_all(fd, "\n", 1, path, err) < 0)
		return -1;
	if (file_write_all(fd, lines.data, lines.len, path, err) < 0) {
		/* What is there of it must not become a line. */
		if (ftruncate(fd, st.st_size) < 0)
			return err_sys(err, "ftruncate(%s)", path);
		return -1;
	}
	if (sync && fdatasync(fd) < 0)
		return err_sys(err, "fdatasync(%s)", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", path);
	/* Zero: there are lines before that nobody has read yet. */
	if (mark->file.ino == 0)
		return 0;
	mark_set(&mark->file, &st);
	mark->lines += count;
	mark->last_uid = last_uid;
	return 0;
}

static void add_header(struct buf *out, const struct uidlist_header *header)
{
	buf_printf(out, "3 V%u N%u G", header->uid_validity, header->uid_next);
	hex_encode(str_n(header->guid, sizeof(header->guid)), out);
	buf_putc(out, '\n');
}

/* Every record of the index as a line. */
static int write_records(int fd, const char *path, struct index_txn *txn,
			 uint32_t box, struct buf *out,
			 struct uidlist_mark *mark, struct err *err)
{
	struct index_record record = {.uid = 0};

	memset(mark, 0, sizeof(*mark));
	while (index_record_next(txn, box, record.uid + 1, &record)) {
		struct record_name name;
		struct file_name file;

		if (!record_name_get(record.driver, &name))
			continue;
		file_name_parse(name.name, &file);
		uidlist_line(out, record.uid, name.ext, file.base);
		mark->lines++;
		mark->last_uid = record.uid;
		if (out->len < FLUSH_AT)
			continue;
		if (file_write_all(fd, out->data, out->len, path, err) < 0)
			return -1;
		buf_reset(out);
	}
	if (index_check(txn, err) < 0)
		return -1;
	return file_write_all(fd, out->data, out->len, path, err);
}

static int write_temp(const char *temp, struct driver_box *box,
		      struct index_txn *txn, const struct index_box *index_box,
		      struct maildir_state *state, struct err *err)
{
	CLEANUP(buf_free) struct buf out = buf_init(2 * FLUSH_AT);
	CLEANUP(fd_close)
	int fd = file_make(temp, rights_of_box(box)->file_mode, err);
	struct uidlist_header header = {
		.uid_validity = index_box->uid_validity,
		.uid_next = index_box->uid_next,
	};
	struct stat st;

	if (fd < 0 || rights_give(rights_of_box(box), fd, temp, err) < 0)
		return -1;
	memcpy(header.guid, index_box->guid, sizeof(header.guid));
	add_header(&out, &header);
	if (write_records(fd, temp, txn, index_box->id, &out, &state->uidlist,
			  err) < 0)
		return -1;
	if (!maildir_fsync_never(box->location) && fdatasync(fd) < 0)
		return err_sys(err, "fdatasync(%s)", temp);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", temp);
	mark_set(&state->uidlist.file, &st);
	return 0;
}

int uidlist_rewrite(struct driver_box *box, struct index_txn *txn,
		    const struct index_box *index_box,
		    struct maildir_state *state, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uidlist");
	char *path = uidlist_path(ctx, box);
	char *temp = mem_printf(ctx, "%s.tmp", path);

	if (write_temp(temp, box, txn, index_box, state, err) < 0) {
		unlink(temp);
		return -1;
	}
	if (rename(temp, path) < 0) {
		err_sys(err, "rename(%s, %s)", temp, path);
		unlink(temp);
		return -1;
	}
	/* Lines that are appended from now on are only in the new one. */
	return layout_sync(box->location, box->control, err);
}

int uidlist_create(const char *path, const struct uidlist_header *header,
		   const struct rights *rights, struct err *err)
{
	CLEANUP(buf_free) struct buf out = buf_init(256);
	CLEANUP(fd_close) int fd = -1;

	add_header(&out, header);
	if (file_replace(path, out.data, out.len, 0600, err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? err_sys(err, "open(%s)", path)
		      : rights_give(rights, fd, path, err);
}
