/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/apply.c - bring what is in the file into the index.
 *
 * UIDs grow from mail to mail. An X-UID that does not grow, that is higher than
 * X-IMAPbase says, or that the index has given out and taken back, is not
 * believed: the mail gets a new one, as with Dovecot.
 */
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

struct base {
	bool found, pseudo;
	uint32_t uid_validity, last_uid;
	uint64_t at;      /* of the digits; 0 if there are not ten */
	uint64_t end;     /* of the mail it is in */
	struct str names; /* child of the sync */
};

struct apply {
	struct mbox_sync *sync;
	struct base base;
	bool full;
	uint32_t known_next; /* next UID of the index before */
	uint32_t prev_uid;   /* of the mail before */
	uint32_t old_until;  /* mails below are marked as old, so far */
	uint32_t messages;
	bool whole;   /* the index has all that it says */
	uint64_t end; /* of the mails so far */
};

/* X-IMAPbase */

static int take_first(void *ctx, const struct mbox_mail *mail, struct err *err)
{
	struct apply *apply = ctx;
	const struct mbox_header *header = &mail->header;
	struct base *base = &apply->base;

	(void)err;
	base->found = header->has_base;
	base->end = mbox_record_end(&mail->record);
	if (!base->found)
		return 1;
	base->pseudo = header->pseudo;
	base->uid_validity = header->uid_validity;
	base->last_uid = header->last_uid;
	base->names = str_of(str_dup(apply->sync->ctx, header->base_keywords));
	if (header->last_uid_len == 10)
		base->at = mail->record.offset + mail->record.from_len +
			   header->last_uid_at;
	return 1;
}

static int scan(struct apply *apply, uint64_t from, mbox_mail_fn *fn,
		bool header_only, struct err *err)
{
	struct mbox_sync *sync = apply->sync;
	struct mbox_scan scan = {
		.box = sync->box,
		.fd = sync->fd,
		.at = from,
		.end = sync->size,
		.max_header = (size_t)sync->box->location->settings
				      ->mail_max_header_size,
		.header_only = header_only,
		.fn = fn,
		.ctx = apply,
	};

	return mbox_scan(&scan, err);
}

static int create_row(struct apply *apply, struct err *err)
{
	struct mbox_sync *sync = apply->sync;
	struct index_box *row = sync->row;

	memset(row, 0, sizeof(*row));
	row->uid_validity = apply->base.uid_validity;
	if (!apply->base.found &&
	    uid_validity_next(sync->box->location, &row->uid_validity, err) < 0)
		return -1;
	guid128_new(row->guid);
	row->uid_next = 1;
	row->first_recent_uid = 1;
	if (index_box_create(sync->txn, sync->box->name, row, err) < 0)
		return -1;
	sync->box->id = row->id;
	sync->created = true;
	sync->names = NULL;
	sync->name_count = 0;
	memset(&sync->state, 0, sizeof(sync->state));
	sync->state.dirty_first = UINT32_MAX;
	return 0;
}

static int find_row(struct apply *apply, struct err *err)
{
	struct mbox_sync *sync = apply->sync;
	struct index_box *row = sync->row;

	/* Another UIDVALIDITY is another mailbox. */
	if (row->id != 0 && apply->base.found &&
	    row->uid_validity != apply->base.uid_validity) {
		if (index_box_delete(sync->txn, row->id, err) < 0)
			return -1;
		row->id = 0;
	}
	return row->id == 0 ? create_row(apply, err) : 0;
}

/* keywords */

static int name_bit(const struct mbox_sync *sync, struct str name)
{
	for (unsigned i = 0; i < sync->name_count; i++) {
		if (sync->names[i] != NULL && str_is(name, sync->names[i]))
			return (int)i;
	}
	return -1;
}

static void add_name(struct mbox_sync *sync, struct str name)
{
	sync->names = mem_resize(sync->ctx, sync->names, const char *,
				 sync->name_count + 1);
	sync->names[sync->name_count++] = str_dup(sync->names, name);
}

/* Names of the file that the index does not have yet. */
static int take_names(struct apply *apply, struct err *err)
{
	struct mbox_sync *sync = apply->sync;
	struct str rest = apply->base.names, name;
	unsigned before = sync->name_count;
	uint32_t named = 0;

	while (apply->base.found && mbox_header_word(&rest, &name)) {
		if (name.len > sync->box->location->settings
				       ->mail_max_keyword_length ||
		    !keyword_can_be_told(name))
			continue;
		if (name_bit(sync, name) < 0) {
			if (sync->name_count == INDEX_KEYWORDS_MAX)
				break;
			add_name(sync, name);
		}
		named++;
	}
	/* Those that are not there are written with the next change. */
	sync->state.base_names = named;
	if (sync->name_count == before)
		return 0;
	return index_keywords_put(sync->txn, sync->row->id, sync->names,
				  sync->name_count, err);
}

/* All of them or, if any is unknown, none: as Dovecot does. */
static void bits_of(const struct mbox_sync *sync, struct str names,
		    struct keywords *out)
{
	struct str name;

	memset(out, 0, sizeof(*out));
	while (mbox_header_word(&names, &name)) {
		int bit = name_bit(sync, name);

		if (bit < 0) {
			memset(out, 0, sizeof(*out));
			return;
		}
		out->bits[bit / 64] |= (uint64_t)1 << (bit % 64);
	}
}

/* one mail */

static int expunge_below(struct apply *apply, uint32_t uid, struct err *err)
{
	struct mbox_sync *sync = apply->sync;
	struct index_record record;
	uint32_t at = apply->prev_uid + 1;

	if (!apply->full)
		return 0;
	while (at < uid &&
	       index_record_next(sync->txn, sync->row->id, at, &record) &&
	       record.uid < uid) {
		at = record.uid;
		if (index_record_expunge(sync->txn, sync->row, at, err) < 0)
			return -1;
		at++;
	}
	return index_check(sync->txn, err);
}

static bool has_record(const struct mbox_sync *sync, uint32_t uid,
		       struct index_record *out)
{
	struct err err;

	return index_record_get(sync->txn, sync->row->id, uid, out, &err) == 0;
}

enum match { MATCH_NEW, MATCH_RECORD, MATCH_EXPUNGED };

/* By what others do not change. */
static bool is_mail_of(const struct index_record *record,
		       const struct mbox_mail *mail, struct mbox_record *out)
{
	return mbox_record_get(record, out) &&
	       memcmp(out->md5, mail->record.md5, sizeof(out->md5)) == 0 &&
	       out->body_len == mail->record.body_len;
}

/* The mail that comes next in the index, if this one has lost its UID, never
 * had one in the file, or still has one of another mailbox, which could not be
 * written over. */
static bool same_as_next(const struct apply *apply,
			 const struct mbox_mail *mail, struct index_record *out)
{
	const struct mbox_sync *sync = apply->sync;
	struct mbox_record data;

	return index_record_next(sync->txn, sync->row->id, apply->prev_uid + 1,
				 out) &&
	       is_mail_of(out, mail, &data) &&
	       (mail->header.uid == 0 || data.dirty);
}

static bool has_uid_of(const struct apply *apply, const struct mbox_mail *mail,
		       struct index_record *out)
{
	uint32_t uid = mail->header.uid;

	return apply->full && uid > apply->prev_uid &&
	       uid < apply->known_next && has_record(apply->sync, uid, out);
}

static enum match find(const struct apply *apply, const struct mbox_mail *mail,
		       struct index_record *record, uint32_t *uid_out)
{
	const struct mbox_sync *sync = apply->sync;
	uint32_t uid = mail->header.uid;
	bool grows = uid > apply->prev_uid;
	struct mbox_record data;

	if (has_uid_of(apply, mail, record) && is_mail_of(record, mail, &data))
		return MATCH_RECORD;
	if (grows && sync->expunging != NULL &&
	    range_set_has(sync->expunging, uid))
		return MATCH_EXPUNGED;
	if ((apply->full && same_as_next(apply, mail, record)) ||
	    has_uid_of(apply, mail, record))
		return MATCH_RECORD;
	*uid_out = 0;
	if (grows && apply->base.found && uid >= apply->known_next &&
	    uid <= apply->base.last_uid)
		*uid_out = uid;
	return MATCH_NEW;
}

static void fill(struct apply *apply, const struct mbox_mail *mail,
		 struct index_record *record)
{
	record->received = mail->received;
	record->size_physical = mail->size;
	record->size_virtual = mail->virtual;
	record->flags = mail->header.flags;
	bits_of(apply->sync, mail->header.keywords, &record->keywords);
}

static int update_record(struct apply *apply, const struct mbox_mail *mail,
			 struct index_record *record, struct err *err)
{
	struct mbox_sync *sync = apply->sync;
	struct mbox_record now = mail->record, before;
	struct index_record changed = *record;

	if (!mbox_record_get(record, &before))
		memset(&before, 0, sizeof(before));
	fill(apply, mail, &changed);
	now.dirty = before.dirty || mail->header.uid != record->uid;
	if (before.dirty) {
		changed.flags = record->flags;
		changed.keywords = record->keywords;
	}
	if (mail->header.uid != record->uid)
		sync->urgent = true;
	if (now.dirty)
		mbox_state_dirty(&sync->state, record->uid);
	mbox_record_put(sync->ctx, &now, &changed);
	if (changed.flags == record->flags &&
	    changed.received == record->received &&
	    changed.size_physical == record->size_physical &&
	    changed.size_virtual == record->size_virtual &&
	    memcmp(&changed.keywords, &record->keywords,
		   sizeof(changed.keywords)) == 0 &&
	    str_equal(changed.driver, record->driver))
		return 0;
	return index_record_put(sync->txn, sync->row, &changed, err);
}

static int append_record(struct apply *apply, const struct mbox_mail *mail,
			 uint32_t uid, struct err *err)
{
	struct mbox_sync *sync = apply->sync;
	struct mbox_record data = mail->record;
	struct index_record record = {.uid = uid};

	if (uid == 0) {
		record.uid = sync->row->uid_next;
		if (apply->base.found && record.uid <= apply->base.last_uid)
			record.uid = apply->base.last_uid + 1;
		data.dirty = sync->urgent = true;
		mbox_state_dirty(&sync->state, record.uid);
	}
	if (record.uid == 0 || record.uid == UINT32_MAX)
		return err_set(err, ERR_LIMIT, "no UIDs are left");
	fill(apply, mail, &record);
	mbox_record_put(sync->ctx, &data, &record);
	if (index_record_append(sync->txn, sync->row, &record, err) < 0)
		return -1;
	/* Recent are those behind the last one that is old. */
	if (mail->header.old &&
	    (sync->created || sync->row->first_recent_uid == record.uid))
		sync->row->first_recent_uid = record.uid + 1;
	apply->prev_uid = record.uid;
	return 0;
}

static int take_mail(void *ctx, const struct mbox_mail *mail, struct err *err)
{
	struct apply *apply = ctx;
	struct mbox_sync *sync = apply->sync;
	struct index_record record;
	enum match match;
	uint32_t uid;

	if (mail->record.offset != apply->end)
		sync->state.gaps = true;
	match = find(apply, mail, &record, &uid);
	if (match == MATCH_EXPUNGED) {
		/* It leaves a gap; the next write takes it out. */
		sync->state.gaps = true;
		return 0;
	}
	apply->end = mbox_record_end(&mail->record);
	apply->messages++;
	/* It had this UID, and the index may have lost that only. */
	if (match == MATCH_NEW && !apply->whole &&
	    mail->header.uid > apply->prev_uid &&
	    mail->header.uid < apply->known_next) {
		if (index_box_whole(sync->txn, sync->row->id, err) < 0)
			return -1;
		apply->whole = true;
	}
	if (match == MATCH_NEW) {
		/* UIDs grow, so that what the index has further on is gone, or
		 * gets new ones. */
		if (expunge_below(apply, UINT32_MAX, err) < 0 ||
		    append_record(apply, mail, uid, err) < 0)
			return -1;
	} else {
		if (expunge_below(apply, record.uid, err) < 0 ||
		    index_record_get(sync->txn, sync->row->id, record.uid,
				     &record, err) < 0 ||
		    update_record(apply, mail, &record, err) < 0)
			return -1;
		apply->prev_uid = record.uid;
	}
	if (mail->header.old && apply->old_until == 0)
		return 0;
	if (!mail->header.old && apply->old_until == 0)
		apply->old_until = apply->prev_uid;
	return 0;
}

/* the whole */

static int apply_full(struct apply *apply, struct err *err)
{
	struct mbox_sync *sync = apply->sync;
	struct mbox_state *state = &sync->state;
	uint64_t from;

	if (sync->size > 0 && scan(apply, 0, take_first, true, err) < 0)
		return -1;
	if (find_row(apply, err) < 0 || take_names(apply, err) < 0)
		return -1;
	state->dirty_first = UINT32_MAX;
	state->dirty_last = 0;
	state->gaps = state->tail_only = false;
	state->base_at = apply->base.at;
	state->base_uid = apply->base.last_uid;
	apply->known_next = sync->row->uid_next;
	from = apply->base.pseudo ? apply->base.end : 0;
	state->first = from;
	apply->end = from;
	if (scan(apply, from, take_mail, false, err) < 0 ||
	    expunge_below(apply, UINT32_MAX, err) < 0)
		return -1;
	state->messages = apply->messages;
	state->old_below = apply->old_until;
	if (apply->old_until == 0)
		state->old_below = apply->prev_uid + 1;
	return 0;
}

/* 0: what is at the front is another mailbox. */
static int apply_tail(struct apply *apply, struct err *err)
{
	struct mbox_sync *sync = apply->sync;
	struct mbox_state *state = &sync->state;

	/* Others may have given out UIDs and keywords. */
	if (scan(apply, 0, take_first, true, err) < 0)
		return -1;
	if (apply->base.found != (state->base_at != 0) ||
	    apply->base.at != state->base_at ||
	    (apply->base.found &&
	     apply->base.uid_validity != sync->row->uid_validity))
		return 0;
	if (take_names(apply, err) < 0)
		return -1;
	state->base_uid = apply->base.last_uid;
	apply->known_next = sync->row->uid_next;
	apply->prev_uid = sync->row->uid_next - 1;
	apply->end = state->size;
	if (scan(apply, state->size, take_mail, false, err) < 0)
		return -1;
	state->messages += apply->messages;
	if (!state->tail_only)
		state->tail_uid = apply->known_next;
	state->tail_only = true;
	return 1;
}

struct last {
	struct apply apply; /* first */
	uint32_t uid;
	struct mbox_record record;
	bool found;
};

static int compare_last(void *ctx, const struct mbox_mail *mail,
			struct err *err)
{
	struct last *last = ctx;
	const struct mbox_record *record = &last->record;

	(void)err;
	last->found = mail->header.uid == last->uid ||
		      ((mail->header.uid == 0 || record->dirty) &&
		       memcmp(mail->record.md5, record->md5,
			      sizeof(record->md5)) == 0);
	return 1;
}

/* Whether the last mail is where it was, and ended where the file did. A file
 * that lost one of many mails as long as each other, and then got two more, has
 * a mail beginning there, too. 0: no, or it was expunged. */
static int last_is_there(struct mbox_sync *sync, struct err *err)
{
	struct last last = {.apply = {.sync = sync},
			    .uid = sync->row->uid_next - 1};
	struct index_record record;

	if (sync->row->counts.messages == 0)
		return 1;
	if (index_record_get(sync->txn, sync->row->id, last.uid, &record, err) <
	    0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (!mbox_record_get(&record, &last.record) ||
	    mbox_record_end(&last.record) != sync->state.size)
		return 0;
	if (scan(&last.apply, last.record.offset, compare_last, true, err) < 0)
		return err->code == ERR_INVALID ? 0 : -1;
	return last.found;
}

/* 1 when the new end was read, 0 if all must be. */
static int try_tail(struct mbox_sync *sync, struct err *err)
{
	struct apply apply = {.sync = sync};
	int ret = mbox_mail_starts(sync->box, sync->fd, sync->state.size,
				   sync->size, err);

	if (ret > 0)
		ret = last_is_there(sync, err);
	if (ret > 0)
		ret = apply_tail(&apply, err);
	if (ret > 0 && apply.base.found &&
	    sync->row->uid_next <= apply.base.last_uid)
		sync->row->uid_next = apply.base.last_uid + 1;
	return ret;
}

static int read_all(struct mbox_sync *sync, struct err *err)
{
	struct apply apply = {.sync = sync, .full = true};

	if (apply_full(&apply, err) < 0)
		return -1;
	if (apply.base.found && sync->row->uid_next <= apply.base.last_uid)
		sync->row->uid_next = apply.base.last_uid + 1;
	return 0;
}

int mbox_apply(struct mbox_sync *sync, bool full, struct err *err)
{
	int ret = 0;

	if (!full && sync->size == sync->state.size)
		return 0;
	sync->box->others = true;
	if (!full)
		ret = try_tail(sync, err);
	if (ret == 0)
		ret = read_all(sync, err);
	if (ret < 0)
		return -1;
	if (sync->state.messages > 0 && sync->state.base_at == 0)
		sync->urgent = true;
	return index_box_put(sync->txn, sync->row, err);
}
