/* SPDX-License-Identifier: MIT */
/*
 * storage/search_match.c - one mail held against search keys.
 */
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "mime/body.h"
#include "mime/charset.h"
#include "mime/header.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/reader.h"
#include "storage/save_core.h"
#include "storage/search_core.h"
#include "storage/sort_value.h"

enum {
	KEY_DEPTH_MAX = 200,
	TEXT_MAX = 65536,
	VALUE_MAX = 1048576,
	PIECE = 65536,
	DAY = 86400,
};

/* keys */

static int find_keyword(struct mailbox *box, const char *name)
{
	for (unsigned i = 0; i < box->keyword_count; i++) {
		if (box->keywords[i] != NULL &&
		    str_case_is(str_of(name), box->keywords[i]))
			return (int)i;
	}
	return -1;
}

static bool fold_text(const void *ctx, const char *text, struct str *out)
{
	CLEANUP(buf_free) struct buf folded = buf_init(TEXT_MAX);
	size_t len;

	charset_fold(str_of(text), &folded);
	if (folded.overflow)
		return false;
	len = folded.len;
	*out = str_n(buf_steal(ctx, &folded), len);
	return true;
}

struct search_key *search_key_make(const void *ctx, struct mailbox *box,
				   const struct search_node *node,
				   unsigned depth)
{
	struct search_key *key, **end;

	if (depth > KEY_DEPTH_MAX)
		return NULL;
	key = mem_new(ctx, struct search_key);
	key->node = node;
	key->keyword_bit = -1;
	if (node->kind == SEARCH_KEYWORD)
		key->keyword_bit = find_keyword(box, node->text);
	else if (node->text != NULL &&
		 !fold_text(key, node->text, &key->folded))
		return NULL;
	end = &key->children;
	for (const struct search_node *child = node->children; child != NULL;
	     child = child->next) {
		*end = search_key_make(key, box, child, depth + 1);
		if (*end == NULL)
			return NULL;
		end = &(*end)->next;
	}
	return key;
}

bool search_wants_records(const struct search_node *node)
{
	switch (node->kind) {
	case SEARCH_ALL:
	case SEARCH_SEQS:
	case SEARCH_UIDS:
	case SEARCH_HEADER:
	case SEARCH_ADDRESS:
	case SEARCH_SENT_BEFORE:
	case SEARCH_SENT_ON:
	case SEARCH_SENT_SINCE:
		return false;
	case SEARCH_AND:
	case SEARCH_OR:
		break;
	default:
		return true;
	}
	for (const struct search_node *child = node->children; child != NULL;
	     child = child->next) {
		if (search_wants_records(child))
			return true;
	}
	return false;
}

/* dates */

static enum search_answer yes_no(bool yes)
{
	return yes ? SEARCH_YES : SEARCH_NO;
}

static int64_t day_of(int64_t seconds)
{
	return seconds >= 0 ? seconds / DAY : (seconds - DAY + 1) / DAY;
}

/* The day where this server is: what INTERNALDATE shows. */
static int64_t local_day(int64_t when)
{
	time_t t = (time_t)when;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL)
		return day_of(when);
	return day_of(when + tm.tm_gmtoff);
}

static enum search_answer match_day(int64_t day, int64_t wanted_time,
				    enum search_kind before,
				    enum search_kind on, enum search_kind kind)
{
	int64_t wanted = day_of(wanted_time);

	if (kind == before)
		return yes_no(day < wanted);
	return yes_no(kind == on ? day == wanted : day >= wanted);
}

/* `when` is exact, `day` is its day where it was said. */
static enum search_answer match_date(const struct search_node *node,
				     int64_t when, int64_t day,
				     enum search_kind before,
				     enum search_kind on)
{
	if (!node->instant)
		return match_day(day, node->time, before, on, node->kind);
	if (node->kind == before)
		return yes_no(when < node->time);
	return yes_no(when >= node->time &&
		      (node->kind != on || when - node->time < DAY));
}

static enum search_answer match_time(const struct search_node *node,
				     const struct mail *mail,
				     enum search_cost cost, struct err *err)
{
	int64_t received, saved;

	if (cost < COST_FILE &&
	    (reader_record(mail->reader, err) < 0 ||
	     mail->reader->record.received == INDEX_TIME_UNKNOWN))
		return SEARCH_LATER;
	if (mail_times(mail, &received, &saved, err) < 0)
		return SEARCH_FAILED;
	switch (node->kind) {
	case SEARCH_OLDER:
		return yes_no(received <= node->time);
	case SEARCH_YOUNGER:
		return yes_no(received >= node->time);
	case SEARCH_SAVED_BEFORE:
	case SEARCH_SAVED_ON:
	case SEARCH_SAVED_SINCE:
		if (saved == 0)
			return SEARCH_NO;
		return match_date(node, saved, local_day(saved),
				  SEARCH_SAVED_BEFORE, SEARCH_SAVED_ON);
	default:
		return match_date(node, received, local_day(received),
				  SEARCH_BEFORE, SEARCH_ON);
	}
}

/* header fields */

/* A block that has the field if the mail has it. SEARCH_YES when *out is set.
 */
static enum search_answer get_block(const struct mail *mail, const char *field,
				    enum search_cost cost, struct buf *buf,
				    struct str *out, struct err *err)
{
	const char *const wanted[] = {field, NULL};
	const struct section section = {
		.kind = SECTION_HEADER_FIELDS,
		.fields = wanted,
	};
	struct str value;

	if (reader_cached_fields(mail->reader, wanted, &value, out))
		return SEARCH_YES;
	if (cost < COST_FILE)
		return SEARCH_LATER;
	if (mail_header_fields(mail, &section, buf, err) < 0)
		return SEARCH_FAILED;
	*out = str_n(buf->data, buf->len);
	return SEARCH_YES;
}

static bool value_has(struct str value, struct str needle)
{
	CLEANUP(buf_free) struct buf decoded = buf_init(VALUE_MAX);
	CLEANUP(buf_free) struct buf folded = buf_init(VALUE_MAX * 2);

	if (needle.len == 0)
		return true;
	header_decode(value, &decoded);
	charset_fold(str_n(decoded.data, decoded.len), &folded);
	return str_find(str_n(folded.data, folded.len), needle) >= 0;
}

/* Subjects are kept ready for this. SEARCH_LATER with cost COST_FILE: this one
 * is not. */
static enum search_answer match_subject(const struct search_key *key,
					const struct mail *mail,
					enum search_cost cost, struct err *err)
{
	struct sort_value value;
	int got = reader_sort_value(mail->reader, 1 << SORT_SUBJECT_PART,
				    cost >= COST_FILE, &value, err);

	if (got < 0)
		return SEARCH_FAILED;
	if (got == 0)
		return SEARCH_LATER;
	if (!value.has_subject || key->folded.len == 0)
		return yes_no(value.has_subject);
	if (!value.subject_whole)
		return SEARCH_LATER;
	return yes_no(str_find(value.subject, key->folded) >= 0);
}

static enum search_answer match_field(const struct search_key *key,
				      const struct mail *mail,
				      enum search_cost cost, struct err *err)
{
	CLEANUP(buf_free) struct buf buf = buf_init(VALUE_MAX * 16);
	struct header_field field;
	struct str block;
	enum search_answer got;

	got = get_block(mail, key->node->field, cost, &buf, &block, err);
	if (got != SEARCH_YES)
		return got;
	while (header_next(&block, &field)) {
		if (str_case_is(field.name, key->node->field) &&
		    value_has(field.value, key->folded))
			return SEARCH_YES;
	}
	return SEARCH_NO;
}

static enum search_answer match_header(const struct search_key *key,
				       const struct mail *mail,
				       enum search_cost cost, struct err *err)
{
	enum search_answer got;

	if (cost < COST_CACHE)
		return SEARCH_LATER;
	if (str_case_is(str_of(key->node->field), "subject")) {
		got = match_subject(key, mail, cost, err);
		if (got != SEARCH_LATER)
			return got;
	}
	return match_field(key, mail, cost, err);
}

static enum search_answer match_sent(const struct search_node *node,
				     const struct mail *mail,
				     enum search_cost cost, struct err *err)
{
	struct sort_value value;
	int got;

	if (cost < COST_CACHE)
		return SEARCH_LATER;
	got = reader_sort_value(mail->reader, 1 << SORT_OTHER_PART,
				cost >= COST_FILE, &value, err);
	if (got < 0)
		return SEARCH_FAILED;
	if (got == 0)
		return SEARCH_LATER;
	/* One without a date is as old as can be, as with Dovecot. */
	if (!value.has_date)
		value.date = value.zone = 0;
	return match_date(node, value.date,
			  day_of(value.date + value.zone * 60),
			  SEARCH_SENT_BEFORE, SEARCH_SENT_ON);
}

/* text */

static enum search_answer match_text(const struct search_key *key,
				     const struct mail *mail,
				     enum search_cost cost, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	CLEANUP(buf_free) struct buf buf = buf_init(PIECE + 1);
	const char *const needles[] = {key->folded.data};
	struct body_search *search;
	struct str piece;
	uint64_t at = 0;

	if (key->folded.len == 0)
		return SEARCH_YES;
	if (cost < COST_FILE)
		return SEARCH_LATER;
	if (reader_text(mail->reader, err) < 0)
		return SEARCH_FAILED;
	ctx = mem_ctx(NULL, "search");
	search = body_search_new(ctx, needles, 1,
				 key->node->kind == SEARCH_TEXT);
	for (;;) {
		if (text_get(mail->reader->text, at, PIECE, &buf, &piece, err) <
		    0)
			return SEARCH_FAILED;
		if (piece.len == 0)
			break;
		body_search_feed(search, piece);
		at += piece.len;
	}
	return yes_no(body_search_end(search, NULL));
}

static enum search_answer match_size(const struct search_node *node,
				     const struct mail *mail,
				     enum search_cost cost, struct err *err)
{
	uint64_t octets;

	if (cost < COST_FILE &&
	    (reader_record(mail->reader, err) < 0 ||
	     mail->reader->record.size_virtual == UINT64_MAX))
		return SEARCH_LATER;
	if (mail_size(mail, &octets, err) < 0)
		return SEARCH_FAILED;
	return yes_no(node->kind == SEARCH_LARGER ? octets > node->number
						  : octets < node->number);
}

static enum search_answer match_guid(const struct search_node *node,
				     const struct mail *mail, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "guid");
	char *guid;

	if (mail_guid(ctx, mail, &guid, err) < 0)
		return SEARCH_FAILED;
	return yes_no(strcmp(guid, node->text) == 0);
}

static enum search_answer match_object_id(const struct search_node *node,
					  const struct mail *mail,
					  enum search_cost cost,
					  struct err *err)
{
	bool thread = node->kind == SEARCH_THREAD_ID;
	char id[OBJECT_ID_LEN + 1];
	struct sort_value value;
	int got = 1;

	if (thread && cost < COST_CACHE)
		return SEARCH_LATER;
	if (thread)
		got = reader_sort_value(mail->reader, 1 << SORT_OTHER_PART,
					cost >= COST_FILE, &value, err);
	if (got == 0)
		return SEARCH_LATER;
	if (got > 0)
		got = thread ? mail_thread_id(mail, id, err)
			     : mail_email_id(mail, id, err);
	return got < 0 ? SEARCH_FAILED : yes_no(strcmp(id, node->text) == 0);
}

/* trees */

static enum search_answer match_children(const struct search_key *key,
					 const struct mail *mail,
					 enum search_cost cost, struct err *err)
{
	bool all = key->node->kind == SEARCH_AND;
	enum search_answer decides = all ? SEARCH_NO : SEARCH_YES;
	bool later = false;

	for (const struct search_key *child = key->children; child != NULL;
	     child = child->next) {
		enum search_answer got = search_match(child, mail, cost, err);

		if (got == decides || got == SEARCH_FAILED)
			return got;
		later = later || got == SEARCH_LATER;
	}
	if (later)
		return SEARCH_LATER;
	return yes_no(all);
}

static enum search_answer match_one(const struct search_key *key,
				    const struct mail *mail,
				    enum search_cost cost, struct err *err)
{
	const struct search_node *node = key->node;

	switch (node->kind) {
	case SEARCH_ALL:
		return SEARCH_YES;
	case SEARCH_AND:
	case SEARCH_OR:
		return match_children(key, mail, cost, err);
	case SEARCH_SEQS:
		return yes_no(range_set_has(&node->set, mail->seq));
	case SEARCH_UIDS:
		return yes_no(range_set_has(&node->set, mail->uid));
	case SEARCH_FLAG:
		return yes_no((mail->flags & node->flags) != 0);
	case SEARCH_KEYWORD:
		return yes_no(key->keyword_bit >= 0 &&
			      keyword_has(&mail->keywords,
					  (unsigned)key->keyword_bit));
	case SEARCH_HEADER:
	case SEARCH_ADDRESS:
		return match_header(key, mail, cost, err);
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return match_text(key, mail, cost, err);
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
	case SEARCH_OLDER:
	case SEARCH_YOUNGER:
	case SEARCH_SAVED_BEFORE:
	case SEARCH_SAVED_ON:
	case SEARCH_SAVED_SINCE:
		return match_time(node, mail, cost, err);
	case SEARCH_SENT_BEFORE:
	case SEARCH_SENT_ON:
	case SEARCH_SENT_SINCE:
		return match_sent(node, mail, cost, err);
	case SEARCH_LARGER:
	case SEARCH_SMALLER:
		return match_size(node, mail, cost, err);
	case SEARCH_MODSEQ:
		return yes_no(mail->modseq >= node->number);
	case SEARCH_GUID:
		return match_guid(node, mail, err);
	case SEARCH_EMAIL_ID:
	case SEARCH_THREAD_ID:
		return match_object_id(node, mail, cost, err);
	}
	return SEARCH_NO;
}

enum search_answer search_match(const struct search_key *key,
				const struct mail *mail, enum search_cost cost,
				struct err *err)
{
	enum search_answer got = match_one(key, mail, cost, err);

	if (!key->node->negate || got == SEARCH_LATER || got == SEARCH_FAILED)
		return got;
	return got == SEARCH_YES ? SEARCH_NO : SEARCH_YES;
}
