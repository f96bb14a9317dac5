/* SPDX-License-Identifier: MIT */
/*
 * config/gen_settings.c - documentation from the settings tables: the manual
 * page dovetail-settings(7), and the example files of conf.d.
 *
 *	gen-settings man			write the page to stdout
 *	gen-settings conf LAYOUT DIRECTORY	write DIRECTORY/NAME.conf ...
 *
 * A layout has one directive per line:
 *
 *	file NAME TITLE		what follows goes to this file
 *	text WORDS		a paragraph of comment, or more of it
 *	settings PATTERN...	these settings that no line before has named
 *	section KIND [NAME]	the settings of such a section
 *	| LINE			a line as it is
 */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "config/settings_list.h"

enum { WIDTH = 78, TEXT_MAX = 4 << 20, ROWS_MAX = 5000, EXIT_FAILED = 1 };

static bool foreign(const struct setting *row)
{
	return (row->flags & SETTING_FOREIGN) != 0;
}

static void add_choices(const struct setting *row, const char *between,
			struct buf *out)
{
	struct str rest = str_of(row->choices), choice;
	const char *before = "";

	while (str_split(&rest, ':', &choice)) {
		if (choice.len == 0)
			continue;
		buf_printf(out, "%s%.*s", before, STR_FMT(choice));
		before = between;
	}
}

/* The preset as doveconf shows it. */
static void add_preset(const struct setting *row, struct buf *out)
{
	size_t len = strlen(row->preset);
	bool quote = len > 0 &&
		     (row->preset[0] == ' ' || row->preset[len - 1] == ' ');

	if (quote)
		buf_putc(out, '"');
	setting_print(row, row->preset, out);
	if (quote)
		buf_putc(out, '"');
}

/* dovetail-settings(7) */

static void add_roff(const char *text, struct buf *out)
{
	if (*text == '.' || *text == '\'')
		buf_add(out, "\\&");
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			buf_add(out, "\\e");
		else if (*text == '-')
			buf_add(out, "\\-");
		else
			buf_putc(out, *text);
	}
}

static void man_setting(const struct setting *row, struct buf *out)
{
	static const char *const kinds[] = {
		[SETTING_BOOL] = "yes or no",
		[SETTING_UNSIGNED] = "number",
		[SETTING_SIZE] = "size",
		[SETTING_DURATION] = "time",
		[SETTING_MODE] = "mode",
		[SETTING_TEXT] = "text",
		[SETTING_ENUM] = NULL,
		[SETTING_FILE] = "text or <file",
		[SETTING_NETWORKS] = "networks",
	};
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MAX);

	add_preset(row, &text);
	buf_add(out, ".TP\n\\fB");
	add_roff(row->name, out);
	buf_add(out, "\\fR = ");
	add_roff(text.data, out);
	buf_add(out, "\n");
	buf_reset(&text);
	if (kinds[row->kind] != NULL)
		buf_add(&text, kinds[row->kind]);
	else
		add_choices(row, ", ", &text);
	buf_add(out, "(");
	add_roff(text.data, out);
	buf_add(out, ") ");
	add_roff(row->doc, out);
	if (foreign(row))
		buf_add(out, " \\fIWithout effect in this version.\\fR");
	buf_add(out, "\n");
}

static void man_page(struct buf *out)
{
	size_t count;
	const struct settings_row *rows = settings_list(&count);

	buf_printf(out,
		   ".TH DOVETAIL\\-SETTINGS 7 \"\" \"dovetail %s\"\n"
		   ".SH NAME\ndovetail\\-settings \\- all settings of "
		   "dovecot.conf\n"
		   ".SH DESCRIPTION\n"
		   "Each setting is shown with its default. Names, defaults "
		   "and syntax are those of Dovecot 2.3; settings that this "
		   "version has no use for are accepted, and named once in "
		   "the log at start.\n"
		   ".PP\n"
		   "Sizes take the units B, k, M, G and T, times take ms, "
		   "secs, mins, hours, days and weeks. A mode begins with 0 "
		   "and is octal.\n",
		   PACKAGE_VERSION);
	for (size_t i = 0; i < count; i++) {
		const char *section = rows[i].section;

		if (i == 0)
			buf_add(out, ".SH SETTINGS\n");
		else if (strcmp(section, rows[i - 1].section) != 0)
			buf_printf(out, ".SH SETTINGS IN %s { }\n", section);
		man_setting(rows[i].row, out);
	}
	buf_add(out, ".SH SEE ALSO\ndoveconf(1), dovetail(8)\n");
}

/* conf.d */

struct generator {
	const char *directory;
	char *file; /* NULL before the first */
	struct buf out;
	bool done[ROWS_MAX]; /* settings that stand somewhere */
	unsigned line;
};

/* Comment lines of at most WIDTH characters. */
static void add_comment(const char *text, const char *indent, struct buf *out)
{
	struct str rest = str_of(text), word;
	size_t column = 0;

	while (str_word(&rest, &word)) {
		if (column > 0 && column + 1 + word.len > WIDTH) {
			buf_putc(out, '\n');
			column = 0;
		}
		if (column == 0) {
			buf_printf(out, "%s#", indent);
			column = strlen(indent) + 1;
		}
		buf_printf(out, " %.*s", STR_FMT(word));
		column += 1 + word.len;
	}
	buf_putc(out, '\n');
}

static void add_setting(const struct setting *row, const char *indent,
			struct buf *out)
{
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MAX);

	buf_add(&text, row->doc);
	if (row->kind == SETTING_ENUM) {
		buf_add(&text, " One of: ");
		add_choices(row, ", ", &text);
		buf_putc(&text, '.');
	}
	if (foreign(row))
		buf_add(&text, " Without effect in this version.");
	add_comment(text.data, indent, out);
	buf_reset(&text);
	add_preset(row, &text);
	buf_printf(out, "%s#%s =%s%s\n\n", indent, row->name,
		   text.len > 0 ? " " : "", text.data);
}

static void finish_file(struct generator *gen)
{
	struct err err;

	if (gen->file == NULL)
		return;
	while (gen->out.len > 1 && gen->out.data[gen->out.len - 1] == '\n' &&
	       gen->out.data[gen->out.len - 2] == '\n')
		buf_truncate(&gen->out, gen->out.len - 1);
	if (file_replace(gen->file, gen->out.data, gen->out.len, 0644, &err) <
	    0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	buf_reset(&gen->out);
	mem_free(gen->file);
	gen->file = NULL;
}

static void start_file(struct generator *gen, struct str rest)
{
	struct str name = STR("");

	finish_file(gen);
	str_word(&rest, &name);
	gen->file = mem_printf(NULL, "%s/%.*s", gen->directory, STR_FMT(name));
	rest = str_trim(rest);
	buf_printf(&gen->out, "# %.*s: %.*s\n#\n", STR_FMT(name),
		   STR_FMT(rest));
}

static bool matches(const char *patterns, const char *name)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "patterns");
	struct str rest = str_of(patterns), pattern;

	while (str_word(&rest, &pattern)) {
		if (fnmatch(str_dup(ctx, pattern), name, 0) == 0)
			return true;
	}
	return false;
}

static void add_settings(struct generator *gen, const char *patterns)
{
	size_t count, added = 0;
	const struct settings_row *rows = settings_list(&count);

	for (size_t i = 0; i < count && i < ROWS_MAX; i++) {
		const struct setting *row = rows[i].row;

		if (rows[i].section[0] != '\0' || gen->done[i] ||
		    (row->flags & SETTING_HIDDEN) != 0 ||
		    !matches(patterns, row->name))
			continue;
		add_setting(row, "", &gen->out);
		gen->done[i] = true;
		added++;
	}
	if (added == 0)
		log_fatal(EXIT_FAILED, "line %u: No setting is left: %s",
			  gen->line, patterns);
}

static void add_section(struct generator *gen, struct str rest)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "section");
	struct str kind = STR("");
	const struct settings_row *rows, *all;
	size_t count, total;

	str_word(&rest, &kind);
	rows = settings_section(str_dup(ctx, kind), &count);
	all = settings_list(&total);
	if (count == 0)
		log_fatal(EXIT_FAILED, "line %u: No settings in section %.*s",
			  gen->line, STR_FMT(kind));
	rest = str_trim(rest);
	buf_printf(&gen->out, "#%.*s%s%.*s {\n", STR_FMT(kind),
		   rest.len > 0 ? " " : "", STR_FMT(rest));
	for (size_t i = 0; i < count; i++) {
		gen->done[rows - all + (ptrdiff_t)i] = true;
		add_setting(rows[i].row, "  ", &gen->out);
	}
	if (gen->out.len > 0)
		buf_truncate(&gen->out, gen->out.len - 1);
	buf_add(&gen->out, "#}\n\n");
}

static void run_line(struct generator *gen, struct str line)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "line");
	struct str rest = line, word = STR("");

	if (str_starts(line, "|")) {
		rest = str_from(line, 1);
		buf_printf(&gen->out, "%.*s\n", STR_FMT(rest));
		return;
	}
	if (!str_word(&rest, &word) || str_starts(word, "#"))
		return;
	if (str_is(word, "file")) {
		start_file(gen, rest);
	} else if (str_is(word, "text")) {
		add_comment(str_dup(ctx, rest), "", &gen->out);
		buf_putc(&gen->out, '\n');
	} else if (str_is(word, "settings")) {
		add_settings(gen, str_dup(ctx, rest));
	} else if (str_is(word, "section")) {
		add_section(gen, rest);
	} else {
		log_fatal(EXIT_FAILED, "line %u: Unknown directive: %.*s",
			  gen->line, STR_FMT(word));
	}
}

static void report_missing(const struct generator *gen)
{
	size_t count, missing = 0;
	const struct settings_row *rows = settings_list(&count);

	for (size_t i = 0; i < count && i < ROWS_MAX; i++) {
		if (gen->done[i] || (rows[i].row->flags & SETTING_HIDDEN) != 0)
			continue;
		log_error("The layout leaves out %s%s%s", rows[i].section,
			  rows[i].section[0] != '\0' ? " " : "",
			  rows[i].row->name);
		missing++;
	}
	if (missing > 0)
		log_fatal(EXIT_FAILED, "%zu settings are in no file", missing);
}

static void conf_files(const char *layout, const char *directory)
{
	static struct generator gen;
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MAX);
	struct err err;
	struct str rest, line;

	gen.out = buf_init(TEXT_MAX);
	gen.directory = directory;
	if (file_read(layout, &text, &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	rest = str_n(text.data, text.len);
	while (str_split(&rest, '\n', &line)) {
		gen.line++;
		run_line(&gen, line);
	}
	finish_file(&gen);
	buf_free(&gen.out);
	report_missing(&gen);
}

int main(int argc, char **argv)
{
	CLEANUP(buf_free) struct buf out = buf_init(TEXT_MAX);

	log_open("gen-settings", LOG_TO_STDERR);
	if (argc == 2 && strcmp(argv[1], "man") == 0) {
		man_page(&out);
		fwrite(out.data, 1, out.len, stdout);
		return ferror(stdout) != 0 || fflush(stdout) != 0;
	}
	if (argc != 4 || strcmp(argv[1], "conf") != 0)
		log_fatal(EXIT_FAILED, "Usage: gen-settings man | "
				       "gen-settings conf LAYOUT DIRECTORY");
	conf_files(argv[2], argv[3]);
	return 0;
}
