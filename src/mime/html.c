/* SPDX-License-Identifier: MIT */
#include "mime/html.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "mime/charset.h"

static void emit(const struct html_sink *sink, struct str text)
{
	sink->text(text, sink->ctx);
}

static void emit_code(const struct html_sink *sink, uint32_t code)
{
	CLEANUP(buf_free) struct buf utf8 = buf_init(8);

	utf8_put(&utf8, code);
	emit(sink, str_n(utf8.data, utf8.len));
}

static void name_clear(struct html *html)
{
	html->name_len = 0;
}

/* What does not fit is none that matters. */
static void name_add(struct html *html, uint32_t code)
{
	if (html->name_len < sizeof(html->name) - 1)
		html->name[html->name_len++] = (char)code;
}

static bool is_letter(uint32_t code)
{
	return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z');
}

static bool is_digit(uint32_t code)
{
	return code >= '0' && code <= '9';
}

static bool is_blank(uint32_t code)
{
	return code == ' ' || (code >= '\t' && code <= '\r');
}

static uint32_t lower(uint32_t code)
{
	return code < 0x80 ? (uint32_t)ascii_lower((char)code) : code;
}

/* entities */

/* "#228", "#xe4"; 0 for what is none. */
static uint32_t number(struct str name)
{
	bool hex = name.len > 1 && lower((unsigned char)name.data[1]) == 'x';
	uint32_t code = 0;

	name = str_from(name, hex ? 2 : 1);
	if (name.len == 0)
		return 0;
	for (size_t i = 0; i < name.len; i++) {
		uint32_t c = lower((unsigned char)name.data[i]);

		if (!is_digit(c) && !(hex && c >= 'a' && c <= 'f'))
			return 0;
		code = code * (hex ? 16 : 10) +
		       (is_digit(c) ? c - '0' : c - 'a' + 10);
		if (code > 0x10ffff)
			return 0;
	}
	return code >= 0xd800 && code < 0xe000 ? 0 : code;
}

/* Numbers that no character has are Windows' by custom. */
static uint32_t from_windows(uint32_t code)
{
	CLEANUP(buf_free) struct buf utf8 = buf_init(8);
	char octet = (char)code;

	charset_to_utf8(STR("windows-1252"), str_n(&octet, 1), &utf8);
	if (utf8_get(str_n(utf8.data, utf8.len), &code) == 0)
		return 0;
	return code;
}

/* The name is whole; `end` is the character behind it. True if that belongs to
 * it. What is no entity is text. */
static bool end_entity(struct html *html, uint32_t end,
		       const struct html_sink *sink)
{
	struct str name = str_n(html->name, html->name_len);
	uint32_t code = 0;

	html->state = HTML_TEXT;
	if (end == ';' && name.len > 0)
		code = name.data[0] == '#' ? number(name) : html_entity(name);
	if (code >= 0x80 && code < 0xa0)
		code = from_windows(code);
	if (code == 0) {
		emit(sink, STR("&"));
		emit(sink, name);
		return false;
	}
	emit_code(sink, code);
	return true;
}

static bool in_entity(struct html *html, uint32_t code,
		      const struct html_sink *sink)
{
	if ((is_letter(code) || is_digit(code) ||
	     (code == '#' && html->name_len == 0)) &&
	    html->name_len < sizeof(html->name) - 1) {
		name_add(html, code);
		return true;
	}
	return end_entity(html, code, sink);
}

/* tags */

static bool is_named(const struct html *html, const char *name)
{
	return str_is(str_n(html->name, html->name_len), name);
}

static void end_tag(struct html *html, const struct html_sink *sink)
{
	bool raw = !html->closing &&
		   (is_named(html, "script") || is_named(html, "style"));

	html->name[html->name_len] = '\0';
	html->state = raw ? HTML_RAW : HTML_TEXT;
	if (raw)
		memcpy(html->raw, html->name, sizeof(html->raw));
	sink->tag(html->name, html->closing, sink->ctx);
}

/* Behind '<': false if that was text. */
static bool open_tag(struct html *html, uint32_t code,
		     const struct html_sink *sink)
{
	if (code == '/' && !html->closing) {
		html->closing = true;
	} else if (is_letter(code)) {
		name_clear(html);
		name_add(html, lower(code));
		html->state = HTML_NAME;
	} else if (code == '!' && !html->closing) {
		html->dashes = 0;
		html->state = HTML_MARKUP;
	} else if (code == '?' || html->closing) {
		name_clear(html);
		html->state = HTML_TAG;
		return code == '?';
	} else {
		emit(sink, STR("<"));
		html->state = HTML_TEXT;
		return false;
	}
	return true;
}

static void in_tag(struct html *html, uint32_t code,
		   const struct html_sink *sink)
{
	if (code == '>') {
		end_tag(html, sink);
	} else if (html->equals && (code == '"' || code == '\'')) {
		html->quote = (char)code;
		html->state = HTML_QUOTED;
	} else if (html->state == HTML_NAME) {
		if (is_blank(code) || code == '/')
			html->state = HTML_TAG;
		else
			name_add(html, lower(code));
	}
	if (!is_blank(code))
		html->equals = code == '=';
}

static void in_markup(struct html *html, uint32_t code,
		      const struct html_sink *sink)
{
	if (code == '-' && ++html->dashes == 2) {
		html->dashes = 0;
		html->state = HTML_COMMENT;
	} else if (code != '-') {
		name_clear(html);
		html->closing = false;
		html->state = HTML_TAG;
		in_tag(html, code, sink);
	}
}

static void in_comment(struct html *html, uint32_t code)
{
	if (code == '>' && html->dashes >= 2)
		html->state = HTML_TEXT;
	html->dashes = code == '-' ? html->dashes + 1 : 0;
}

/* scripts and styles */

static void in_raw(struct html *html, uint32_t code)
{
	if (code == '<') {
		html->state = HTML_RAW_OPEN;
	} else if (html->state == HTML_RAW_OPEN && code == '/') {
		name_clear(html);
		html->state = HTML_RAW_NAME;
	} else {
		html->state = HTML_RAW;
	}
}

static void in_raw_name(struct html *html, uint32_t code,
			const struct html_sink *sink)
{
	if (is_letter(code)) {
		name_add(html, lower(code));
		return;
	}
	if (!is_named(html, html->raw)) {
		in_raw(html, code);
		return;
	}
	html->closing = true;
	html->state = HTML_TAG;
	in_tag(html, code, sink);
}

/* True if it is used up; false: once more, in the new state. In HTML_TEXT it is
 * what text_len() stopped at, or what ended an entity or was no tag. */
static bool step(struct html *html, uint32_t code, const struct html_sink *sink)
{
	switch (html->state) {
	case HTML_TEXT:
		name_clear(html);
		html->closing = false;
		if (code == '<')
			html->state = HTML_OPEN;
		else if (code == '&')
			html->state = HTML_ENTITY;
		else
			emit_code(sink, code);
		return true;
	case HTML_ENTITY:
		return in_entity(html, code, sink);
	case HTML_OPEN:
		return open_tag(html, code, sink);
	case HTML_NAME:
	case HTML_TAG:
		in_tag(html, code, sink);
		return true;
	case HTML_QUOTED:
		if (code == (unsigned char)html->quote)
			html->state = HTML_TAG;
		return true;
	case HTML_MARKUP:
		in_markup(html, code, sink);
		return true;
	case HTML_COMMENT:
		in_comment(html, code);
		return true;
	case HTML_RAW:
	case HTML_RAW_OPEN:
		in_raw(html, code);
		return true;
	case HTML_RAW_NAME:
		in_raw_name(html, code, sink);
		return true;
	}
	return true;
}

/* How much of it is neither tag nor entity. */
static size_t text_len(struct str utf8)
{
	size_t len = 0;

	while (len < utf8.len && utf8.data[len] != '<' && utf8.data[len] != '&')
		len++;
	return len;
}

void html_feed(struct html *html, struct str utf8, const struct html_sink *sink)
{
	while (utf8.len > 0) {
		uint32_t code;
		size_t len = 0;

		if (html->state == HTML_TEXT)
			len = text_len(utf8);
		if (len > 0) {
			emit(sink, str_n(utf8.data, len));
		} else {
			len = utf8_get(utf8, &code);
			while (!step(html, len == 0 ? 0xfffd : code, sink))
				;
			if (len == 0)
				len = 1;
		}
		utf8 = str_from(utf8, len);
	}
}

void html_end(struct html *html, const struct html_sink *sink)
{
	if (html->state == HTML_ENTITY)
		end_entity(html, '\0', sink);
	else if (html->state == HTML_OPEN)
		emit(sink, STR("<"));
}
