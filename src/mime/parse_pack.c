/* SPDX-License-Identifier: MIT */
/*
 * mime/parse_pack.c - the tree of parts as a row of small numbers.
 */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "mime/parse.h"

enum {
	PACK_VERSION = 1,
	KIND_MASK = 3,
	HAS_CHILDREN = 4,
	HAS_NEXT = 8,
	MAX_DEPTH = 1000,
};

/* writing */

/* Seven bits an octet, the lowest first. */
static void put(struct buf *out, uint64_t value)
{
	while (value >= 0x80) {
		buf_putc(out, (char)(value | 0x80));
		value >>= 7;
	}
	buf_putc(out, (char)value);
}

static void put_size(struct buf *out, const struct mime_size *size)
{
	put(out, size->physical);
	put(out, size->virtual - size->physical);
	put(out, size->lines);
}

static void put_part(struct buf *out, const struct mime_part *part)
{
	uint64_t from = part->parent == NULL ? 0 : part->parent->offset;

	put(out, part->kind | (part->children != NULL ? HAS_CHILDREN : 0) |
			 (part->next != NULL ? HAS_NEXT : 0));
	put(out, part->offset - from);
	put_size(out, &part->header);
	put_size(out, &part->body);
}

/* The part behind `part`, children before siblings. */
static const struct mime_part *next_part(const struct mime_part *part)
{
	if (part->children != NULL)
		return part->children;
	while (part != NULL && part->next == NULL)
		part = part->parent;
	return part == NULL ? NULL : part->next;
}

void mime_pack(const struct mime_message *message, struct buf *out)
{
	buf_putc(out, PACK_VERSION);
	put(out, message->has_nul);
	put(out, message->parts);
	put_size(out, &message->size);
	for (const struct mime_part *part = message->root; part != NULL;
	     part = next_part(part))
		put_part(out, part);
}

/* reading */

struct input {
	struct str rest;
	bool bad;
};

static uint64_t get(struct input *in)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		unsigned char c;

		if (in->rest.len == 0)
			break;
		c = in->rest.data[0];
		in->rest = str_from(in->rest, 1);
		value |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80)
			return value;
	}
	in->bad = true;
	return 0;
}

static struct mime_size get_size(struct input *in)
{
	struct mime_size size = {.physical = get(in)};

	size.virtual = size.physical + get(in);
	size.lines = get(in);
	/* A CR is added at most for each line. */
	if (size.virtual < size.physical || size.lines > size.physical ||
	    size.virtual - size.physical > size.lines)
		in->bad = true;
	return size;
}

static bool is_inside(const struct mime_message *message,
		      const struct mime_part *part)
{
	uint64_t size = message->size.physical;

	return part->offset <= size &&
	       part->header.physical <= size - part->offset &&
	       part->body.physical <=
		       size - part->offset - part->header.physical;
}

static struct mime_part *get_part(struct input *in,
				  struct mime_message *message,
				  struct mime_part *parent, unsigned *flags_out)
{
	struct mime_part *part = mem_new(message, struct mime_part);

	*flags_out = (unsigned)get(in);
	part->kind = *flags_out & KIND_MASK;
	part->parent = parent;
	part->offset = get(in) + (parent == NULL ? 0 : parent->offset);
	part->header = get_size(in);
	part->body = get_size(in);
	if (part->kind > MIME_MESSAGE || !is_inside(message, part) ||
	    (parent != NULL && part->offset < parent->offset))
		in->bad = true;
	return part;
}

static void get_parts(struct input *in, struct mime_message *message,
		      unsigned count)
{
	bool has_next[MAX_DEPTH]; /* of the parts above */
	struct mime_part *parent = NULL, **link = &message->root;
	unsigned depth = 0;

	for (; link != NULL && !in->bad; message->parts++) {
		struct mime_part *part;
		unsigned flags;

		if (message->parts == count) {
			in->bad = true;
			return;
		}
		part = get_part(in, message, parent, &flags);
		*link = part;
		if ((flags & HAS_CHILDREN) != 0) {
			if (depth == MAX_DEPTH) {
				in->bad = true;
				return;
			}
			has_next[depth++] = (flags & HAS_NEXT) != 0;
			parent = part;
			link = &part->children;
			continue;
		}
		link = (flags & HAS_NEXT) != 0 ? &part->next : NULL;
		while (link == NULL && depth > 0) {
			if (has_next[--depth])
				link = &parent->next;
			parent = parent->parent;
		}
		if (depth == 0 && parent == NULL && link != NULL)
			in->bad = true; /* the root is alone */
	}
}

struct mime_message *mime_unpack(const void *ctx, struct str in)
{
	struct input input = {.rest = in};
	struct mime_message *message = mem_new(ctx, struct mime_message);
	uint64_t parts;

	if (get(&input) != PACK_VERSION)
		input.bad = true;
	message->has_nul = get(&input) != 0;
	parts = get(&input);
	message->size = get_size(&input);
	/* A part takes eight octets or more. */
	if (!input.bad && parts <= input.rest.len / 8)
		get_parts(&input, message, (unsigned)parts);
	if (!input.bad && input.rest.len == 0 && parts > 0 &&
	    message->parts == parts)
		return message;
	mem_free(message);
	return NULL;
}
