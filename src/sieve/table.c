/* SPDX-License-Identifier: MIT */
/*
 * sieve/table.c - what stands in a program once, and has a number there.
 */
#include "sieve/code.h"
#include "sieve/compile.h"

void sieve_table_free(struct sieve_table *table)
{
	mem_free(table->entries);
	mem_free(table->slots);
	buf_free(&table->list.bytes);
}

static unsigned *find_slot(struct sieve_table *table, struct str name,
			   uint32_t hash)
{
	unsigned mask = table->slot_count - 1;

	for (unsigned at = hash & mask;; at = (at + 1) & mask) {
		const struct sieve_entry *entry;

		if (table->slots[at] == 0)
			return &table->slots[at];
		entry = &table->entries[table->slots[at] - 1];
		if (entry->hash == hash &&
		    str_equal(name, str_n(table->list.bytes.data + entry->at,
					  entry->len)))
			return &table->slots[at];
	}
}

/* Room for one more, with half of the slots free. */
static void grow(struct sieve_table *table)
{
	unsigned mask, old = table->slot_count;

	if (table->list.count < old / 2)
		return;
	table->slot_count = old == 0 ? 32 : old * 4;
	mask = table->slot_count - 1;
	mem_free(table->slots);
	table->slots = mem_array(NULL, unsigned, table->slot_count);
	table->entries = mem_resize(NULL, table->entries, struct sieve_entry,
				    table->slot_count / 2);
	for (unsigned i = 0; i < table->list.count; i++) {
		unsigned at = table->entries[i].hash & mask;

		while (table->slots[at] != 0)
			at = (at + 1) & mask;
		table->slots[at] = i + 1;
	}
}

unsigned sieve_table_put(struct sieve_table *table, struct str name,
			 bool *new_out)
{
	/* The sum's low bits alone are alike for words that are. */
	static const uint64_t spread = 0x9e3779b97f4a7c15;
	uint64_t sum = sieve_checksum(name);
	uint32_t hash = (uint32_t)((sum ^ sum >> 32) * spread >> 32);
	struct buf *bytes = &table->list.bytes;
	unsigned *slot;

	grow(table);
	slot = find_slot(table, name, hash);
	*new_out = *slot == 0;
	if (*slot != 0)
		return *slot - 1;
	sieve_put_str(bytes, name);
	if (bytes->overflow) /* that ends it */
		return 0;
	table->entries[table->list.count] = (struct sieve_entry){
		hash, (uint32_t)(bytes->len - name.len), (uint32_t)name.len};
	*slot = ++table->list.count;
	return *slot - 1;
}

void sieve_declared_free(struct sieve_declared *declared)
{
	mem_free(declared->items);
	buf_free(&declared->list.bytes);
}

unsigned sieve_declared_put(struct sieve_declared *declared, const void *item,
			    bool *new_out)
{
	unsigned *recent = &declared->recent[(uintptr_t)item / 32 % 64];
	unsigned count = declared->list.count, i = *recent;

	*new_out = false;
	if (i < count && declared->items[i] == item)
		return i;
	for (i = 0; i < count && declared->items[i] != item; i++)
		;
	*recent = i;
	if (i < count)
		return i;
	*new_out = true;
	declared->items =
		mem_resize(NULL, declared->items, const void *, count + 1);
	declared->items[count] = item;
	declared->list.count++;
	return count;
}
