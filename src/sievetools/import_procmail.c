/* SPDX-License-Identifier: MIT */
/*
 * sievetools/import_procmail.c - the structure of a procmailrc(5): assignments,
 * recipes, blocks, actions. Conditions are import_regex.c's.
 */
#include "sievetools/import_procmail.h"
#include "base/encode.h"
#include "base/mem.h"
#include "sievetools/import.h"

enum { MAX_CONDITIONS = 1000, LINE_MAX_LEN = 64 << 10 };

struct recipe {
	unsigned line;
	struct str flags;
	struct {
		unsigned line;
		struct str text;
	} conditions[MAX_CONDITIONS];
	unsigned count, action_line;
	bool more; /* conditions than there is room for */
	struct str action;
};

struct reader {
	struct import *import;
	struct str rest;
	unsigned line, depth; /* line: of what was read last */
	struct import_words *words;
	bool has_if; /* the recipe before is one, which may have an "else" */
};

static bool next_piece(struct reader *in, struct str *out)
{
	if (in->rest.len == 0 || !str_split(&in->rest, '\n', out))
		return false;
	in->line++;
	if (out->len > 0 && out->data[out->len - 1] == '\r')
		out->len--;
	return true;
}

/* A line without its end, where "\" at its end joins the next one to it; in a
 * condition, without the blanks in front of that. */
static bool next_line(struct reader *in, struct str *out)
{
	struct buf joined = buf_init(LINE_MAX_LEN);
	bool more = true, condition = false;
	struct str line;

	if (in->rest.len == 0)
		return false;
	while (more && next_piece(in, &line)) {
		while (condition && line.len > 0 &&
		       (line.data[0] == ' ' || line.data[0] == '\t'))
			line = str_from(line, 1);
		condition = condition || str_starts(str_trim(line), "*");
		more = line.len > 0 && line.data[line.len - 1] == '\\';
		line.len -= more;
		buf_add_str(&joined, line);
	}
	*out = str_trim(import_steal(in->import, &joined));
	return true;
}

/* variables */

/* For procmail itself, or its log: nothing to say in Sieve. */
static bool is_quiet(struct str name)
{
	static const char *const names[] = {
		"SHELL",        "PATH",    "LOGFILE",    "LOG",
		"LOGABSTRACT",  "VERBOSE", "LOCKFILE",   "LOCKEXT",
		"LOCKSLEEP",    "UMASK",   "SENDMAIL",   "COMSAT",
		"LOCKTIMEOUT",  "TIMEOUT", "NORESRETRY", "DROPPRIVS",
		"SUSPEND",      "LINEBUF", "SHELLMETAS", "SHELLFLAGS",
		"SENDMAILFLAGS"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (str_is(name, names[i]))
			return true;
	}
	return false;
}

/* A value in quotes may have more lines. */
static struct str quoted_lines(struct reader *in, struct str value)
{
	struct buf text = buf_init(LINE_MAX_LEN);
	struct str line;

	if (!import_quote_open(value))
		return value;
	buf_add_str(&text, value);
	while (!text.overflow &&
	       import_quote_open(str_n(text.data, text.len)) &&
	       next_piece(in, &line)) {
		buf_putc(&text, '\n');
		buf_add_str(&text, line);
	}
	return import_steal(in->import, &text);
}

static bool take_assignment(struct reader *in, struct str line)
{
	size_t at = 0;
	struct str name, value, out, known = {NULL, 0};

	while (at < line.len && import_name_char(line.data[at]))
		at++;
	name = str_n(line.data, at);
	while (at < line.len && (line.data[at] == ' ' || line.data[at] == '\t'))
		at++;
	if (name.len == 0 || at == line.len || line.data[at] != '=')
		return false;
	value = quoted_lines(in, str_trim(str_from(line, at + 1)));
	if (str_is(name, "INCLUDERC") || str_is(name, "SWITCHRC") ||
	    str_is(name, "TRAP") || str_is(name, "EXITCODE") ||
	    str_is(name, "HOST"))
		import_skip(in->import, in->line, line,
			    "no such thing in Sieve");
	else if (is_quiet(name))
		return true;
	else if (in->depth > 0)
		import_skip(in->import, in->line, line,
			    "assignment within a block");
	else if (!import_word(in->words, &value, &out))
		import_skip(in->import, in->line, line,
			    "value that is not known here");
	else
		known = out;
	/* Where the INBOX is does not matter. */
	if (known.data != NULL ||
	    (!str_is(name, "DEFAULT") && !str_is(name, "ORGMAIL")))
		import_assign(in->words, name, known);
	return true;
}

/* actions */

/* "Entw&APw-rfe" as it is on disk: a name in UTF-8. */
static struct str maildir_name(struct reader *in, struct str name)
{
	struct buf utf8 = buf_init(LINE_MAX_LEN);

	if (!utf7_decode(name, &utf8) || utf8.overflow) {
		buf_free(&utf8);
		return name;
	}
	return import_steal(in->import, &utf8);
}

/* "Maildir/.Lists.a/", "$HOME/Mail/a", "a/.": the mailbox; empty for INBOX. */
static struct str mailbox_of(struct reader *in, struct str path)
{
	static const char *const bases[] = {"DEFAULT", "ORGMAIL", "MAILDIR",
					    "HOME"};

	while (path.len > 1 && (str_is(str_from(path, path.len - 1), "/") ||
				str_is(str_from(path, path.len - 2), "/.")))
		path.len--;
	for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
		struct str base;

		if (!import_value(in->words, str_of(bases[i]), &base))
			base = STR("");
		while (base.len > 1 && base.data[base.len - 1] == '/')
			base.len--;
		if (base.len == 0 || path.len < base.len ||
		    memcmp(path.data, base.data, base.len) != 0 ||
		    (path.len > base.len && path.data[base.len] != '/'))
			continue;
		if (path.len == base.len)
			return i == 3 ? path : STR("");
		path = str_from(path, base.len);
		while (path.len > 0 && path.data[0] == '/')
			path = str_from(path, 1);
	}
	while (str_starts(path, "./"))
		path = str_from(path, 2);
	if (path.len > 1 && path.data[0] == '.') /* Maildir++ */
		path = maildir_name(in, str_from(path, 1));
	return path;
}

static void put_mailbox(struct reader *in, const struct recipe *recipe,
			bool copy)
{
	struct import *import = in->import;
	struct str path, name;

	if (!import_word_last(in->words, recipe->action, &path) ||
	    !utf8_valid(path) || str_find_char(path, '\0') >= 0) {
		import_skip(import, recipe->action_line, recipe->action,
			    "folder that is not known here");
		return;
	}
	if (str_is(path, "/dev/null")) {
		import_line(import, copy ? "# A copy, thrown away: nothing."
					 : "discard;");
		return;
	}
	name = mailbox_of(in, path);
	if (name.len == 0) {
		import_line(import, "keep;");
		return;
	}
	import_require(import, "fileinto");
	import_require(import, "mailbox");
	if (copy)
		import_require(import, "copy");
	import_line(import, "fileinto %s:create %s;", copy ? ":copy " : "",
		    import_quote(import, name));
}

static void put_forward(struct reader *in, const struct recipe *recipe,
			bool copy)
{
	struct import *import = in->import;
	struct str rest, word;

	if (!import_expand(in->words, str_from(recipe->action, 1), &rest))
		rest = str_n("", 0);
	if (str_trim(rest).len == 0)
		import_skip(import, recipe->action_line, recipe->action,
			    "address that is not known here");
	while (str_word(&rest, &word) && word.data[0] != '#') {
		if (word.data[word.len - 1] == ',')
			word.len--;
		if (!import_is_address(import, word)) {
			import_skip(import, recipe->action_line, word,
				    "not an address with a domain");
			continue;
		}
		if (copy)
			import_require(import, "copy");
		import_line(import, "redirect %s%s;", copy ? ":copy " : "",
			    import_quote(import, word));
	}
}

/* formail -A "X: y", -I "X:", -i... as far as editheader has them. */
static bool put_formail(struct reader *in, struct str command)
{
	struct str rest = command, word, name, value;
	ptrdiff_t open = str_find_char(command, '"'), colon;
	char option;

	if (!str_word(&rest, &word) ||
	    (!str_is(word, "formail") && !str_is(word, "/usr/bin/formail")) ||
	    !str_word(&rest, &word) || word.len < 2 || word.data[0] != '-' ||
	    open < 0)
		return false;
	option = word.data[1];
	value = str_from(command, (size_t)open + 1);
	if (str_find_char(value, '"') != (ptrdiff_t)value.len - 1 ||
	    str_find_char(value, '$') >= 0 || str_find_char(value, '`') >= 0 ||
	    str_find_char(value, '\\') >= 0 || strchr("AaIi", option) == NULL)
		return false;
	value.len--;
	colon = str_find_char(value, ':');
	if (colon <= 0)
		return false;
	name = str_n(value.data, (size_t)colon);
	value = str_trim(str_from(value, (size_t)colon + 1));
	if (!import_is_field(name))
		return false;
	import_require(in->import, "editheader");
	if (option == 'I' || option == 'i')
		import_line(in->import, "deleteheader %s;",
			    import_quote(in->import, name));
	if (value.len > 0)
		import_line(in->import, "%s%s%saddheader %s %s;%s",
			    option == 'a' ? "if not exists " : "",
			    option == 'a' ? import_quote(in->import, name) : "",
			    option == 'a' ? " { " : "",
			    import_quote(in->import, name),
			    import_quote(in->import, value),
			    option == 'a' ? " }" : "");
	return true;
}

/* "| deliver -m Folder" of Dovecot's is a mailbox. */
static bool put_deliver(struct reader *in, struct str command, bool copy)
{
	struct str rest = command, word;

	if (!str_word(&rest, &word) || (str_find(word, STR("deliver")) < 0 &&
					str_find(word, STR("dovecot-lda")) < 0))
		return false;
	while (str_word(&rest, &word)) {
		if (!str_is(word, "-m"))
			continue;
		if (!import_word(in->words, &rest, &word) || !utf8_valid(word))
			return false;
		import_require(in->import, "fileinto");
		if (copy)
			import_require(in->import, "copy");
		import_line(in->import, "fileinto %s%s;", copy ? ":copy " : "",
			    import_quote(in->import, word));
		return true;
	}
	import_line(in->import, "keep;");
	return true;
}

/* Whether procmail ends there. */
static bool put_action(struct reader *in, const struct recipe *recipe)
{
	struct str action = recipe->action, command;
	bool copy = str_find_char(recipe->flags, 'c') >= 0;
	bool filter = str_find_char(recipe->flags, 'f') >= 0;

	if (action.len > 0 && action.data[0] == '!') {
		put_forward(in, recipe, copy);
	} else if (action.len > 0 && action.data[0] == '|') {
		command = str_trim(str_from(action, 1));
		if (filter && put_formail(in, command))
			return false;
		if (filter || !put_deliver(in, command, copy)) {
			import_skip(in->import, recipe->action_line, action,
				    "programs are not run");
			return false;
		}
	} else {
		put_mailbox(in, recipe, copy);
	}
	return !copy;
}

/* recipes */

static void read_conditions(struct reader *in, struct recipe *recipe)
{
	struct str line;

	while (next_line(in, &line)) {
		if (line.len == 0 || line.data[0] == '#')
			continue;
		if (line.data[0] != '*') {
			recipe->action = line;
			recipe->action_line = in->line;
			break;
		}
		recipe->more = recipe->count == MAX_CONDITIONS;
		if (recipe->more)
			continue;
		recipe->conditions[recipe->count].line = in->line;
		recipe->conditions[recipe->count++].text =
			str_trim(str_from(line, 1));
	}
}

static void put_commands(struct reader *in);
static void put_recipe(struct reader *in, struct str head);

/* Conditions of weight: "1^0 x" of which one is enough. */
static bool take_weight(struct str *text)
{
	size_t at = 0;

	while (at < text->len && text->data[at] >= '0' && text->data[at] <= '9')
		at++;
	if (at == 0 || at + 1 >= text->len || text->data[at] != '^' ||
	    text->data[at + 1] != '0')
		return false;
	*text = str_trim(str_from(*text, at + 2));
	return true;
}

/* "! $ x": what is left, variables put in; false if one is not known here. */
static bool take_prefix(struct reader *in, struct str *text, bool *not_out)
{
	unsigned expansions = 0;

	while (text->len > 0 &&
	       (text->data[0] == '!' || text->data[0] == '$')) {
		bool expand = text->data[0] == '$';

		*text = str_trim(str_from(*text, 1));
		if (!expand)
			*not_out = !*not_out;
		else if (expansions++ > 0 ||
			 !import_expand(in->words, *text, text))
			return false;
	}
	return true;
}

/* False if a condition can't be said; then it has been named. */
static bool make_tests(struct reader *in, const struct recipe *recipe,
		       const char **out)
{
	const char *tests[MAX_CONDITIONS];
	unsigned weights = 0;

	if (recipe->more) {
		import_skip(in->import, recipe->line, recipe->action,
			    "too many conditions");
		return false;
	}
	for (unsigned i = 0; i < recipe->count; i++) {
		struct str text = recipe->conditions[i].text;
		const char *why = NULL;
		bool not = false;

		weights += take_weight(&text);
		if (!take_prefix(in, &text, &not ))
			why = "value that is not known here";
		else if (weights > 0 && weights != i + 1)
			why = "scores";
		else
			tests[i] = import_condition(in->import, text,
						    recipe->flags, &why);
		if (why == NULL && not )
			tests[i] =
				mem_printf(in->import->ctx, "not %s", tests[i]);
		if (why == NULL)
			continue;
		import_skip(in->import, recipe->conditions[i].line,
			    recipe->conditions[i].text, "%s", why);
		return false;
	}
	*out = import_join(in->import, weights == 0, tests, recipe->count);
	return true;
}

static void put_command(struct reader *in, struct str line)
{
	if (str_starts(line, ":0"))
		put_recipe(in, str_trim(str_from(line, 2)));
	else if (!take_assignment(in, line))
		import_skip(in->import, in->line, line, "not understood");
}

/* "{ }" and what is between, of which some may be behind the brace already:
 * `line` is that. */
static void put_block(struct reader *in, struct str line, bool skip)
{
	size_t len = in->import->body.len;
	unsigned indent = in->import->indent, skipped = in->import->skipped;
	bool ends;

	line = str_trim(str_from(line, 1));
	ends = line.len > 0 && line.data[line.len - 1] == '}';
	line = str_trim(str_n(line.data, line.len - ends));
	in->depth++;
	if (line.len > 0 && line.data[0] != '#')
		put_command(in, line);
	if (!ends)
		put_commands(in);
	in->depth--;
	in->import->indent = indent;
	if (!skip)
		return;
	buf_truncate(&in->import->body, len); /* its conditions are unknown */
	in->import->skipped = skipped;
}

/* Whether something is known of the recipe before that it depends on: what else
 * is to be done ("E") if that was an "if". */
static bool is_chained(const struct reader *in, const struct recipe *recipe)
{
	for (size_t i = 0; i < recipe->flags.len; i++) {
		char c = recipe->flags.data[i];

		if (c == 'A' || c == 'a' || c == 'e' ||
		    (c == 'E' && !in->has_if))
			return true;
	}
	return false;
}

/* False if the recipe has no counterpart; then it has been named. */
static bool is_known(struct reader *in, const struct recipe *recipe,
		     struct str head, bool block, const char **test)
{
	const char *why = NULL;

	if (is_chained(in, recipe))
		why = "depends on the recipe before";
	else if (!make_tests(in, recipe, test))
		return false;
	else if (block && str_find_char(recipe->flags, 'c') >= 0)
		why = "a block for a copy, behind which all goes on";
	if (why != NULL)
		import_skip(in->import, recipe->line, head, "%s", why);
	return why == NULL;
}

static void put_recipe(struct reader *in, struct str head)
{
	struct recipe recipe = {.line = in->line};
	struct import *import = in->import;
	ptrdiff_t comment = str_find_char(head, '#'), colon;
	const char *test = NULL;
	bool known, block, other, braces;

	if (comment >= 0)
		head = str_trim(str_n(head.data, (size_t)comment));
	colon = str_find_char(head, ':');
	recipe.flags = colon < 0 ? head : str_n(head.data, (size_t)colon);
	read_conditions(in, &recipe);
	import_rule(import, "line %u: :0%s", recipe.line,
		    str_sanitize(import->ctx, head, 200));
	block = recipe.action.len > 0 && recipe.action.data[0] == '{';
	other = str_find_char(recipe.flags, 'E') >= 0;
	known = is_known(in, &recipe, head, block, &test);
	braces = known && (test != NULL || other);
	if (!known)
		import_line(import, "# The recipe is left out.");
	else if (braces)
		import_line(import, "%s%s {",
			    !other         ? "if "
			    : test != NULL ? "elsif "
					   : "else",
			    test != NULL ? test : "");
	import->indent += braces;
	in->has_if = false;
	if (block)
		put_block(in, recipe.action, !known);
	else if (known && put_action(in, &recipe))
		import_line(import, "stop;");
	import->indent -= braces;
	if (braces)
		import_line(import, "}");
	in->has_if = known && test != NULL;
}

/* Up to the end, or that of a block. */
static void put_commands(struct reader *in)
{
	struct str line;

	if (in->depth > IMPORT_MAX_DEPTH) {
		import_skip(in->import, in->line, STR("{"),
			    "blocks are nested too deeply");
		in->rest = (struct str){NULL, 0};
	}
	while (next_line(in, &line)) {
		if (line.len == 0 || line.data[0] == '#')
			continue;
		if (line.data[0] == '}')
			return;
		put_command(in, line);
	}
}

void import_procmailrc(struct import *import)
{
	struct reader in = {.import = import, .rest = import->text};

	in.words = import_words_new(import);
	import_assign(in.words, STR("HOME"), STR("~"));
	import_assign(in.words, STR("MAILDIR"), STR("~"));
	import_assign(in.words, STR("DEFAULT"), STR("/var/mail/user"));
	import_assign(in.words, STR("ORGMAIL"), STR("/var/mail/user"));
	put_commands(&in);
}
