/* SPDX-License-Identifier: MIT */
#include "storage/cache_policy.h"

#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/save_core.h"

enum { USES_MAX = 256, ROW_MAX = 65536, DAY = 86400, NAME_MAX_LEN = 80 };

struct cache_policy {
	struct cache_use *uses;
	size_t count;
	uint32_t asked; /* fields that were, in this session, as bits */
	uint32_t never; /* mail_never_cache_fields, likewise */
	bool dirty;
};

/* By Dovecot's names, where it has such fields. */
static const char *const names[] = {
	[INDEX_ENVELOPE] = "imap.envelope",
	[INDEX_BODY_STRUCTURE] = "imap.bodystructure",
	[INDEX_PARTS] = "mime.parts",
	[INDEX_HEADERS] = "hdr.*", /* the usual ones */
	[INDEX_PREVIEW] = "body.snippet",
	[INDEX_SORT] = "sort",
	[INDEX_SUBJECT] = "sort",
	[INDEX_BASE] = "sort",
};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static struct cache_use *find(const struct cache_policy *policy,
			      const char *name)
{
	for (size_t i = 0; i < policy->count; i++) {
		if (strcmp(policy->uses[i].field, name) == 0)
			return &policy->uses[i];
	}
	return NULL;
}

static struct cache_use *add(struct cache_policy *policy, struct str name,
			     int64_t last_used)
{
	struct cache_use *use;

	if (policy->count == USES_MAX || name.len > NAME_MAX_LEN)
		return NULL;
	policy->uses = mem_resize(policy, policy->uses, struct cache_use,
				  policy->count + 1);
	use = &policy->uses[policy->count++];
	*use = (struct cache_use){
		.field = str_dup(policy, name),
		.decision = CACHE_TEMP,
		.last_used = last_used,
	};
	return use;
}

/* the row: "<decision> <seconds> <name>" a line */

static void take_line(struct cache_policy *policy, struct str line)
{
	struct str decision, seconds, name;
	struct cache_use *use;
	uint64_t when;

	if (!str_word(&line, &decision) || !str_word(&line, &seconds) ||
	    !str_word(&line, &name) || !str_to_u64(seconds, &when) ||
	    when > INT64_MAX)
		return;
	use = add(policy, name, (int64_t)when);
	if (use != NULL && str_is(decision, "no"))
		use->decision = CACHE_NO;
	if (use != NULL && str_is(decision, "yes"))
		use->decision = CACHE_YES;
}

/* As Dovecot: what is not asked for goes from yes to temp, and from there to
 * no. */
static void expire(struct cache_policy *policy, uint64_t drop_ms)
{
	int64_t oldest = time(NULL) - (int64_t)(drop_ms / 1000);

	for (size_t i = 0; drop_ms != 0 && i < policy->count; i++) {
		struct cache_use *use = &policy->uses[i];

		if (use->last_used < oldest && use->decision != CACHE_NO)
			use->decision = use->decision == CACHE_YES ? CACHE_TEMP
								   : CACHE_NO;
	}
}

/* mail_never_cache_fields. Its default is Dovecot's, which has the envelope in
 * header fields. */
static struct str never_fields(const struct mailbox *box)
{
	const char *text = box->user->settings.mail_never_cache_fields;

	return str_of(strcmp(text, "imap.envelope") == 0 ? "" : text);
}

/* A header field is in all that is made of the usual ones. */
static uint32_t never_of(struct str field)
{
	const uint32_t usual = 1U << INDEX_HEADERS | 1U << INDEX_ENVELOPE |
			       1U << INDEX_SORT | 1U << INDEX_SUBJECT |
			       1U << INDEX_BASE;
	uint32_t named = 0;

	if (str_is(field, "imap.body"))
		return 1U << INDEX_BODY_STRUCTURE;
	if (str_starts(field, "hdr.") &&
	    cached_headers_is_usual(field.data + 4))
		return usual;
	for (size_t i = 0; i < NAMES; i++) {
		if (names[i] != NULL && str_is(field, names[i]))
			named |= 1U << i;
	}
	return named;
}

static void take_never(struct mailbox *box)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "never");
	struct cache_policy *policy = box->policy;
	struct str rest = never_fields(box), word;
	struct cache_use *use;

	while (str_word(&rest, &word))
		policy->never |= never_of(str_of(str_dup(ctx, word)));
	for (size_t i = 0; i < NAMES; i++) {
		if ((policy->never & 1U << i) != 0 && names[i] != NULL &&
		    (use = find(policy, names[i])) != NULL)
			use->decision = CACHE_NO;
	}
}

bool cache_keeps_headers(const struct mailbox *box, const char *const *fields)
{
	struct str rest = never_fields(box), word;

	while (str_word(&rest, &word)) {
		for (size_t i = 0; fields[i] != NULL; i++) {
			if (str_starts(word, "hdr.") &&
			    str_case_is(str_from(word, 4), fields[i]))
				return false;
		}
	}
	return true;
}

void cache_policy_load(struct mailbox *box, struct index_txn *txn, uint32_t id)
{
	struct str row = {NULL, 0}, line;

	if (box->policy != NULL)
		return;
	box->policy = mem_new(box, struct cache_policy);
	(void)index_cache_get(txn, id, 0, INDEX_POLICY, &row);
	while (row.len > 0 && str_split(&row, '\n', &line))
		take_line(box->policy, line);
	expire(box->policy,
	       box->user->settings.mail_cache_unaccessed_field_drop.ms);
	take_never(box);
}

const char *cache_decision_name(enum cache_decision decision)
{
	static const char *const words[] = {"no", "temp", "yes"};

	return words[decision];
}

int cache_policy_write(struct mailbox *box, struct index_txn *txn, uint32_t id,
		       struct err *err)
{
	CLEANUP(buf_free) struct buf row = buf_init(ROW_MAX);
	struct cache_policy *policy = box->policy;

	/* From now on it shows what nobody asks for. */
	for (size_t i = 0; i < NAMES; i++) {
		if (names[i] != NULL && find(policy, names[i]) == NULL)
			add(policy, str_of(names[i]), time(NULL));
	}
	for (size_t i = 0; i < policy->count; i++)
		buf_printf(&row, "%s %lld %s\n",
			   cache_decision_name(policy->uses[i].decision),
			   (long long)policy->uses[i].last_used,
			   policy->uses[i].field);
	policy->dirty = false;
	return row.overflow ? 0
			    : index_cache_put(txn, id, 0, INDEX_POLICY,
					      str_n(row.data, row.len), err);
}

bool cache_policy_dirty(const struct mailbox *box)
{
	return box->policy != NULL && box->policy->dirty;
}

/* what was asked for */

bool cache_keeps(const struct mailbox *box, enum index_field field)
{
	const struct cache_use *use =
		box->policy == NULL || (unsigned)field >= NAMES || names[field] == NULL
			? NULL
			: find(box->policy, names[field]);

	return (use == NULL || use->decision != CACHE_NO) &&
	       (box->policy == NULL || (unsigned)field >= NAMES ||
		(box->policy->never & 1U << field) == 0);
}

static void asked(struct cache_policy *policy, const char *name)
{
	struct cache_use *use = find(policy, name);
	int64_t now = time(NULL);

	if (use == NULL)
		use = add(policy, str_of(name), 0);
	if (use == NULL ||
	    (use->last_used >= now - DAY && use->last_used <= now))
		return;
	use->last_used = now;
	if (use->decision == CACHE_NO)
		use->decision = CACHE_TEMP;
	policy->dirty = true;
}

void cache_asked(struct mailbox *box, enum index_field field)
{
	struct cache_policy *policy = box->policy;

	if (policy == NULL || (unsigned)field >= NAMES ||
	    ((policy->asked | policy->never) & (1U << field)) != 0)
		return;
	policy->asked |= 1U << field;
	if (names[field] != NULL)
		asked(policy, names[field]);
}

void cache_asked_header(struct mailbox *box, const char *name)
{
	char field[NAME_MAX_LEN + 1] = "hdr.";
	size_t len = strlen(name);

	if (box->policy == NULL || len + 4 > NAME_MAX_LEN ||
	    strpbrk(name, " \t\r\n") != NULL)
		return;
	for (size_t i = 0; i < len; i++)
		field[i + 4] = ascii_lower(name[i]);
	asked(box->policy, field);
}

/* what goes */

static bool header_goes(const struct cache_policy *policy, struct str name)
{
	char field[NAME_MAX_LEN + 1] = "hdr.";
	const struct cache_use *use;

	if (name.len + 4 > NAME_MAX_LEN)
		return false;
	memcpy(field + 4, name.data, name.len);
	use = find(policy, field);
	return use != NULL && use->decision == CACHE_NO;
}

static int purge_headers(struct mailbox *box, struct index_txn *txn,
			 uint32_t id, uint32_t uid, struct err *err)
{
	CLEANUP(buf_free) struct buf names_left = buf_init(CACHE_HEADERS_MAX);
	CLEANUP(buf_free) struct buf value = buf_init(CACHE_HEADERS_MAX);
	struct str old, list, word;
	bool goes = false;

	if (!index_cache_get(txn, id, uid, INDEX_HEADERS, &old) ||
	    !str_split(&old, '\0', &list))
		return 0;
	while (str_word(&list, &word)) {
		if (header_goes(box->policy, word)) {
			goes = true;
			continue;
		}
		buf_add_str(&names_left, word);
		buf_putc(&names_left, ' ');
	}
	if (!goes || names_left.len == 0 || names_left.overflow)
		return 0;
	cached_headers_make(old, names_left.data, &value);
	return value.overflow
		       ? 0
		       : index_cache_put(txn, id, uid, INDEX_HEADERS,
					 str_n(value.data, value.len), err);
}

static int purge_mail(struct mailbox *box, struct index_txn *txn, uint32_t id,
		      uint32_t uid, struct err *err)
{
	for (unsigned field = 1; field < NAMES; field++) {
		if (!cache_keeps(box, field) &&
		    index_cache_drop(txn, id, uid, field, err) < 0)
			return -1;
	}
	return purge_headers(box, txn, id, uid, err);
}

int cache_policy_purge(struct mailbox *box, struct index_txn *txn, uint32_t id,
		       struct err *err)
{
	struct index_record record = {.uid = 0};
	bool goes = false;

	cache_policy_load(box, txn, id);
	for (size_t i = 0; i < box->policy->count; i++)
		goes |= box->policy->uses[i].decision == CACHE_NO;
	if (!goes)
		return 0;
	while (record.uid < UINT32_MAX &&
	       index_record_next(txn, id, record.uid + 1, &record)) {
		if (purge_mail(box, txn, id, record.uid, err) < 0)
			return -1;
	}
	return cache_policy_write(box, txn, id, err);
}

/* what administrators ask */

int mailbox_cache_uses(struct mailbox *box, const struct cache_use **out,
		       size_t *count_out, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;

	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    mailbox_begin(box, INDEX_READ, &txn, &row, err) < 0)
		return -1;
	mem_free(box->policy);
	box->policy = NULL;
	cache_policy_load(box, txn, row.id);
	*out = box->policy->uses;
	*count_out = box->policy->count;
	return 0;
}

int mailbox_cache_decide(struct mailbox *box, const struct cache_use *use,
			 struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct cache_use *known;
	struct index_box row;

	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    mailbox_begin(box, INDEX_WRITE, &txn, &row, err) < 0)
		return -1;
	cache_policy_load(box, txn, row.id);
	known = find(box->policy, use->field);
	if (known == NULL)
		return err_set(err, ERR_NOT_FOUND, "no such field: %s",
			       use->field);
	known->decision = use->decision;
	known->last_used = use->last_used;
	if (cache_policy_write(box, txn, row.id, err) < 0 ||
	    index_commit(&txn, err) < 0)
		return store_failed(box->store, err);
	return 0;
}
