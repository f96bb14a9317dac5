/* SPDX-License-Identifier: MIT */
/*
 * sievetools/import_gmail.c - mailFilters.xml: an <entry> for each filter, with
 * <apps:property name='...' value='...'/>.
 */
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"
#include "sievetools/import.h"

enum { MAX_PROPERTIES = 60, MAX_TERMS = 100 };

struct property {
	unsigned line;
	struct str name, value;
};

struct entry {
	unsigned line;
	struct property list[MAX_PROPERTIES];
	unsigned count;
};

static const struct property *find(const struct entry *entry, const char *name)
{
	for (unsigned i = 0; i < entry->count; i++) {
		if (str_is(entry->list[i].name, name))
			return &entry->list[i];
	}
	return NULL;
}

static bool is_set(const struct entry *entry, const char *name)
{
	const struct property *property = find(entry, name);

	return property != NULL && str_is(property->value, "true");
}

/* Searches: words, "quoted words", {a b}, (a b), a OR b, -a, from:a. */

struct query {
	struct import *import;
	struct str rest;
	const char *field; /* of words without one: "\"from\""; NULL: any */
	unsigned depth;
	bool bad; /* something that Sieve can't say */
};

static const char *parse_terms(struct query *query, char end, bool any);

static void skip_blanks(struct query *query)
{
	size_t at = 0;

	while (at < query->rest.len &&
	       (unsigned char)query->rest.data[at] <= ' ')
		at++;
	query->rest = str_from(query->rest, at);
}

static struct str take_word(struct query *query)
{
	struct str rest = query->rest, word;
	size_t at = 0;

	if (rest.len > 0 && rest.data[0] == '"') {
		ptrdiff_t end = str_find_char(str_from(rest, 1), '"');
		size_t len = end < 0 ? rest.len - 1 : (size_t)end;

		word = str_n(rest.data + 1, len);
		query->rest = str_from(rest, len + 1 + (end >= 0));
		return word;
	}
	while (at < rest.len && (unsigned char)rest.data[at] > ' ' &&
	       strchr("(){}\"", rest.data[at]) == NULL)
		at++;
	query->rest = str_from(rest, at > 0 || rest.len == 0 ? at : 1);
	return str_n(rest.data, at);
}

static const char *word_test(struct query *query, const char *field,
			     struct str word)
{
	struct import *import = query->import;
	const char *quoted = import_quote(import, word);

	if (word.len == 0)
		return NULL;
	if (field != NULL)
		return mem_printf(import->ctx, "header :contains %s %s", field,
				  quoted);
	import_require(import, "body");
	return mem_printf(import->ctx,
			  "anyof (header :contains [\"subject\", \"from\", "
			  "\"to\", \"cc\"] %s, body :text :contains %s)",
			  quoted, quoted);
}

/* "larger:10M" */
static const char *size_search(struct query *query, bool larger)
{
	struct str word = take_word(query), number = word;
	unsigned octets;

	if (number.len > 0 && strchr("KkMm", number.data[number.len - 1]))
		number.len--;
	if (!str_to_unsigned(number, &octets) || octets > 1 << 20) {
		query->bad = true;
		return NULL;
	}
	return mem_printf(query->import->ctx, "size :%s %.*s",
			  larger ? "over" : "under", STR_FMT(word));
}

/* "from:a", "from:(a b)"; NULL and query->bad for what is not known. */
static const char *operator_test(struct query *query, struct str name)
{
	static const char *const known[][2] = {
		{"from", "\"from\""},
		{"to", "[\"to\", \"cc\", \"bcc\"]"},
		{"cc", "\"cc\""},
		{"bcc", "\"bcc\""},
		{"subject", "\"subject\""},
		{"list", "\"list-id\""},
		{"deliveredto", "\"delivered-to\""},
		{"rfc822msgid", "\"message-id\""},
	};
	const char *outer = query->field, *test = NULL;

	query->rest = str_from(query->rest, name.len + 1);
	if (str_case_is(name, "larger") || str_case_is(name, "smaller"))
		return size_search(query, name.data[0] == 'l');
	if (str_case_is(name, "has") &&
	    str_case_starts(query->rest, "attachment")) {
		import_require(query->import, "mime");
		(void)take_word(query);
		return "header :mime :anychild :param \"filename\" :matches "
		       "[\"content-disposition\", \"content-type\"] \"?*\"";
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!str_case_is(name, known[i][0]))
			continue;
		if (query->rest.len > 0 && strchr("({", query->rest.data[0])) {
			bool any = query->rest.data[0] == '{';

			query->field = known[i][1];
			query->rest = str_from(query->rest, 1);
			test = parse_terms(query, any ? '}' : ')', any);
			query->field = outer;
			return test;
		}
		return word_test(query, known[i][1], take_word(query));
	}
	query->bad = true;
	return NULL;
}

static struct str operator_name(struct str text)
{
	size_t at = 0;

	while (at < text.len &&
	       ((text.data[at] >= 'a' && text.data[at] <= 'z') ||
		(text.data[at] >= '0' && text.data[at] <= '9')))
		at++;
	return at > 0 && at < text.len && text.data[at] == ':'
		       ? str_n(text.data, at)
		       : (struct str){NULL, 0};
}

static const char *parse_term(struct query *query)
{
	struct str name;
	char first = query->rest.data[0];

	if (first == '-') {
		const char *test;

		query->rest = str_from(query->rest, 1);
		skip_blanks(query);
		if (query->rest.len == 0 || ++query->depth > IMPORT_MAX_DEPTH) {
			query->bad = true;
			return NULL;
		}
		test = parse_term(query);
		query->depth--;
		return test == NULL
			       ? NULL
			       : mem_printf(query->import->ctx, "not %s", test);
	}
	if (first == '(' || first == '{') {
		query->rest = str_from(query->rest, 1);
		return parse_terms(query, first == '(' ? ')' : '}',
				   first == '{');
	}
	name = operator_name(query->rest);
	if (name.data != NULL)
		return operator_test(query, name);
	return word_test(query, query->field, take_word(query));
}

/* OR binds its neighbours; all else is "and", within {} it is "or". */
static const char *parse_terms(struct query *query, char end, bool any)
{
	const char *groups[MAX_TERMS], *terms[MAX_TERMS];
	unsigned count = 0, group_count = 0;
	bool joined = false;

	if (++query->depth > IMPORT_MAX_DEPTH)
		query->bad = true;
	for (skip_blanks(query); query->rest.len > 0 && !query->bad;
	     skip_blanks(query)) {
		struct query ahead = *query;
		struct str word;
		const char *test;

		if (query->rest.data[0] == end) {
			query->rest = str_from(query->rest, 1);
			break;
		}
		word = take_word(&ahead);
		if (str_is(word, "AND") || str_is(word, "OR") ||
		    str_is(word, "|")) {
			joined = count > 0 && !str_is(word, "AND");
			*query = ahead;
			continue;
		}
		test = parse_term(query);
		if (test == NULL || group_count == MAX_TERMS ||
		    count == MAX_TERMS)
			continue;
		if (!joined && !any && count > 0) {
			groups[group_count++] =
				import_join(query->import, false, terms, count);
			count = 0;
		}
		joined = false;
		terms[count++] = test;
	}
	query->depth--;
	if (count > 0 && group_count < MAX_TERMS)
		groups[group_count++] =
			import_join(query->import, false, terms, count);
	return import_join(query->import, true, groups, group_count);
}

/* One search in one property; NULL after what can't be said. */
static const char *query_test(struct import *import,
			      const struct property *property,
			      const char *field)
{
	struct query query = {
		.import = import, .rest = property->value, .field = field};
	const char *test = parse_terms(&query, '\0', false);

	if (!query.bad && test != NULL)
		return test;
	import_skip(import, property->line, property->value,
		    "no such search in Sieve");
	return NULL;
}

/* filters */

static const char *size_test(struct import *import, const struct entry *entry)
{
	const struct property *size = find(entry, "size");
	const struct property *unit = find(entry, "sizeUnit");
	const struct property *op = find(entry, "sizeOperator");
	unsigned number;

	if (!str_to_unsigned(size->value, &number) || number > 1 << 20)
		return NULL;
	return mem_printf(import->ctx, "size :%s %u%s",
			  op != NULL && str_is(op->value, "s_ss") ? "under"
								  : "over",
			  number,
			  unit == NULL                   ? "M"
			  : str_is(unit->value, "s_smb") ? "M"
			  : str_is(unit->value, "s_skb") ? "K"
							 : "");
}

/* False if something can't be said. */
static bool make_tests(struct import *import, const struct entry *entry,
		       const char **test_out)
{
	static const char *const fields[][2] = {
		{"from", "\"from\""},
		{"to", "[\"to\", \"cc\", \"bcc\"]"},
		{"subject", "\"subject\""},
		{"hasTheWord", NULL},
		{"doesNotHaveTheWord", NULL},
	};
	const char *tests[8];
	unsigned count = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const struct property *property = find(entry, fields[i][0]);
		const char *test;

		if (property == NULL)
			continue;
		test = query_test(import, property, fields[i][1]);
		if (test == NULL)
			return false;
		if (i == 4)
			test = mem_printf(import->ctx, "not %s", test);
		tests[count++] = test;
	}
	if (is_set(entry, "hasAttachment")) {
		import_require(import, "mime");
		tests[count++] = "header :mime :anychild :param \"filename\" "
				 ":matches [\"content-disposition\", "
				 "\"content-type\"] \"?*\"";
	}
	/* Gmail exports an operator and a unit even if there is no size. */
	if (find(entry, "size") != NULL) {
		tests[count] = size_test(import, entry);
		if (tests[count++] == NULL) {
			import_skip(import, find(entry, "size")->line,
				    find(entry, "size")->value, "wrong size");
			return false;
		}
	}
	*test_out =
		count == 0 ? "true" : import_join(import, true, tests, count);
	return true;
}

static void put_flags(struct import *import, const struct entry *entry)
{
	static const char *const flags[][3] = {
		{"shouldMarkAsRead", "addflag", "\\\\Seen"},
		{"shouldStar", "addflag", "\\\\Flagged"},
		{"shouldAlwaysMarkAsImportant", "addflag", "$Important"},
		{"shouldNeverMarkAsImportant", "removeflag", "$Important"},
		{"shouldNeverSpam", "addflag", "$NotJunk"},
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (!is_set(entry, flags[i][0]))
			continue;
		import_require(import, "imap4flags");
		import_line(import, "%s \"%s\";", flags[i][1], flags[i][2]);
	}
}

static void put_store(struct import *import, struct str mailbox, bool copy)
{
	import_require(import, "fileinto");
	import_require(import, "mailbox");
	if (copy)
		import_require(import, "copy");
	import_line(import, "fileinto %s:create %s;", copy ? ":copy " : "",
		    import_quote(import, mailbox));
}

/* A label is a mailbox; without "archive" the mail is in the INBOX, too. */
static void put_actions(struct import *import, const struct entry *entry)
{
	bool away =
		is_set(entry, "shouldArchive") || is_set(entry, "shouldTrash");
	bool labelled = false;

	put_flags(import, entry);
	for (unsigned i = 0; i < entry->count; i++) {
		const struct property *p = &entry->list[i];

		if (str_is(p->name, "forwardTo") &&
		    import_is_address(import, p->value)) {
			import_require(import, "copy");
			import_line(import, "redirect :copy %s;",
				    import_quote(import, p->value));
		} else if (str_is(p->name, "label") && p->value.len > 0 &&
			   utf8_valid(p->value)) {
			put_store(import, p->value, !away);
			labelled = true;
		} else if (str_is(p->name, "cannedResponse") ||
			   str_is(p->name, "smartLabelToApply") ||
			   str_is(p->name, "forwardTo")) {
			import_skip(import, p->line, p->value,
				    "%.*s: no such action in Sieve",
				    STR_FMT(p->name));
		}
	}
	if (is_set(entry, "shouldTrash"))
		put_store(import, STR("Trash"), false);
	else if (away && !labelled)
		put_store(import, STR("Archive"), false);
}

static void put_entry(struct import *import, const struct entry *entry)
{
	const char *test;

	if (entry->count == 0)
		return;
	import_rule(import, "line %u", entry->line);
	if (!make_tests(import, entry, &test)) {
		import_line(import, "# The filter is left out.");
		return;
	}
	import_line(import, "if %s {", test);
	import->indent++;
	put_actions(import, entry);
	import->indent--;
	import_line(import, "}");
}

/* XML, as far as it is needed */

static void put_entity(struct str name, struct buf *out)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"amp", '&'},
		     {"lt", '<'},
		     {"gt", '>'},
		     {"quot", '"'},
		     {"apos", '\''}};
	uint32_t code = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (str_is(name, known[i].name))
			buf_putc(out, known[i].c);
	}
	if (name.len < 2 || name.data[0] != '#' || name.len > 9)
		return;
	for (size_t i = name.data[1] == 'x' ? 2 : 1; i < name.len; i++) {
		int digit = hex_digit(name.data[i]);

		if (digit < 0)
			return;
		code = code * (name.data[1] == 'x' ? 16 : 10) + (unsigned)digit;
	}
	if (code >= ' ')
		utf8_put(out, code);
}

static struct str decode(struct import *import, struct str text)
{
	struct buf out = buf_init(1 << 20);

	for (size_t i = 0; i < text.len; i++) {
		struct str rest = str_from(text, i + 1);
		ptrdiff_t end =
			text.data[i] == '&' ? str_find_char(rest, ';') : -1;

		if (end > 0 && end < 10) {
			put_entity(str_n(rest.data, (size_t)end), &out);
			i += (size_t)end + 1;
		} else {
			buf_putc(&out, text.data[i]);
		}
	}
	return import_steal(import, &out);
}

/* NAME='VALUE' within a tag; data NULL if there is none. */
static struct str attribute(struct import *import, struct str tag,
			    const char *name)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "attribute");
	ptrdiff_t at = str_find(tag, str_of(mem_printf(ctx, " %s=", name)));
	ptrdiff_t end;

	if (at < 0)
		return (struct str){NULL, 0};
	tag = str_from(tag, (size_t)at + strlen(name) + 2);
	if (tag.len < 2 || (tag.data[0] != '\'' && tag.data[0] != '"'))
		return (struct str){NULL, 0};
	end = str_find_char(str_from(tag, 1), tag.data[0]);
	return end < 0 ? (struct str){NULL, 0}
		       : decode(import, str_n(tag.data + 1, (size_t)end));
}

/* The end of a tag: '>' outside of quotes. */
static size_t tag_len(struct str text)
{
	char quote = '\0';

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (quote == '\0' && c == '>')
			return i;
		if (quote == '\0' && (c == '\'' || c == '"'))
			quote = c;
		else if (c == quote)
			quote = '\0';
	}
	return text.len;
}

static void take_tag(struct import *import, struct str tag, unsigned line,
		     struct entry *entry)
{
	struct property *p = &entry->list[entry->count];

	if (str_is(tag, "entry") || str_starts(tag, "entry ")) {
		*entry = (struct entry){.line = line};
	} else if (str_is(tag, "/entry")) {
		put_entry(import, entry);
		entry->count = 0;
	} else if (str_starts(tag, "apps:property") &&
		   entry->count < MAX_PROPERTIES) {
		p->line = line;
		p->name = attribute(import, tag, "name");
		p->value = attribute(import, tag, "value");
		entry->count += p->name.data != NULL && p->value.data != NULL;
	}
}

void import_gmail(struct import *import)
{
	struct str rest = import->text;
	struct entry entry = {0};
	unsigned line = 1;
	bool ended = false;

	while (rest.len > 0) {
		size_t len;

		line += rest.data[0] == '\n';
		if (rest.data[0] != '<') {
			rest = str_from(rest, 1);
			continue;
		}
		rest = str_from(rest, 1);
		len = tag_len(rest);
		take_tag(import, str_n(rest.data, len), line, &entry);
		ended = str_is(str_n(rest.data, len), "/feed");
		for (size_t i = 0; i < len; i++)
			line += rest.data[i] == '\n';
		rest = str_from(rest, len < rest.len ? len + 1 : len);
	}
	if (!ended)
		import_skip(import, line, STR(""),
			    "the file is none of Gmail's, or not all of it");
}
