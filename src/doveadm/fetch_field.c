/* SPDX-License-Identifier: MIT */
/*
 * doveadm/fetch_field.c - the names of fields, and the short ones.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "doveadm/doveadm.h"
#include "doveadm/fetch.h"
#include "doveadm/print.h"
#include "mime/date.h"
#include "mime/header.h"
#include "storage/storage.h"

enum { FLAGS_MAX = 65536, PATH_MAX_LEN = 100, HEADER_MAX = 1 << 20 };

/* What is at hand, or comes from one call of storage. */
enum what {
	USER,
	MAILBOX,
	MAILBOX_GUID,
	SEQ,
	UID,
	MODSEQ,
	REFCOUNT,
	SIZE_PHYSICAL,
	SIZE_VIRTUAL,
	ENVELOPE,
	PREVIEW,
	BODY,
	BODY_STRUCTURE,
	POP3_UIDL,
	POP3_ORDER,
};

static int known(const struct fetch *fetch, const struct fetch_field *field,
		 struct err *)
{
	switch (field->what) {
	case USER:
		print_value(fetch->printer, user_name(fetch->user));
		break;
	case MAILBOX:
		print_value(fetch->printer, mailbox_name(fetch->box));
		break;
	case MAILBOX_GUID:
		print_value(fetch->printer, fetch->mailbox_guid);
		break;
	case SEQ:
		print_number(fetch->printer, fetch->mail->seq);
		break;
	case UID:
		print_number(fetch->printer, fetch->mail->uid);
		break;
	case MODSEQ:
		print_number(fetch->printer, fetch->mail->modseq);
		break;
	case REFCOUNT: /* each mail is stored for itself in our formats */
		print_number(fetch->printer, 1);
		break;
	}
	return 0;
}

/* The GUID; where it lies is told by the same name. */
static int guid(const struct fetch *fetch, const struct fetch_field *,
		struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "guid");
	char *text;

	if (mail_guid(ctx, fetch->mail, &text, err) < 0)
		return -1;
	print_value(fetch->printer, text);
	return 0;
}

static int flags(const struct fetch *fetch, const struct fetch_field *,
		 struct err *)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = {
		{MAIL_ANSWERED, "\\Answered "}, {MAIL_FLAGGED, "\\Flagged "},
		{MAIL_DELETED, "\\Deleted "},   {MAIL_SEEN, "\\Seen "},
		{MAIL_DRAFT, "\\Draft "},       {MAIL_RECENT, "\\Recent "},
	};
	CLEANUP(buf_free) struct buf text = buf_init(FLAGS_MAX);
	const struct mail *mail = fetch->mail;
	const char *const *keywords;
	unsigned count;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((mail->flags & names[i].bit) != 0)
			buf_add(&text, names[i].name);
	}
	keywords = mailbox_keywords(fetch->box, &count);
	for (unsigned i = 0; i < count; i++) {
		if ((mail->keywords.bits[i / 64] >> i % 64 & 1) != 0 &&
		    keywords[i] != NULL)
			buf_printf(&text, "%s ", keywords[i]);
	}
	if (text.len > 0)
		buf_truncate(&text, text.len - 1);
	print_value(fetch->printer, text.data);
	return 0;
}

/* sizes */

static int size(const struct fetch *fetch, const struct fetch_field *field,
		struct err *err)
{
	uint64_t octets;

	if ((field->what == SIZE_PHYSICAL
		     ? mail_size_physical(fetch->mail, &octets, err)
		     : mail_size(fetch->mail, &octets, err)) < 0)
		return -1;
	print_number(fetch->printer, octets);
	return 0;
}

/* dates */

static void print_date(const struct fetch *fetch, int64_t when,
		       const char *zone)
{
	char text[64] = "", whole[96];
	time_t t = (time_t)when;
	struct tm tm;

	if (localtime_r(&t, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(whole, sizeof(whole), "%s%s", text, zone);
	print_value(fetch->printer, whole);
}

/* Which time it is, and in which form. */
enum { SAVED = 1 << 0, UNIX = 1 << 1 };

static void print_time(const struct fetch *fetch,
		       const struct fetch_field *field, int64_t when,
		       const char *zone)
{
	if ((field->what & UNIX) != 0)
		print_number(fetch->printer,
			     when > 0 ? (unsigned long long)when : 0);
	else
		print_date(fetch, when, zone);
}

static int date(const struct fetch *fetch, const struct fetch_field *field,
		struct err *err)
{
	int64_t received, saved;

	if (mail_times(fetch->mail, &received, &saved, err) < 0)
		return -1;
	print_time(fetch, field, (field->what & SAVED) != 0 ? saved : received,
		   "");
	return 0;
}

/* Of the Date: field; 1970 if there is none that makes sense. */
static int get_sent(const struct fetch *fetch, time_t *utc_out, int *zone_out,
		    struct err *err)
{
	static const char *const fields[] = {"date", NULL};
	const struct section section = {.kind = SECTION_HEADER_FIELDS,
					.fields = fields};
	CLEANUP(buf_free) struct buf block = buf_init(HEADER_MAX);
	struct header_field found;

	if (mail_header_fields(fetch->mail, &section, &block, err) < 0)
		return -1;
	if (!header_find(str_n(block.data, block.len), "date", &found) ||
	    !date_parse(found.value, utc_out, zone_out))
		*utc_out = *zone_out = 0;
	return 0;
}

static int date_sent(const struct fetch *fetch, const struct fetch_field *field,
		     struct err *err)
{
	char zone_text[16];
	unsigned minutes;
	time_t utc;
	int zone;

	if (get_sent(fetch, &utc, &zone, err) < 0)
		return -1;
	minutes = (unsigned)(zone < 0 ? -zone : zone) % (100 * 60);
	snprintf(zone_text, sizeof(zone_text), " (%c%02u%02u)",
		 zone < 0 ? '-' : '+', minutes / 60, minutes % 60);
	print_time(fetch, field, utc, zone_text);
	return 0;
}

/* IMAP's, without the parentheses around it */

static int imap(const struct fetch *fetch, const struct fetch_field *field,
		struct err *err)
{
	struct str text;
	char *copy;
	int ret;

	if (field->what == ENVELOPE)
		ret = mail_envelope(fetch->mail, &text, err);
	else if (field->what == PREVIEW)
		ret = mail_preview(fetch->mail, false, &text, err);
	else
		ret = mail_body_structure(
			fetch->mail, field->what == BODY_STRUCTURE, &text, err);
	if (ret < 0)
		return -1;
	if (field->what != PREVIEW && text.len >= 2)
		text = str_n(text.data + 1, text.len - 2);
	copy = str_dup(NULL, text);
	print_value(fetch->printer, copy);
	mem_free(copy);
	return 0;
}

/* POP3's */

static int pop3(const struct fetch *fetch, const struct fetch_field *field,
		struct err *err)
{
	enum mail_special what =
		field->what == POP3_UIDL ? MAIL_POP3_UIDL : MAIL_POP3_ORDER;
	char *value = NULL;
	int ret = mail_special(NULL, fetch->mail, what, &value, err);

	if (ret >= 0)
		print_value(fetch->printer, ret == 0 ? "" : value);
	mem_free(value);
	return ret < 0 ? -1 : 0;
}

/* names */

static const struct fetch_field fields[] = {
	{.name = "user", .print = known, .what = USER},
	{.name = "mailbox", .print = known, .what = MAILBOX},
	{.name = "mailbox-guid", .print = known, .what = MAILBOX_GUID},
	{.name = "seq", .print = known, .what = SEQ},
	{.name = "uid", .print = known, .what = UID},
	{.name = "guid", .print = guid},
	{.name = "flags", .print = flags},
	{.name = "modseq", .print = known, .what = MODSEQ},
	{.name = "hdr", .print = fetch_hdr, .pieces = true},
	{.name = "body", .print = fetch_body, .pieces = true},
	{.name = "body.preview", .print = imap, .what = PREVIEW},
	{.name = "body.snippet", .print = imap, .what = PREVIEW},
	{.name = "text", .print = fetch_text, .pieces = true},
	{.name = "text.utf8", .print = fetch_utf8, .pieces = true},
	{.name = "size.physical", .print = size, .what = SIZE_PHYSICAL},
	{.name = "size.virtual", .print = size, .what = SIZE_VIRTUAL},
	{.name = "date.received", .print = date},
	{.name = "date.sent", .print = date_sent},
	{.name = "date.saved", .print = date, .what = SAVED},
	{.name = "date.received.unixtime", .print = date, .what = UNIX},
	{.name = "date.sent.unixtime", .print = date_sent, .what = UNIX},
	{.name = "date.saved.unixtime", .print = date, .what = SAVED | UNIX},
	{.name = "imap.envelope", .print = imap, .what = ENVELOPE},
	{.name = "imap.body", .print = imap, .what = BODY},
	{.name = "imap.bodystructure", .print = imap, .what = BODY_STRUCTURE},
	{.name = "pop3.uidl", .print = pop3, .what = POP3_UIDL},
	{.name = "pop3.order", .print = pop3, .what = POP3_ORDER},
	{.name = "refcount", .print = known, .what = REFCOUNT},
	{.name = "storageid", .print = guid},
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

/* All of their names, on one line to stderr. */
static void show_all(void)
{
	fputs("Available fetch fields: hdr.<name> body.<section> "
	      "binary.<section>",
	      stderr);
	for (size_t i = 0; i < FIELD_COUNT; i++)
		fprintf(stderr, " %s", fields[i].name);
	fputc('\n', stderr);
}

/* "subject.utf8" */
static int parse_header(const void *ctx, const char *name,
			struct fetch_field *out, struct err *err)
{
	size_t len = strcspn(name, ".");

	out->print = fetch_header;
	out->header = mem_strndup(ctx, name, len);
	if (name[len] == '\0')
		return 0;
	out->filter = mem_strdup(ctx, name + len + 1);
	if (!fetch_filter_known(out->filter))
		return err_set(err, ERR_INVALID, "Unknown header filter: %s",
			       out->filter);
	return 0;
}

static bool section_word(const char *word, bool part, struct section *out)
{
	if (word[0] == '\0')
		out->kind = SECTION_ALL;
	else if (strcmp(word, "header") == 0)
		out->kind = SECTION_HEADER;
	else if (strcmp(word, "text") == 0)
		out->kind = SECTION_TEXT;
	else if (strcmp(word, "mime") == 0 && part)
		out->kind = SECTION_MIME;
	else
		return false;
	return true;
}

/* "1.2.header", "text", "" */
static bool parse_section(const void *ctx, const char *text,
			  struct section *out)
{
	uint32_t *path = mem_array(ctx, uint32_t, PATH_MAX_LEN);
	struct str rest = str_of(text), word;

	out->path = path;
	while (rest.len > 0 && rest.data[0] >= '0' && rest.data[0] <= '9') {
		if (out->path_len == PATH_MAX_LEN ||
		    !str_split(&rest, '.', &word) ||
		    !str_to_u32(word, &path[out->path_len++]))
			return false;
	}
	return section_word(rest.data != NULL ? rest.data : "",
			    out->path_len > 0, out);
}

int fetch_field_parse(const void *ctx, const char *word,
		      struct fetch_field *out, struct err *err)
{
	const char *section = NULL;

	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (strcmp(word, fields[i].name) == 0) {
			*out = fields[i];
			return 0;
		}
	}
	*out = (struct fetch_field){.name = word};
	if (strncmp(word, "hdr.", 4) == 0)
		return parse_header(ctx, word + 4, out, err);
	if (strncmp(word, "body.", 5) == 0)
		section = word + 5;
	else if (strncmp(word, "binary.", 7) == 0)
		section = word + 7;
	if (section == NULL) {
		show_all();
		return err_set(err, ERR_INVALID, "Unknown fetch field: %s",
			       word);
	}
	out->print = fetch_section;
	out->pieces = true;
	out->binary = word[1] == 'i';
	if (parse_section(ctx, section, &out->section))
		return 0;
	show_all();
	return err_set(err, ERR_INVALID, "Unknown fetch section: %s", section);
}
