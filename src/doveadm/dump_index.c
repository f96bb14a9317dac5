/* SPDX-License-Identifier: MIT */
/*
 * doveadm/dump_index.c - an index in words: doc/formats.md says what they mean.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "doveadm/dump.h"
#include "index/index.h"
#include "index/walk.h"

enum { TEXT_MAX = 1 << 20, DRIVER_SHOWN = 1000 };

struct dump {
	TALLOC_CTX *ctx;
	struct index_txn *txn;
	struct index_box box;
	const char **keywords;
	unsigned keyword_count;
};

static void show_hex(const char *name, const void *data, size_t len)
{
	CLEANUP(buf_free) struct buf hex = buf_init(TEXT_MAX);

	hex_encode(str_n(data, len), &hex);
	printf("%-16s = %s\n", name, hex.data);
}

static void show_number(const char *name, uint64_t number)
{
	printf("%-16s = %" PRIu64 "\n", name, number);
}

static void show_time(const char *name, int64_t when)
{
	time_t t = (time_t)when;
	char text[64] = "?";
	struct tm tm;

	if (when == INDEX_TIME_UNKNOWN) {
		printf(" %s=?", name);
		return;
	}
	if (gmtime_r(&t, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf(" %s=%s", name, when == 0 ? "-" : text);
}

static void show_size(const char *name, uint64_t octets)
{
	if (octets == UINT64_MAX)
		printf(" %s=?", name);
	else
		printf(" %s=%" PRIu64, name, octets);
}

/* the environment */

static int show_header(struct dump *dump, const char *path, struct err *err)
{
	struct index_header header;

	if (index_walk_header(dump->txn, &header, err) < 0)
		return -1;
	printf("-- INDEX: %s\n", path);
	show_number("version", header.version);
	printf("%-16s = %s%s\n", "boot id", header.boot_id,
	       header.this_boot ? " (this one)" : "");
	show_number("transaction", header.last_txn);
	show_number("on disk", header.clean);
	printf("%-16s = %s\n", "trusted",
	       header.this_boot || header.clean == header.last_txn ? "yes"
								   : "no");
	show_number("octets in use", header.used_size);
	return 0;
}

/* a mailbox */

static void show_counts(const struct index_counts *counts)
{
	show_number("messages", counts->messages);
	show_number("recent", counts->recent);
	show_number("unseen", counts->unseen);
	show_number("deleted", counts->deleted);
	show_number("vsize", counts->size);
	show_number("vsize unknown", counts->size_unknown);
}

static void show_keywords(const struct dump *dump)
{
	for (unsigned i = 0; i < dump->keyword_count; i++) {
		if (dump->keywords[i] != NULL && dump->keywords[i][0] != '\0')
			printf("keyword %-8u = %s\n", i,
			       str_sanitize(dump->ctx,
					    str_of(dump->keywords[i]),
					    DRIVER_SHOWN));
	}
}

/* As the bitmap has them, which the records should agree with. */
static void show_uids(const struct dump *dump)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uids");
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MAX);
	struct range_set uids = range_set_init(ctx);

	index_record_uids(dump->txn, dump->box.id, &uids);
	range_set_write(&uids, &text);
	printf("%-16s = %s\n", "uids", text.len == 0 ? "" : text.data);
}

/* What is cached of the mailbox itself: numbers, and lines of text. */
static void show_box_cache(const struct dump *dump)
{
	struct str value, line;

	if (index_cache_get(dump->txn, dump->box.id, 0, INDEX_UNSEEN, &value))
		show_hex("unseen", value.data, value.len);
	if (index_cache_get(dump->txn, dump->box.id, 0, INDEX_RENAMED, &value))
		show_hex("renamed", value.data, value.len);
	if (!index_cache_get(dump->txn, dump->box.id, 0, INDEX_POLICY, &value))
		return;
	while (value.len > 0 && str_split(&value, '\n', &line))
		printf("%-16s = %s\n", "cached field",
		       str_sanitize(dump->ctx, line, DRIVER_SHOWN));
}

static int show_row(const struct dump *dump, const char *name, struct err *err)
{
	const struct index_box *box = &dump->box;
	struct index_history history;

	if (index_walk_history(dump->txn, box->id, &history, err) < 0)
		return -1;
	printf("\n-- MAILBOX: %s\n",
	       str_sanitize(dump->ctx, str_of(name), DRIVER_SHOWN));
	show_number("id", box->id);
	show_hex("guid", box->guid, sizeof(box->guid));
	show_number("uidvalidity", box->uid_validity);
	show_number("uidnext", box->uid_next);
	show_number("first recent uid", box->first_recent_uid);
	show_number("highestmodseq", box->highest_modseq);
	show_number("changes from", history.changes_from);
	show_number("changes", history.changes);
	show_number("expunges from", history.expunges_from);
	show_number("expunges", history.expunges);
	show_counts(&box->counts);
	show_hex("driver", box->driver, sizeof(box->driver));
	show_keywords(dump);
	show_uids(dump);
	show_box_cache(dump);
	return 0;
}

/* records */

static void show_flags(const struct dump *dump,
		       const struct index_record *record)
{
	static const char *const names[] = {"\\Seen", "\\Answered", "\\Flagged",
					    "\\Deleted", "\\Draft"};
	const char *blank = "";

	printf(" flags=(");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((record->flags >> i & 1) != 0) {
			printf("%s%s", blank, names[i]);
			blank = " ";
		}
	}
	for (unsigned i = 0; i < INDEX_KEYWORDS_MAX; i++) {
		bool named =
			i < dump->keyword_count && dump->keywords[i] != NULL;

		if ((record->keywords.bits[i / 64] >> i % 64 & 1) == 0)
			continue;
		if (named)
			printf("%s%s", blank, dump->keywords[i]);
		else
			printf("%s#%u", blank, i);
		blank = " ";
	}
	putchar(')');
}

static void show_cache(const struct dump *dump, uint32_t uid)
{
	static const char *const names[] = {
		[INDEX_ENVELOPE] = "envelope",
		[INDEX_BODY_STRUCTURE] = "structure",
		[INDEX_PARTS] = "parts",
		[INDEX_HEADERS] = "headers",
		[INDEX_PREVIEW] = "preview",
		[INDEX_SORT] = "sort",
		[INDEX_SUBJECT] = "subject",
		[INDEX_BASE] = "base",
	};
	const unsigned known = sizeof(names) / sizeof(names[0]);
	const char *blank = "";
	unsigned field = 0;
	struct str value;

	printf(" cache=(");
	while (index_walk_cache(dump->txn, dump->box.id, uid, &field, &value)) {
		if (field < known && names[field] != NULL)
			printf("%s%s:%zu", blank, names[field], value.len);
		else
			printf("%s#%u:%zu", blank, field, value.len);
		blank = " ";
	}
	putchar(')');
}

static void show_record(const struct dump *dump,
			const struct index_record *record)
{
	char *driver = str_sanitize(NULL, record->driver, DRIVER_SHOWN);

	printf("uid=%u modseq=%" PRIu64, (unsigned)record->uid, record->modseq);
	show_flags(dump, record);
	if (record->flags_apart)
		printf(" apart");
	show_time("received", record->received);
	show_time("saved", record->saved);
	show_size("size", record->size_physical);
	show_size("vsize", record->size_virtual);
	printf(" driver=%s", driver);
	mem_free(driver);
	show_cache(dump, record->uid);
	putchar('\n');
}

static void show_records(const struct dump *dump)
{
	struct index_record record;
	uint32_t uid = 0;

	printf("\n-- RECORDS: %u\n", (unsigned)dump->box.counts.messages);
	while (index_record_next(dump->txn, dump->box.id, uid, &record)) {
		show_record(dump, &record);
		if (record.uid == UINT32_MAX)
			break;
		uid = record.uid + 1;
	}
}

static void show_log(const struct dump *dump, const char *title,
		     enum index_log log)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MAX);
	struct range_set uids = range_set_init(ctx);
	uint64_t modseq = 0;
	uint32_t uid = 0;

	printf("\n-- %s\n", title);
	while (index_walk_log(dump->txn, dump->box.id, log, &modseq, &uid,
			      &uids)) {
		buf_reset(&text);
		range_set_write(&uids, &text);
		printf("modseq=%" PRIu64 " uids=%s\n", modseq, text.data);
	}
}

static int show_box(struct dump *dump, const char *name, struct err *err)
{
	if (index_keywords_get(dump->txn, dump->ctx, dump->box.id,
			       &dump->keywords, &dump->keyword_count,
			       err) < 0 ||
	    show_row(dump, name, err) < 0)
		return -1;
	show_records(dump);
	show_log(dump, "CHANGES", INDEX_LOG_CHANGES);
	show_log(dump, "EXPUNGES", INDEX_LOG_EXPUNGES);
	return index_check(dump->txn, err);
}

static bool wanted(const char *name, int count, char **names)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return count == 0;
}

static int show_boxes(struct dump *dump, int count, char **names,
		      struct err *err)
{
	char *name = mem_strdup(dump->ctx, "");

	while (index_box_next(dump->txn, dump->ctx, &name, &dump->box)) {
		if (wanted(name, count, names) && show_box(dump, name, err) < 0)
			return -1;
	}
	return index_check(dump->txn, err);
}

int dump_index(const char *path, int count, char **mailboxes, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dump");
	CLEANUP(index_close) struct index *index = NULL;
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct dump dump = {.ctx = ctx};

	if (index_open_look(path, &index, err) < 0 ||
	    index_begin(index, INDEX_READ, &txn, err) < 0)
		return -1;
	dump.txn = txn;
	if (show_header(&dump, path, err) < 0)
		return -1;
	return show_boxes(&dump, count, mailboxes, err);
}
