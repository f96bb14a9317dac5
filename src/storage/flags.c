/* SPDX-License-Identifier: MIT */
/*
 * storage/flags.c - STORE: flags and keywords, on disk and in the index.
 */
#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/core.h"
#include "storage/mailbox.h"

enum {
	STORABLE = MAIL_SEEN | MAIL_ANSWERED | MAIL_FLAGGED | MAIL_DELETED |
		   MAIL_DRAFT,
	MAILS_AT_ONCE = 64,
	BULK = 32, /* mails whose flags may stand apart */
	CHANGES_LOOKED_AT = 16,
	POOL_SIZE = MAILS_AT_ONCE * 320, /* what drivers leave there is small */
};

/* One mail of a batch: mails are read, then written to the disk, then to the
 * index, for each of the three is quicker when it goes on from where it is. */
struct step {
	uint32_t seq; /* 0: it was gone */
	uint8_t flags;
	struct keywords keywords; /* as wanted */
	struct index_record before, record;
};

struct change {
	struct mailbox *box;
	struct index_txn *txn;
	struct index_box row;
	const struct store *what;
	struct keywords keywords; /* of `what` */
	bool new_keywords;
	bool unnamed;    /* a mail has one that the session has no name for */
	uint64_t modseq; /* that all changes get; 0 while there are none */
	struct store_result result;
	struct range_set
		own; /* changed by nobody else since the view was taken */
	const void *of_result;
	TALLOC_CTX *of_driver;
	struct step *steps;
	unsigned count;
	unsigned seqs; /* all that are asked for */
	bool bulk;     /* their flags go to the index by themselves */
};

static void new_flags(const struct change *change,
		      const struct index_record *record, struct step *step)
{
	const struct store *what = change->what;
	uint8_t flags = what->flags & STORABLE;

	step->keywords = record->keywords;
	switch (what->mode) {
	case STORE_ADD:
		step->flags = record->flags | flags;
		break;
	case STORE_REMOVE:
		step->flags = record->flags & (uint8_t)~flags;
		break;
	case STORE_REPLACE:
		step->flags = flags;
		step->keywords = change->keywords;
		return;
	}
	for (size_t i = 0; i < INDEX_KEYWORDS_MAX / 64; i++) {
		uint64_t bits = change->keywords.bits[i];

		if (what->mode == STORE_ADD)
			step->keywords.bits[i] |= bits;
		else
			step->keywords.bits[i] &= ~bits;
	}
}

static bool has_flags(const struct index_record *record, uint8_t flags,
		      const struct keywords *keywords)
{
	return record->flags == flags &&
	       memcmp(&record->keywords, keywords, sizeof(*keywords)) == 0;
}

static int write_to_disk(struct change *change, struct step *step,
			 struct err *err)
{
	struct driver_box *disk = change->box->disk;

	if (disk->location->driver->write_flags(
		    change->of_driver, change->txn, disk, &change->row,
		    &step->record, err) == 0)
		return 0;
	if (err->code != ERR_EXPUNGED && err->code != ERR_NOT_FOUND)
		return -1;
	range_set_add(&change->result.gone, step->seq, step->seq);
	step->seq = 0;
	return 0;
}

/* Others made a keyword since the session read the names. */
static bool has_unnamed(const struct mailbox *box,
			const struct keywords *keywords)
{
	unsigned from = box->keyword_count / 64;

	for (unsigned i = from; i < INDEX_KEYWORDS_MAX / 64; i++) {
		uint64_t bits = keywords->bits[i];

		if ((i == from ? bits >> box->keyword_count % 64 : bits) != 0)
			return true;
	}
	return false;
}

/* Most mails have one of a few changes in common; those with many get entries
 * of their own. */
static void list_change(struct change *change, const struct step *step)
{
	struct flag_change *at = change->result.changes;
	struct keywords keywords = step->before.keywords;
	uint8_t flags = step->before.flags ^ step->record.flags;
	unsigned left = CHANGES_LOOKED_AT;

	for (size_t i = 0; i < INDEX_KEYWORDS_MAX / 64; i++)
		keywords.bits[i] ^= step->record.keywords.bits[i];
	while (at != NULL &&
	       (at->flags != flags ||
		memcmp(&at->keywords, &keywords, sizeof(keywords)) != 0))
		at = --left > 0 ? at->next : NULL;
	if (at == NULL) {
		at = mem_new(change->of_result, struct flag_change);
		at->flags = flags;
		at->keywords = keywords;
		at->seqs = range_set_init(at);
		LL_PREPEND(change->result.changes, at);
	}
	range_set_add(&at->seqs, step->seq, step->seq);
}

/* `known`: nobody else changed it since the session looked. It knows of this
 * change, then, unless the driver found another one out. */
static void changed(struct change *change, const struct step *step, bool known)
{
	const struct index_record *record = &step->record;
	uint32_t uid = record->uid;

	change->modseq = record->modseq;
	change->unnamed |= has_unnamed(change->box, &record->keywords);
	range_set_add(&change->result.changed, step->seq, step->seq);
	if (change->what->list_changes)
		list_change(change, step);
	if (known && has_flags(record, step->flags, &step->keywords))
		range_set_add(&change->own, uid, uid);
	if ((record->flags & MAIL_DELETED) != 0)
		range_set_add(&change->box->deleted, uid, uid);
	else
		range_set_remove(&change->box->deleted, uid, uid);
}

static int write_to_index(struct change *change, struct step *step,
			  struct err *err)
{
	if (index_record_change(change->txn, &change->row, &step->before,
				&step->record, err) < 0)
		return -1;
	changed(change, step,
		step->before.modseq <= change->box->view.modseq);
	return 0;
}

/* One of many whose flags go to the index first. */
static int note(struct change *change, struct step *step, struct err *err)
{
	struct driver_box *disk = change->box->disk;
	const struct driver *driver = disk->location->driver;
	struct index_record *record = &step->record;
	bool known = record->modseq <= change->box->view.modseq;

	driver->note_flags(disk, &change->row, record->uid);
	if (index_record_flag(change->txn, &change->row, record, step->flags,
			      &step->keywords, driver->flag_mark, err) < 0)
		return -1;
	changed(change, step, known);
	return 0;
}

static int write_batch(struct change *change, struct err *err)
{
	change->box->disk->coming =
		change->count < MAILS_AT_ONCE ? change->count : change->seqs;
	for (unsigned i = 0; i < change->count; i++) {
		if (write_to_disk(change, &change->steps[i], err) < 0)
			return -1;
	}
	for (unsigned i = 0; i < change->count; i++) {
		if (change->steps[i].seq != 0 &&
		    write_to_index(change, &change->steps[i], err) < 0)
			return -1;
	}
	change->count = 0;
	talloc_free_children(change->of_driver);
	return 0;
}

static int change_one(struct change *change, uint32_t seq, uint32_t uid,
		      struct err *err)
{
	struct step *step = &change->steps[change->count];
	struct index_record *record = &step->record;

	if ((!change->bulk ||
	     !index_record_apart(change->txn, change->row.id, uid, record)) &&
	    (!index_record_next(change->txn, change->row.id, uid, record) ||
	     record->uid != uid)) {
		range_set_add(&change->result.gone, seq, seq);
		return index_check(change->txn, err);
	}
	if (record->modseq > change->what->unchanged_since) {
		range_set_add(&change->result.modified, seq, seq);
		return 0;
	}
	new_flags(change, record, step);
	if (has_flags(record, step->flags, &step->keywords))
		return 0;
	step->seq = seq;
	step->before = *record;
	if (change->bulk)
		return note(change, step, err);
	record->flags = step->flags;
	record->keywords = step->keywords;
	return ++change->count < MAILS_AT_ONCE ? 0 : write_batch(change, err);
}

static int change_all(struct change *change, const struct range_set *seqs,
		      struct err *err)
{
	uint64_t at = 0;
	uint32_t seq;

	while (range_set_next(seqs, &at, &seq)) {
		uint32_t uid = view_uid(&change->box->view, seq);

		if (seq > change->box->view.messages)
			break;
		if (uid != 0 && change_one(change, seq, uid, err) < 0)
			return -1;
	}
	return write_batch(change, err);
}

/* The session knows what it changed: the view moves on with it, or, when others
 * did something meanwhile, remembers what not to tell. */
static void note_own(const struct change *change, uint64_t before)
{
	struct mailbox *box = change->box;
	struct own_change *own;

	if (before == box->view.modseq && !box->disk->others &&
	    range_set_size(&change->own) ==
		    range_set_size(&change->result.changed)) {
		box->view.modseq = change->modseq;
		return;
	}
	if (box->own_count == OWN_CHANGES_MAX)
		return; /* they are told again, which does no harm */
	own = &box->own[box->own_count++];
	own->modseq = change->modseq;
	own->uids = range_set_init(box);
	range_set_merge(&own->uids, &change->own);
}

static int store_it(struct change *change, const struct range_set *seqs,
		    struct err *err)
{
	struct mailbox *box = change->box;
	const struct driver *driver = box->disk->location->driver;
	uint64_t before = change->row.highest_modseq;

	if (keywords_to_bits(box->user, change->txn, change->row.id,
			     change->what->keywords, true, &change->keywords,
			     &change->new_keywords, err) < 0 ||
	    change_all(change, seqs, err) < 0)
		return -1;
	if (change->result.changed.count == 0 && !change->new_keywords)
		return 0;
	box->disk->others = false;
	if (driver->flush(change->txn, box->disk, &change->row,
			  change->new_keywords, err) < 0 ||
	    ((change->new_keywords || change->unnamed) &&
	     mailbox_read_keywords(box, change->txn, NULL, err) < 0) ||
	    index_commit(&change->txn, err) < 0)
		return -1;
	if (change->result.changed.count > 0)
		note_own(change, before);
	return 0;
}

static bool is_named(const struct mailbox *box, const char *keyword)
{
	for (unsigned i = 0; i < box->keyword_count; i++) {
		if (box->keywords[i] != NULL &&
		    str_case_is(str_of(keyword), box->keywords[i]))
			return true;
	}
	return false;
}

/* Another program may have made keywords since the last look: a new one of ours
 * must not get what stands for one of theirs. */
static int look_for_keywords(struct mailbox *box, const char *const *keywords,
			     struct err *err)
{
	for (size_t i = 0; keywords != NULL && keywords[i] != NULL; i++) {
		if (!is_named(box, keywords[i]))
			return box_sync(box->disk, box->ns, box->store, false,
					err);
	}
	return 0;
}

static int store_once(const void *ctx, struct mailbox *box,
		      const struct range_set *seqs, const struct store *store,
		      struct store_result *out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *work = mem_ctx(NULL, "store");
	CLEANUP(box_unlock) struct driver_box *locked = NULL;
	const void *of_result = out == NULL ? work : ctx;
	struct change change = {
		.box = box,
		.what = store,
		.result =
			{
				.changed = range_set_init(of_result),
				.modified = range_set_init(of_result),
				.gone = range_set_init(of_result),
			},
		.own = range_set_init(work),
		.of_result = of_result,
		.of_driver = mem_pool(work, POOL_SIZE),
		.steps = mem_array(work, struct step, MAILS_AT_ONCE),
	};
	int ret;

	if (look_for_keywords(box, store->keywords, err) < 0)
		return -1;
	if (box_lock(box->disk, true, &locked, err) < 0 ||
	    mailbox_begin(box, INDEX_WRITE, &change.txn, &change.row, err) < 0)
		return -1;
	change.seqs = (unsigned)range_set_size(seqs);
	change.bulk = change.seqs >= BULK &&
		      box->disk->location->driver->note_flags != NULL;
	ret = store_it(&change, seqs, err);
	box->disk->coming = 0;
	if (ret < 0)
		store_failed(box->store, err);
	index_rollback(&change.txn);
	if (ret == 0 && out != NULL)
		*out = change.result;
	return ret;
}

int mailbox_store(const void *ctx, struct mailbox *box,
		  const struct range_set *seqs, const struct store *store,
		  struct store_result *out, struct err *err)
{
	if (mailbox_may(box, RIGHT_STORE, err) < 0)
		return -1;
	for (int i = 1; store_once(ctx, box, seqs, store, out, err) < 0; i++) {
		if (!mailbox_begin_again(box, i, err))
			return -1;
	}
	return 0;
}
