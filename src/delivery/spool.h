/* SPDX-License-Identifier: MIT */
/*
 * delivery/spool.h - one mail while it is received: in memory while it is
 * small, in an unnamed temporary file from then on. Parsed once, on the way,
 * for all its recipients, if anybody wants that.
 */
#ifndef DELIVERY_SPOOL_H
#define DELIVERY_SPOOL_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

struct err;
struct mime_limits;
struct mime_message;
struct save;
struct spool;

/* `prefix` is what stands before the mail in storage (Return-Path, Received);
 * `temp_dir` where the file lies. `max_size` bounds it; 0 does not. `limits`
 * NULL: it is not parsed. Child of ctx. */
struct spool *spool_new(const void *ctx, struct str prefix,
			const char *temp_dir, uint64_t max_size,
			const struct mime_limits *limits);
/* ERR_LIMIT: over max_size. After a failure nothing is kept; further writes
 * are ignored, and spool_end() says again what went wrong. */
int spool_write(struct spool *spool, const void *data, size_t len,
		struct err *err);
int spool_end(struct spool *spool, struct err *err);
/* One that came as BODY=BINARYMIME, in the form that mailboxes and servers take
 * (mime/unbinary.h): ends `raw`, which has limits, and makes another one of it,
 * ended too, and parsed by the same limits if `parse` is set. Child of ctx. */
int spool_unbinary(const void *ctx, struct spool *raw, bool parse,
		   struct spool **out, struct err *err);
/* Octets so far, with the prefix. */
uint64_t spool_size(const struct spool *spool);
/* Those of the prefix. */
size_t spool_prefix(const struct spool *spool);
/* After spool_end(): the tree, the top header, sizes. */
const struct mime_message *spool_message(const struct spool *spool);
struct str spool_header(const struct spool *spool);
/* The octets of the mail with its prefix, from `at` on: for smtp_source. -1 if
 * the file can't be read. */
ssize_t spool_read(void *spool, uint64_t at, char *out, size_t size);
/* All of it in memory, with the prefix; mapped if it lies in a file. Lives as
 * long as the spool. */
int spool_map(struct spool *spool, struct str *out, struct err *err);
/* After that: the mail as it was received, without the prefix. */
struct str spool_original(const struct spool *spool);
/* Into a mail begun with save_mail_begin(). */
int spool_save(struct spool *spool, struct save *save, struct err *err);

#endif
