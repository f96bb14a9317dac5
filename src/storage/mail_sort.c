/* SPDX-License-Identifier: MIT */
/*
 * storage/mail_sort.c - sort values: from the cache, or from the cached header
 * fields, or from the file.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/reader.h"
#include "storage/save_core.h"
#include "storage/sort_value.h"

/* In reader->out, and learnt. */
static void make(struct mail_reader *reader, struct str header,
		 struct sort_value *out)
{
	CLEANUP(buf_free) struct buf buf = buf_init(SORT_VALUE_MAX);
	struct buf *kept = &reader->out;
	struct sort_made made;

	sort_value_make(header, &buf, &made);
	buf_reset(kept); /* where `header` may be */
	for (int i = 0; i < SORT_PARTS; i++) {
		struct str part = made.part[i];

		reader_learn(reader, sort_part_field(i), part);
		buf_add_str(kept, part);
	}
	for (int i = 0, at = 0; i < SORT_PARTS; i++) {
		struct str part = str_n(kept->data + at, made.part[i].len);

		sort_value_read(part, i, out);
		at += (int)part.len;
	}
}

/* The file is opened once for what is asked next, too. */
static int from_file(struct mail_reader *reader, struct sort_value *out,
		     struct err *err)
{
	CLEANUP(buf_free) struct buf fields = buf_init(CACHE_HEADERS_MAX);
	struct str header, value;

	if (reader_header(reader, &header, err) < 0)
		return -1;
	cached_headers_make(header, "+ ", &fields);
	if (fields.overflow) {
		make(reader, header, out);
		return 1;
	}
	if (!reader_cached(reader, INDEX_HEADERS, &value))
		reader_learn(reader, INDEX_HEADERS,
			     str_n(fields.data, fields.len));
	cached_headers_usual(str_n(fields.data, fields.len), &value);
	make(reader, value, out);
	return 1;
}

static bool from_cache(struct mail_reader *reader, unsigned parts,
		       struct sort_value *out)
{
	struct str value;

	for (int i = 0; i < SORT_PARTS; i++) {
		if ((parts & 1U << i) != 0 &&
		    (!reader_cached(reader, sort_part_field(i), &value) ||
		     !sort_value_read(value, i, out)))
			return false;
	}
	return true;
}

int reader_sort_value(struct mail_reader *reader, unsigned parts, bool may_open,
		      struct sort_value *out, struct err *err)
{
	struct str value, header;

	if (from_cache(reader, parts, out))
		return 1;
	if (reader_cached(reader, INDEX_HEADERS, &value) &&
	    cached_headers_usual(value, &header)) {
		make(reader, header, out);
		return 1;
	}
	return may_open ? from_file(reader, out, err) : 0;
}

int sort_value_of(const struct mail *mail, unsigned parts, unsigned *opened,
		  struct sort_value *out, struct err *err)
{
	struct mail_reader *reader = mail->reader;
	unsigned max = reader->box->user->settings.mail_sort_max_read_count;
	int got = reader_sort_value(reader, parts, false, out, err);

	if (got != 0)
		return got < 0 ? -1 : 0;
	if (max != 0 && *opened >= max)
		return err_set(err, ERR_LIMIT,
			       "Requested sort would have taken too long.");
	*opened += 1;
	return reader_sort_value(reader, parts, true, out, err) < 0 ? -1 : 0;
}
