/* SPDX-License-Identifier: MIT */
/*
 * storage/reader.c - walk mails of a view, and write down what was learnt.
 */
#include "storage/reader.h"

#include <utlist.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/cache_policy.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/save_core.h"

/* What may wait to be written; more is written in between. */
enum { LEARNT_MAX = 4194304, LEARNT_COST = 2048, OUT_MAX = 64 * 1048576 };

static void drop_mail(struct mail_reader *reader)
{
	if (reader->text != NULL)
		text_unref(&reader->text);
	if (reader->mail_ctx != NULL)
		mem_free(reader->mail_ctx);
	reader->mail_ctx = NULL;
	reader->message = NULL;
	reader->parsed = false;
	reader->record_valid = false;
}

void reader_detach(struct mail_reader *reader)
{
	drop_mail(reader);
	index_rollback(&reader->txn);
	DL_DELETE(reader->box->readers, reader);
	if (reader->box->readers == NULL)
		text_rest(reader->box);
	reader->box = NULL;
}

static int reader_destroy(struct mail_reader *reader)
{
	if (reader->box != NULL)
		reader_detach(reader);
	buf_free(&reader->out);
	return 0;
}

struct mail_reader *mail_reader_begin(const void *ctx, struct mailbox *box,
				      const struct range_set *seqs)
{
	struct mail_reader *reader = mem_new(ctx, struct mail_reader);

	reader->box = box;
	reader->seqs = range_set_init(reader);
	range_set_merge(&reader->seqs, seqs);
	reader->out = buf_init(OUT_MAX);
	DL_APPEND(box->readers, reader);
	talloc_set_destructor(reader, reader_destroy);
	return reader;
}

void mail_reader_pause(struct mail_reader *reader)
{
	index_rollback(&reader->txn);
	reader->record_valid = false;
}

void mail_reader_flags_only(struct mail_reader *reader)
{
	reader->flags_only = true;
}

unsigned mail_reader_gone(const struct mail_reader *reader)
{
	return reader->gone;
}

/* what was learnt */

/* NULL if there is nothing yet. */
static struct learnt *learnt_find(const struct mail_reader *reader)
{
	struct learnt *last =
		reader->learnt == NULL ? NULL : reader->learnt->prev;

	return last != NULL && last->uid == reader->mail.uid ? last : NULL;
}

struct learnt *reader_learnt(struct mail_reader *reader)
{
	struct learnt *learnt = learnt_find(reader);

	if (learnt != NULL)
		return learnt;
	if (reader->learnt_ctx == NULL)
		reader->learnt_ctx = mem_ctx(reader, "learnt");
	learnt = mem_new(reader->learnt_ctx, struct learnt);
	learnt->uid = reader->mail.uid;
	DL_APPEND(reader->learnt, learnt);
	reader->learnt_bytes += LEARNT_COST;
	return learnt;
}

void reader_learn(struct mail_reader *reader, enum index_field field,
		  struct str value)
{
	struct learnt *learnt;

	if (!mailbox_caches_len(reader->box, value.len) ||
	    !cache_keeps(reader->box, field))
		return;
	learnt = reader_learnt(reader);
	learnt->cached.value[field] =
		str_n(mem_memdup(learnt, value.data, value.len), value.len);
	reader->learnt_bytes += value.len;
}

/* What the record says now is to be written. */
static void learn_record(struct mail_reader *reader)
{
	const struct index_record *record = &reader->record;
	struct learnt *learnt = reader_learnt(reader);

	learnt->looked = true;
	learnt->physical = record->size_physical;
	learnt->virtual = record->size_virtual;
	learnt->received = record->received;
	learnt->saved = record->saved;
}

void reader_sizes(struct mail_reader *reader, uint64_t physical,
		  uint64_t virtual)
{
	struct index_record *record = &reader->record;

	if (record->size_physical == physical &&
	    record->size_virtual == virtual)
		return;
	record->size_physical = physical;
	record->size_virtual = virtual;
	learn_record(reader);
}

int reader_times(struct mail_reader *reader, struct err *err)
{
	struct driver_box *disk = reader->box->disk;

	if (reader_record(reader, err) < 0)
		return -1;
	if (reader->record.received != INDEX_TIME_UNKNOWN)
		return 0;
	if (disk->location->driver->look(disk, &reader->record, err) < 0)
		return -1;
	learn_record(reader);
	return 0;
}

static int write_record(const struct learnt *learnt, struct index_txn *txn,
			struct index_box *row, struct index_record *record,
			struct err *err)
{
	record->size_physical = learnt->physical;
	record->size_virtual = learnt->virtual;
	record->received = learnt->received;
	record->saved = learnt->saved;
	return index_record_put(txn, row, record, err);
}

static int write_all(struct mail_reader *reader, struct index_txn *txn,
		     struct index_box *row, struct err *err)
{
	bool caches = mailbox_caches(reader->box, row);
	struct index_record record;

	for (struct learnt *l = reader->learnt; l != NULL; l = l->next) {
		if (index_record_get(txn, row->id, l->uid, &record, err) < 0) {
			if (err->code != ERR_NOT_FOUND)
				return -1;
			continue;
		}
		if (l->looked && write_record(l, txn, row, &record, err) < 0)
			return -1;
		if (caches && cached_write(txn, reader->box, row->id, l->uid,
					   &l->cached, err) < 0)
			return -1;
	}
	return 0;
}

static int write_learnt(struct mail_reader *reader, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;

	if (reader->box->store->index != NULL)
		index_reserve(reader->box->store->index,
			      reader->learnt_bytes * 2);
	if (mailbox_begin(reader->box, INDEX_WRITE, &txn, &row, err) < 0)
		return -1;
	if (write_all(reader, txn, &row, err) < 0 ||
	    (cache_policy_dirty(reader->box) &&
	     cache_policy_write(reader->box, txn, row.id, err) < 0) ||
	    index_commit(&txn, err) < 0)
		return store_failed(reader->box->store, err);
	return 0;
}

/* Nothing depends on it: a failure is logged and the next reader learns the
 * same again. */
static void flush_learnt(struct mail_reader *reader)
{
	struct err err;

	if (reader->box == NULL || (reader->learnt_ctx == NULL &&
				    !cache_policy_dirty(reader->box)))
		return;
	mail_reader_pause(reader);
	if (write_learnt(reader, &err) < 0)
		log_error("Mailbox %s: can't write to the cache: %s",
			  reader->box->name, err.text);
	mem_free(reader->learnt_ctx);
	reader->learnt_ctx = NULL;
	reader->learnt = NULL;
	reader->learnt_bytes = 0;
}

void mail_reader_end(struct mail_reader **reader)
{
	if (*reader == NULL)
		return;
	flush_learnt(*reader);
	mem_free(*reader);
	*reader = NULL;
}

/* walking */

/* The view has a mail that the index has not: expunged since, or lost. */
static int check_gone(struct mail_reader *reader, uint32_t uid, struct err *err)
{
	if (index_check(reader->txn, err) < 0)
		return store_failed(reader->box->store, err);
	return reader->current ? mailbox_lacks(reader->box, uid, err) : 0;
}

int reader_begin(struct mail_reader *reader, struct err *err)
{
	struct index_box row;

	if (reader->txn != NULL)
		return 0;
	if (mailbox_may(reader->box, RIGHT_READ, err) < 0 ||
	    mailbox_begin(reader->box, INDEX_READ, &reader->txn, &row, err) < 0)
		return -1;
	reader->box_id = row.id;
	reader->current = row.highest_modseq == reader->box->view.modseq;
	cache_policy_load(reader->box, reader->txn, row.id);
	return 0;
}

/* 1 if it is there, 0, -1. */
static int find_record(struct mail_reader *reader, uint32_t uid,
		       struct err *err)
{
	reader->record_valid =
		index_record_next(reader->txn, reader->box_id, uid,
				  &reader->record) &&
		reader->record.uid == uid;
	if (reader->record_valid)
		return 1;
	return check_gone(reader, uid, err);
}

int reader_record(struct mail_reader *reader, struct err *err)
{
	int found;

	if (reader->record_valid)
		return 0;
	if (reader_begin(reader, err) < 0)
		return -1;
	found = find_record(reader, reader->mail.uid, err);
	if (found == 0)
		return err_set(err, ERR_EXPUNGED, "Message was expunged");
	return found < 0 ? -1 : 0;
}

bool reader_cached(struct mail_reader *reader, enum index_field field,
		   struct str *out)
{
	const struct learnt *learnt = learnt_find(reader);
	struct err err;

	if (learnt != NULL && learnt->cached.value[field].data != NULL) {
		cache_asked(reader->box, field);
		*out = learnt->cached.value[field];
		return true;
	}
	if (reader_begin(reader, &err) < 0)
		return false;
	cache_asked(reader->box, field);
	return index_cache_get(reader->txn, reader->box_id, reader->mail.uid,
			       field, out);
}

static bool next_seq(struct mail_reader *reader, uint32_t *out)
{
	while (reader->range < reader->seqs.count) {
		const struct range *range = &reader->seqs.ranges[reader->range];
		uint32_t seq = reader->next_seq;

		if (seq < range->first)
			seq = range->first;
		if (seq <= range->last && seq <= reader->box->view.messages) {
			reader->next_seq = seq + 1;
			*out = seq;
			return true;
		}
		reader->range++;
	}
	return false;
}

static void fill(struct mail_reader *reader)
{
	const struct index_record *record = &reader->record;
	struct mail *mail = &reader->mail;

	mail->flags = record->flags;
	mail->keywords = record->keywords;
	mail->modseq = record->modseq;
	if (range_set_has(&reader->box->view.recent, record->uid))
		mail->flags |= MAIL_RECENT;
}

int mail_reader_next(struct mail_reader *reader, const struct mail **out,
		     struct err *err)
{
	struct mail *mail = &reader->mail;

	if (reader->box == NULL)
		return err_set(err, ERR_CLOSED, "the mailbox was closed");
	drop_mail(reader);
	if (reader->learnt_bytes > LEARNT_MAX)
		flush_learnt(reader);
	if (reader_begin(reader, err) < 0)
		return -1;
	*out = mail;
	mail->reader = reader;
	while (next_seq(reader, &mail->seq)) {
		int found;

		mail->uid = view_uid(&reader->box->view, mail->seq);
		if (mail->uid == 0)
			continue;
		if (reader->bare)
			return 1;
		found = reader->flags_only &&
			index_record_apart(reader->txn, reader->box_id,
					   mail->uid, &reader->record);
		if (found == 0)
			found = find_record(reader, mail->uid, err);
		if (found > 0)
			fill(reader);
		if (found != 0)
			return found;
		reader->gone++;
	}
	return 0;
}
