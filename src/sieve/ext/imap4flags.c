/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/imap4flags.c - flags of stored mail (RFC 5232).
 *
 * A list of flags is text with blanks between, in variables as in strings; the
 * internal variable is the result's.
 */
#include "sieve/ext/imap4flags.h"

#include "base/cleanup.h"
#include "sieve/ext.h"

enum { MAX_FLAGS_SIZE = 64 << 10 };

static bool is_system(struct str flag)
{
	static const char *const names[] = {"\\answered", "\\flagged",
					    "\\deleted", "\\seen", "\\draft"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (str_case_is(flag, names[i]))
			return true;
	}
	return false;
}

/* Section 2: system flags, and keywords, which are atoms. */
static bool is_flag(struct str flag)
{
	if (flag.len > 0 && flag.data[0] == '\\')
		return is_system(flag);
	for (size_t i = 0; i < flag.len; i++) {
		char c = flag.data[i];

		if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]", c) != NULL)
			return false;
	}
	return flag.len > 0;
}

void sieve_flags_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	struct str rest = arg->text, flag;

	while (str_word(&rest, &flag)) {
		if (!is_flag(flag))
			sieve_warning(check, arg->at,
				      "IMAP flag '%.*s' is invalid and will be "
				      "ignored (only first invalid is "
				      "reported)",
				      STR_FMT(flag));
	}
}

/* sets of flags: text with a blank behind each */

static bool has_flag(struct str set, struct str flag)
{
	struct str word;

	while (str_word(&set, &word)) {
		if (str_case_equal(word, flag))
			return true;
	}
	return false;
}

static void put_flag(struct buf *set, struct str flag)
{
	if (flag.len + 1 > set->max - set->len)
		return;
	if (set->len > 0)
		buf_putc(set, ' ');
	buf_add_str(set, flag);
}

/* A look at all of a set is work that counts: there may be many flags. */
static int look(struct sieve_run *run, const struct buf *set, struct err *err)
{
	return sieve_run_work(run, 1 + set->len / 64, err);
}

static int add_flags(struct sieve_run *run, struct buf *set, struct str flags,
		     struct err *err)
{
	struct str flag;

	while (str_word(&flags, &flag)) {
		if (look(run, set, err) < 0)
			return -1;
		if (is_flag(flag) &&
		    !has_flag(str_n(set->data, set->len), flag))
			put_flag(set, flag);
	}
	return 0;
}

static int add_list(struct sieve_run *run, struct buf *set,
		    const struct sieve_value *list, struct err *err)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (add_flags(run, set, list->list[i], err) < 0)
			return -1;
	}
	return 0;
}

static const char *const *to_array(struct sieve_run *run, struct str set)
{
	const char **out =
		sieve_arena_array(run->scratch, const char *, set.len / 2 + 2);
	unsigned count = 0;
	struct str flag;

	while (str_word(&set, &flag))
		out[count++] = sieve_run_text(run, flag);
	return out;
}

/* the variable that a command is about; NULL: the internal one */

static int get_variable(struct sieve_run *run,
			const struct sieve_piece *variable, struct buf *out,
			struct err *err)
{
	const char *const *flags =
		run->result->flags_set ? run->result->flags : run->host->flags;
	struct str text;

	if (variable != NULL) {
		if (sieve_run_get(run, variable, &text, err) < 0)
			return -1;
		return add_flags(run, out, text, err);
	}
	for (; flags != NULL && *flags != NULL; flags++)
		put_flag(out, str_of(*flags)); /* each is there once */
	return look(run, out, err);
}

static int set_variable(struct sieve_run *run,
			const struct sieve_piece *variable, struct str set,
			struct err *err)
{
	if (variable != NULL)
		return sieve_run_set(run, variable, set, err);
	sieve_result_set_flags(run->result, to_array(run, set));
	return 0;
}

int sieve_setflag_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *, struct err *err)
{
	CLEANUP(buf_free) struct buf set = buf_init(MAX_FLAGS_SIZE);

	if (add_list(run, &set, &args->params[1], err) < 0)
		return -1;
	return set_variable(run, args->params[0].variable,
			    str_n(set.data, set.len), err);
}

int sieve_addflag_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *, struct err *err)
{
	CLEANUP(buf_free) struct buf set = buf_init(MAX_FLAGS_SIZE);
	const struct sieve_piece *variable = args->params[0].variable;
	size_t had;

	if (get_variable(run, variable, &set, err) < 0)
		return -1;
	had = set.len;
	if (add_list(run, &set, &args->params[1], err) < 0)
		return -1;
	if (variable == NULL && run->result->flags_set && set.len == had)
		return 0;
	return set_variable(run, variable, str_n(set.data, set.len), err);
}

int sieve_removeflag_run(struct sieve_run *run, const struct sieve_args *args,
			 bool *, struct err *err)
{
	CLEANUP(buf_free) struct buf set = buf_init(MAX_FLAGS_SIZE);
	CLEANUP(buf_free) struct buf gone = buf_init(MAX_FLAGS_SIZE);
	CLEANUP(buf_free) struct buf left = buf_init(MAX_FLAGS_SIZE);
	struct str rest, flag;

	if (get_variable(run, args->params[0].variable, &set, err) < 0 ||
	    add_list(run, &gone, &args->params[1], err) < 0)
		return -1;
	rest = str_n(set.data, set.len);
	while (str_word(&rest, &flag)) {
		if (look(run, &gone, err) < 0)
			return -1;
		if (!has_flag(str_n(gone.data, gone.len), flag))
			put_flag(&left, flag);
	}
	return set_variable(run, args->params[0].variable,
			    str_n(left.data, left.len), err);
}

/* Keys are lists of flags, too, where they are flags or parts of such (the
 * examples of section 4); Pigeonhole has it so. */
static bool splits_keys(const struct sieve_match *match)
{
	return strcmp(match->type->name, "is") == 0 ||
	       strcmp(match->type->name, "contains") == 0;
}

static struct sieve_value split_keys(struct sieve_run *run,
				     const struct sieve_value *keys)
{
	struct sieve_value out = {.type = SIEVE_STRINGS};
	struct str *list, word;
	size_t most = 1;

	for (unsigned i = 0; i < keys->count; i++)
		most += keys->list[i].len / 2 + 1;
	list = sieve_arena_array(run->scratch, struct str, most);
	for (unsigned i = 0; i < keys->count; i++) {
		struct str rest = keys->list[i];

		if (str_trim(rest).len == 0)
			list[out.count++] = STR("");
		while (str_word(&rest, &word))
			list[out.count++] = word;
	}
	out.list = list;
	return out;
}

static int match_flags(struct sieve_run *run,
		       const struct sieve_piece *variable,
		       struct sieve_match *match, struct err *err)
{
	CLEANUP(buf_free) struct buf set = buf_init(MAX_FLAGS_SIZE);
	struct str rest, flag;

	if (get_variable(run, variable, &set, err) < 0)
		return -1;
	rest = str_n(set.data, set.len);
	while (!match->found && str_word(&rest, &flag)) {
		if (sieve_match_value(match, flag, err) < 0)
			return -1;
	}
	return 0;
}

static int hasflag_run(struct sieve_run *run, const struct sieve_args *args,
		       bool *result_out, struct err *err)
{
	struct sieve_value keys;
	const struct sieve_value *variables = &args->params[0];
	struct sieve_match match;

	sieve_match_begin(&match, run, args, &args->params[1]);
	if (splits_keys(&match)) {
		keys = split_keys(run, &args->params[1]);
		match.keys = &keys;
	}
	if (variables->type == SIEVE_NONE &&
	    match_flags(run, NULL, &match, err) < 0)
		return -1;
	for (unsigned i = 0; variables->type != SIEVE_NONE &&
			     i < variables->count && !match.found;
	     i++) {
		if (match_flags(run, &variables->variable[i], &match, err) < 0)
			return -1;
	}
	return sieve_match_end(&match, result_out, err);
}

static int flags_apply(struct sieve_run *run, const struct sieve_value *value,
		       struct sieve_action *action, struct err *err)
{
	CLEANUP(buf_free) struct buf set = buf_init(MAX_FLAGS_SIZE);

	if (add_list(run, &set, value, err) < 0)
		return -1;
	sieve_run_store(run, action)->flags =
		to_array(run, str_n(set.data, set.len));
	return 0;
}

static const struct sieve_command commands[] = {
	SIEVE_FLAGS_COMMANDS,
	{.name = "hasflag",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match",
	 .params = {{"variable list", SIEVE_STRINGS,
		     SIEVE_OPTIONAL | SIEVE_VARIABLE, NULL},
		    {"list of flags", SIEVE_STRINGS, 0, NULL}},
	 .run = hasflag_run},
	SIEVE_END,
};

static const struct sieve_tag tags[] = {
	{.name = "flags",
	 .of = "keep fileinto @fcc",
	 .param = {"list of flags", SIEVE_STRINGS, 0, sieve_flags_check},
	 .check = sieve_check_fcc,
	 .apply = flags_apply},
	SIEVE_END,
};

const struct sieve_extension ext_imap4flags = {
	.name = "imap4flags", .commands = commands, .tags = tags};
