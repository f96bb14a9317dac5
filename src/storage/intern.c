/* SPDX-License-Identifier: MIT */
#include "storage/intern.h"

#include <string.h>

#include "base/digest.h"
#include "base/mem.h"

enum { LENGTH = sizeof(uint32_t), SLOTS_MIN = 1024 };

struct intern {
	uint64_t memory_max;
	uint64_t key[2];
	uint32_t *slots;   /* number + 1; 0: free */
	size_t slot_count; /* a power of two, at least twice `count` */
	struct place {
		uint64_t at; /* in `texts` */
		uint32_t hash;
	} * places; /* by number */
	size_t count, cap;
	char *texts; /* each with its length in front */
	size_t texts_len, texts_cap;
};

/* SipHash-2-4 (Aumasson, Bernstein 2012). */

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

static uint64_t sip_hash(const uint64_t key[2], struct str text)
{
	uint64_t v[4] = {
		key[0] ^ UINT64_C(0x736f6d6570736575),
		key[1] ^ UINT64_C(0x646f72616e646f6d),
		key[0] ^ UINT64_C(0x6c7967656e657261),
		key[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t word, length = (uint64_t)text.len << 56;

	for (; text.len >= 8; text = str_from(text, 8)) {
		memcpy(&word, text.data, 8);
		sip_word(v, word);
	}
	word = 0;
	if (text.len > 0)
		memcpy(&word, text.data, text.len);
	sip_word(v, word | length);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* the table */

struct intern *intern_new(const void *ctx, uint64_t memory_max)
{
	struct intern *intern = mem_new(ctx, struct intern);

	intern->memory_max = memory_max;
	random_fill(intern->key, sizeof(intern->key));
	intern->slot_count = SLOTS_MIN;
	intern->slots = mem_array(intern, uint32_t, SLOTS_MIN);
	return intern;
}

static struct str text_of(const struct intern *intern, uint32_t number)
{
	const char *at = intern->texts + intern->places[number].at;
	uint32_t len;

	memcpy(&len, at, LENGTH);
	return str_n(at + LENGTH, len);
}

static bool is_at(const struct intern *intern, uint32_t number, uint32_t hash,
		  struct str text)
{
	return intern->places[number].hash == hash &&
	       str_equal(text_of(intern, number), text);
}

/* Where the text is, or would be. */
static uint32_t *find(const struct intern *intern, struct str text,
		      uint32_t hash)
{
	size_t mask = intern->slot_count - 1, at = hash & mask;

	while (intern->slots[at] != 0 &&
	       !is_at(intern, intern->slots[at] - 1, hash, text))
		at = (at + 1) & mask;
	return &intern->slots[at];
}

static void rehash(struct intern *intern)
{
	size_t mask = intern->slot_count - 1, at;

	mem_free(intern->slots);
	intern->slots = mem_array(intern, uint32_t, intern->slot_count);
	for (uint32_t i = 0; i < intern->count; i++) {
		at = intern->places[i].hash & mask;
		while (intern->slots[at] != 0)
			at = (at + 1) & mask;
		intern->slots[at] = i + 1;
	}
}

static bool make_room(struct intern *intern, size_t len)
{
	size_t need = intern->texts_len + LENGTH + len;
	size_t cap = intern->cap, texts_cap = intern->texts_cap;
	size_t slots = intern->slot_count;

	if (intern->count == cap)
		cap = cap == 0 ? 256 : cap * 2;
	if (need > texts_cap)
		texts_cap = need < 4096 ? 4096 : need * 2;
	if ((intern->count + 1) * 2 > slots)
		slots *= 2;
	if (slots * sizeof(*intern->slots) + cap * sizeof(*intern->places) +
			    texts_cap >
		    intern->memory_max ||
	    intern->count >= UINT32_MAX / 4)
		return false;
	if (cap != intern->cap)
		intern->places =
			mem_resize(intern, intern->places, struct place, cap);
	if (texts_cap != intern->texts_cap)
		intern->texts =
			mem_resize(intern, intern->texts, char, texts_cap);
	intern->cap = cap;
	intern->texts_cap = texts_cap;
	if (slots != intern->slot_count) {
		intern->slot_count = slots;
		rehash(intern);
	}
	return true;
}

bool intern_get(struct intern *intern, struct str text, uint32_t *out)
{
	uint32_t hash = (uint32_t)sip_hash(intern->key, text);
	uint32_t *slot = find(intern, text, hash);
	uint32_t len = (uint32_t)text.len;

	if (*slot != 0) {
		*out = *slot - 1;
		return true;
	}
	if (!make_room(intern, text.len))
		return false;
	slot = find(intern, text, hash); /* all may have moved */
	memcpy(intern->texts + intern->texts_len, &len, LENGTH);
	if (len > 0)
		memcpy(intern->texts + intern->texts_len + LENGTH, text.data,
		       len);
	intern->places[intern->count] = (struct place){intern->texts_len, hash};
	intern->texts_len += LENGTH + len;
	*out = (uint32_t)intern->count++;
	*slot = *out + 1;
	return true;
}

uint32_t intern_count(const struct intern *intern)
{
	return (uint32_t)intern->count;
}
