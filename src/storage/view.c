/* SPDX-License-Identifier: MIT */
/*
 * storage/view.c - what one session believes a mailbox holds: numbers and UIDs.
 */
#include "base/mem.h"
#include "storage/core.h"
#include "storage/mailbox.h"

void view_init(struct view *view, const void *ctx)
{
	*view = (struct view){
		.uids = range_set_init(ctx),
		.gone = range_set_init(ctx),
		.recent = range_set_init(ctx),
	};
}

static uint32_t range_len(const struct range *range)
{
	return range->last - range->first + 1;
}

void view_renumber(struct view *view, size_t from)
{
	const struct range_set *uids = &view->uids;
	uint32_t before = 0;

	if (view->before_cap < uids->count) {
		view->before_cap = uids->cap;
		view->before = mem_resize(uids->ctx, view->before, uint32_t,
					  view->before_cap);
	}
	if (from > uids->count)
		from = uids->count;
	if (from > 0)
		before = view->before[from - 1] +
			 range_len(&uids->ranges[from - 1]);
	for (size_t i = from; i < uids->count; i++) {
		view->before[i] = before;
		before += range_len(&uids->ranges[i]);
	}
	view->messages = before;
}

/* The last range that has at most `seq` - 1 messages before it. */
static size_t range_of_seq(const struct view *view, uint32_t seq)
{
	size_t low = 0, high = view->uids.count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (view->before[middle] < seq)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The first range that ends at `uid` or behind it. */
static size_t range_of_uid(const struct view *view, uint32_t uid)
{
	size_t low = 0, high = view->uids.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (view->uids.ranges[middle].last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t view_uid(const struct view *view, uint32_t seq)
{
	size_t i;

	if (seq == 0 || seq > view->messages)
		return 0;
	i = range_of_seq(view, seq);
	return view->uids.ranges[i].first + (seq - 1 - view->before[i]);
}

uint32_t view_seq(const struct view *view, uint32_t uid)
{
	size_t i = range_of_uid(view, uid);

	if (i == view->uids.count || view->uids.ranges[i].first > uid)
		return 0;
	return view->before[i] + (uid - view->uids.ranges[i].first) + 1;
}

void view_seqs(const struct view *view, const struct range_set *uids,
	       struct range_set *seqs_out)
{
	for (size_t i = 0; i < uids->count; i++) {
		uint32_t first = uids->ranges[i].first;
		uint32_t last = uids->ranges[i].last;

		for (size_t j = range_of_uid(view, first); j < view->uids.count;
		     j++) {
			const struct range *range = &view->uids.ranges[j];
			uint32_t a =
				first > range->first ? first : range->first;
			uint32_t b = last < range->last ? last : range->last;

			if (range->first > last)
				break;
			range_set_add(seqs_out,
				      view->before[j] + (a - range->first) + 1,
				      view->before[j] + (b - range->first) + 1);
		}
	}
}

void view_uids(const struct view *view, const struct range_set *seqs,
	       struct range_set *uids_out)
{
	for (size_t i = 0; i < seqs->count; i++) {
		uint32_t seq = seqs->ranges[i].first;
		uint32_t last = seqs->ranges[i].last;

		if (last > view->messages)
			last = view->messages;
		if (seq == 0)
			seq = 1;
		while (seq <= last) {
			size_t j = range_of_seq(view, seq);
			const struct range *range = &view->uids.ranges[j];
			uint32_t skip = seq - 1 - view->before[j];
			uint32_t take = range_len(range) - skip;

			if (take > last - seq + 1)
				take = last - seq + 1;
			range_set_add(uids_out, range->first + skip,
				      range->first + skip + take - 1);
			if (take > last - seq)
				break;
			seq += take;
		}
	}
}

uint32_t view_recent(const struct view *view)
{
	struct range_set recent = range_set_init(view->uids.ctx);
	uint32_t count;

	if (view->recent.count == 0)
		return 0;
	range_set_merge(&recent, &view->recent);
	range_set_intersect(&recent, &view->uids);
	count = (uint32_t)range_set_size(&recent);
	mem_free(recent.ranges);
	return count;
}

uint32_t mailbox_messages(const struct mailbox *box)
{
	return box->view.messages;
}

uint32_t mailbox_uid_of(const struct mailbox *box, uint32_t seq)
{
	return view_uid(&box->view, seq);
}

uint32_t mailbox_seq_of(const struct mailbox *box, uint32_t uid)
{
	return view_seq(&box->view, uid);
}

void mailbox_seqs_of(const struct mailbox *box, const struct range_set *uids,
		     struct range_set *seqs_out)
{
	view_seqs(&box->view, uids, seqs_out);
}

void mailbox_uids_of(const struct mailbox *box, const struct range_set *seqs,
		     struct range_set *uids_out)
{
	view_uids(&box->view, seqs, uids_out);
}
