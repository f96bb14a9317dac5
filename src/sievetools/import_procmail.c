/* SPDX-License-Identifier: MIT */
/*
 * sievetools/import_procmail.c - the structure of a procmailrc(5): assignments,
 * recipes, blocks, actions. Conditions are import_regex.c's.
 */
#include "sievetools/import_procmail.h"
#include "base/encode.h"
#include "base/mem.h"
#include "sievetools/import.h"

enum { MAX_CONDITIONS = 100, VALUE_MAX = 64 << 10, MAX_VARIABLES = 1000 };

struct variable {
	struct str name, value;
	struct variable *next;
};

struct recipe {
	unsigned line;
	struct str flags;
	struct {
		unsigned line;
		struct str text;
	} conditions[MAX_CONDITIONS];
	unsigned count, action_line;
	struct str action;
};

struct reader {
	struct import *import;
	struct str rest;
	unsigned line, depth; /* line: of what was read last */
	struct variable *variables;
	unsigned variable_count;
};

/* A line without its end, where "\" at its end joins the next one to it. */
static bool next_line(struct reader *in, struct str *out)
{
	struct buf joined = buf_init(VALUE_MAX);
	struct str line;
	bool more = true;

	if (in->rest.data == NULL || in->rest.len == 0)
		return false;
	while (more && str_split(&in->rest, '\n', &line)) {
		in->line++;
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		more = line.len > 0 && line.data[line.len - 1] == '\\';
		line.len -= more;
		buf_add_str(&joined, line);
	}
	*out = str_trim(import_steal(in->import, &joined));
	return true;
}

/* variables */

static const struct variable *find(const struct reader *in, struct str name)
{
	const struct variable *v = in->variables;

	while (v != NULL && !str_equal(v->name, name))
		v = v->next;
	return v;
}

static bool is_name_char(char c)
{
	char lower = ascii_lower(c);

	return c == '_' || (lower >= 'a' && lower <= 'z') ||
	       (c >= '0' && c <= '9');
}

/* "$NAME" or "${NAME}" at the start of `text`: how long; 0 if it is none. */
static size_t reference(struct str text, struct str *name_out)
{
	bool braces = text.len > 1 && text.data[1] == '{';
	size_t start = braces ? 2 : 1, end = start;

	while (end < text.len && is_name_char(text.data[end]))
		end++;
	*name_out = str_n(text.data + start, end - start);
	if (end == start ||
	    (braces && (end == text.len || text.data[end] != '}')))
		return 0;
	return end + braces;
}

/* Values put in; false if one is not known here, or is made by a program. */
static bool expand(struct reader *in, struct str text, struct str *out)
{
	struct buf value = buf_init(VALUE_MAX);
	bool known = str_find_char(text, '`') < 0;

	for (size_t i = 0; i < text.len && known; i++) {
		const struct variable *v;
		struct str name;
		size_t len = 0;

		if (text.data[i] == '$')
			len = reference(str_from(text, i), &name);
		if (len == 0) {
			if (text.data[i] != '"' && text.data[i] != '\'')
				buf_putc(&value, text.data[i]);
			continue;
		}
		v = find(in, name);
		known = v != NULL;
		if (known)
			buf_add_str(&value, v->value);
		i += len - 1;
	}
	known = known && !value.overflow;
	*out = import_steal(in->import, &value);
	return known;
}

static void assign(struct reader *in, struct str name, struct str value)
{
	struct variable *v;

	if (in->variable_count++ >= MAX_VARIABLES)
		return;
	v = mem_new(in->import->ctx, struct variable);
	v->name = name;
	v->value = value;
	v->next = in->variables;
	in->variables = v;
}

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

static bool take_assignment(struct reader *in, struct str line)
{
	size_t at = 0;
	struct str name, value, out;

	while (at < line.len && is_name_char(line.data[at]))
		at++;
	name = str_n(line.data, at);
	while (at < line.len && (line.data[at] == ' ' || line.data[at] == '\t'))
		at++;
	if (name.len == 0 || at == line.len || line.data[at] != '=')
		return false;
	value = str_trim(str_from(line, at + 1));
	if (str_is(name, "INCLUDERC") || str_is(name, "SWITCHRC") ||
	    str_is(name, "TRAP") || str_is(name, "EXITCODE") ||
	    str_is(name, "HOST"))
		import_skip(in->import, in->line, line,
			    "no such thing in Sieve");
	else if (in->depth > 0)
		import_skip(in->import, in->line, line,
			    "assignment within a block");
	else if (expand(in, value, &out))
		assign(in, name, out);
	else if (!is_quiet(name))
		import_skip(in->import, in->line, line,
			    "value that is not known here");
	return true;
}

/* actions */

/* "Maildir/.Lists.a/", "$HOME/Mail/a", "a/.": the mailbox; empty for INBOX. */
static struct str mailbox_of(struct reader *in, struct str path)
{
	static const char *const bases[] = {"DEFAULT", "ORGMAIL", "MAILDIR",
					    "HOME"};

	while (path.len > 1 && (str_is(str_from(path, path.len - 1), "/") ||
				str_is(str_from(path, path.len - 2), "/.")))
		path.len--;
	for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
		const struct variable *v = find(in, str_of(bases[i]));
		struct str base = v == NULL ? STR("") : v->value;

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
	if (path.len > 1 && path.data[0] == '.') /* Maildir++ */
		path = str_from(path, 1);
	return path;
}

static void put_mailbox(struct reader *in, const struct recipe *recipe,
			bool copy)
{
	struct import *import = in->import;
	struct str path, name;

	if (!expand(in, recipe->action, &path) || !utf8_valid(path) ||
	    str_find_char(path, ' ') >= 0 || str_find_char(path, '\0') >= 0) {
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

	if (!expand(in, str_from(recipe->action, 1), &rest))
		rest = str_n("", 0);
	if (str_trim(rest).len == 0)
		import_skip(import, recipe->action_line, recipe->action,
			    "address that is not known here");
	while (str_word(&rest, &word)) {
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
	    str_find_char(value, '$') >= 0 || strchr("AaIi", option) == NULL)
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
		import_line(in->import, "addheader %s %s;",
			    import_quote(in->import, name),
			    import_quote(in->import, value));
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
		if (!str_is(word, "-m") || !expand(in, rest, &rest) ||
		    !str_word(&rest, &word) || !utf8_valid(word))
			continue;
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
		if (recipe->count == MAX_CONDITIONS)
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

/* False if a condition can't be said; then it has been named. */
static bool make_tests(struct reader *in, const struct recipe *recipe,
		       const char **out)
{
	const char *tests[MAX_CONDITIONS];
	unsigned weights = 0;

	for (unsigned i = 0; i < recipe->count; i++) {
		struct str text = recipe->conditions[i].text;
		const char *why = NULL;

		weights += take_weight(&text);
		if (text.len > 0 && text.data[0] == '$' &&
		    !expand(in, str_trim(str_from(text, 1)), &text))
			why = "value that is not known here";
		else if (weights > 0 && weights != i + 1)
			why = "scores";
		else
			tests[i] = import_condition(in->import, text,
						    recipe->flags, &why);
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

static void put_recipe(struct reader *in, struct str head)
{
	struct recipe recipe = {.line = in->line};
	struct import *import = in->import;
	ptrdiff_t colon = str_find_char(head, ':');
	const char *test = NULL;
	bool known, chained, block;

	recipe.flags = colon < 0 ? head : str_n(head.data, (size_t)colon);
	read_conditions(in, &recipe);
	import_rule(import, "line %u: :0%s", recipe.line,
		    str_sanitize(import->ctx, head, 200));
	chained = false;
	for (size_t i = 0; i < recipe.flags.len; i++)
		chained |= strchr("AaEe", recipe.flags.data[i]) != NULL &&
			   recipe.flags.data[i] != '\0';
	block = recipe.action.len > 0 && recipe.action.data[0] == '{';
	known = !chained && make_tests(in, &recipe, &test);
	if (chained)
		import_skip(import, recipe.line, head,
			    "depends on the recipe before");
	if (known && block && str_find_char(recipe.flags, 'c') >= 0) {
		import_skip(import, recipe.line, head,
			    "a block for a copy, behind which all goes on");
		known = false;
	}
	if (!known)
		import_line(import, "# The recipe is left out.");
	else if (test != NULL)
		import_line(import, "if %s {", test);
	import->indent += known && test != NULL;
	if (block)
		put_block(in, recipe.action, !known);
	else if (known && put_action(in, &recipe))
		import_line(import, "stop;");
	import->indent -= known && test != NULL;
	if (known && test != NULL)
		import_line(import, "}");
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

	assign(&in, STR("HOME"), STR("~"));
	assign(&in, STR("MAILDIR"), STR("~"));
	assign(&in, STR("DEFAULT"), STR("/var/mail/user"));
	assign(&in, STR("ORGMAIL"), STR("/var/mail/user"));
	put_commands(&in);
}
