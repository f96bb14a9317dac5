/* SPDX-License-Identifier: MIT */
#include "sieve/message.h"

#include <uthash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/address.h"
#include "mime/header.h"
#include "mime/parse.h"
#include "sieve/arena.h"

/* The fields of one name. */
struct name {
	char *name; /* lower case */
	struct sieve_field *first, *last;
	UT_hash_handle hh;
};

struct sieve_message {
	struct str raw;
	struct sieve_text came; /* as it was before it was replaced */
	unsigned max_fields;
	bool parsed, edited, lf; /* lf: of its line ends */
	bool unlink;             /* there are removed fields that are linked */
	unsigned generation;
	const struct sieve_text *now; /* NULL: to be made */
	char *copy;                   /* that raw is, if it was */
	bool shared; /* texts of sieve_message_now() point into it */
	uint64_t kept; /* octets of shared copies of the past */
	struct sieve_field *first, *last;
	/* Lines before the first field, and all behind max_fields. */
	struct str front, rest;
	struct name *names;
	uint64_t size; /* 0: not counted yet */
	struct mime_parser *parser;
	const struct mime_message *mime; /* its result; NULL: to be parsed */
	struct sieve_arena *arena;
};

enum { ARENA_CHUNK = 16 << 10 };

static int forget_names(struct sieve_message *message)
{
	HASH_CLEAR(hh, message->names);
	return 0;
}

static unsigned next_generation(void)
{
	static unsigned last;

	return ++last;
}

struct sieve_message *sieve_message_new(const void *ctx, struct str raw,
					unsigned max_fields)
{
	struct sieve_message *message = mem_new(ctx, struct sieve_message);

	message->raw = raw;
	message->max_fields = max_fields;
	message->generation = next_generation();
	message->arena = sieve_arena_new(message, ARENA_CHUNK);
	talloc_set_destructor(message, forget_names);
	return message;
}

struct str sieve_message_raw(const struct sieve_message *message)
{
	return message->raw;
}

/* names */

static struct name *find_name(struct sieve_message *message, struct str name)
{
	struct name *found;
	char key[128];

	if (name.len > sizeof(key)) /* nobody asks for such a thing */
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		key[i] = ascii_lower(name.data[i]);
	HASH_FIND(hh, message->names, key, name.len, found);
	return found;
}

static struct name *get_name(struct sieve_message *message, struct str name)
{
	struct name *found = find_name(message, name);
	struct str copy;

	if (found != NULL || name.len > 128)
		return found;
	found = sieve_arena_new_of(message->arena, struct name);
	copy = sieve_arena_str(message->arena, name);
	found->name = (char *)(uintptr_t)copy.data;
	for (size_t i = 0; i < name.len; i++)
		found->name[i] = ascii_lower(found->name[i]);
	HASH_ADD_KEYPTR(hh, message->names, found->name, name.len, found);
	return found;
}

static void link_field(struct sieve_message *message, struct sieve_field *field)
{
	struct name *name = get_name(message, field->name);

	if (message->last == NULL)
		message->first = field;
	else
		message->last->next = field;
	message->last = field;
	if (name == NULL)
		return;
	if (name->last == NULL)
		name->first = field;
	else
		name->last->same = field;
	name->last = field;
}

static void relink(struct sieve_message *message)
{
	struct sieve_field *field = message->first;

	forget_names(message);
	message->unlink = false;
	message->first = message->last = NULL;
	while (field != NULL) {
		struct sieve_field *next = field->next;

		field->next = field->same = NULL;
		if (!field->removed)
			link_field(message, field);
		field = next;
	}
}

static void parse(struct sieve_message *message)
{
	struct str rest = message->raw, *gap = &message->front;
	const char *end = rest.data;
	struct header_field found;
	unsigned count = 0;

	if (message->unlink)
		relink(message);
	if (message->parsed)
		return;
	message->parsed = true;
	while (count++ < message->max_fields && header_next(&rest, &found)) {
		struct sieve_field *field =
			sieve_arena_new_of(message->arena, struct sieve_field);

		field->name = found.name;
		field->value = found.value;
		field->full = found.full;
		*gap = str_n(end, (size_t)(found.full.data - end));
		gap = &field->behind;
		end = found.full.data + found.full.len;
		link_field(message, field);
	}
	if (count > message->max_fields) {
		gap = &message->rest;
		while (header_next(&rest, &found))
			;
	}
	*gap = str_n(end, (size_t)(rest.data - end));
	message->lf = memmem(message->raw.data,
			     message->raw.len < 2000 ? message->raw.len : 2000,
			     "\r\n", 2) == NULL;
}

struct sieve_field *sieve_message_fields(struct sieve_message *message)
{
	parse(message);
	return message->first;
}

struct sieve_field *sieve_message_field(struct sieve_message *message,
					struct str name)
{
	struct name *found;

	parse(message);
	found = find_name(message, name);
	return found == NULL ? NULL : found->first;
}

bool sieve_field_name_valid(struct str name)
{
	bool right = name.len > 0;

	for (size_t i = 0; right && i < name.len; i++)
		right = name.data[i] > ' ' && name.data[i] < 0x7f &&
			name.data[i] != ':';
	return right;
}

/* values */

static struct str keep(struct sieve_message *message, const struct buf *text)
{
	return sieve_arena_str(message->arena, str_n(text->data, text->len));
}

/* A fold is its first blank; what follows stays, as Dovecot has it. */
static void unfold(struct str value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (c == '\r' && i + 1 < value.len && value.data[i + 1] == '\n')
			continue;
		if (c == '\n' && i + 1 < value.len) {
			c = ' ';
			i++;
		}
		if (c != '\n')
			buf_putc(out, c);
	}
}

struct str sieve_field_flat(struct sieve_message *message,
			    struct sieve_field *field)
{
	CLEANUP(buf_free) struct buf flat = buf_init(64 << 20);

	if (field->flat.data != NULL)
		return field->flat;
	if (memchr(field->value.data, '\n', field->value.len) == NULL) {
		field->flat = str_trim(field->value);
	} else {
		unfold(field->value, &flat);
		field->flat = str_trim(keep(message, &flat));
	}
	return field->flat;
}

static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.data[i] >= 0x80)
			return false;
	}
	return str_find(text, STR("=?")) < 0;
}

struct str sieve_field_text(struct sieve_message *message,
			    struct sieve_field *field)
{
	CLEANUP(buf_free) struct buf text = buf_init(64 << 20);

	if (field->text.data != NULL)
		return field->text;
	field->text = sieve_field_flat(message, field);
	if (!is_plain(field->text)) {
		header_decode(field->flat, &text);
		field->text = str_trim(keep(message, &text));
	}
	return field->text;
}

static bool take_address(struct sieve_message *message,
			 const struct address *from, struct sieve_address *to)
{
	CLEANUP(buf_free) struct buf all = buf_init(64 << 20);

	if (!sieve_address_put(from, &all))
		return false;
	to->local = sieve_arena_str(message->arena, str_of(from->mailbox));
	to->domain = sieve_arena_str(message->arena, str_of(from->domain));
	to->all = keep(message, &all);
	return to->valid = true;
}

static void parse_addresses(struct sieve_message *message,
			    struct sieve_field *field, unsigned max)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "addresses");
	struct address *list;
	struct sieve_address *out;
	unsigned taken = 0;
	size_t count;

	address_parse(ctx, field->value, max, &list, &count);
	out = sieve_arena_array(message->arena, struct sieve_address,
				count + 1);
	for (size_t i = 0; i < count; i++)
		taken += take_address(message, &list[i], &out[taken]);
	if (taken == 0) {
		taken = 1;
		out[0].all = sieve_field_flat(message, field);
		if (out[0].all.len == 0)
			out[0].local = out[0].domain = STR("");
	}
	field->addresses = out;
	field->address_count = taken;
	field->address_max = max;
}

const struct sieve_address *sieve_field_addresses(struct sieve_message *message,
						  struct sieve_field *field,
						  unsigned max,
						  unsigned *count_out)
{
	if (field->addresses == NULL || field->address_max != max)
		parse_addresses(message, field, max);
	*count_out = field->address_count;
	return field->addresses;
}

/* the whole */

uint64_t sieve_message_size(struct sieve_message *message)
{
	const char *at = message->raw.data, *end = at + message->raw.len;
	const char *eol;

	if (message->size > 0)
		return message->size;
	message->size = message->raw.len;
	while (at < end &&
	       (eol = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		if (eol == message->raw.data || eol[-1] != '\r')
			message->size++;
		at = eol + 1;
	}
	return message->size;
}

const struct mime_message *sieve_message_mime(struct sieve_message *message)
{
	if (message->mime != NULL)
		return message->mime;
	message->parser = mime_parser_new(message, &mime_limits_default);
	mime_parser_feed(message->parser, message->raw.data, message->raw.len);
	return message->mime = mime_parser_end(message->parser);
}

struct str sieve_message_body(struct sieve_message *message)
{
	const struct mime_part *root = sieve_message_mime(message)->root;

	return str_from(message->raw, (size_t)root->header.physical);
}

/* edits (RFC 5293) */

void sieve_message_add(struct sieve_message *message, struct str name,
		       struct str value, bool last)
{
	struct sieve_field *field =
		sieve_arena_new_of(message->arena, struct sieve_field);
	CLEANUP(buf_free) struct buf full = buf_init(64 << 20);

	parse(message);
	buf_printf(&full, "%.*s: ", STR_FMT(name));
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '\n' && !message->lf)
			buf_putc(&full, '\r');
		buf_putc(&full, value.data[i]);
	}
	buf_add(&full, message->lf ? "\n" : "\r\n");
	field->added = true;
	field->full = keep(message, &full);
	field->name = str_n(field->full.data, name.len);
	field->value = str_n(field->full.data + name.len + 2,
			     field->full.len - name.len -
				     (message->lf ? 3 : 4));
	message->edited = true;
	message->now = NULL;
	if (last) {
		link_field(message, field);
		return;
	}
	field->next = message->first;
	message->first = field;
	relink(message);
}

void sieve_message_remove(struct sieve_message *message,
			  struct sieve_field *field)
{
	field->removed = message->unlink = true;
	message->edited = true;
	message->now = NULL;
}

unsigned sieve_message_generation(const struct sieve_message *message)
{
	return message->generation;
}

static void forget(struct sieve_message *message)
{
	forget_names(message);
	message->first = message->last = NULL;
	message->front = message->rest = STR("");
	message->parsed = message->edited = message->unlink = false;
	message->now = NULL;
	sieve_arena_reset(message->arena);
}

static void become(struct sieve_message *message, struct str raw, char *copy)
{
	forget(message);
	if (!message->shared)
		mem_free(message->copy);
	else if (message->copy != NULL)
		message->kept += message->raw.len;
	message->copy = copy;
	message->shared = false;
	mem_free(message->parser);
	message->parser = NULL;
	message->mime = NULL;
	message->size = 0;
	message->generation = next_generation();
	message->raw = raw;
}

static bool is_replaced(const struct sieve_message *message)
{
	return message->came.header.data != NULL;
}

void sieve_message_revert(struct sieve_message *message)
{
	struct str first = message->came.header;

	if (is_replaced(message)) {
		first.len += message->came.body.len;
		message->came = (struct sieve_text){0};
		become(message, first, NULL);
	} else if (message->edited) {
		forget(message);
	}
}

uint64_t sieve_message_kept(const struct sieve_message *message)
{
	return message->kept;
}

void sieve_message_replace(struct sieve_message *message, struct str raw)
{
	char *copy = mem_memdup(message, raw.data, raw.len);
	struct sieve_text first;

	sieve_message_text(message, NULL, &first);
	message->came = first;
	become(message, str_n(copy, raw.len), copy);
}

/* The last line of a header without a body may have no end. */
static void put_lines(const struct sieve_message *message, struct str lines,
		      struct buf *out)
{
	buf_add_str(out, lines);
	if (lines.len > 0 && lines.data[lines.len - 1] != '\n')
		buf_add(out, message->lf ? "\n" : "\r\n");
}

static void write_header(struct sieve_message *message, struct buf *out)
{
	parse(message);
	put_lines(message, message->front, out);
	for (const struct sieve_field *f = message->first; f; f = f->next) {
		put_lines(message, f->full, out);
		put_lines(message, f->behind, out);
	}
	put_lines(message, message->rest, out);
	buf_add(out, message->lf ? "\n" : "\r\n");
}

const struct sieve_text *sieve_message_now(struct sieve_message *message)
{
	struct sieve_text *now;

	if ((!message->edited && !is_replaced(message)) || message->now != NULL)
		return message->now;
	now = mem_new(message, struct sieve_text);
	now->body = sieve_message_body(message);
	now->header =
		str_n(message->raw.data, message->raw.len - now->body.len);
	if (message->edited) {
		struct buf header = buf_init(SIZE_MAX);

		write_header(message, &header);
		now->header.len = header.len;
		now->header.data = buf_steal(now, &header);
	}
	message->now = now;
	message->shared = true;
	return now;
}

void sieve_message_write(struct sieve_message *message, struct buf *out)
{
	if (!message->edited) {
		buf_add_str(out, message->raw);
		return;
	}
	write_header(message, out);
	buf_add_str(out, sieve_message_body(message));
}

struct str sieve_message_read(struct sieve_message *message, struct buf *out)
{
	if (!message->edited)
		return message->raw;
	sieve_message_write(message, out);
	return str_n(out->data, out->len);
}

void sieve_message_text(struct sieve_message *message,
			const struct sieve_text *text, struct sieve_text *out)
{
	if (text == NULL && is_replaced(message))
		text = &message->came;
	if (text != NULL) {
		*out = *text;
		return;
	}
	out->body = sieve_message_body(message);
	out->header =
		str_n(message->raw.data, message->raw.len - out->body.len);
}

struct str sieve_message_whole(const void *ctx, struct sieve_message *message,
			       const struct sieve_text *text)
{
	struct sieve_text pieces;
	struct buf whole;
	size_t len;

	sieve_message_text(message, text, &pieces);
	len = pieces.header.len + pieces.body.len;
	if (pieces.header.data + pieces.header.len == pieces.body.data)
		return str_n(pieces.header.data, len);
	whole = buf_init(len);
	buf_add_str(&whole, pieces.header);
	buf_add_str(&whole, pieces.body);
	return str_n(buf_steal(ctx, &whole), len);
}
