/* SPDX-License-Identifier: MIT */
/*
 * storage/order.c - runs that are sorted one by one, merged by a heap.
 */
#include "storage/order.h"

#include <endian.h>
#include <string.h>

#include "base/duration.h"
#include "base/mem.h"

enum {
	RUN = 8192,         /* numbers sorted at once: a few ms at most */
	CLOCK_EVERY = 4096, /* numbers between two looks at the clock */
	PREFIX = 2 * sizeof(uint64_t),
	LENGTH = sizeof(uint32_t), /* in front of the rest of a key */
};

struct entry {
	uint64_t prefix[2]; /* of the key, so that most need no more */
	uint32_t rest;      /* where in `keys` the others are; 0: none */
	uint32_t number;
};

struct order {
	uint64_t memory_max;
	struct entry *entries;
	size_t count, cap, sorted;
	char *keys;
	size_t keys_len, keys_cap;
	/* Runs by their next entries, the least first. */
	struct run {
		size_t at, end;
	} * heap;
	size_t runs;
	bool merging;
	uint32_t *result;
	size_t done;
};

struct order *order_new(const void *ctx, uint64_t memory_max)
{
	struct order *order = mem_new(ctx, struct order);

	order->memory_max = memory_max;
	order->keys_len = 1; /* 0 is none */
	return order;
}

static struct str rest_of(const struct order *order, const struct entry *entry)
{
	uint32_t len;

	if (entry->rest == 0)
		return str_n("", 0);
	memcpy(&len, order->keys + entry->rest, LENGTH);
	return str_n(order->keys + entry->rest + LENGTH, len);
}

static inline int compare_keys(const struct order *order, const struct entry *a,
			       const struct entry *b)
{
	if (a->prefix[0] != b->prefix[0])
		return a->prefix[0] < b->prefix[0] ? -1 : 1;
	if (a->prefix[1] != b->prefix[1])
		return a->prefix[1] < b->prefix[1] ? -1 : 1;
	return str_compare(rest_of(order, a), rest_of(order, b));
}

/* Two sorted halves, to `to`. */
static void merge(const struct order *order, const struct entry *at,
		  const struct entry *middle, const struct entry *end,
		  struct entry *to)
{
	const struct entry *other = middle;

	while (at < middle && other < end)
		*to++ = compare_keys(order, other, at) < 0 ? *other++ : *at++;
	memcpy(to, at, (size_t)(middle - at) * sizeof(*to));
	to += middle - at;
	memcpy(to, other, (size_t)(end - other) * sizeof(*to));
}

/* Equal ones stay as they come, by their numbers. */
static void sort_run(struct order *order)
{
	size_t count = order->count - order->sorted;
	struct entry *run = order->entries + order->sorted, *from = run;
	struct entry *to = mem_array(order, struct entry, count + 1);
	struct entry *spare = to;

	for (size_t width = 1; width < count; width *= 2) {
		struct entry *swap = from;

		for (size_t at = 0; at < count; at += 2 * width) {
			size_t left = count - at;

			merge(order, from + at,
			      from + at + (width < left ? width : left),
			      from + at + (2 * width < left ? 2 * width : left),
			      to + at);
		}
		from = to;
		to = swap;
	}
	if (from != run)
		memcpy(run, from, count * sizeof(*run));
	mem_free(spare);
	order->sorted = order->count;
}

static bool make_room(struct order *order, size_t key_len)
{
	size_t need = order->keys_len + LENGTH + key_len;
	size_t cap = order->cap, keys_cap = order->keys_cap;

	if (order->count == cap)
		cap = cap == 0 ? 256 : cap * 2;
	if (need > keys_cap)
		keys_cap = need < 4096 ? 4096 : need * 2;
	if (keys_cap > UINT32_MAX ||
	    cap * sizeof(*order->entries) + keys_cap > order->memory_max)
		return false;
	if (cap != order->cap)
		order->entries =
			mem_resize(order, order->entries, struct entry, cap);
	if (keys_cap != order->keys_cap)
		order->keys = mem_resize(order, order->keys, char, keys_cap);
	order->cap = cap;
	order->keys_cap = keys_cap;
	return true;
}

static void add_entry(struct order *order, const struct entry *entry)
{
	order->entries[order->count++] = *entry;
	if (order->count - order->sorted == RUN)
		sort_run(order);
}

bool order_add(struct order *order, uint32_t number, struct str key)
{
	struct entry entry = {.number = number};
	struct str rest = str_from(key, key.len < PREFIX ? key.len : PREFIX);
	uint32_t len = (uint32_t)rest.len;

	if (!make_room(order, rest.len))
		return false;
	memcpy(entry.prefix, key.data, key.len - rest.len);
	entry.prefix[0] = be64toh(entry.prefix[0]);
	entry.prefix[1] = be64toh(entry.prefix[1]);
	if (len > 0) {
		entry.rest = (uint32_t)order->keys_len;
		memcpy(order->keys + order->keys_len, &len, LENGTH);
		memcpy(order->keys + order->keys_len + LENGTH, rest.data, len);
		order->keys_len += LENGTH + len;
	}
	add_entry(order, &entry);
	return true;
}

/* In the order of unsigned numbers. */
static uint64_t biased(int64_t number)
{
	return (uint64_t)number ^ UINT64_C(1) << 63;
}

bool order_add_numbers(struct order *order, uint32_t number, int64_t first,
		       int64_t second)
{
	const struct entry entry = {.number = number,
				    .prefix = {biased(first), biased(second)}};

	if (!make_room(order, 0))
		return false;
	add_entry(order, &entry);
	return true;
}

/* merging */

static bool less(const struct order *order, size_t a, size_t b)
{
	const struct entry *x = &order->entries[order->heap[a].at];
	const struct entry *y = &order->entries[order->heap[b].at];
	int got = compare_keys(order, x, y);

	return got == 0 ? x->number < y->number : got < 0;
}

static void sift_down(struct order *order, size_t at)
{
	for (;;) {
		size_t least = at, child = at * 2 + 1;
		struct run swap;

		if (child < order->runs && less(order, child, least))
			least = child;
		if (child + 1 < order->runs && less(order, child + 1, least))
			least = child + 1;
		if (least == at)
			return;
		swap = order->heap[at];
		order->heap[at] = order->heap[least];
		order->heap[least] = swap;
		at = least;
	}
}

static void begin_merge(struct order *order)
{
	sort_run(order);
	order->runs = (order->count + RUN - 1) / RUN;
	order->heap = mem_array(order, struct run, order->runs + 1);
	for (size_t i = 0; i < order->runs; i++) {
		size_t end = (i + 1) * RUN;

		order->heap[i].at = i * RUN;
		order->heap[i].end = end < order->count ? end : order->count;
	}
	for (size_t i = order->runs; i-- > 0;)
		sift_down(order, i);
	order->result = mem_array(order, uint32_t, order->count + 1);
	order->merging = true;
}

static void take_least(struct order *order)
{
	struct run *run = &order->heap[0];

	order->result[order->done++] = order->entries[run->at++].number;
	if (run->at == run->end)
		*run = order->heap[--order->runs];
	sift_down(order, 0);
}

bool order_run(struct order *order, uint64_t deadline)
{
	if (!order->merging)
		begin_merge(order);
	while (order->done < order->count) {
		take_least(order);
		if (order->done % CLOCK_EVERY == 0 &&
		    clock_monotonic_ms() >= deadline)
			return false;
	}
	mem_free(order->entries);
	mem_free(order->keys);
	order->entries = NULL;
	order->keys = NULL;
	return true;
}

const uint32_t *order_result(const struct order *order, size_t *count_out)
{
	*count_out = order->done;
	return order->result;
}

/* keys */

static void put(struct buf *key, const void *data, size_t len, bool reverse)
{
	const unsigned char *from = data;
	char *to = buf_space(key, len);

	if (to == NULL)
		return;
	memcpy(to, from, len);
	for (size_t i = 0; i < len && reverse; i++)
		to[i] = (char)~to[i];
	buf_grew(key, len);
}

void order_key_number(struct buf *key, int64_t number, bool reverse)
{
	uint64_t octets = htobe64(biased(number));

	put(key, &octets, sizeof(octets), reverse);
}

void order_key_text(struct buf *key, struct str text, bool reverse)
{
	const char *nul =
		text.len == 0 ? NULL : memchr(text.data, '\0', text.len);

	put(key, text.data, nul == NULL ? text.len : (size_t)(nul - text.data),
	    reverse);
	put(key, "", 1, reverse);
}
