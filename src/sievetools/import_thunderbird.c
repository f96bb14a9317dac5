/* SPDX-License-Identifier: MIT */
/*
 * sievetools/import_thunderbird.c - msgFilterRules.dat: lines KEY="VALUE", a
 * filter from its `name` to the next.
 */
#include "base/encode.h"
#include "base/mem.h"
#include "sievetools/import.h"

enum { MAX_ACTIONS = 40, MAX_TESTS = 200 };

struct action {
	unsigned line;
	struct str name, value;
};

struct filter {
	unsigned line, condition_line;
	struct str name, condition;
	bool enabled;
	struct action actions[MAX_ACTIONS];
	unsigned count;
};

/* KEY="VALUE", where \" and \\ are quoted. */
static bool parse_line(struct import *import, struct str line,
		       struct str *key_out, struct str *value_out)
{
	struct buf value = buf_init(1 << 20);
	ptrdiff_t at = str_find_char(line, '=');

	if (at <= 0 || (size_t)at + 1 >= line.len || line.data[at + 1] != '"')
		return false;
	*key_out = str_trim(str_n(line.data, (size_t)at));
	for (size_t i = (size_t)at + 2; i < line.len && line.data[i] != '"';
	     i++) {
		if (line.data[i] == '\\' && i + 1 < line.len)
			i++;
		buf_putc(&value, line.data[i]);
	}
	*value_out = import_steal(import, &value);
	return true;
}

/* conditions */

static const char *header_test(struct import *import, const char *names,
			       struct str op, struct str value)
{
	static const struct {
		const char *op, *match;
		bool not, front, behind;
	} ops[] = {
		{"contains", ":contains", false, false, false},
		{"doesn't contain", ":contains", true, false, false},
		{"is", ":is", false, false, false},
		{"isn't", ":is", true, false, false},
		{"begins with", ":matches", false, false, true},
		{"ends with", ":matches", false, true, false},
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		bool glob = ops[i].front || ops[i].behind;

		if (str_is(op, ops[i].op))
			return mem_printf(
				import->ctx, "%sheader %s %s %s",
				ops[i].not ? "not " : "", ops[i].match, names,
				glob ? import_glob(import, value, ops[i].front,
						   ops[i].behind)
				     : import_quote(import, value));
	}
	if (str_is(op, "is empty"))
		return mem_printf(import->ctx, "not exists %s", names);
	if (str_is(op, "isn't empty"))
		return mem_printf(import->ctx, "exists %s", names);
	return NULL;
}

/* "V", with what is around it in a field, as a pattern for :matches. */
static const char *around(struct import *import, const char *before,
			  struct str value, const char *behind, bool front,
			  bool end)
{
	return import_glob(import,
			   str_of(mem_printf(import->ctx, "%s%.*s%s", before,
					     STR_FMT(value), behind)),
			   front, end);
}

/* Thunderbird holds a value against the name and the address, each for itself.
 * NULL: `op` makes no difference there. */
static const char *address_test(struct import *import, const char *names,
				struct str op, struct str value)
{
	bool isnt = str_is(op, "isn't"), begins = str_is(op, "begins with");
	bool ends = str_is(op, "ends with");
	const char *plain, *list;

	if (!isnt && !begins && !ends && !str_is(op, "is"))
		return NULL;
	plain = import_glob(import, value, ends, begins);
	if (begins)
		list = mem_printf(import->ctx, "%s, %s", plain,
				  around(import, "\"", value, "", false, true));
	else
		list = mem_printf(import->ctx, "%s, %s, %s", plain,
				  around(import, "", value, " <", ends, true),
				  around(import, ends ? "" : "\"", value,
					 "\" <", ends, true));
	return mem_printf(import->ctx,
			  "%sanyof (address :matches %s %s, header :matches %s "
			  "[%s])",
			  isnt ? "not " : "", names, plain, names, list);
}

static const char *body_test(struct import *import, struct str op,
			     struct str value)
{
	bool lacks = str_is(op, "doesn't contain");

	if (!lacks && !str_is(op, "contains"))
		return NULL;
	import_require(import, "body");
	return mem_printf(import->ctx, "%sbody :text :contains %s",
			  lacks ? "not " : "", import_quote(import, value));
}

/* "31-Jan-2024" */
static const char *date_test(struct import *import, struct str op,
			     struct str value)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static const char *const ops[][2] = {{"is before", ":value \"lt\""},
					     {"is after", ":value \"gt\""},
					     {"is", ":is"}};
	struct str rest = value, day, month, year;
	const char *found;
	unsigned number, year_number;

	if (!str_split(&rest, '-', &day) || !str_split(&rest, '-', &month) ||
	    month.len != 3 || !str_to_unsigned(day, &number) || number > 31 ||
	    !str_split(&rest, '-', &year) ||
	    !str_to_unsigned(year, &year_number) || year_number > 9999 ||
	    (found = strstr(months, str_dup(import->ctx, month))) == NULL)
		return NULL;
	for (size_t i = 0; i < 3; i++) {
		if (!str_is(op, ops[i][0]))
			continue;
		import_require(import, "date");
		import_require(import, "relational");
		return mem_printf(import->ctx,
				  "date %s \"date\" \"date\" "
				  "\"%04u-%02u-%02u\"",
				  ops[i][1], year_number,
				  (unsigned)(found - months) / 3 + 1, number);
	}
	return NULL;
}

static const char *size_test(struct import *import, struct str op,
			     struct str value)
{
	unsigned kilo;

	if (!str_to_unsigned(value, &kilo) || kilo > 4 << 20)
		return NULL;
	if (str_is(op, "is greater than"))
		return mem_printf(import->ctx, "size :over %uK", kilo);
	return str_is(op, "is less than")
		       ? mem_printf(import->ctx, "size :under %uK", kilo)
		       : NULL;
}

/* NULL if Sieve has no such test. */
static const char *make_test(struct import *import, struct str attribute,
			     struct str op, struct str value)
{
	static const char *const names[][2] = {
		{"subject", "\"subject\""},
		{"from", "\"from\""},
		{"to", "\"to\""},
		{"cc", "\"cc\""},
		{"to or cc", "[\"to\", \"cc\"]"},
		{"all addresses", "[\"from\", \"to\", \"cc\", \"bcc\"]"},
	};
	struct str own = attribute;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *test = NULL;

		if (!str_is(attribute, names[i][0]))
			continue;
		if (i > 0)
			test = address_test(import, names[i][1], op, value);
		return test != NULL
			       ? test
			       : header_test(import, names[i][1], op, value);
	}
	if (str_is(attribute, "body"))
		return body_test(import, op, value);
	if (str_is(attribute, "date"))
		return date_test(import, op, value);
	if (str_is(attribute, "size"))
		return size_test(import, op, value);
	if (own.len > 2 && own.data[0] == '"') /* a header field by name */
		own = str_n(own.data + 1, own.len - 2);
	else if (str_find_char(own, '-') < 0)
		return NULL;
	for (size_t i = 0; i < own.len; i++) {
		if (own.data[i] <= ' ' || own.data[i] > '~' ||
		    own.data[i] == ':')
			return NULL;
	}
	return header_test(import, import_quote(import, own), op, value);
}

/* Up to the ',' or ')' that ends it; values may be in quotes. */
static struct str cut(struct str *rest, char end)
{
	size_t at = 0;
	struct str out;

	if (rest->len > 1 && rest->data[0] == '"' && end == ')') {
		for (at = 1; at < rest->len && rest->data[at] != '"'; at++)
			at += rest->data[at] == '\\';
		if (at > rest->len)
			at = rest->len;
		out = str_n(rest->data + 1, at > 1 ? at - 1 : 0);
		while (at < rest->len && rest->data[at] != ')')
			at++;
	} else {
		while (at < rest->len && rest->data[at] != end)
			at++;
		out = str_n(rest->data, at);
	}
	*rest = str_from(*rest, at < rest->len ? at + 1 : at);
	return out;
}

/* "AND (a,op,value) AND (...)", "OR (...)", "ALL". *test_out is NULL for all
 * mails. */
static bool parse_condition(struct import *import, const struct filter *filter,
			    const char **test_out)
{
	const char *tests[MAX_TESTS];
	struct str rest = filter->condition, start;
	bool all = str_starts(str_trim(rest), "AND");
	unsigned count = 0;
	ptrdiff_t open;

	*test_out = NULL;
	if (str_starts(str_trim(rest), "ALL"))
		return true;
	while ((open = str_find_char(rest, '(')) >= 0) {
		struct str attribute, op, value;
		const char *test;

		rest = start = str_from(rest, (size_t)open + 1);
		attribute = cut(&rest, ',');
		op = cut(&rest, ',');
		value = cut(&rest, ')');
		test = count < MAX_TESTS
			       ? make_test(import, attribute, op, value)
			       : NULL;
		if (test == NULL) {
			import_skip(import, filter->condition_line,
				    str_n(start.data, start.len - rest.len),
				    "no such test in Sieve");
			return false;
		}
		tests[count++] = test;
	}
	*test_out = import_join(import, all, tests, count);
	if (count == 0)
		import_skip(import, filter->line, filter->condition,
			    "it has no condition");
	return count > 0;
}

/* actions */

/* The path of a folder's URI: "imap://me@host/INBOX/Lists", percent-encoded. */
static const char *folder(struct import *import, struct str uri)
{
	ptrdiff_t at = str_find(uri, STR("://"));
	struct buf name = buf_init(10000);
	struct str rest = uri;

	if (at >= 0) {
		rest = str_from(uri, (size_t)at + 3);
		at = str_find_char(rest, '/');
		rest = at < 0 ? STR("INBOX") : str_from(rest, (size_t)at + 1);
	}
	for (size_t i = 0; i < rest.len; i++) {
		int high = i + 2 < rest.len && rest.data[i] == '%'
				   ? hex_digit(rest.data[i + 1])
				   : -1;
		int low = high >= 0 ? hex_digit(rest.data[i + 2]) : -1;

		if (low >= 0) {
			buf_putc(&name, (char)(high << 4 | low));
			i += 2;
		} else {
			buf_putc(&name, rest.data[i]);
		}
	}
	rest = import_steal(import, &name);
	if (rest.len == 0 || !utf8_valid(rest) ||
	    memchr(rest.data, '\0', rest.len) != NULL)
		rest = STR("INBOX");
	return import_quote(
		import,
		str_n(mem_memdup(import->ctx, rest.data, rest.len), rest.len));
}

static const char *const flags[][3] = {
	{"Mark read", "addflag", "\\\\Seen"},
	{"Mark unread", "removeflag", "\\\\Seen"},
	{"Mark flagged", "addflag", "\\\\Flagged"},
	{"Watch thread", "addflag", "$Watched"},
	{"Ignore thread", "addflag", "$Ignored"},
};

static bool put_flag(struct import *import, const struct action *action)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (!str_is(action->name, flags[i][0]))
			continue;
		import_require(import, "imap4flags");
		import_line(import, "%s \"%s\";", flags[i][1], flags[i][2]);
		return true;
	}
	if (str_is(action->name, "AddTag") && action->value.len > 0) {
		import_require(import, "imap4flags");
		import_line(import, "addflag %s;",
			    import_quote(import, action->value));
		return true;
	}
	if (str_is(action->name, "JunkScore")) {
		import_require(import, "imap4flags");
		import_line(import, "addflag \"%s\";",
			    str_is(action->value, "100") ? "$Junk"
							 : "$NotJunk");
		return true;
	}
	return false;
}

static void put_action(struct import *import, const struct action *action)
{
	const struct str name = action->name;

	if (put_flag(import, action))
		return;
	if (str_is(name, "Move to folder") || str_is(name, "Copy to folder")) {
		bool copy = name.data[0] == 'C';

		import_require(import, "fileinto");
		if (copy)
			import_require(import, "copy");
		import_line(import, "fileinto %s%s;", copy ? ":copy " : "",
			    folder(import, action->value));
	} else if (str_is(name, "Delete")) {
		import_line(import, "discard;");
	} else if (str_is(name, "Forward") &&
		   import_is_address(import, action->value)) {
		import_require(import, "copy");
		import_line(import, "redirect :copy %s;",
			    import_quote(import, action->value));
	} else if (str_is(name, "Stop execution")) {
		import_line(import, "stop;");
	} else {
		import_skip(import, action->line,
			    str_of(mem_printf(import->ctx, "%.*s %.*s",
					      STR_FMT(name),
					      STR_FMT(action->value))),
			    "no such action in Sieve");
	}
}

static void put_filter(struct import *import, const struct filter *filter)
{
	const char *test;

	if (filter->line == 0)
		return;
	import_rule(import, "line %u: %s%s", filter->line,
		    str_sanitize(import->ctx, filter->name, 200),
		    filter->enabled ? "" : " (switched off)");
	if (!parse_condition(import, filter, &test)) {
		import_line(import, "# The filter is left out.");
		return;
	}
	import_line(import, "if %s {",
		    !filter->enabled ? "false"
		    : test == NULL   ? "true"
				     : test);
	import->indent++;
	/* Flags hold for what is stored behind them. */
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < filter->count; i++) {
			struct str name = filter->actions[i].name;
			bool moves = str_is(name, "Move to folder") ||
				     str_is(name, "Copy to folder") ||
				     str_is(name, "Stop execution");

			if (moves == (pass == 1))
				put_action(import, &filter->actions[i]);
		}
	}
	import->indent--;
	import_line(import, "}");
}

void import_thunderbird(struct import *import)
{
	struct str rest = import->text, line, key, value;
	struct filter filter = {0};
	unsigned number = 0, known = 0;

	while (str_split(&rest, '\n', &line)) {
		number++;
		if (!parse_line(import, str_trim(line), &key, &value))
			continue;
		known++;
		if (str_is(key, "name")) {
			put_filter(import, &filter);
			filter = (struct filter){
				.line = number, .name = value, .enabled = true};
		} else if (str_is(key, "enabled")) {
			filter.enabled = str_is(value, "yes");
		} else if (str_is(key, "action") &&
			   filter.count < MAX_ACTIONS) {
			filter.actions[filter.count++] =
				(struct action){number, value, STR("")};
		} else if (str_is(key, "actionValue") && filter.count > 0) {
			filter.actions[filter.count - 1].value = value;
		} else if (str_is(key, "condition")) {
			filter.condition = value;
			filter.condition_line = number;
		}
	}
	put_filter(import, &filter);
	if (known == 0)
		import_skip(import, 1, STR(""), "no file of such rules");
}
