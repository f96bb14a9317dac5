/* SPDX-License-Identifier: MIT */
/*
 * mime/imap_envelope.c - ENVELOPE (RFC 3501 section 7.4.2).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "mime/address_scan.h"
#include "mime/header.h"
#include "mime/imap.h"
#include "mime/imap_string.h"

/* In the order in which they are sent. */
enum item {
	ITEM_DATE,
	ITEM_SUBJECT,
	ITEM_FROM,
	ITEM_SENDER,
	ITEM_REPLY_TO,
	ITEM_TO,
	ITEM_CC,
	ITEM_BCC,
	ITEM_IN_REPLY_TO,
	ITEM_MESSAGE_ID,
	ITEMS,
};

static const struct str names[ITEMS] = {
	[ITEM_DATE] = {"Date", 4},
	[ITEM_SUBJECT] = {"Subject", 7},
	[ITEM_FROM] = {"From", 4},
	[ITEM_SENDER] = {"Sender", 6},
	[ITEM_REPLY_TO] = {"Reply-To", 8},
	[ITEM_TO] = {"To", 2},
	[ITEM_CC] = {"Cc", 2},
	[ITEM_BCC] = {"Bcc", 3},
	[ITEM_IN_REPLY_TO] = {"In-Reply-To", 11},
	[ITEM_MESSAGE_ID] = {"Message-ID", 10},
};

struct envelope {
	struct str header;
	struct str value[ITEMS]; /* of the last field; data NULL if none */
	unsigned fields[ITEMS];
	struct buf scratch;
	struct buf *out;
};

static void find_fields(struct envelope *envelope)
{
	struct str rest = envelope->header;
	struct header_field field;

	while (header_next(&rest, &field)) {
		for (int i = 0; i < ITEMS; i++) {
			if (names[i].len == field.name.len &&
			    str_case_equal(names[i], field.name)) {
				envelope->value[i] = field.value;
				envelope->fields[i]++;
				break;
			}
		}
	}
}

static void write_address(struct envelope *envelope,
			  const struct address_view *view)
{
	struct buf *out = envelope->out;

	if (view->kind == ADDRESS_GROUP_END) {
		buf_add(out, "(NIL NIL NIL NIL)");
		return;
	}
	if (view->kind == ADDRESS_GROUP_START) {
		buf_add(out, "(NIL NIL ");
		mime_nstring(view->name, out);
		buf_add(out, " NIL)");
		return;
	}
	buf_putc(out, '(');
	imap_string_words(view->name, &envelope->scratch, out);
	buf_putc(out, ' ');
	mime_nstring(view->bad_route ? STR("INVALID_ROUTE") : view->route, out);
	buf_putc(out, ' ');
	mime_nstring(address_view_mailbox(view), out);
	buf_putc(out, ' ');
	mime_nstring(address_view_domain(view), out);
	buf_putc(out, ')');
}

static void write_addresses(struct envelope *envelope, struct str value)
{
	CLEANUP(address_scan_free)
	struct address_scan scan = address_scan_init(value);
	struct address_view view;

	while (!envelope->out->overflow && address_scan_next(&scan, &view))
		write_address(envelope, &view);
}

static void write_all_fields(struct envelope *envelope, struct str name)
{
	struct str rest = envelope->header;
	struct header_field field;

	while (header_next(&rest, &field)) {
		if (str_case_equal(field.name, name))
			write_addresses(envelope, field.value);
	}
}

/* False when there was no address. */
static bool write_list(struct envelope *envelope, enum item item)
{
	struct buf *out = envelope->out;
	size_t start = out->len;

	buf_putc(out, '(');
	if (envelope->fields[item] == 1)
		write_addresses(envelope, envelope->value[item]);
	else if (envelope->fields[item] > 1)
		write_all_fields(envelope, names[item]);
	if (out->len <= start + 1) {
		buf_truncate(out, start);
		return false;
	}
	buf_putc(out, ')');
	return true;
}

static void write_lists(struct envelope *envelope)
{
	struct buf *out = envelope->out;
	size_t from = out->len, from_len;

	if (!write_list(envelope, ITEM_FROM))
		buf_add(out, "NIL");
	from_len = out->len - from;
	for (int item = ITEM_SENDER; item <= ITEM_BCC; item++) {
		buf_putc(out, ' ');
		if (write_list(envelope, item))
			continue;
		/* RFC 3501: these two are as From when missing or empty. */
		if (item != ITEM_SENDER && item != ITEM_REPLY_TO) {
			buf_add(out, "NIL");
		} else if (buf_space(out, from_len) != NULL) {
			memcpy(out->data + out->len, out->data + from,
			       from_len);
			buf_grew(out, from_len);
		}
	}
}

void mime_envelope(struct str header, struct buf *out)
{
	struct envelope envelope = {
		.header = header,
		.scratch = buf_init(SIZE_MAX),
		.out = out,
	};

	find_fields(&envelope);
	buf_putc(out, '(');
	imap_string_field(envelope.value[ITEM_DATE], &envelope.scratch, out);
	buf_putc(out, ' ');
	imap_string_words(envelope.value[ITEM_SUBJECT], &envelope.scratch, out);
	buf_putc(out, ' ');
	write_lists(&envelope);
	buf_putc(out, ' ');
	imap_string_field(envelope.value[ITEM_IN_REPLY_TO], &envelope.scratch,
			  out);
	buf_putc(out, ' ');
	imap_string_field(envelope.value[ITEM_MESSAGE_ID], &envelope.scratch,
			  out);
	buf_putc(out, ')');
	buf_free(&envelope.scratch);
}
