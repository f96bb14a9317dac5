/* SPDX-License-Identifier: MIT */
/*
 * storage/thread.c - read what is to be threaded, link it, sort it.
 */
#include "storage/thread.h"

#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/forest.h"
#include "storage/intern.h"
#include "storage/mailbox.h"
#include "storage/order.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/sort_value.h"
#include "storage/thread_core.h"

enum { READ_CLOCK_EVERY = 64, CLOCK_EVERY = 4096 };

static int thread_destroy(struct thread *thread)
{
	mail_reader_end(&thread->reader);
	return 0;
}

struct thread *thread_begin(const void *ctx, struct mailbox *box,
			    const struct search_node *root,
			    enum thread_kind kind)
{
	const struct mail_settings *settings = &box->user->settings;
	struct thread *thread = mem_new(ctx, struct thread);

	thread->kind = kind;
	thread->box = box;
	thread->memory_max = settings->mail_sort_max_memory;
	thread->search = search_begin(thread, box, root);
	/* Nodes and what stands in them take about as much as the ids. */
	thread->ids = intern_new(thread, thread->memory_max / 3);
	thread->subjects = intern_new(thread, thread->memory_max / 6);
	thread->forest = forest_new(thread);
	thread->order = order_new(thread, thread->memory_max / 6);
	thread->tree.depth_max = settings->mail_thread_max_depth;
	intern_get(thread->subjects, STR(""), &thread->empty_subject);
	talloc_set_destructor(thread, thread_destroy);
	return thread;
}

bool thread_late(uint32_t at, uint64_t deadline)
{
	return at % CLOCK_EVERY == 0 && clock_monotonic_ms() >= deadline;
}

/* one mail */

static int too_many(struct err *err)
{
	return err_set(err, ERR_LIMIT, "Too many messages to thread");
}

static bool get_node(struct thread *thread, struct str id, uint32_t *out)
{
	if (!intern_get(thread->ids, id, out))
		return false;
	forest_grow(thread->forest, intern_count(thread->ids));
	tree_grow(&thread->tree, thread, intern_count(thread->ids));
	return true;
}

/* Step 1: one without an id, or with one that another has already, gets a
 * unique one. */
static bool own_node(struct thread *thread, const struct sort_value *value,
		     uint32_t *out)
{
	uint32_t unique = thread->count;

	if (value->has_id) {
		if (!get_node(thread, str_n(value->id, SORT_ID_LEN), out))
			return false;
		if (thread->tree.nodes[*out].mail == NO_NODE)
			return true;
	}
	return get_node(thread, str_n(&unique, sizeof(unique)), out);
}

/* Step 1.A and 1.B. */
static bool link_mail(struct thread *thread, const struct sort_value *value,
		      uint32_t node)
{
	const unsigned char *id = value->references;
	uint32_t above = FOREST_NONE, at;

	for (uint32_t i = 0; i < value->reference_count; i++) {
		if (!get_node(thread, str_n(id, SORT_ID_LEN), &at))
			return false;
		if (above != FOREST_NONE)
			forest_link(thread->forest, at, above);
		above = at;
		id += SORT_ID_LEN;
	}
	forest_cut(thread->forest, node);
	if (above != FOREST_NONE)
		forest_link(thread->forest, node, above);
	return true;
}

static struct thread_mail *new_mail(struct thread *thread)
{
	if (thread->count == thread->cap) {
		thread->cap = thread->cap == 0 ? 256 : thread->cap * 2;
		thread->mails = mem_resize(thread, thread->mails,
					   struct thread_mail, thread->cap);
	}
	return &thread->mails[thread->count];
}

/* Subjects by their numbers: they need to stand together, in any order. */
static bool add_to_order(struct thread *thread, const struct thread_mail *mail)
{
	bool by_subject = thread->kind == THREAD_ORDEREDSUBJECT;

	return order_add_numbers(thread->order, thread->count,
				 by_subject ? mail->subject : 0, mail->date);
}

static int add_value(struct thread *thread, const struct sort_value *value,
		     struct thread_mail *mail, struct err *err)
{
	if (thread->kind == THREAD_ORDEREDSUBJECT) {
		mail->node = thread->count;
		tree_grow(&thread->tree, thread, thread->count + 1);
	} else if (!own_node(thread, value, &mail->node) ||
		   !link_mail(thread, value, mail->node)) {
		return too_many(err);
	}
	mail->reply = value->reply;
	mail->subject = thread->empty_subject;
	if (thread->kind != THREAD_REFS &&
	    !intern_get(thread->subjects, value->base, &mail->subject))
		return too_many(err);
	if (!add_to_order(thread, mail))
		return too_many(err);
	thread->tree.nodes[mail->node].mail = thread->count++;
	return 0;
}

enum { PARTS = 1 << SORT_OTHER_PART | 1 << SORT_BASE_PART };

static int add_mail(struct thread *thread, const struct mail *mail,
		    struct err *err)
{
	struct thread_mail *new = new_mail(thread);
	struct sort_value value;
	int64_t saved;

	if (sort_value_of(mail, PARTS, &thread->opened, &value, err) < 0)
		return -1;
	new->seq = mail->seq;
	new->date = value.date;
	if (!value.has_date) {
		/* What is asked of the mail ends the value. */
		if (mail_times(mail, &new->date, &saved, err) < 0 ||
		    sort_value_of(mail, PARTS, &thread->opened, &value, err) < 0)
			return -1;
	}
	return add_value(thread, &value, new, err);
}

/* all of them */

static int read_mails(struct thread *thread, uint64_t deadline, struct err *err)
{
	unsigned looked = 0;

	for (;;) {
		const struct mail *mail;
		int got = mail_reader_next(thread->reader, &mail, err);

		if (got == 0)
			break;
		if (got < 0 || (add_mail(thread, mail, err) < 0 &&
				err->code != ERR_EXPUNGED)) {
			mail_reader_pause(thread->reader);
			return -1;
		}
		if (++looked % READ_CLOCK_EVERY == 0 &&
		    clock_monotonic_ms() >= deadline) {
			mail_reader_pause(thread->reader);
			return 0;
		}
	}
	mail_reader_end(&thread->reader);
	thread->subject_count = intern_count(thread->subjects);
	mem_free(thread->ids);
	mem_free(thread->subjects);
	thread->ids = thread->subjects = NULL;
	thread->phase = THREAD_SORT;
	return 1;
}

static int find_and_read(struct thread *thread, unsigned ms, uint64_t deadline,
			 struct err *err)
{
	int done;

	if (thread->search != NULL) {
		done = search_run(thread->search, ms, err);
		if (done <= 0)
			return done;
		thread->reader = mail_reader_begin(
			thread, thread->box, search_result(thread->search));
		thread->reader->bare = true;
		mem_free(thread->search);
		thread->search = NULL;
	}
	return read_mails(thread, deadline, err);
}

static bool build(struct thread *thread, uint64_t deadline)
{
	return thread->kind == THREAD_ORDEREDSUBJECT
		       ? thread_build_ordered_subject(thread, deadline)
		       : thread_build_references(thread, deadline);
}

int thread_run(struct thread *thread, unsigned ms, struct err *err)
{
	uint64_t deadline = clock_monotonic_ms() + ms;
	size_t count;
	int done;

	if (thread->phase == THREAD_READ) {
		done = find_and_read(thread, ms, deadline, err);
		if (done <= 0)
			return done;
	}
	if (thread->phase == THREAD_SORT) {
		if (!order_run(thread->order, deadline))
			return 0;
		thread->sorted = order_result(thread->order, &count);
		thread->phase = THREAD_BUILD;
	}
	if (thread->phase == THREAD_BUILD) {
		if (!build(thread, deadline))
			return 0;
		thread->phase = THREAD_DONE;
	}
	return 1;
}
