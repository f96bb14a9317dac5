/* SPDX-License-Identifier: MIT */
/*
 * storage/status.c - counts of a mailbox, open or not.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pack.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/reader.h"

void status_of_row(const struct storage *store, const struct index_box *row,
		   struct mailbox_status *out)
{
	*out = (struct mailbox_status){
		.messages = row->counts.messages,
		.recent = row->counts.recent,
		.unseen = row->counts.unseen,
		.deleted = row->counts.deleted,
		.uid_validity = row->uid_validity,
		.uid_next = row->uid_next,
		.highest_modseq = row->highest_modseq,
		.no_modseq = store->in_memory,
		.size = row->counts.size,
		.size_unknown = row->counts.size_unknown > 0,
	};
	memcpy(out->guid, row->guid, sizeof(out->guid));
}

/* the first unseen mail */

/* Walking to it costs what the mailbox holds, so that the index remembers where
 * it was: at `modseq` no unseen mail had a UID below `uid`. */
struct unseen_hint {
	uint64_t modseq;
	uint32_t uid;
};

/* What costs less is not worth remembering: each may be a page from the disk. */
enum { HINT_FROM = 8 };

struct unseen_search {
	struct mailbox *box;
	struct index_txn *txn;
	uint32_t id;
	uint32_t from;   /* all before it are seen */
	uint64_t looked; /* records and changes */
};

static bool hint_get(const struct unseen_search *search,
		     struct unseen_hint *out)
{
	struct unpack in = {.bad = false};

	if (!index_cache_get(search->txn, search->id, 0, INDEX_UNSEEN, &in.in))
		return false;
	out->modseq = unpack_u64(&in);
	out->uid = unpack_u32(&in);
	return !in.bad;
}

/* Mails before the hint can only have become unseen by a change. */
static void use_hint(struct unseen_search *search)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "unseen");
	struct range_set changed = range_set_init(ctx);
	struct range_set expunged = range_set_init(ctx);
	struct index_record record;
	struct unseen_hint hint;
	struct err err;
	uint64_t at = 0;
	uint32_t uid;

	if (!hint_get(search, &hint) ||
	    !index_changes_since(search->txn, search->id, hint.modseq, &changed,
				 &expunged))
		return;
	search->from = hint.uid;
	while (range_set_next(&changed, &at, &uid) && uid < hint.uid) {
		search->looked++;
		if (index_record_get(search->txn, search->id, uid, &record,
				     &err) == 0 &&
		    (record.flags & MAIL_SEEN) == 0) {
			search->from = uid;
			return;
		}
	}
}

static uint32_t walk_to_unseen(struct unseen_search *search)
{
	struct index_record record;
	uint32_t seq;

	while (index_record_next(search->txn, search->id, search->from,
				 &record)) {
		search->looked++;
		search->from = record.uid;
		if ((record.flags & MAIL_SEEN) == 0) {
			seq = view_seq(&search->box->view, record.uid);
			if (seq != 0)
				return seq;
		}
		if (record.uid == UINT32_MAX)
			break;
		search->from = record.uid + 1;
	}
	return 0;
}

static void remember(struct mailbox *box, const struct unseen_hint *hint)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	CLEANUP(buf_free) struct buf value = buf_init(64);
	struct index_box row;
	struct err err;

	pack_u64(&value, hint->modseq);
	pack_u32(&value, hint->uid);
	if (mailbox_begin(box, INDEX_WRITE, &txn, &row, &err) < 0)
		return; /* the next one walks again */
	if (index_cache_put(txn, row.id, 0, INDEX_UNSEEN,
			    str_n(value.data, value.len), &err) == 0)
		index_commit(&txn, &err);
}

/* Ends the transaction. Mails that are not in the view yet end the search
 * without a hint: what is before them was seen. */
static uint32_t find_unseen(struct mailbox *box, struct index_txn **txn,
			    const struct index_box *row)
{
	struct unseen_search search = {.box = box, .txn = *txn, .id = row->id};
	struct unseen_hint hint;
	uint32_t seq;

	if (row->counts.unseen == 0)
		return 0;
	use_hint(&search);
	seq = walk_to_unseen(&search);
	index_rollback(txn);
	if (seq != 0 && search.looked >= HINT_FROM) {
		hint = (struct unseen_hint){row->highest_modseq, search.from};
		remember(box, &hint);
	}
	return seq;
}

int mailbox_get_status(struct mailbox *box, struct mailbox_status *out,
		       struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;

	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    mailbox_begin(box, INDEX_READ, &txn, &row, err) < 0)
		return -1;
	status_of_row(box->store, &row, out);
	out->messages = box->view.messages;
	out->recent = view_recent(&box->view);
	out->uid_next = box->view.uid_next;
	out->highest_modseq = mailbox_modseq(box);
	out->first_unseen = find_unseen(box, &txn, &row);
	return 0;
}

static int status_of_box(struct driver_box *box, struct ns *ns,
			 struct index_box *row, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;

	if (box_sync(box, ns, ns->store, false, err) < 0)
		return -1;
	if (store_begin(ns->store, INDEX_READ, &txn, err) < 0 ||
	    box_get(box, txn, row, err) < 0)
		return store_failed(ns->store, err);
	return 0;
}

int mailbox_status(struct user *user, const char *name,
		   struct mailbox_status *out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "status");
	CLEANUP(box_free) struct driver_box *box = NULL;
	struct index_box row;
	char *storage;
	struct ns *ns;

	if (name_resolve(ctx, user, name, &ns, &storage, err) < 0 ||
	    box_new(ctx, ns->store, storage, &box, err) < 0)
		return -1;
	if (status_of_box(box, ns, &row, err) < 0) {
		if (err->code == ERR_NOT_FOUND)
			return err_set(err, ERR_NOT_FOUND,
				       "Mailbox doesn't exist: %s", name);
		if (err->code != ERR_CORRUPT ||
		    status_of_box(box, ns, &row, err) < 0)
			return -1;
	}
	status_of_row(ns->store, &row, out);
	return 0;
}

/* sizes that nobody looked at yet */

/* Those of mails that other programs put there without a size in the name. */
static int learn(struct mailbox *box, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sizes");
	CLEANUP(mail_reader_end) struct mail_reader *reader = NULL;
	struct range_set uids = range_set_init(ctx);
	struct range_set seqs = range_set_init(ctx);
	struct index_record record = {0};
	const struct mail *mail;
	struct index_txn *txn;
	struct index_box row;
	uint64_t octets;
	int ret;

	if (mailbox_begin(box, INDEX_READ, &txn, &row, err) < 0)
		return -1;
	for (uint32_t uid = 0; index_record_next(txn, row.id, uid, &record) &&
			       record.uid != UINT32_MAX;
	     uid = record.uid + 1) {
		if (record.size_virtual == UINT64_MAX)
			range_set_add(&uids, record.uid, record.uid);
	}
	index_rollback(&txn);
	mailbox_seqs_of(box, &uids, &seqs);
	reader = mail_reader_begin(ctx, box, &seqs);
	while ((ret = mail_reader_next(reader, &mail, err)) > 0) {
		if (mail_size(mail, &octets, err) < 0 &&
		    err->code != ERR_EXPUNGED)
			return -1;
	}
	return ret;
}

int mailbox_learn_sizes(struct user *user, const char *name, struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;

	if (mailbox_open(user, name, MAILBOX_READONLY | MAILBOX_KEEP_RECENT,
			 &box, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return learn(box, err);
}

int mailbox_status_size(struct user *user, const char *name,
			struct mailbox_status *status, struct err *err)
{
	struct mailbox_status now;

	if (!status->size_unknown)
		return 0;
	if (mailbox_learn_sizes(user, name, err) < 0 ||
	    mailbox_status(user, name, &now, err) < 0)
		return -1;
	status->size = now.size;
	return 0;
}
