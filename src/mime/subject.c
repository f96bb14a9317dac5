/* SPDX-License-Identifier: MIT */
/*
 * mime/subject.c - base subjects. Taken literally, the RFC's steps look at the
 * same "[list]" again and again; here each is passed over once.
 */
#include "mime/subject.h"

#include "base/buf.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void subject_words(struct str decoded, struct buf *out)
{
	bool gap = false;

	for (size_t i = 0; i < decoded.len; i++) {
		if (is_blank(decoded.data[i])) {
			gap = true;
			continue;
		}
		if (gap)
			buf_putc(out, ' ');
		gap = false;
		buf_putc(out, decoded.data[i]);
	}
	if (gap)
		buf_putc(out, ' ');
}

static struct str skip_blanks(struct str s)
{
	while (s.len > 0 && is_blank(s.data[0]))
		s = str_from(s, 1);
	return s;
}

static bool ends_with(struct str s, const char *tail)
{
	size_t len = strlen(tail);

	return s.len >= len && str_case_is(str_from(s, s.len - len), tail);
}

/* subj-trailer */
static struct str cut_trailers(struct str s, bool *reply)
{
	for (;;) {
		if (s.len > 0 && is_blank(s.data[s.len - 1])) {
			s.len--;
		} else if (ends_with(s, "(fwd)")) {
			s.len -= 5;
			*reply = true;
		} else {
			return s;
		}
	}
}

/* subj-blob: what is left behind one, or data NULL. */
static struct str skip_blob(struct str s)
{
	if (s.len == 0 || s.data[0] != '[')
		return str_n(NULL, 0);
	for (size_t i = 1; i < s.len; i++) {
		if (s.data[i] == '[')
			break;
		if (s.data[i] == ']')
			return skip_blanks(str_from(s, i + 1));
	}
	return str_n(NULL, 0);
}

/* subj-refwd: what is left behind it, or data NULL. */
static struct str skip_refwd(struct str s)
{
	struct str behind;

	if (str_case_starts(s, "re"))
		s = str_from(s, 2);
	else if (str_case_starts(s, "fwd"))
		s = str_from(s, 3);
	else if (str_case_starts(s, "fw"))
		s = str_from(s, 2);
	else
		return str_n(NULL, 0);
	s = skip_blanks(s);
	behind = skip_blob(s);
	if (behind.data != NULL)
		s = behind;
	return str_starts(s, ":") ? str_from(s, 1) : str_n(NULL, 0);
}

/* Steps 3 to 5. Blobs in a row go when a refwd follows them; else they go one
 * by one, but never so that nothing is left. */
static struct str cut_leaders(struct str s, bool *reply)
{
	for (;;) {
		struct str last, rest, behind;

		s = skip_blanks(s);
		last = rest = s;
		while ((behind = skip_blob(rest)).data != NULL) {
			last = rest;
			rest = behind;
		}
		behind = skip_refwd(rest);
		if (behind.data == NULL)
			return rest.len > 0 ? rest : last;
		*reply = true;
		s = behind;
	}
}

struct str subject_base(struct str words, bool *reply_out)
{
	struct str s = words;

	*reply_out = false;
	for (;;) {
		s = cut_leaders(cut_trailers(s, reply_out), reply_out);
		if (!str_case_starts(s, "[fwd:") || !ends_with(s, "]"))
			return s;
		*reply_out = true;
		s = str_n(s.data + 5, s.len - 6);
	}
}
