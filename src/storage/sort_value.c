/* SPDX-License-Identifier: MIT */
#include "storage/sort_value.h"

#include <endian.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/pack.h"
#include "mime/address.h"
#include "mime/charset.h"
#include "mime/collate.h"
#include "mime/date.h"
#include "mime/header.h"
#include "mime/message_id.h"
#include "mime/subject.h"

enum {
	FORM = 2, /* in that of 1 were the subjects, too */
	HAS_DATE = 1 << 0,
	HAS_ID = 1 << 1,
	/* One octet in front of subjects, and flags: */
	SUBJECT_FORM = 1 << 4,
	HAS_SUBJECT = 1 << 0,
	SUBJECT_WHOLE = 1 << 1,
	REPLY = 1 << 0,
	/* Octets of a subject or an address that are looked at. */
	RAW_MAX = 4096,
	/* What decoding and folding make of them: up to 18 characters. */
	TEXT_MAX = RAW_MAX * 64,
	TAIL = 32, /* of a text that is cut: digest in hex */
	MESSAGE_ID_MAX = 2048,
	KEPT_MAX = 2048, /* of memory, of each buffer */
};

enum item {
	ITEM_DATE,
	ITEM_SUBJECT,
	ITEM_FROM,
	ITEM_TO,
	ITEM_CC,
	ITEM_MESSAGE_ID,
	ITEM_IN_REPLY_TO,
	ITEM_REFERENCES,
	ITEMS,
};

static const struct str names[ITEMS] = {
	[ITEM_DATE] = {"Date", 4},
	[ITEM_SUBJECT] = {"Subject", 7},
	[ITEM_FROM] = {"From", 4},
	[ITEM_TO] = {"To", 2},
	[ITEM_CC] = {"Cc", 2},
	[ITEM_MESSAGE_ID] = {"Message-ID", 10},
	[ITEM_IN_REPLY_TO] = {"In-Reply-To", 11},
	[ITEM_REFERENCES] = {"References", 10},
};

struct maker {
	struct str fields[ITEMS]; /* the first of each; data NULL if none */
	unsigned subjects;
	struct digest *sha256;
	uint8_t flags;
	int64_t date;
	int zone;
	uint32_t references;
	struct buf ids, texts, scratch, text, folded, from, to;
};

static void find_fields(struct maker *maker, struct str header)
{
	struct header_field field;

	while (header_next(&header, &field)) {
		for (int i = 0; i < ITEMS; i++) {
			if (names[i].len != field.name.len ||
			    !str_case_equal(names[i], field.name))
				continue;
			if (maker->fields[i].data == NULL)
				maker->fields[i] = field.value;
			maker->subjects += i == ITEM_SUBJECT;
			break;
		}
	}
}

static void make_date(struct maker *maker)
{
	time_t utc;

	if (maker->fields[ITEM_DATE].data == NULL ||
	    !date_parse(maker->fields[ITEM_DATE], &utc, &maker->zone))
		return;
	maker->date = utc;
	maker->flags |= HAS_DATE;
}

/* message ids */

static void put_id(struct maker *maker, struct str id)
{
	unsigned char hash[DIGEST_MAX];

	digest_add(maker->sha256, id);
	digest_end(maker->sha256, hash);
	buf_append(&maker->ids, hash, SORT_ID_LEN);
}

static bool put_first_id(struct maker *maker, struct str value)
{
	struct buf *id = &maker->scratch;

	if (value.data == NULL || !message_id_next(&value, id))
		return false;
	put_id(maker, str_n(id->data, id->len));
	return true;
}

/* How many there are, when there may be too many. */
static uint32_t count_ids(struct maker *maker, struct str value)
{
	uint32_t count = 0;
	size_t most = 0;

	for (size_t i = 0; i < value.len; i++)
		most += value.data[i] == '<';
	if (most <= SORT_REFERENCES_MAX)
		return 0;
	while (message_id_next(&value, &maker->scratch))
		count++;
	return count;
}

static void put_references(struct maker *maker)
{
	struct str value = maker->fields[ITEM_REFERENCES];
	struct buf *id = &maker->scratch;
	uint32_t count = count_ids(maker, value), skip = 0;

	if (count > SORT_REFERENCES_MAX)
		skip = count - SORT_REFERENCES_MAX;
	for (uint32_t i = 0; value.data != NULL && message_id_next(&value, id);
	     i++) {
		if (i > 0 && i <= skip)
			continue;
		put_id(maker, str_n(id->data, id->len));
		maker->references++;
	}
}

/* In-Reply-To counts where there are no references (RFC 5256 section 3). */
static void make_ids(struct maker *maker)
{
	if (put_first_id(maker, maker->fields[ITEM_MESSAGE_ID]))
		maker->flags |= HAS_ID;
	put_references(maker);
	if (maker->references == 0 &&
	    put_first_id(maker, maker->fields[ITEM_IN_REPLY_TO]))
		maker->references = 1;
}

/* texts */

/* Equal texts stay equal when they are cut, and different ones different. */
static void put_cut(struct maker *maker, struct str text, struct buf *out)
{
	unsigned char hash[DIGEST_MAX];

	if (text.len <= SORT_TEXT_MAX) {
		buf_add_str(out, text);
		return;
	}
	digest_add(maker->sha256, text);
	digest_end(maker->sha256, hash);
	buf_append(out, text.data, SORT_TEXT_MAX - TAIL);
	hex_encode(str_n(hash, TAIL / 2), out);
}

static void put_collated(struct maker *maker, struct str text)
{
	struct buf *folded = &maker->folded;

	buf_reset(folded);
	collate(text, folded);
	pack_u32(&maker->texts,
		 (uint32_t)(folded->len < SORT_TEXT_MAX ? folded->len
							: SORT_TEXT_MAX));
	put_cut(maker, str_n(folded->data, folded->len), &maker->texts);
}

static struct str cut_raw(struct str value)
{
	return value.len > RAW_MAX ? str_n(value.data, RAW_MAX) : value;
}

/* Decoded, in maker->scratch. */
static void put_subject(struct maker *maker, struct buf *out)
{
	struct str value = maker->fields[ITEM_SUBJECT];
	struct buf *folded = &maker->folded;
	int flags = SUBJECT_FORM;

	buf_reset(&maker->scratch);
	buf_reset(folded);
	if (value.data != NULL) {
		flags |= HAS_SUBJECT;
		header_decode(cut_raw(value), &maker->scratch);
		charset_fold(str_n(maker->scratch.data, maker->scratch.len),
			     folded);
		if (maker->subjects == 1 && value.len <= RAW_MAX &&
		    folded->len <= SORT_TEXT_MAX && !folded->overflow)
			flags |= SUBJECT_WHOLE;
	}
	buf_putc(out, (char)flags);
	if ((flags & SUBJECT_WHOLE) != 0)
		buf_append(out, folded->data, folded->len);
}

/* Collated first: so "RE:" with a wide colon, as written in East Asia, is a
 * reply, too. */
static void put_base(struct maker *maker, struct buf *out)
{
	struct buf *decoded = &maker->scratch, *folded = &maker->folded;
	struct str base;
	bool reply;

	buf_reset(&maker->text);
	subject_words(str_n(decoded->data, decoded->len), &maker->text);
	buf_reset(folded);
	collate(str_n(maker->text.data, maker->text.len), folded);
	base = subject_base(str_n(folded->data, folded->len), &reply);
	buf_putc(out, (char)(SUBJECT_FORM | (reply ? REPLY : 0)));
	put_cut(maker, base, out);
}

/* The mailbox goes to `texts`, what is displayed to `display`. */
static void make_address(struct maker *maker, enum item item,
			 struct buf *display)
{
	buf_reset(&maker->scratch);
	if (maker->fields[item].data != NULL)
		address_first(maker->fields[item], &maker->scratch, display);
	put_collated(maker, str_n(maker->scratch.data, maker->scratch.len));
}

static void make_addresses(struct maker *maker)
{
	buf_reset(&maker->text);
	make_address(maker, ITEM_FROM, &maker->from);
	make_address(maker, ITEM_TO, &maker->to);
	make_address(maker, ITEM_CC, &maker->text);
	put_collated(maker, str_n(maker->from.data, maker->from.len));
	put_collated(maker, str_n(maker->to.data, maker->to.len));
}

static void write_out(const struct maker *maker, struct buf *out)
{
	pack_u8(out, FORM);
	pack_u8(out, maker->flags);
	pack_u64(out, (uint64_t)maker->date);
	pack_u32(out, (uint32_t)maker->zone);
	pack_u32(out, maker->references);
	buf_append(out, maker->ids.data, maker->ids.len);
	buf_append(out, maker->texts.data, maker->texts.len);
}

/* The process's: OpenSSL takes longer to make one than to use it. */
static struct digest *sha256(void)
{
	static struct digest *digest;

	if (digest == NULL)
		digest = digest_new(NULL, "sha256");
	return digest;
}

static struct str piece(const struct buf *buf, size_t from, size_t to)
{
	return str_n(buf->data + from, to - from);
}

void sort_value_make(struct str header, struct buf *buf, struct sort_made *out)
{
	/* What is usually enough is kept for the next one. */
	static struct buf kept[7];
	struct maker maker = {.sha256 = sha256()};
	struct buf *const bufs[] = {&maker.ids,  &maker.texts,  &maker.scratch,
				    &maker.text, &maker.folded, &maker.from,
				    &maker.to};
	size_t subject = buf->len, base, other;

	for (size_t i = 0; i < 7; i++) {
		*bufs[i] = kept[i].cap > 0 ? kept[i] : buf_init(TEXT_MAX);
		bufs[i]->max = i < 2 ? SORT_VALUE_MAX : TEXT_MAX;
	}
	maker.scratch.max = MESSAGE_ID_MAX;
	find_fields(&maker, header);
	make_date(&maker);
	make_ids(&maker);
	maker.scratch.max = TEXT_MAX;
	put_subject(&maker, buf);
	base = buf->len;
	put_base(&maker, buf);
	other = buf->len;
	make_addresses(&maker);
	write_out(&maker, buf);
	out->part[SORT_SUBJECT_PART] = piece(buf, subject, base);
	out->part[SORT_BASE_PART] = piece(buf, base, other);
	out->part[SORT_OTHER_PART] = piece(buf, other, buf->len);
	for (size_t i = 0; i < 7; i++) {
		if (bufs[i]->cap > KEPT_MAX)
			buf_free(bufs[i]);
		buf_reset(bufs[i]);
		kept[i] = *bufs[i];
	}
}

/* reading: this is done for each mail of a mailbox, so not by base/pack.h */

enum { FIXED = 1 + 1 + 8 + 4 + 4 }; /* in front of the ids */

static uint64_t number(const char *data, size_t octets)
{
	uint64_t value = 0;

	memcpy(&value, data, octets);
	return le64toh(value);
}

/* False if there are not so many. */
static inline bool take(struct str *in, size_t len, const char **out)
{
	if (len > in->len)
		return false;
	*out = in->data;
	in->data += len;
	in->len -= len;
	return true;
}

static inline bool take_text(struct str *in, struct str *out)
{
	const char *data;
	uint32_t len;

	if (!take(in, 4, &data))
		return false;
	len = (uint32_t)number(data, 4);
	if (len > SORT_TEXT_MAX || !take(in, len, &out->data))
		return false;
	out->len = len;
	return true;
}

static bool take_ids(struct str *in, uint32_t count, const unsigned char **out)
{
	const char *data;

	if (!take(in, (size_t)SORT_ID_LEN * count, &data))
		return false;
	*out = (const unsigned char *)data;
	return true;
}

static void read_fixed(const char *data, struct sort_value *out)
{
	uint8_t flags = (uint8_t)data[1];

	out->has_date = (flags & HAS_DATE) != 0;
	out->has_id = (flags & HAS_ID) != 0;
	out->date = (int64_t)number(data + 2, 8);
	out->zone = (int32_t)number(data + 10, 4);
	out->reference_count = (uint32_t)number(data + 14, 4);
}

static inline bool take_flags(struct str *in, int *flags_out)
{
	const char *data;

	if (!take(in, 1, &data) || (*data & 0xf0) != SUBJECT_FORM ||
	    in->len > SORT_TEXT_MAX)
		return false;
	*flags_out = *data;
	return true;
}

static bool read_subject(struct str value, struct sort_value *out)
{
	int flags;

	if (!take_flags(&value, &flags))
		return false;
	out->has_subject = (flags & HAS_SUBJECT) != 0;
	out->subject_whole = (flags & SUBJECT_WHOLE) != 0;
	out->subject = value;
	return true;
}

static bool read_base(struct str value, struct sort_value *out)
{
	int flags;

	if (!take_flags(&value, &flags))
		return false;
	out->reply = (flags & REPLY) != 0;
	out->base = value;
	return true;
}

int sort_subject_has(struct str value, struct str folded)
{
	int flags;

	if (!take_flags(&value, &flags))
		return -1;
	if ((flags & HAS_SUBJECT) == 0 || folded.len == 0)
		return (flags & HAS_SUBJECT) != 0;
	if ((flags & SUBJECT_WHOLE) == 0)
		return -1;
	return str_find(value, folded) >= 0;
}

enum index_field sort_part_field(enum sort_part part)
{
	static const enum index_field fields[] = {
		[SORT_OTHER_PART] = INDEX_SORT,
		[SORT_SUBJECT_PART] = INDEX_SUBJECT,
		[SORT_BASE_PART] = INDEX_BASE,
	};

	return fields[part];
}

bool sort_value_read(struct str value, enum sort_part part,
		     struct sort_value *out)
{
	const char *data;

	if (part != SORT_OTHER_PART)
		return part == SORT_SUBJECT_PART ? read_subject(value, out)
						 : read_base(value, out);
	if (!take(&value, FIXED, &data) || data[0] != FORM)
		return false;
	read_fixed(data, out);
	return out->reference_count <= SORT_REFERENCES_MAX &&
	       take_ids(&value, out->has_id, &out->id) &&
	       take_ids(&value, out->reference_count, &out->references) &&
	       take_text(&value, &out->from) && take_text(&value, &out->to) &&
	       take_text(&value, &out->cc) &&
	       take_text(&value, &out->display_from) &&
	       take_text(&value, &out->display_to);
}
