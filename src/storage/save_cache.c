/* SPDX-License-Identifier: MIT */
/*
 * storage/save_cache.c - what the index remembers of a mail.
 *
 * All texts are in the form in which they are sent, so that an answer is a
 * copy.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "index/walk.h"
#include "mime/imap.h"
#include "storage/cache_policy.h"
#include "storage/core.h"
#include "storage/save_core.h"
#include "storage/sort_value.h"

/* The fields that clients and SEARCH ask for; '+' stands for all of them, so
 * that an entry is short. */
static const char *const usual[] = {
	"bcc",          "cc",
	"content-type", "date",
	"delivered-to", "disposition-notification-to",
	"from",         "importance",
	"in-reply-to",  "list-id",
	"list-post",    "list-unsubscribe",
	"message-id",   "mime-version",
	"newsgroups",   "priority",
	"references",   "reply-to",
	"return-path",  "sender",
	"subject",      "to",
	"x-mailer",     "x-priority",
	"x-spam-flag",  "x-spam-status",
	NULL,
};

enum { NAMES_MAX = 1024, NAME_MAX_LEN = 64 };

/* Whether " name " stands in the list. */
static bool list_has(struct str list, const char *name)
{
	char word[NAME_MAX_LEN + 3];
	size_t len = strlen(name);

	if (len > NAME_MAX_LEN)
		return false;
	word[0] = ' ';
	for (size_t i = 0; i < len; i++)
		word[i + 1] = ascii_lower(name[i]);
	word[len + 1] = ' ';
	return str_find(list, str_n(word, len + 2)) >= 0;
}

static bool split(struct str value, struct str *names_out, struct str *text_out)
{
	const char *nul =
		value.len == 0 ? NULL : memchr(value.data, '\0', value.len);

	if (nul == NULL)
		return false;
	*names_out = str_n(value.data, (size_t)(nul - value.data));
	*text_out = str_from(value, names_out->len + 1);
	return true;
}

static bool is_usual(struct str name)
{
	for (size_t i = 0; usual[i] != NULL; i++) {
		if (str_case_is(name, usual[i]))
			return true;
	}
	return false;
}

static bool names_have(struct str names, const char *name)
{
	if (names.len > 0 && names.data[0] == '+' && is_usual(str_of(name)))
		return true;
	return list_has(names, name);
}

bool cached_headers_is_usual(const char *name)
{
	return is_usual(str_of(name));
}

bool cached_headers_get(struct str value, const char *const *wanted,
			struct str *text_out)
{
	struct str names, text;

	if (!split(value, &names, &text))
		return false;
	for (size_t i = 0; wanted[i] != NULL; i++) {
		if (!names_have(names, wanted[i]))
			return false;
	}
	*text_out = text;
	return true;
}

char *cached_headers_names(const void *ctx, struct str value,
			   const char *const *wanted)
{
	CLEANUP(buf_free) struct buf out = buf_init(NAMES_MAX);
	struct str names, text;

	if (split(value, &names, &text))
		buf_add_str(&out, names);
	else
		buf_add(&out, "+ ");
	for (size_t i = 0; wanted[i] != NULL; i++) {
		if (names_have(str_n(out.data, out.len), wanted[i]))
			continue;
		if (strlen(wanted[i]) > NAME_MAX_LEN)
			return NULL;
		for (const char *p = wanted[i]; *p != '\0'; p++)
			buf_putc(&out, ascii_lower(*p));
		buf_putc(&out, ' ');
	}
	return out.overflow ? NULL : buf_steal(ctx, &out);
}

enum { USUAL = sizeof(usual) / sizeof(usual[0]) - 1 };

/* The fields of a list for a section: those of '+' first. Children of ctx. */
static const char *const *list_fields(const void *ctx, const char *names)
{
	struct str list = str_of(names), word;
	const char **fields;
	size_t count = USUAL;

	if (strcmp(names, "+ ") == 0)
		return usual;
	fields = mem_array(ctx, const char *, USUAL + NAMES_MAX / 2 + 1);
	memcpy(fields, usual, sizeof(usual));
	while (count < USUAL + NAMES_MAX / 2 && str_word(&list, &word)) {
		if (!str_is(word, "+"))
			fields[count++] = str_dup(ctx, word);
	}
	return fields;
}

void cached_headers_make(struct str header, const char *names, struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "headers");
	struct section section = {
		.kind = SECTION_HEADER_FIELDS,
		.fields = list_fields(ctx, names),
	};
	size_t start;

	buf_append(out, names, strlen(names) + 1);
	start = out->len;
	section_filter(&section, header, out);
	/* The empty line at the end is added with every answer. */
	if (out->len >= start + 2)
		buf_truncate(out, out->len - 2);
}

/* The list of a value that begins with '+' has all of them. */
bool cached_headers_usual(struct str value, struct str *text_out)
{
	struct str names;

	return value.len > 0 && value.data[0] == '+' &&
	       split(value, &names, text_out);
}

static struct str keep(const void *ctx, const struct buf *buf, size_t max)
{
	if (buf->overflow || buf->len > max)
		return str_n(NULL, 0);
	return str_n(mem_memdup(ctx, buf->data, buf->len), buf->len);
}

void cached_make(const void *ctx, const struct mime_message *message,
		 struct cached *out)
{
	CLEANUP(buf_free) struct buf buf = buf_init(CACHE_VALUE_MAX);
	struct str header = message->root->header_text;
	struct str *value = out->value;

	mime_envelope(header, &buf);
	value[INDEX_ENVELOPE] = keep(ctx, &buf, CACHE_VALUE_MAX);
	buf_reset(&buf);
	mime_body_structure(message, true, &buf);
	value[INDEX_BODY_STRUCTURE] = keep(ctx, &buf, CACHE_VALUE_MAX);
	buf_reset(&buf);
	mime_pack(message, &buf);
	value[INDEX_PARTS] = keep(ctx, &buf, CACHE_VALUE_MAX);
	buf_reset(&buf);
	cached_headers_make(header, "+ ", &buf);
	value[INDEX_HEADERS] = keep(ctx, &buf, CACHE_HEADERS_MAX);
	value[INDEX_PREVIEW] = message->preview; /* short */
	if (message->preview.data != NULL)
		value[INDEX_PREVIEW].data = mem_memdup(
			ctx, message->preview.data, message->preview.len);
}

void cached_sort_make(const void *ctx, struct str header, struct cached *out)
{
	CLEANUP(buf_free) struct buf buf = buf_init(SORT_VALUE_MAX);
	struct sort_made made;

	cached_headers_usual(out->value[INDEX_HEADERS], &header);
	sort_value_make(header, &buf, &made);
	for (int i = 0; i < SORT_PARTS && !buf.overflow; i++)
		out->value[sort_part_field(i)] =
			str_n(mem_memdup(ctx, made.part[i].data,
					 made.part[i].len),
			      made.part[i].len);
}

void cached_read(const void *ctx, struct index_txn *txn, uint32_t box,
		 uint32_t uid, struct cached *out)
{
	unsigned field = 0;
	struct str value;

	while (index_walk_cache(txn, box, uid, &field, &value)) {
		if (field <= INDEX_BASE)
			out->value[field] =
				str_n(mem_memdup(ctx, value.data, value.len),
				      value.len);
	}
}

size_t cached_size(const struct cached *cached)
{
	size_t size = 0;

	for (int i = INDEX_ENVELOPE; i <= INDEX_BASE; i++)
		size += cached->value[i].len;
	return size;
}

int cached_write(struct index_txn *txn, struct mailbox *box,
		 uint32_t box_id, uint32_t uid, const struct cached *cached,
		 struct err *err)
{
	cache_policy_load(box, txn, box_id);
	for (int i = INDEX_ENVELOPE; i <= INDEX_BASE; i++) {
		if (cached->value[i].data != NULL && cache_keeps(box, i) &&
		    mailbox_caches_len(box, cached->value[i].len) &&
		    index_cache_put(txn, box_id, uid, i, cached->value[i],
				    err) < 0)
			return -1;
	}
	return 0;
}
