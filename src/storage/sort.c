/* SPDX-License-Identifier: MIT */
#include "storage/sort.h"

#include "base/buf.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/order.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/sort_value.h"

enum { CLOCK_EVERY = 64 };

struct sort {
	struct mailbox *box;
	struct sort_key keys[SORT_KINDS];
	size_t key_count;
	struct search *search; /* NULL: it is done */
	struct mail_reader *reader;
	struct range_set found;
	struct order *order;
	struct buf key; /* of the mail at hand */
	unsigned opened; /* mails that were not in the index */
	bool read;       /* all keys are */
};

static int sort_destroy(struct sort *sort)
{
	mail_reader_end(&sort->reader);
	buf_free(&sort->key);
	return 0;
}

static void add_key(struct sort *sort, const struct sort_key *key)
{
	for (size_t i = 0; i < sort->key_count; i++) {
		if (sort->keys[i].kind == key->kind)
			return;
	}
	sort->keys[sort->key_count++] = *key;
}

struct sort *sort_begin(const void *ctx, struct mailbox *box,
			const struct search_node *root,
			const struct sort_key *keys, size_t count)
{
	struct sort *sort = mem_new(ctx, struct sort);

	sort->box = box;
	for (size_t i = 0; i < count; i++)
		add_key(sort, &keys[i]);
	sort->key = buf_init(ORDER_KEY_MAX);
	sort->found = range_set_init(sort);
	sort->search = search_begin(sort, box, root);
	sort->order = order_new(sort, box->user->settings.mail_sort_max_memory);
	talloc_set_destructor(sort, sort_destroy);
	return sort;
}

/* one mail */

static bool needs_value(enum sort_kind kind)
{
	return kind != SORT_ARRIVAL && kind != SORT_SIZE;
}

static bool wants_records(const struct sort *sort)
{
	for (size_t i = 0; i < sort->key_count; i++) {
		if (!needs_value(sort->keys[i].kind))
			return true;
	}
	return false;
}

static int put_received(const struct mail *mail, bool reverse, struct buf *out,
			struct err *err)
{
	int64_t received, saved;

	if (mail_times(mail, &received, &saved, err) < 0)
		return -1;
	order_key_number(out, received, reverse);
	return 0;
}

static int put_number(const struct mail *mail, const struct sort_key *key,
		      struct buf *out, struct err *err)
{
	uint64_t size;

	if (key->kind != SORT_SIZE)
		return put_received(mail, key->reverse, out, err);
	if (mail_size(mail, &size, err) < 0)
		return -1;
	order_key_number(out, (int64_t)size, key->reverse);
	return 0;
}

static struct str text_of(const struct sort_value *value, enum sort_kind kind)
{
	switch (kind) {
	case SORT_CC:
		return value->cc;
	case SORT_DISPLAY_FROM:
		return value->display_from;
	case SORT_DISPLAY_TO:
		return value->display_to;
	case SORT_FROM:
		return value->from;
	case SORT_SUBJECT:
		return value->base;
	case SORT_TO:
		return value->to;
	case SORT_ARRIVAL:
	case SORT_DATE:
	case SORT_SIZE:
	case SORT_KINDS:
		break;
	}
	return STR("");
}

static int put_key(struct sort *sort, const struct mail *mail,
		   const struct sort_key *key, struct err *err)
{
	struct buf *out = &sort->key;
	struct sort_value value;

	if (!needs_value(key->kind))
		return put_number(mail, key, out, err);
	if (sort_value_of(mail,
			  key->kind == SORT_SUBJECT ? 1 << SORT_BASE_PART
						    : 1 << SORT_OTHER_PART,
			  &sort->opened, &value, err) < 0)
		return -1;
	if (key->kind != SORT_DATE)
		order_key_text(out, text_of(&value, key->kind), key->reverse);
	else if (value.has_date)
		order_key_number(out, value.date, key->reverse);
	else
		return put_received(mail, key->reverse, out, err);
	return 0;
}

static int add_mail(struct sort *sort, const struct mail *mail, struct err *err)
{
	struct buf *key = &sort->key;

	buf_reset(key);
	for (size_t i = 0; i < sort->key_count; i++) {
		if (put_key(sort, mail, &sort->keys[i], err) < 0)
			return err->code == ERR_EXPUNGED ? 0 : -1;
	}
	if (!order_add(sort->order, mail->seq, str_n(key->data, key->len)))
		return err_set(err, ERR_LIMIT, "Too many messages to sort");
	return 0;
}

/* 1 when all are there, 0, -1. */
static int read_keys(struct sort *sort, uint64_t deadline, struct err *err)
{
	unsigned looked = 0;

	while (!sort->read) {
		const struct mail *mail;
		int got = mail_reader_next(sort->reader, &mail, err);

		if (got == 0) {
			mail_reader_end(&sort->reader);
			sort->read = true;
			break;
		}
		if (got < 0 || add_mail(sort, mail, err) < 0) {
			mail_reader_pause(sort->reader);
			return -1;
		}
		if (++looked % CLOCK_EVERY == 0 &&
		    clock_monotonic_ms() >= deadline) {
			mail_reader_pause(sort->reader);
			return 0;
		}
	}
	return 1;
}

int sort_run(struct sort *sort, unsigned ms, struct err *err)
{
	uint64_t deadline = clock_monotonic_ms() + ms;
	int done;

	if (sort->search != NULL) {
		done = search_run(sort->search, ms, err);
		if (done <= 0)
			return done;
		sort->reader = mail_reader_begin(sort, sort->box,
						 search_result(sort->search));
		sort->reader->bare = !wants_records(sort);
		range_set_merge(&sort->found, search_result(sort->search));
		mem_free(sort->search);
		sort->search = NULL;
	}
	done = read_keys(sort, deadline, err);
	if (done <= 0)
		return done;
	return order_run(sort->order, deadline) ? 1 : 0;
}

const uint32_t *sort_result(const struct sort *sort, size_t *count_out)
{
	return order_result(sort->order, count_out);
}

const struct range_set *sort_result_set(const struct sort *sort)
{
	return &sort->found;
}
