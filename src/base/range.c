/* SPDX-License-Identifier: MIT */
#include "base/range.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct range_set range_set_init(const void *ctx)
{
	return (struct range_set){.ctx = ctx};
}

void range_set_clear(struct range_set *set)
{
	set->count = 0;
}

/* Room for one more range. */
static void reserve(struct range_set *set)
{
	if (set->count < set->cap)
		return;
	set->cap = set->cap == 0 ? 4 : set->cap * 2;
	set->ranges = mem_resize(set->ctx, set->ranges, struct range, set->cap);
}

/* The index of the first range that ends at `number` or behind it. */
static size_t find(const struct range_set *set, uint32_t number)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->ranges[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Put `with` in place of the ranges from `at` up to `end` (not inside). */
static void replace(struct range_set *set, size_t at, size_t end,
		    struct range with)
{
	if (at == end) {
		reserve(set);
		memmove(set->ranges + at + 1, set->ranges + at,
			(set->count - at) * sizeof(struct range));
		set->count++;
	} else if (end - at > 1) {
		memmove(set->ranges + at + 1, set->ranges + end,
			(set->count - end) * sizeof(struct range));
		set->count -= end - at - 1;
	}
	set->ranges[at] = with;
}

void range_set_add(struct range_set *set, uint32_t first, uint32_t last)
{
	struct range with = {first, last};
	size_t at, end;

	if (first > last)
		return;
	at = set->count;
	if (at > 0 && first > set->ranges[at - 1].last) {
		if (first - set->ranges[at - 1].last == 1)
			set->ranges[at - 1].last = last;
		else
			replace(set, at, at, with);
		return;
	}
	/* A range that ends just before `first` is touched by it. */
	at = find(set, first == 0 ? 0 : first - 1);
	for (end = at; end < set->count; end++) {
		const struct range *range = &set->ranges[end];

		if (last != UINT32_MAX && range->first > last + 1)
			break;
		if (range->first < with.first)
			with.first = range->first;
		if (range->last > with.last)
			with.last = range->last;
	}
	replace(set, at, end, with);
}

void range_set_remove(struct range_set *set, uint32_t first, uint32_t last)
{
	size_t at, end;
	struct range *range;

	if (first > last)
		return;
	at = find(set, first);
	if (at == set->count || set->ranges[at].first > last)
		return;
	range = &set->ranges[at];
	if (range->first < first) {
		struct range behind = {first, range->last};

		range->last = first - 1;
		at++;
		if (behind.last > last) {
			behind.first = last + 1;
			replace(set, at, at, behind);
			return;
		}
	}
	for (end = at; end < set->count; end++) {
		if (set->ranges[end].last > last)
			break;
	}
	if (end < set->count && set->ranges[end].first <= last)
		set->ranges[end].first = last + 1;
	if (end > at && end < set->count)
		memmove(set->ranges + at, set->ranges + end,
			(set->count - end) * sizeof(struct range));
	set->count -= end - at;
}

void range_set_merge(struct range_set *set, const struct range_set *other)
{
	struct range_set both = range_set_init(set->ctx);
	size_t a = 0, b = 0;

	if (set == other)
		return;
	while (a < set->count || b < other->count) {
		const struct range *next;

		if (b == other->count ||
		    (a < set->count &&
		     set->ranges[a].first <= other->ranges[b].first))
			next = &set->ranges[a++];
		else
			next = &other->ranges[b++];
		range_set_add(&both, next->first, next->last);
	}
	mem_free(set->ranges);
	*set = both;
}

void range_set_intersect(struct range_set *set, const struct range_set *other)
{
	struct range_set both = range_set_init(set->ctx);
	size_t a = 0, b = 0;

	if (set == other)
		return;
	while (a < set->count && b < other->count) {
		const struct range *x = &set->ranges[a], *y = &other->ranges[b];
		uint32_t first = x->first > y->first ? x->first : y->first;
		uint32_t last = x->last < y->last ? x->last : y->last;

		range_set_add(&both, first, last);
		if (x->last < y->last)
			a++;
		else
			b++;
	}
	mem_free(set->ranges);
	*set = both;
}

/* What is left of one range; *at is the first of `what` that may touch it. */
static void add_rest(struct range_set *out, struct range range,
		     const struct range_set *what, size_t *at)
{
	while (*at < what->count && what->ranges[*at].last < range.first)
		(*at)++;
	while (*at < what->count && what->ranges[*at].first <= range.last) {
		struct range gap = what->ranges[*at];

		if (gap.first > range.first)
			range_set_add(out, range.first, gap.first - 1);
		if (gap.last >= range.last)
			return;
		range.first = gap.last + 1;
		(*at)++;
	}
	range_set_add(out, range.first, range.last);
}

/* In one pass: taking out one by one would move all that follows each time. */
void range_set_subtract(struct range_set *set, const struct range_set *what)
{
	struct range_set rest = range_set_init(set->ctx);
	size_t at = 0;

	if (what->count == 1)
		range_set_remove(set, what->ranges[0].first,
				 what->ranges[0].last);
	if (what->count <= 1)
		return;
	for (size_t i = 0; i < set->count; i++)
		add_rest(&rest, set->ranges[i], what, &at);
	mem_free(set->ranges);
	*set = rest;
}

bool range_set_has(const struct range_set *set, uint32_t number)
{
	size_t at = find(set, number);

	return at < set->count && set->ranges[at].first <= number;
}

static uint64_t range_size(struct range range)
{
	return (uint64_t)range.last - range.first + 1;
}

uint64_t range_set_size(const struct range_set *set)
{
	uint64_t size = 0;

	for (size_t i = 0; i < set->count; i++)
		size += range_size(set->ranges[i]);
	return size;
}

/* *at has the range's index in its upper half, the place in it below. */
bool range_set_next(const struct range_set *set, uint64_t *at, uint32_t *out)
{
	size_t i = *at >> 32;
	uint32_t offset = *at & UINT32_MAX;
	struct range range;

	if (i >= set->count)
		return false;
	range = set->ranges[i];
	*out = range.first + offset;
	if (*out >= range.last)
		*at = (uint64_t)(i + 1) << 32;
	else
		*at += 1;
	return true;
}

void range_set_write(const struct range_set *set, struct buf *out)
{
	for (size_t i = 0; i < set->count; i++) {
		struct range range = set->ranges[i];

		if (i > 0)
			buf_putc(out, ',');
		buf_printf(out, "%u", (unsigned)range.first);
		if (range.last != range.first)
			buf_printf(out, ":%u", (unsigned)range.last);
	}
}
