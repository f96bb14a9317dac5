/* SPDX-License-Identifier: MIT */
#include "storage/search.h"

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/cache_policy.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/reader.h"
#include "storage/search_core.h"
#include "storage/sort_value.h"

/* How many mails to look at in the index between two looks at the clock. */
enum { CLOCK_EVERY = 256 };

struct search {
	struct mailbox *box;
	const struct search_node *root;
	struct search_key *key;
	struct mail_reader *reader;
	struct range_set result;
	bool started, done;
};

static int search_destroy(struct search *search)
{
	mail_reader_end(&search->reader);
	return 0;
}

struct search *search_begin(const void *ctx, struct mailbox *box,
			    const struct search_node *root)
{
	struct search *search = mem_new(ctx, struct search);

	search->box = box;
	search->root = root;
	search->result = range_set_init(search);
	talloc_set_destructor(search, search_destroy);
	return search;
}

/* Mails that did not change need no look. */
static int narrow_by_modseq(struct mailbox *box, uint64_t modseq,
			    struct range_set *seqs, struct err *err)
{
	struct mailbox_history history;

	if (modseq == 0)
		return 0;
	if (mailbox_history(seqs->ctx, box, modseq - 1, &history, err) < 0)
		return -1;
	range_set_intersect(seqs, &history.seqs);
	return 0;
}

/* The keys that all must match, one after another. */
static const struct search_key *next_key(const struct search_key *root,
					 const struct search_key *key)
{
	if (root->node->kind != SEARCH_AND || root->node->negate)
		return key == NULL ? root : NULL;
	return key == NULL ? root->children : key->next;
}

/* Whether the flags of a record tell: \Recent is the session's. */
static bool is_flag(const struct search_node *node)
{
	return node->kind == SEARCH_FLAG && (node->flags & MAIL_RECENT) == 0 &&
	       (node->negate || (node->flags & (node->flags - 1)) == 0);
}

static void walk_flags(struct index_txn *txn, uint32_t box,
		       const struct range *uids, uint8_t has, uint8_t has_not,
		       struct range_set *found)
{
	struct index_record record = {.uid = uids->first - 1};

	do {
		if (!index_record_next(txn, box, record.uid + 1, &record) ||
		    record.uid > uids->last)
			break;
		if ((record.flags & (has | has_not)) == has)
			range_set_add(found, record.uid, record.uid);
	} while (record.uid < uids->last);
}

/* Likewise what flags that must and must not be there leave. Just the records
 * are walked, which costs half of what it does to make mails of them. */
static int narrow_by_flags(struct mailbox *box, uint8_t has, uint8_t has_not,
			   struct range_set *seqs, struct err *err)
{
	struct range_set uids = range_set_init(seqs->ctx);
	struct range_set found = range_set_init(seqs->ctx);
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;

	view_uids(&box->view, seqs, &uids);
	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    mailbox_begin(box, INDEX_READ, &txn, &row, err) < 0)
		return -1;
	for (size_t i = 0; i < uids.count && (has & has_not) == 0; i++)
		walk_flags(txn, row.id, &uids.ranges[i], has, has_not, &found);
	if (index_check(txn, err) < 0)
		return store_failed(box->store, err);
	range_set_clear(seqs);
	view_seqs(&box->view, &found, seqs);
	return 0;
}

/* Likewise the subjects in the cache, which is all that is read. 0: it does not
 * tell of some of them, which stay; or -1. */
static int narrow_by_subject(struct mailbox *box, struct str folded,
			     struct range_set *seqs, struct err *err)
{
	CLEANUP(mail_reader_end) struct mail_reader *reader =
		mail_reader_begin(seqs->ctx, box, seqs);
	struct range_set uids = range_set_init(seqs->ctx);
	struct range_set found = range_set_init(seqs->ctx);
	uint64_t at = 0;
	struct str value;
	int all = 1;
	uint32_t uid;

	view_uids(&box->view, seqs, &uids);
	if (reader_begin(reader, err) < 0)
		return -1;
	cache_asked(box, INDEX_SUBJECT);
	while (range_set_next(&uids, &at, &uid)) {
		int has = -1;

		if (index_cache_get(reader->txn, reader->box_id, uid,
				    INDEX_SUBJECT, &value))
			has = sort_subject_has(value, folded);
		if (has < 0)
			all = 0;
		if (has != 0)
			range_set_add(&found, uid, uid);
	}
	if (index_check(reader->txn, err) < 0)
		return store_failed(box->store, err);
	range_set_clear(seqs);
	view_seqs(&box->view, &found, seqs);
	return all;
}

/* Leave in `seqs` what a key that must match leaves of it, where that costs
 * little: 1 if these do match, 0 if they must be looked at, -1. */
static int narrow_by(struct mailbox *box, const struct search_key *key,
		     struct range_set *seqs, struct err *err)
{
	const struct search_node *node = key->node;
	struct range_set found;

	if (node->negate)
		return 0;
	switch (node->kind) {
	case SEARCH_ALL:
		return 1;
	case SEARCH_MODSEQ:
		return narrow_by_modseq(box, node->number, seqs, err);
	case SEARCH_SEQS:
		range_set_intersect(seqs, &node->set);
		return 1;
	case SEARCH_UIDS:
		found = range_set_init(seqs->ctx);
		view_seqs(&box->view, &node->set, &found);
		range_set_intersect(seqs, &found);
		return 1;
	case SEARCH_HEADER:
		return str_case_is(str_of(node->field), "subject")
			       ? narrow_by_subject(box, key->folded, seqs, err)
			       : 0;
	default:
		return 0;
	}
}

/* 1 when just what matches is left: then no mail is looked at. */
static int narrow(struct mailbox *box, const struct search_key *root,
		  struct range_set *seqs, struct err *err)
{
	const struct search_key *key = NULL;
	uint8_t has = 0, has_not = 0;
	int decided = 1;

	while ((key = next_key(root, key)) != NULL) {
		int got = 1;

		if (is_flag(key->node))
			*(key->node->negate ? &has_not : &has) |=
				key->node->flags;
		else
			got = narrow_by(box, key, seqs, err);
		if (got < 0)
			return -1;
		decided &= got;
	}
	if ((has | has_not) != 0 && seqs->count > 0 &&
	    narrow_by_flags(box, has, has_not, seqs, err) < 0)
		return -1;
	return decided;
}

static int start(struct search *search, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "search");
	struct range_set seqs = range_set_init(ctx);
	int decided;

	search->started = true;
	search->key = search_key_make(search, search->box, search->root, 0);
	if (search->key == NULL)
		return err_set(err, ERR_LIMIT,
			       "Search keys nest too deep or are too long");
	range_set_add(&seqs, 1, search->box->view.messages);
	decided = narrow(search->box, search->key, &seqs, err);
	if (decided < 0)
		return -1;
	if (decided > 0) {
		range_set_merge(&search->result, &seqs);
		search->done = true;
		return 0;
	}
	search->reader = mail_reader_begin(search, search->box, &seqs);
	search->reader->bare = !search_wants_records(search->root);
	return 0;
}

/* What is cheap decides first. */
static int look_at(struct search *search, const struct mail *mail,
		   enum search_cost *cost_out, struct err *err)
{
	enum search_answer got = SEARCH_LATER;
	enum search_cost cost;

	for (cost = COST_INDEX; cost <= COST_FILE; cost++) {
		got = search_match(search->key, mail, cost, err);
		if (got != SEARCH_LATER)
			break;
	}
	*cost_out = cost;
	if (got == SEARCH_FAILED)
		return err->code == ERR_EXPUNGED ? 0 : -1;
	if (got == SEARCH_YES)
		range_set_add(&search->result, mail->seq, mail->seq);
	return 0;
}

int search_run(struct search *search, unsigned ms, struct err *err)
{
	uint64_t end = clock_monotonic_ms() + ms;
	unsigned looked = 0;

	if (!search->started && start(search, err) < 0)
		return -1;
	while (!search->done) {
		enum search_cost cost;
		const struct mail *mail;
		int got = mail_reader_next(search->reader, &mail, err);

		if (got == 0) {
			mail_reader_end(&search->reader);
			search->done = true;
			break;
		}
		if (got < 0 || look_at(search, mail, &cost, err) < 0) {
			mail_reader_pause(search->reader);
			return -1;
		}
		if ((cost == COST_FILE || ++looked % CLOCK_EVERY == 0) &&
		    clock_monotonic_ms() >= end) {
			mail_reader_pause(search->reader);
			return 0;
		}
	}
	return 1;
}

const struct range_set *search_result(const struct search *search)
{
	return &search->result;
}
