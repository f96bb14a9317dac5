/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/header.c - the header fields in which a mailbox keeps what it
 * knows of its mails: X-IMAPbase, X-UID, Status, X-Status, X-Keywords and
 * Content-Length. Clients don't see them.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/mem.h"
#include "mime/imap.h"
#include "storage/mbox/mbox.h"

enum { PADDING = 50, COMPOSE_MAX = 1 << 30 };

enum field_kind {
	FIELD_OTHER,
	FIELD_BASE,   /* X-IMAPbase */
	FIELD_PSEUDO, /* X-IMAP */
	FIELD_UID,
	FIELD_STATUS,
	FIELD_X_STATUS,
	FIELD_KEYWORDS,
	FIELD_CONTENT_LENGTH,
	FIELD_END, /* the empty line */
};

struct field {
	enum field_kind kind;
	struct str name;
	struct str value; /* behind the colon and one blank, folds inside */
	struct str full;
};

static const struct {
	const char *name;
	enum field_kind kind;
} kinds[] = {
	{"x-imapbase", FIELD_BASE},
	{"x-imap", FIELD_PSEUDO},
	{"x-uid", FIELD_UID},
	{"status", FIELD_STATUS},
	{"x-status", FIELD_X_STATUS},
	{"x-keywords", FIELD_KEYWORDS},
	{"content-length", FIELD_CONTENT_LENGTH},
};

static enum field_kind kind_of(struct str name)
{
	if (name.len == 0 || memchr("xXsScC", name.data[0], 6) == NULL)
		return FIELD_OTHER;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (str_case_is(name, kinds[i].name))
			return kinds[i].kind;
	}
	return FIELD_OTHER;
}

static size_t line_len(struct str s)
{
	const char *newline = memchr(s.data, '\n', s.len);

	return newline == NULL ? s.len : (size_t)(newline + 1 - s.data);
}

static bool is_empty_line(struct str s)
{
	return s.len > 0 &&
	       (s.data[0] == '\n' ||
		(s.len > 1 && s.data[0] == '\r' && s.data[1] == '\n'));
}

static struct str without_eol(struct str s)
{
	if (s.len > 0 && s.data[s.len - 1] == '\n')
		s.len--;
	if (s.len > 0 && s.data[s.len - 1] == '\r')
		s.len--;
	return s;
}

static void take_name(struct field *field)
{
	ptrdiff_t colon = str_find_char(
		str_n(field->full.data, line_len(field->full)), ':');

	field->kind = FIELD_OTHER;
	field->name = field->value = STR("");
	if (colon <= 0)
		return;
	field->name = str_n(field->full.data, (size_t)colon);
	while (field->name.len > 0 &&
	       (field->name.data[field->name.len - 1] == ' ' ||
		field->name.data[field->name.len - 1] == '\t'))
		field->name.len--;
	field->value = str_from(field->full, (size_t)colon + 1);
	if (field->value.len > 0 &&
	    (field->value.data[0] == ' ' || field->value.data[0] == '\t'))
		field->value = str_from(field->value, 1);
	field->value = without_eol(field->value);
	field->kind = kind_of(field->name);
}

/* The next field with its continuation lines; a line that is none counts as
 * one without a name. */
static bool next_field(struct str *rest, struct field *out)
{
	size_t len;

	if (rest->len == 0)
		return false;
	if (is_empty_line(*rest)) {
		out->kind = FIELD_END;
		out->name = out->value = STR("");
		out->full = str_n(rest->data, line_len(*rest));
		*rest = str_from(*rest, out->full.len);
		return true;
	}
	len = line_len(*rest);
	while (len < rest->len &&
	       (rest->data[len] == ' ' || rest->data[len] == '\t'))
		len += line_len(str_from(*rest, len));
	out->full = str_n(rest->data, len);
	*rest = str_from(*rest, len);
	take_name(out);
	return true;
}

/* reading */

bool mbox_header_word(struct str *value, struct str *word_out)
{
	struct str word;

	while (str_word(value, &word)) {
		word = str_trim(word);
		if (word.len > 0) {
			*word_out = word;
			return true;
		}
	}
	return false;
}

static bool take_base(struct str block, struct str value,
		      struct mbox_header *out)
{
	struct str rest = value, word;

	if (!mbox_header_word(&rest, &word) ||
	    !str_to_u32(word, &out->uid_validity) || out->uid_validity == 0 ||
	    !mbox_header_word(&rest, &word) ||
	    !str_to_u32(word, &out->last_uid))
		return false;
	out->last_uid_at = (size_t)(word.data - block.data);
	out->last_uid_len = word.len;
	out->base_keywords = rest;
	return true;
}

static uint8_t flags_of(struct str value, bool x_status, bool *old)
{
	static const struct {
		char letter;
		uint8_t flag;
	} letters[] = {{'A', MAIL_ANSWERED},
		       {'F', MAIL_FLAGGED},
		       {'T', MAIL_DRAFT},
		       {'D', MAIL_DELETED}};
	uint8_t flags = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (!x_status && value.data[i] == 'R')
			flags |= MAIL_SEEN;
		else if (!x_status && value.data[i] == 'O')
			*old = true;
		for (size_t j = 0; x_status && j < 4; j++) {
			if (value.data[i] == letters[j].letter)
				flags |= letters[j].flag;
		}
	}
	return flags;
}

static void take_field(struct str block, const struct field *field,
		       struct mbox_header *out)
{
	struct str value = str_trim(field->value);

	switch (field->kind) {
	case FIELD_BASE:
	case FIELD_PSEUDO:
		if (!out->has_base) {
			out->pseudo = field->kind == FIELD_PSEUDO;
			out->has_base = take_base(block, value, out);
		}
		break;
	case FIELD_UID:
		if (out->uid == 0 && !str_to_u32(value, &out->uid))
			out->uid = 0;
		break;
	case FIELD_STATUS:
	case FIELD_X_STATUS:
		out->flags |= flags_of(value, field->kind == FIELD_X_STATUS,
				       &out->old);
		break;
	case FIELD_KEYWORDS:
		if (!out->has_keywords)
			out->keywords = value;
		out->has_keywords = true;
		break;
	case FIELD_CONTENT_LENGTH:
		if (!out->has_content_length)
			out->has_content_length =
				str_to_u64(value, &out->content_length);
		break;
	case FIELD_OTHER:
	case FIELD_END:
		break;
	}
}

/* The values of those fields, folds without their line ends (seen with Dovecot
 * by trying: apop3d takes the first Received, and Date and Message-ID only when
 * none stands before them). */
static bool in_md5(struct str name, bool all, bool *received)
{
	if (all)
		return true;
	if (str_case_is(name, "received")) {
		bool first = !*received;

		*received = true;
		return first;
	}
	if (str_case_is(name, "date") || str_case_is(name, "message-id"))
		return !*received;
	return str_case_is(name, "delivered-to") ||
	       str_case_is(name, "x-delivery-id");
}

static void md5_add(struct digest *md5, struct str value)
{
	while (value.len > 0) {
		size_t len = line_len(value);

		digest_add(md5, without_eol(str_n(value.data, len)));
		value = str_from(value, len);
	}
}

void mbox_header_parse(struct str block, struct digest *md5, bool all,
		       struct mbox_header *out)
{
	unsigned char digest[DIGEST_MAX];
	struct str rest = block;
	struct field field;
	bool received = false;

	memset(out, 0, sizeof(*out));
	while (next_field(&rest, &field)) {
		if (field.kind == FIELD_OTHER || field.kind == FIELD_END) {
			out->size += field.full.len;
			out->virtual += crlf_size(field.full, false);
		}
		if (field.kind != FIELD_OTHER)
			take_field(block, &field, out);
		else if (md5 != NULL && field.name.len > 0 &&
			 in_md5(field.name, all, &received))
			md5_add(md5, field.value);
	}
	if (md5 == NULL)
		return;
	digest_end(md5, digest);
	memcpy(out->md5, digest, sizeof(out->md5));
}

void mbox_header_visible(struct str block, struct buf *out)
{
	struct field field;

	while (next_field(&block, &field)) {
		if (field.kind == FIELD_OTHER || field.kind == FIELD_END)
			buf_add_str(out, field.full);
	}
}

/* writing */

/* False: there are none. */
static bool add_names(const struct mbox_fields *fields, bool all,
		      struct buf *out)
{
	size_t start = out->len;

	for (unsigned i = 0; i < fields->name_count; i++) {
		const char *name = fields->names[i];
		uint64_t bits =
			all ? UINT64_MAX : fields->keywords->bits[i / 64];

		if (name == NULL || name[0] == '\0' ||
		    (bits & ((uint64_t)1 << (i % 64))) == 0)
			continue;
		buf_putc(out, ' ');
		buf_add(out, name);
	}
	return out->len > start;
}

static void add_flags(const struct mbox_fields *fields, struct buf *out)
{
	const uint8_t flags = fields->flags;

	if (fields->old || (flags & MAIL_SEEN) != 0)
		buf_printf(out, "Status: %s%s\n",
			   (flags & MAIL_SEEN) != 0 ? "R" : "",
			   fields->old ? "O" : "");
	if ((flags &
	     (MAIL_ANSWERED | MAIL_FLAGGED | MAIL_DRAFT | MAIL_DELETED)) != 0)
		buf_printf(out, "X-Status: %s%s%s%s\n",
			   (flags & MAIL_ANSWERED) != 0 ? "A" : "",
			   (flags & MAIL_FLAGGED) != 0 ? "F" : "",
			   (flags & MAIL_DRAFT) != 0 ? "T" : "",
			   (flags & MAIL_DELETED) != 0 ? "D" : "");
}

static void add_base(const struct mbox_fields *fields, const char *name,
		     struct buf *out)
{
	buf_printf(out, "%s: %u %010u", name, fields->uid_validity,
		   fields->last_uid);
	add_names(fields, true, out);
	buf_putc(out, '\n');
}

/* Behind X-UID, where the padding goes. */
static void add_rest(const struct mbox_fields *fields, struct buf *out)
{
	size_t start;

	buf_putc(out, '\n');
	add_flags(fields, out);
	start = out->len;
	buf_add(out, "X-Keywords:");
	if (fields->keywords == NULL || !add_names(fields, false, out))
		buf_truncate(out, start);
	else
		buf_putc(out, '\n');
	if (fields->content_length == UINT64_MAX)
		return;
	buf_add(out, "Content-Length: ");
	buf_number(out, fields->content_length);
	buf_putc(out, '\n');
}

/* What is not ours, without the empty line, which goes to *end_out. */
static void add_others(struct str block, const struct mbox_fields *fields,
		       struct buf *out, struct str *end_out)
{
	bool length = fields->content_length != UINT64_MAX;
	struct field field;

	*end_out = STR("");
	while (next_field(&block, &field)) {
		if (field.kind == FIELD_END)
			*end_out = field.full;
		else if (field.kind == FIELD_OTHER)
			buf_add_str(out, field.full);
		else if (field.kind == FIELD_CONTENT_LENGTH && !length) {
			buf_add_str(out, field.full);
			length = true;
		}
	}
}

void mbox_header_compose(struct str block, const struct mbox_fields *fields,
			 struct buf *out)
{
	CLEANUP(buf_free) struct buf ours = buf_init(COMPOSE_MAX);
	CLEANUP(buf_free) struct buf cut_off = buf_init(COMPOSE_MAX);
	size_t start = out->len, uid_end, len, padding = PADDING;
	struct str end;

	if (fields->base)
		add_base(fields, "X-IMAPbase", &ours);
	buf_add(&ours, "X-UID: ");
	buf_number(&ours, fields->uid);
	uid_end = ours.len;
	add_rest(fields, &ours);
	add_others(block, fields, out, &end);
	len = out->len - start + ours.len + end.len;
	if (len <= block.len)
		padding = block.len - len;
	/* A header that was cut off in a line must go on behind it. */
	if (out->len > start && out->data[out->len - 1] != '\n') {
		buf_append(&cut_off, out->data + start, out->len - start);
		buf_truncate(out, start);
	}
	buf_append(out, ours.data, uid_end);
	for (size_t i = 0; i < padding; i++)
		buf_putc(out, ' ');
	buf_append(out, ours.data + uid_end, ours.len - uid_end);
	buf_append(out, cut_off.data, cut_off.len);
	buf_add_str(out, end);
}

void mbox_pseudo_write(const struct mbox_fields *fields, int64_t time,
		       struct buf *out)
{
	mbox_from_write("MAILER_DAEMON", time, out);
	buf_add(out, "From: Mail System Internal Data <MAILER-DAEMON>\n"
		     "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL "
		     "DATA\n");
	add_base(fields, "X-IMAP", out);
	buf_add(out, "Status: RO\n"
		     "\n"
		     "This text is part of the internal format of your mail "
		     "folder, and is not\n"
		     "a real message.  It is created automatically by the "
		     "mail system software.\n"
		     "If deleted, important folder data will be lost, and it "
		     "will be re-created\n"
		     "with the data reset to initial values.\n"
		     "\n");
}

size_t mbox_base_digits(struct str text)
{
	struct mbox_header header;

	mbox_header_parse(text, NULL, false, &header);
	return header.last_uid_at;
}
