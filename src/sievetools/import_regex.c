/* SPDX-License-Identifier: MIT */
/*
 * sievetools/import_regex.c - what procmail looks for in a header, as tests of
 * fields: "^Subject:.*x", "^(To|Cc):", "^TO_a@b.c".
 */
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "sieve/message.h"
#include "sieve/pattern.h"
#include "sievetools/import.h"
#include "sievetools/import_procmail.h"

enum {
	MAX_NAMES = 16,
	NAME_MAX_LEN = 60,
	MAX_BRANCHES = 400,
	CONDITION_MAX = 8 << 10,
	TEXT_MAX = 1 << 20
};

static const char to_fields[] =
	"[\"to\", \"cc\", \"bcc\", \"resent-to\", \"resent-cc\", "
	"\"apparently-to\", \"x-envelope-to\"]";

bool import_is_field(struct str name)
{
	return sieve_field_name_valid(name);
}

/* names */

struct names {
	char list[MAX_NAMES][NAME_MAX_LEN];
	unsigned count;
};

/* Every name so far with each of the alternatives behind it. */
static bool multiply(struct names *names, struct str choices, bool optional)
{
	struct names out = {.count = 0};
	struct str rest = choices, choice;
	bool more = true;

	while (more) {
		more = str_split(&rest, '|', &choice);
		if (!more && !optional)
			break;
		if (!more)
			choice = STR("");
		for (unsigned i = 0; i < names->count; i++) {
			size_t len = strlen(names->list[i]);

			if (out.count == MAX_NAMES ||
			    len + choice.len >= NAME_MAX_LEN)
				return false;
			memcpy(out.list[out.count], names->list[i], len);
			memcpy(out.list[out.count] + len, choice.data,
			       choice.len);
			out.list[out.count++][len + choice.len] = '\0';
		}
	}
	*names = out;
	return true;
}

static size_t group_len(struct str text)
{
	unsigned depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == '(')
			depth++;
		else if (text.data[i] == ')' && --depth == 0)
			return i + 1;
	}
	return 0;
}

/* "(Resent-)?(To|Cc):" and what is behind; false if it names no fields. */
static bool take_names(struct str *text, struct names *names)
{
	struct str rest = *text;

	*names = (struct names){.count = 1};
	while (rest.len > 0 && rest.data[0] != ':') {
		struct str piece = str_n(rest.data, 1);
		char c = ascii_lower(rest.data[0]);
		size_t len = 1;
		bool optional;

		if (c == '(') {
			len = group_len(rest);
			if (len < 2)
				return false;
			piece = str_n(rest.data + 1, len - 2);
		} else if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
			   c != '-' && c != '_') {
			return false;
		}
		optional = len < rest.len && rest.data[len] == '?';
		if (!multiply(names, piece, optional))
			return false;
		rest = str_from(rest, len + optional);
	}
	for (unsigned i = 0; i < names->count; i++) {
		if (!import_is_field(str_of(names->list[i])))
			return false;
	}
	if (rest.len == 0)
		return false;
	*text = str_from(rest, 1);
	return true;
}

static const char *name_list(struct import *import, const struct names *names)
{
	struct buf out = buf_init(10000);

	buf_add(&out, names->count > 1 ? "[" : "");
	for (unsigned i = 0; i < names->count; i++)
		buf_printf(&out, "%s%s", i > 0 ? ", " : "",
			   import_quote(import, str_of(names->list[i])));
	buf_add(&out, names->count > 1 ? "]" : "");
	return buf_steal(import->ctx, &out);
}

/* values */

/* Octets that a pattern without anything special stands for. */
static bool literal(struct import *import, struct str text, struct str *out)
{
	struct buf plain = buf_init(TEXT_MAX);

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c == '\\' && i + 1 < text.len &&
		    strchr("<>/", text.data[i + 1]) == NULL) {
			buf_putc(&plain, text.data[++i]);
			continue;
		}
		if (strchr("\\^$.[]()|*+?", c) != NULL) {
			buf_free(&plain);
			return false;
		}
		buf_putc(&plain, c);
	}
	*out = import_steal(import, &plain);
	return true;
}

/* Whether the "]" at `i` is one of the set's characters: it is the first. */
static bool in_set_front(struct str text, size_t i)
{
	return text.data[i - 1] == '[' ||
	       (text.data[i - 1] == '^' && i > 1 && text.data[i - 2] == '[');
}

/* At "[": the length of the set; 0 if it does not end. */
static size_t set_len(struct str text)
{
	for (size_t i = 1; i < text.len; i++) {
		if (text.data[i] == ']' && !in_set_front(text, i))
			return i + 1;
	}
	return 0;
}

/* In a text of lines, a set that names what is not in it has no end of one. */
static void put_set(struct buf *out, struct str set, bool lines)
{
	size_t start = !lines || set.data[1] != '^' ? 1
		       : set.data[2] == ']'         ? 3
						    : 2;

	buf_add_str(out, str_n(set.data, start));
	if (start > 1)
		buf_add(out, "[:cntrl:]");
	buf_add_str(out, str_from(set, start));
}

/* In a text of lines, "^" and "$" stand for the end of one, whose CR procmail
 * does not see. */
static void put_line_end(struct buf *out, struct str text, size_t i)
{
	char before = i == 0 ? '(' : text.data[i - 1];
	char behind = i + 1 == text.len ? ')' : text.data[i + 1];

	if (text.data[i] == '^' && (before == '(' || before == '|'))
		buf_putc(out, '^');
	else if (behind == ')' || behind == '|')
		buf_add(out, "\\s?$");
	else
		buf_add(out, "(\\s?$\\s)");
}

/* "\x" of procmail. */
static void put_escaped(struct buf *out, char c)
{
	bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		     (c >= '0' && c <= '9');

	if (c == '<' || c == '>')
		buf_add(out, "\\b");
	else
		buf_printf(out, "%s%c", plain ? "" : "\\", c);
}

/* For the engine: word borders are \b; braces are nothing special in procmail.
 */
static struct str for_engine(struct import *import, struct str text, bool lines)
{
	struct buf out = buf_init(TEXT_MAX);

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		size_t set = c == '[' ? set_len(str_from(text, i)) : 0;

		if (set > 0) {
			put_set(&out, str_n(text.data + i, set), lines);
			i += set - 1;
		} else if (c == '\\' && i + 1 < text.len) {
			put_escaped(&out, text.data[++i]);
		} else if (lines && (c == '^' || c == '$')) {
			put_line_end(&out, text, i);
		} else {
			buf_printf(&out, "%s%c",
				   c == '{' || c == '}' ? "\\" : "", c);
		}
	}
	return import_steal(import, &out);
}

/* The engine takes it as it is written. */
static const char *regex(struct import *import, const char *front,
			 struct str text, const char *behind, bool lines)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "regex");
	struct str pattern_text = for_engine(import, text, lines);
	struct sieve_pattern *pattern;
	const char *whole = mem_printf(import->ctx, "%s%.*s%s", front,
				       STR_FMT(pattern_text), behind);
	struct err err;

	if (!utf8_valid(str_of(whole)) ||
	    sieve_pattern_new(ctx, import->set, str_of(whole), true, &pattern,
			      &err) < 0)
		return NULL;
	import_require(import, "regex");
	return import_quote(import, str_of(whole));
}

static const char *const octets = " :comparator \"i;octet\"";

/* The blank behind the colon: procmail's patterns meet it, Sieve's don't. */

/* The length of what the text begins with, if that is one character which may
 * be a blank, or nothing but one (*only_out); else 0. */
static size_t blank_len(struct str text, bool *only_out)
{
	size_t len = 0;
	struct str set;

	*only_out =
		text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t');
	if (text.len > 0 && (*only_out || text.data[0] == '.'))
		return 1;
	if (text.len > 0 && text.data[0] == '[')
		len = set_len(text);
	if (len < 3)
		return 0;
	*only_out = str_starts(text, "[ \t]") || str_starts(text, "[\t ]") ||
		    str_starts(text, "[ ]");
	set = str_n(text.data + 1, len - 2);
	return (set.data[0] == '^') == (str_find_char(set, ' ') < 0) ? len : 0;
}

static char char_at(struct str text, size_t at)
{
	return at < text.len ? text.data[at] : '\0';
}

/* Without what meets the blank. *open_out: something behind ".*" may, too. */
static struct str skip_blank(struct import *import, struct str text,
			     bool *open_out)
{
	size_t len;
	bool only;

	*open_out = true;
	while ((len = blank_len(text, &only)) > 0) {
		char times = char_at(text, len);
		size_t whole =
			len + (times == '*' || times == '?' || times == '+');

		if (!only && (times == '*' || times == '?' || !*open_out))
			break;
		if (times != '*' && times != '?')
			*open_out = false;
		if (!only && times == '+') {
			text = str_of(mem_printf(
				import->ctx, "%.*s*%.*s", (int)len, text.data,
				STR_FMT(str_from(text, whole))));
			*open_out = true;
			break;
		}
		text = str_from(text, whole);
	}
	return text;
}

/* Whether one of the group's choices is a blank, or may be. */
static bool has_blank(struct str group)
{
	struct str rest = str_n(group.data + 1, group.len - 2), choice;
	bool only;

	while (str_split(&rest, '|', &choice)) {
		if (choice.len > 0 && blank_len(choice, &only) == choice.len)
			return true;
	}
	return false;
}

/* What is behind ".*": the blank is there at the start of the value. */
static struct str at_start(struct import *import, struct str text)
{
	size_t len = char_at(text, 0) == '(' ? group_len(text) : 0;
	bool only;

	if (len > 2 && has_blank(str_n(text.data, len)))
		return str_of(mem_printf(import->ctx, "(^|%.*s",
					 STR_FMT(str_from(text, 1))));
	len = blank_len(text, &only);
	if (len == 0 || char_at(text, len) == '*' || char_at(text, len) == '?')
		return text;
	len += char_at(text, len) == '+';
	return str_of(mem_printf(import->ctx, "(^|%.*s)%.*s", (int)len,
				 text.data, STR_FMT(str_from(text, len))));
}

/* What is behind the colon. */
static const char *value_test(struct import *import, const char *names,
			      struct str text, bool exact)
{
	const char *comparator = exact ? octets : "", *quoted;
	bool front, end, open;
	struct str plain;

	text = skip_blank(import, text, &open);
	front = str_starts(text, ".*");
	while (str_starts(text, ".*"))
		text = str_from(text, 2);
	while (text.len > 1 && str_is(str_from(text, text.len - 2), ".*"))
		text.len -= 2;
	if (front && open)
		text = at_start(import, text);
	end = text.len > 0 && text.data[text.len - 1] == '$' &&
	      (text.len == 1 || text.data[text.len - 2] != '\\');
	text.len -= end;
	if (text.len == 0 && !(end && !front))
		return mem_printf(import->ctx, "exists %s", names);
	if (literal(import, text, &plain) && utf8_valid(plain)) {
		if (front == !end || plain.len == 0)
			return mem_printf(import->ctx, "header %s%s %s %s",
					  front ? ":contains" : ":is",
					  comparator, names,
					  import_quote(import, plain));
		return mem_printf(import->ctx, "header :matches%s %s %s",
				  comparator, names,
				  import_glob(import, plain, front, !end));
	}
	quoted = regex(import, front ? "" : "^", text, end ? "$" : "", false);
	return quoted == NULL ? NULL
			      : mem_printf(import->ctx, "header :regex%s %s %s",
					   comparator, names, quoted);
}

/* procmail's own words */

static const char *daemon_test(struct import *import, bool all)
{
	const char *who = regex(
		import, "",
		all ? STR("(^|[^(.%@a-z0-9])(postmaster|mailer|mailer-daemon|"
			  "daemon|mmdf|n?uucp|majordomo|listserv|netserv|owner|"
			  "bounces?|autoanswer|echo)([^).!:a-z0-9]|$)")
		    : STR("(^|[^(.%@a-z0-9])(postmaster|mailer|mailer-daemon|"
			  "daemon|mmdf)([^).!:a-z0-9]|$)"),
		"", false);

	return mem_printf(
		import->ctx,
		"anyof (%sheader :regex [\"from\", \"sender\", "
		"\"resent-from\", \"resent-sender\"] %s)",
		all ? "exists \"mailing-list\", header :contains "
		      "\"precedence\" [\"junk\", \"bulk\", \"list\"], "
		    : "",
		who == NULL ? "\"daemon\"" : who);
}

static const char *to_test(struct import *import, struct str text, bool exact)
{
	bool address = str_starts(text, "^TO_");
	struct str rest = str_from(text, address ? 4 : 3);
	const char *quoted =
		regex(import, address ? "(^|[^-a-zA-Z0-9_.])" : "(^|[^a-zA-Z])",
		      rest, "", false);

	return quoted == NULL
		       ? NULL
		       : mem_printf(import->ctx, "header :regex%s %s %s",
				    exact ? octets : "", to_fields, quoted);
}

static const char *branch_test(struct import *import, struct str text,
			       bool exact, const char **why)
{
	struct names names;
	const char *test = NULL;

	if (str_starts(text, "^FROM_DAEMON") ||
	    str_starts(text, "^FROM_MAILER"))
		return daemon_test(import, text.data[6] == 'D');
	if (str_starts(text, "^TO")) {
		test = to_test(import, text, exact);
	} else if (text.len > 0 && text.data[0] == '^') {
		text = str_from(text, 1);
		if (take_names(&text, &names))
			test = value_test(import, name_list(import, &names),
					  text, exact);
		else
			*why = "it names no header field";
	} else {
		*why = "it looks into all header fields";
	}
	if (test != NULL && str_find(text, STR("=\\?")) >= 0) {
		*why = "encoded words are decoded in Sieve";
		return NULL;
	}
	if (test == NULL && *why == NULL)
		*why = "not understood";
	return test;
}

/* "a|b", "(a|b)" at the top: each is a test. */
static unsigned split(struct str text, struct str *out)
{
	unsigned count = 0;
	size_t start = 0;

	if (text.len > 1 && text.data[0] == '(' && group_len(text) == text.len)
		text = str_n(text.data + 1, text.len - 2);
	for (size_t i = 0; i < text.len; i++) {
		size_t len =
			text.data[i] == '(' ? group_len(str_from(text, i)) : 0;

		if (len > 0)
			i += len - 1;
		else if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == '|' && count + 1 < MAX_BRANCHES) {
			out[count++] = str_n(text.data + start, i - start);
			start = i + 1;
		}
	}
	out[count++] = str_from(text, start);
	return count;
}

static const char *header_test(struct import *import, struct str text,
			       bool exact, const char **why)
{
	struct str branches[MAX_BRANCHES];
	const char *tests[MAX_BRANCHES];
	unsigned count = split(text, branches);

	if (count == MAX_BRANCHES)
		*why = "too many alternatives";
	for (unsigned i = 0; i < count && *why == NULL; i++) {
		tests[i] = branch_test(import, branches[i], exact, why);
		if (tests[i] == NULL)
			return NULL;
	}
	return *why == NULL ? import_join(import, false, tests, count) : NULL;
}

/* "^" and "$" are at each line. */
static const char *body_test(struct import *import, struct str text, bool exact,
			     const char **why)
{
	const char *comparator = exact ? octets : "", *quoted;
	struct str plain;

	import_require(import, "body");
	if (literal(import, text, &plain) && utf8_valid(plain))
		return mem_printf(import->ctx, "body :raw :contains%s %s",
				  comparator, import_quote(import, plain));
	quoted = regex(import, "(?m-s)", text, "", true);
	if (quoted == NULL)
		*why = "not understood";
	return quoted == NULL ? NULL
			      : mem_printf(import->ctx, "body :raw :regex%s %s",
					   comparator, quoted);
}

static const char *size_test(struct import *import, struct str text,
			     const char **why)
{
	uint64_t size;

	if (!str_to_u64(str_trim(str_from(text, 1)), &size) ||
	    size > INT32_MAX) {
		*why = "not a size";
		return NULL;
	}
	return mem_printf(import->ctx, "size :%s %llu",
			  text.data[0] == '<' ? "under" : "over",
			  (unsigned long long)size);
}

/* "HB ?? x", "VAR ?? x". */
static bool take_where(struct str *text, struct str *where)
{
	ptrdiff_t at = str_find(*text, STR("??"));

	*where = STR("");
	if (at <= 0)
		return false;
	*where = str_trim(str_n(text->data, (size_t)at));
	for (size_t i = 0; i < where->len; i++) {
		char c = ascii_lower(where->data[i]);

		if (!(c >= 'a' && c <= 'z') && c != '_') {
			*where = STR("");
			return false;
		}
	}
	*text = str_trim(str_from(*text, (size_t)at + 2));
	return true;
}

const char *import_condition(struct import *import, struct str text,
			     struct str flags, const char **why)
{
	bool header = str_find_char(flags, 'H') >= 0;
	bool body = str_find_char(flags, 'B') >= 0;
	bool exact = str_find_char(flags, 'D') >= 0, not = false;
	const char *tests[2];
	unsigned count = 0;
	struct str where;
	bool sized;

	if (take_where(&text, &where)) {
		header = str_is(where, "H") || str_is(where, "HB") ||
			 str_is(where, "BH");
		body = str_is(where, "B") || str_is(where, "HB") ||
		       str_is(where, "BH");
		if (!header && !body)
			*why = "it looks into a variable";
	}
	while (text.len > 0 && text.data[0] == '!') {
		text = str_trim(str_from(text, 1));
		not = !not ;
	}
	if (text.len > CONDITION_MAX)
		*why = "too long";
	else if (text.len > 0 && text.data[0] == '?')
		*why = "programs are not run";
	else if (str_find(text, STR("\\/")) >= 0)
		*why = "it extracts $MATCH";
	else if (str_starts(text, "^^") ||
		 (text.len > 2 && str_is(str_from(text, text.len - 2), "^^")))
		*why = "^^ is not in Sieve";
	else if (str_find_char(text, '`') >= 0 && str_find(text, STR("$")) >= 0)
		*why = "value that is not known here";
	if (*why != NULL)
		return NULL;
	sized = text.len > 0 && (text.data[0] == '<' || text.data[0] == '>');
	if (sized)
		tests[count++] = size_test(import, text, why);
	if (count == 0 && (header || !body))
		tests[count++] = header_test(import, text, exact, why);
	if (*why == NULL && body && !sized)
		tests[count++] = body_test(import, text, exact, why);
	if (*why != NULL)
		return NULL;
	return mem_printf(import->ctx, "%s%s", not ? "not " : "",
			  import_join(import, false, tests, count));
}
