/* SPDX-License-Identifier: MIT */
/*
 * mime/address.c - the lists of RFC 5322 section 3.4, read as generously as
 * mail needs it. What cannot be understood ends the list.
 */
#include "mime/address.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/address_scan.h"
#include "mime/header.h"

/* Where to look for the first address of a field. */
enum { FIRST_MAX = 8192 };

struct address_scan address_scan_init(struct str value)
{
	struct address_scan scan = {
		.flat = buf_init(SIZE_MAX),
		.text = buf_init(SIZE_MAX),
	};

	scan.lex.rest = lex_flat(value, &scan.flat);
	/* All that is taken from one address, with a blank between words: it
	 * never grows, so that pointers into it stay right. */
	buf_space(&scan.text, 2 * scan.lex.rest.len + 16);
	return scan;
}

void address_scan_free(struct address_scan *scan)
{
	buf_free(&scan->flat);
	buf_free(&scan->text);
}

static struct str text_from(const struct address_scan *scan, size_t start)
{
	return str_n(scan->text.data + start, scan->text.len - start);
}

/* words */

struct phrase {
	struct str text;
	unsigned words;
	bool quoted; /* the last word */
};

/* Words up to what is none, one blank between them. A string that does not end
 * is no word. */
static struct phrase take_phrase(struct address_scan *scan)
{
	struct lex *lex = &scan->lex;
	size_t start = scan->text.len;
	struct phrase phrase = {0};
	bool blank = false;

	for (;;) {
		size_t before = scan->text.len, left;
		bool quoted = lex_peek(lex) == '"', ended = true;
		struct lex at = *lex;

		if (phrase.words > 0 && (blank || quoted || phrase.quoted))
			buf_putc(&scan->text, ' ');
		if (quoted)
			ended = lex_quoted(&at, &scan->text);
		else
			buf_add_str(&scan->text, lex_atom(&at, true));
		if (!ended || at.rest.len == lex->rest.len) {
			buf_truncate(&scan->text, before);
			break;
		}
		*lex = at;
		phrase.words++;
		phrase.quoted = quoted;
		left = lex->rest.len;
		if (!lex_skip(lex))
			break;
		blank = lex->rest.len < left;
		/* ".Ann <a@b>" is a broken address, not a name. */
		if (scan->text.data[start] == '.' && !quoted)
			break;
	}
	phrase.text = text_from(scan, start);
	return phrase;
}

static bool take_domain(struct address_scan *scan, struct str *out)
{
	size_t start = scan->text.len;
	struct lex *lex = &scan->lex;

	if (!lex_skip(lex))
		return false;
	if (lex_peek(lex) == '[') {
		if (!lex_domain_literal(lex, &scan->text) || !lex_skip(lex))
			return false;
		*out = text_from(scan, start);
		return true;
	}
	for (;;) {
		struct str label = lex_atom(lex, false);

		buf_add_str(&scan->text, label);
		if (label.len == 0 || !lex_skip(lex))
			return false;
		if (lex_peek(lex) != '.')
			break;
		buf_putc(&scan->text, '.');
		lex_drop(lex);
		if (!lex_skip(lex))
			return false;
	}
	*out = text_from(scan, start);
	return true;
}

/* one address */

/* "@a,@b:" */
static void take_route(struct address_scan *scan, struct address_view *out)
{
	size_t start = scan->text.len;
	struct lex *lex = &scan->lex;
	struct str domain;

	while (lex_peek(lex) == '@') {
		buf_putc(&scan->text, '@');
		lex_drop(lex);
		if (!take_domain(scan, &domain))
			break;
		if (lex_peek(lex) == ':') {
			out->route = text_from(scan, start);
			lex_drop(lex);
			lex_skip(lex);
			return;
		}
		if (lex_peek(lex) != ',')
			break;
		buf_putc(&scan->text, ',');
		lex_drop(lex);
		if (!lex_skip(lex))
			break;
	}
	out->bad_route = true;
}

static bool take_local(struct address_scan *scan, struct str *out)
{
	size_t start = scan->text.len;

	if (lex_peek(&scan->lex) == '"') {
		if (!lex_quoted(&scan->lex, &scan->text))
			return false;
	} else {
		buf_add_str(&scan->text, lex_atom(&scan->lex, true));
	}
	if (scan->text.len > start)
		*out = text_from(scan, start);
	return lex_skip(&scan->lex);
}

static void take_angle(struct address_scan *scan, struct address_view *out)
{
	struct lex *lex = &scan->lex;

	lex_drop(lex);
	lex_skip(lex);
	if (lex_peek(lex) == '@')
		take_route(scan, out);
	if (!take_local(scan, &out->mailbox))
		out->bad_domain = true;
	if (lex_peek(lex) == '@') {
		lex_drop(lex);
		if (!take_domain(scan, &out->domain))
			out->bad_domain = true;
	}
	if (lex_peek(lex) != '>') {
		out->bad_domain = true;
		return;
	}
	lex_drop(lex);
	if (!lex_skip(lex))
		out->bad_domain = true;
}

/* "a@b (name)", and whatever is neither a group nor has angles. */
static void take_bare(struct address_scan *scan, const struct phrase *phrase,
		      struct address_view *out)
{
	bool at = lex_peek(&scan->lex) == '@';
	size_t start;

	if (phrase->words == 1 && (at || !phrase->quoted))
		out->mailbox = phrase->text;
	else if (phrase->words > 0)
		out->name = phrase->text;
	if (at && phrase->words <= 1) {
		lex_drop(&scan->lex);
		take_domain(scan, &out->domain);
	}
	if (out->name.data == NULL && scan->lex.comment.len > 0) {
		start = scan->text.len;
		lex_unescape(scan->lex.comment, &scan->text);
		out->name = text_from(scan, start);
	}
}

static void take_address(struct address_scan *scan, struct address_view *out)
{
	struct phrase phrase;

	scan->lex.comment = (struct str){NULL, 0};
	phrase = take_phrase(scan);
	if (phrase.text.len > 0 && phrase.text.data[0] == '.' &&
	    !phrase.quoted) {
		take_bare(scan, &phrase, out);
	} else if (lex_peek(&scan->lex) == '<') {
		if (phrase.text.len > 0)
			out->name = phrase.text;
		take_angle(scan, out);
	} else if (lex_peek(&scan->lex) == ':' && !scan->in_group) {
		out->kind = ADDRESS_GROUP_START;
		out->name = phrase.text;
		lex_drop(&scan->lex);
	} else {
		take_bare(scan, &phrase, out);
	}
	if (out->bad_domain)
		out->domain = (struct str){NULL, 0};
}

/* the list */

static void end_group(struct address_scan *scan, struct address_view *out)
{
	out->kind = ADDRESS_GROUP_END;
	scan->in_group = scan->closing = false;
	if (!lex_skip(&scan->lex) || lex_peek(&scan->lex) != ',')
		scan->end = true;
	else
		lex_drop(&scan->lex);
}

/* What may stand between addresses; anything else ends the list. */
static void take_separator(struct address_scan *scan)
{
	scan->after_comma = false;
	if (!lex_skip(&scan->lex)) {
		scan->end = true;
	} else if (lex_peek(&scan->lex) == ',') {
		lex_drop(&scan->lex);
		scan->after_comma = true;
	} else if (lex_peek(&scan->lex) == ';' && scan->in_group) {
		lex_drop(&scan->lex);
		scan->closing = true;
	} else {
		scan->end = true;
	}
}

bool address_scan_next(struct address_scan *scan, struct address_view *out)
{
	*out = (struct address_view){.kind = ADDRESS_MAILBOX};
	buf_reset(&scan->text);
	if (!scan->end && !scan->closing &&
	    (!lex_skip(&scan->lex) || scan->lex.rest.len == 0))
		scan->end = true;
	if (!scan->end && scan->in_group && !scan->after_comma &&
	    lex_peek(&scan->lex) == ';') {
		lex_drop(&scan->lex);
		scan->closing = true;
	}
	if (scan->closing || (scan->end && scan->in_group)) {
		end_group(scan, out);
		return true;
	}
	if (scan->end)
		return false;
	take_address(scan, out);
	if (out->kind == ADDRESS_GROUP_START) {
		scan->in_group = true;
		scan->after_comma = false;
	} else {
		take_separator(scan);
	}
	return true;
}

struct str address_view_mailbox(const struct address_view *view)
{
	return view->mailbox.data == NULL ? STR("MISSING_MAILBOX")
					  : view->mailbox;
}

struct str address_view_domain(const struct address_view *view)
{
	if (view->bad_domain)
		return STR("SYNTAX_ERROR");
	return view->domain.data == NULL ? STR("MISSING_DOMAIN") : view->domain;
}

static char *dup_or_null(const void *ctx, struct str text)
{
	return text.data == NULL ? NULL : str_dup(ctx, text);
}

void address_parse(const void *ctx, struct str value, size_t max,
		   struct address **out, size_t *count_out)
{
	CLEANUP(address_scan_free)
	struct address_scan scan = address_scan_init(value);
	size_t count = 0, cap = 4;
	struct address *all = mem_array(ctx, struct address, cap);
	struct address_view view;

	while (count < max && address_scan_next(&scan, &view)) {
		if (count == cap) {
			cap *= 2;
			all = mem_resize(ctx, all, struct address, cap);
		}
		all[count++] = (struct address){
			.kind = view.kind,
			.name = dup_or_null(all, view.name),
			.route = dup_or_null(all, view.route),
			.mailbox = dup_or_null(all, view.mailbox),
			.domain = dup_or_null(all, view.domain),
		};
	}
	*out = all;
	*count_out = count;
}

void address_first(struct str value, struct buf *mailbox_out,
		   struct buf *display_out)
{
	CLEANUP(address_scan_free)
	struct address_scan scan = address_scan_init(str_n(
		value.data, value.len < FIRST_MAX ? value.len : FIRST_MAX));
	struct address_view view;

	if (!address_scan_next(&scan, &view) || view.kind == ADDRESS_GROUP_END)
		return;
	if (view.kind == ADDRESS_GROUP_START) {
		buf_add_str(mailbox_out, view.name);
		header_decode(view.name, display_out);
		return;
	}
	buf_add_str(mailbox_out, address_view_mailbox(&view));
	if (view.name.len > 0) {
		header_decode(view.name, display_out);
		return;
	}
	buf_add_str(display_out, address_view_mailbox(&view));
	buf_putc(display_out, '@');
	buf_add_str(display_out, address_view_domain(&view));
}
