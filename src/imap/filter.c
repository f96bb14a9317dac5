/* SPDX-License-Identifier: MIT */
/*
 * imap/filter.c - FILTER and UID FILTER SIEVE: scripts on mails that a search
 * finds (draft-bosch-imap-filter-sieve-00), as Pigeonhole has it.
 *
 * The mails are worked on through a second handle of the mailbox, so that
 * cmd_sync() tells what became of them as it does of any change.
 */
#include "delivery/filter.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "delivery/sieve.h"
#include "imap/cmd.h"
#include "imap/search.h"
#include "imap/session.h"
#include "imap/sieve.h"
#include "storage/storage.h"

enum { COMPLAINTS_MAX = 64 * 1024, NAME_SHOWN = 80 };

struct filter_state {
	struct filter *filter;
	struct lda_script *scripts;
	struct search_args args;
	struct search_node *root;
	struct search *search;
	struct range_set uids;
	uint64_t at;
	struct mailbox *box; /* the second handle */
	struct sieve_log log;
	struct buf complaints; /* of scripts, to be told */
	bool errors;           /* some are no mere warnings */
};

static int state_free(struct filter_state *state)
{
	filter_listen(state->filter, NULL);
	mailbox_close(&state->box);
	buf_free(&state->complaints);
	return 0;
}

static void complain(void *ctx, enum log_level level, const char *where,
		     const char *text)
{
	struct filter_state *state = ctx;

	if (level < LOG_LEVEL_WARNING)
		return;
	state->errors |= level > LOG_LEVEL_WARNING;
	buf_printf(&state->complaints, "%s%s%s: %s.\r\n", where,
		   where[0] == '\0' ? "" : ": ",
		   level == LOG_LEVEL_WARNING ? "warning" : "error", text);
}

/* ' ERRORS {12}' and the complaints, which are done with then. */
static void tell_complaints(struct filter_state *state, struct buf *line)
{
	if (state->complaints.len == 0) {
		buf_add(line, state->errors ? " ERRORS \"\"\r\n" : " OK\r\n");
	} else {
		buf_printf(line, " %s {%zu}\r\n",
			   state->errors ? "ERRORS" : "WARNINGS",
			   state->complaints.len);
		buf_append(line, state->complaints.data, state->complaints.len);
		buf_add(line, "\r\n");
	}
	buf_reset(&state->complaints);
	state->errors = false;
}

/* the mails */

static void filter_one(struct cmd *cmd, uint32_t uid)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "mail");
	struct filter_state *state = cmd->state;
	struct buf *line = &cmd->session->line;
	struct filter_outcome outcome = {.kept = true};
	bool changed = false;
	struct err err;

	if (filter_mail(ctx, state->filter, state->box, uid, state->scripts,
			NULL, NULL, &outcome, &err) < 0 ||
	    filter_settle(ctx, state->box, uid, &outcome, false, &changed,
			  &err) < 0) {
		if (err.code == ERR_EXPUNGED)
			return;
		log_error("sieve: uid=%u: %s", uid, err.text);
		complain(state, LOG_LEVEL_ERROR, "", "internal error");
	}
	state->errors |= outcome.failed;
	if (!changed && !outcome.taken && !state->errors &&
	    state->complaints.len == 0)
		return;
	buf_printf(line, "* %u FILTERED (TAG \"%s\") UID %u",
		   mailbox_seq_of(cmd->session->box, uid), cmd->tag, uid);
	tell_complaints(state, line);
}

static enum cmd_result filter_more(struct cmd *cmd)
{
	struct filter_state *state = cmd->state;
	uint32_t uid;

	if (!range_set_next(&state->uids, &state->at, &uid)) {
		state_free(state);
		return cmd_sync(cmd, cmd->uid ? 0 : TELL_NO_EXPUNGES,
				"OK Filter completed");
	}
	filter_one(cmd, uid);
	if (output_full(cmd->session))
		return CMD_OUTPUT;
	return CMD_TURN;
}

static enum cmd_result search_more(struct cmd *cmd)
{
	struct filter_state *state = cmd->state;
	struct session *session = cmd->session;
	struct err err;
	int done = search_run(state->search, TURN_MS, &err);

	if (done == 0)
		return CMD_TURN;
	if (done < 0)
		return cmd_error(cmd, &err, NULL);
	mailbox_uids_of(session->box, search_result(state->search),
			&state->uids);
	if (mailbox_open(session->user, mailbox_name(session->box),
			 MAILBOX_KEEP_RECENT, &state->box, &err) < 0)
		return cmd_error(cmd, &err, NULL);
	cmd->more = filter_more;
	return filter_more(cmd);
}

/* which scripts */

static void compile(struct filter_state *state, struct str text)
{
	struct lda_sieve *sieve = filter_sieve(state->filter);
	const struct sieve_source source = {.name = "script", .text = text};
	struct lda_script *script = mem_new(state, struct lda_script);
	struct err err;

	script->path = "script";
	state->scripts = script;
	if (sieve_compile(state, sieve->engine, &source, &state->log,
			  &script->program, &err) < 0)
		script->program = NULL;
}

/* 0, or -1 and the answer was given. */
static int find_scripts(struct cmd *cmd, struct str kind, struct str name)
{
	struct filter_state *state = cmd->state;
	struct lda_sieve *sieve = filter_sieve(state->filter);
	const char *text = str_sanitize(state, name, NAME_SHOWN);
	bool global = str_case_is(kind, "GLOBAL");
	struct err err;
	int ret;

	if (str_case_is(kind, "DELIVERY"))
		ret = lda_script_personal(state, sieve, &state->scripts, &err);
	else
		ret = lda_script_named(state, sieve, global, name,
				       &state->scripts, &err);
	if (ret == 0)
		return 0;
	if (err.code == ERR_NOT_FOUND)
		cmd_reply(cmd, "NO Sieve script `%s' not found", text);
	else if (err.code == ERR_INVALID)
		cmd_reply(cmd, "NO Invalid script name `%s'", text);
	else
		cmd_error(cmd, &err, NULL);
	return -1;
}

/* Compiled before any mail is looked at. */
static int open_scripts(struct cmd *cmd)
{
	struct filter_state *state = cmd->state;
	struct lda_script *script = state->scripts;
	struct buf *line = &cmd->session->line;
	struct err err;

	for (; script != NULL; script = script->next) {
		if (script->program == NULL && state->errors)
			break;
		if (lda_script_open(filter_sieve(state->filter), script, &err) <
		    0) {
			cmd_error(cmd, &err, NULL);
			return -1;
		}
		if (script->program == NULL)
			break;
	}
	if (state->complaints.len > 0) {
		state->errors |= script != NULL;
		buf_printf(line, "* FILTER (TAG \"%s\")", cmd->tag);
		tell_complaints(state, line);
	}
	if (script == NULL)
		return 0;
	cmd_reply(cmd, "NO Failed to compile Sieve script");
	return -1;
}

/* the command */

static struct filter_state *begin(struct cmd *cmd)
{
	struct filter_state *state = mem_new(cmd, struct filter_state);

	state->filter = imap_sieve_filter(cmd->session->sieve);
	state->uids = range_set_init(state);
	state->complaints = buf_init(COMPLAINTS_MAX);
	state->log = (struct sieve_log){.line = complain, .ctx = state};
	filter_listen(state->filter, &state->log);
	talloc_set_destructor(state, state_free);
	cmd->state = state;
	return state;
}

/* Whether `kind` is one that has an argument. */
static const char *parse_kind(const struct imap_arg *arg, struct str *kind,
			      bool *has_name)
{
	static const char *const kinds[] = {"DELIVERY", "PERSONAL", "GLOBAL",
					    "SCRIPT"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		*has_name = i > 0;
		if (str_case_is(*kind, kinds[i]))
			return *has_name && arg->kind == IMAP_ARG_END
				       ? "Missing arguments"
				       : NULL;
	}
	return "Unknown SIEVE filter sub-type";
}

static enum cmd_result run(struct cmd *cmd, struct str kind, struct str name,
			   const struct imap_arg *keys)
{
	struct filter_state *state = begin(cmd);
	const char *problem;

	if (keys->kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Missing search parameters");
	search_args_init(cmd, &state->args);
	problem = search_parse(&state->args, keys, &state->root);
	if (state->args.bad_charset)
		return cmd_reply(cmd, "NO [BADCHARSET] Unknown charset");
	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	if (mailbox_readonly(cmd->session->box))
		return cmd_reply(cmd, "NO Mailbox is read-only");
	if (str_case_is(kind, "SCRIPT"))
		compile(state, name);
	else if (find_scripts(cmd, kind, name) < 0)
		return CMD_DONE;
	if (open_scripts(cmd) < 0)
		return CMD_DONE;
	cmd->more = search_more;
	state->search = search_begin(cmd, cmd->session->box, state->root);
	return search_more(cmd);
}

enum cmd_result cmd_filter(struct cmd *cmd)
{
	const struct imap_arg *arg = cmd->args;
	struct str type, kind, name = STR("");
	const char *problem;
	bool has_name;

	if (imap_sieve_filter(cmd->session->sieve) == NULL)
		return cmd_bad(cmd, "Unknown command");
	if (arg[0].kind == IMAP_ARG_END || arg[1].kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Missing arguments");
	if (!arg_string(&arg[0], &type))
		return cmd_bad(cmd, "Invalid arguments");
	if (!str_case_is(type, "SIEVE"))
		return cmd_bad(cmd, "Unknown filter type `%s'",
			       str_sanitize(cmd, type, NAME_SHOWN));
	if (arg[1].kind != IMAP_ARG_ATOM)
		return cmd_bad(cmd, "SIEVE filter sub-type is not an atom");
	kind = arg[1].text;
	problem = parse_kind(&arg[2], &kind, &has_name);
	if (problem != NULL)
		return cmd_bad(cmd, "%s `%.*s'", problem, STR_FMT(kind));
	if (has_name && str_case_is(kind, "SCRIPT") &&
	    arg[2].kind != IMAP_ARG_STRING && arg[2].kind != IMAP_ARG_LITERAL)
		return cmd_bad(cmd, "Script value must be a string");
	if (has_name && !imap_arg_astring(&arg[2], &name))
		return cmd_bad(cmd, "Script name must be an atom or a string");
	return run(cmd, kind, name, &arg[has_name ? 3 : 2]);
}
