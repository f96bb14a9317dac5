/* SPDX-License-Identifier: MIT */
#include "delivery/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "mime/parse.h"
#include "mime/preview.h"
#include "mime/unbinary.h"
#include "storage/save.h"

/* Most mails are smaller than this; a file costs more than the memory. */
enum { SPOOL_MEMORY_MAX = 256 * 1024, SPOOL_CHUNK = 64 * 1024 };

struct spool {
	struct buf text; /* all of it, or what is not in the file yet */
	int fd;
	const char *temp_dir;
	uint64_t size, max_size;
	size_t prefix;
	void *map; /* of the file; NULL until it is asked for */
	struct mime_limits limits; /* of the parser */
	struct mime_parser *parser;
	const struct mime_message *message;
	bool failed;
	struct err err;
};

static int spool_free(struct spool *spool)
{
	if (spool->map != NULL)
		munmap(spool->map, (size_t)spool->size);
	buf_free(&spool->text);
	fd_close(&spool->fd);
	return 0;
}

struct spool *spool_new(const void *ctx, struct str prefix,
			const char *temp_dir, uint64_t max_size,
			const struct mime_limits *limits)
{
	struct spool *spool = mem_new(ctx, struct spool);
	struct err err;

	spool->text = buf_init(SPOOL_MEMORY_MAX);
	spool->fd = -1;
	spool->temp_dir = mem_strdup(spool, temp_dir);
	if (limits != NULL) {
		spool->limits = *limits;
		spool->parser = mime_parser_new(spool, limits);
		preview_new(spool->parser, limits->max_preview);
	}
	talloc_set_destructor(spool, spool_free);
	spool_write(spool, prefix.data, prefix.len, &err);
	spool->prefix = prefix.len;
	spool->max_size = max_size == 0 ? 0 : max_size + prefix.len;
	return spool;
}

/* Empty the memory into the file. */
static int flush(struct spool *spool, struct err *err)
{
	if (spool->fd < 0)
		spool->fd = open(spool->temp_dir,
				 O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (spool->fd < 0)
		return err_sys(err, "open(%s, O_TMPFILE)", spool->temp_dir);
	if (file_write_all(spool->fd, spool->text.data, spool->text.len,
			   spool->temp_dir, err) < 0)
		return -1;
	buf_reset(&spool->text);
	return 0;
}

static int add(struct spool *spool, const char *data, size_t len,
	       struct err *err)
{
	if (spool->max_size != 0 && len > spool->max_size - spool->size)
		return err_set(err, ERR_LIMIT, "Message is too large");
	spool->size += len;
	if (spool->parser != NULL)
		mime_parser_feed(spool->parser, data, len);
	if (len > SPOOL_MEMORY_MAX - spool->text.len && flush(spool, err) < 0)
		return -1;
	if (len > SPOOL_MEMORY_MAX)
		return file_write_all(spool->fd, data, len, spool->temp_dir,
				      err);
	buf_append(&spool->text, data, len);
	return 0;
}

int spool_write(struct spool *spool, const void *data, size_t len,
		struct err *err)
{
	if (!spool->failed && add(spool, data, len, &spool->err) < 0) {
		spool->failed = true;
		buf_free(&spool->text);
		fd_close(&spool->fd);
	}
	if (!spool->failed)
		return 0;
	*err = spool->err;
	return -1;
}

int spool_end(struct spool *spool, struct err *err)
{
	if (!spool->failed && spool->fd >= 0 && flush(spool, &spool->err) < 0)
		spool->failed = true;
	if (spool->failed) {
		*err = spool->err;
		return -1;
	}
	if (spool->parser != NULL)
		spool->message = mime_parser_end(spool->parser);
	return 0;
}

/* What goes wrong is told at the end. */
static void take_piece(void *spool, const void *data, size_t len)
{
	struct err err;

	spool_write(spool, data, len, &err);
}

int spool_unbinary(const void *ctx, struct spool *raw, bool parse,
		   struct spool **out, struct err *err)
{
	struct spool *spool;
	struct str text;

	if (spool_end(raw, err) < 0 || spool_map(raw, &text, err) < 0)
		return -1;
	spool = spool_new(ctx, STR(""), raw->temp_dir, 0,
			  parse ? &raw->limits : NULL);
	mime_unbinary(text, raw->message, take_piece, spool);
	spool->prefix = raw->prefix; /* has nothing that changes */
	if (spool_end(spool, err) < 0) {
		mem_free(spool);
		return -1;
	}
	*out = spool;
	return 0;
}

uint64_t spool_size(const struct spool *spool)
{
	return spool->size;
}

size_t spool_prefix(const struct spool *spool)
{
	return spool->prefix;
}

const struct mime_message *spool_message(const struct spool *spool)
{
	return spool->message;
}

struct str spool_header(const struct spool *spool)
{
	return spool->message->root->header_text;
}

ssize_t spool_read(void *ctx, uint64_t at, char *out, size_t size)
{
	struct spool *spool = ctx;

	if (at >= spool->size)
		return 0;
	if (size > spool->size - at)
		size = (size_t)(spool->size - at);
	if (spool->fd < 0) {
		memcpy(out, spool->text.data + at, size);
		return (ssize_t)size;
	}
	/* The file must not be shorter than it was. */
	size = (size_t)pread(spool->fd, out, size, (off_t)at);
	return size == 0 ? -1 : (ssize_t)size;
}

int spool_map(struct spool *spool, struct str *out, struct err *err)
{
	void *map;

	if (spool->fd < 0) {
		*out = str_n(spool->text.data, spool->text.len);
		return 0;
	}
	if (spool->map == NULL) {
		map = mmap(NULL, (size_t)spool->size, PROT_READ, MAP_PRIVATE,
			   spool->fd, 0);
		if (map == MAP_FAILED)
			return err_sys(err, "mmap(%s)", spool->temp_dir);
		spool->map = map;
	}
	*out = str_n(spool->map, (size_t)spool->size);
	return 0;
}

struct str spool_original(const struct spool *spool)
{
	struct str all = spool->map != NULL
				 ? str_n(spool->map, (size_t)spool->size)
				 : str_n(spool->text.data, spool->text.len);

	return str_from(all, spool->prefix);
}

static int save_file(struct spool *spool, struct save *save, struct err *err)
{
	CLEANUP(buf_free) struct buf chunk = buf_init(SPOOL_CHUNK);
	char *space = buf_space(&chunk, SPOOL_CHUNK);

	for (uint64_t at = 0; at < spool->size;) {
		ssize_t got = spool_read(spool, at, space, SPOOL_CHUNK);

		if (got < 0)
			return err_set(err, ERR_TEMPORARY,
				       "%s: can't read the temporary file",
				       spool->temp_dir);
		if (save_mail_write(save, space, (size_t)got, err) < 0)
			return -1;
		at += (uint64_t)got;
	}
	return 0;
}

int spool_save(struct spool *spool, struct save *save, struct err *err)
{
	if (spool->fd >= 0)
		return save_file(spool, save, err);
	return save_mail_write(save, spool->text.data, spool->text.len, err);
}
