/* SPDX-License-Identifier: MIT */
/*
 * imap/store.c - STORE and UID STORE (RFC 3501 section 6.4.6, with the
 * condition of RFC 7162).
 *
 * Flags that were set already are not told again; Dovecot does so, too.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/context.h"
#include "imap/modseq.h"
#include "imap/session.h"
#include "imap/sieve.h"
#include "storage/storage.h"

struct store_state {
	struct range_set seqs;
	struct store_result result;
	struct mail_reader *reader; /* of those that changed */
	bool conditional, silent;
	const char *reply;
};

/* telling */

static enum cmd_result tell_end(struct cmd *cmd)
{
	const struct store_state *state = cmd->state;

	return cmd_sync(cmd, cmd->uid ? 0 : TELL_NO_EXPUNGES, state->reply);
}

static enum cmd_result tell_more(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct store_state *state = cmd->state;
	const struct mail *mail;
	struct err err;
	int more;

	while ((more = mail_reader_next(state->reader, &mail, &err)) > 0) {
		modseq_tell_mail(cmd, mail, !state->silent);
		if (output_full(session)) {
			mail_reader_pause(state->reader);
			return CMD_OUTPUT;
		}
	}
	mail_reader_end(&state->reader);
	if (more < 0)
		return cmd_box_error(cmd, &err);
	return tell_end(cmd);
}

/* What was changed, then what others changed, then the reply. */
static enum cmd_result tell_begin(struct cmd *cmd, struct store_state *state)
{
	cmd->state = state;
	cmd->more = tell_more;
	context_changed(cmd->session, &state->result.changed);
	if (state->result.changed.count == 0 ||
	    (state->silent && !modseq_shown(cmd->session)))
		return tell_end(cmd);
	state->reader = mail_reader_begin(cmd, cmd->session->box,
					  &state->result.changed);
	mail_reader_flags_only(state->reader);
	return tell_more(cmd);
}

enum cmd_result store_tell_seen(struct cmd *cmd,
				const struct range_set *changed,
				const char *reply)
{
	struct store_state *state = mem_new(cmd, struct store_state);

	state->result.changed = *changed;
	state->silent = true; /* FETCH told the flags */
	state->reply = reply;
	return tell_begin(cmd, state);
}

/* arguments */

/* "+FLAGS.SILENT" */
static bool parse_item(struct str item, struct store *store, bool *silent)
{
	store->mode = STORE_REPLACE;
	if (str_starts(item, "+"))
		store->mode = STORE_ADD;
	else if (str_starts(item, "-"))
		store->mode = STORE_REMOVE;
	if (store->mode != STORE_REPLACE)
		item = str_from(item, 1);
	*silent = str_case_is(item, "FLAGS.SILENT");
	return *silent || str_case_is(item, "FLAGS");
}

/* "(UNCHANGEDSINCE 123)"; NULL or what is wrong. */
static const char *parse_modifiers(const struct imap_arg *arg,
				   struct store *store, bool *conditional)
{
	for (; arg->kind != IMAP_ARG_END; arg += 2) {
		if (arg[0].kind != IMAP_ARG_ATOM || arg[1].kind == IMAP_ARG_END)
			return "Invalid STORE modifiers";
		if (!str_case_is(arg[0].text, "UNCHANGEDSINCE"))
			return "Unknown STORE modifier";
		if (!modseq_parse(&arg[1], &store->unchanged_since))
			return "Invalid modseq";
		*conditional = true;
	}
	return NULL;
}

/* False: it was answered. */
static bool parse(struct cmd *cmd, struct store_state *state,
		  struct store *store)
{
	const struct imap_arg *arg = &cmd->args[1];
	const char *problem = NULL;

	if (cmd->args[0].kind != IMAP_ARG_END && arg->kind == IMAP_ARG_LIST) {
		problem =
			parse_modifiers(arg->list, store, &state->conditional);
		arg++;
	}
	if (problem == NULL &&
	    (cmd->args[0].kind == IMAP_ARG_END || arg->kind != IMAP_ARG_ATOM))
		problem = "Invalid arguments";
	if (problem == NULL) {
		if (!cmd_set(cmd, &cmd->args[0], &state->seqs))
			return false;
		if (!parse_item(arg->text, store, &state->silent))
			problem = "Invalid arguments";
	}
	if (problem != NULL) {
		cmd_bad(cmd, "%s", problem);
		return false;
	}
	return cmd_flags(cmd, arg + 1, &store->flags, &store->keywords) &&
	       (!state->conditional ||
		modseq_wanted(cmd, "STORE UNCHANGEDSINCE"));
}

/* "OK [MODIFIED 1:3] ..." in numbers, or UIDs for UID STORE. */
static const char *reply_modified(struct cmd *cmd,
				  const struct store_state *state)
{
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);
	struct range_set set = state->result.modified;

	if (set.count == 0)
		return "OK Store completed";
	if (cmd->uid) {
		set = range_set_init(cmd);
		mailbox_uids_of(cmd->session->box, &state->result.modified,
				&set);
	}
	buf_add(&text, "OK [MODIFIED ");
	range_set_write(&set, &text);
	buf_add(&text, "] Conditional store failed");
	return buf_steal(cmd, &text);
}

enum cmd_result cmd_store(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct store_state *state = mem_new(cmd, struct store_state);
	struct store store = {
		.unchanged_since = UINT64_MAX,
		.list_changes = session->sieve != NULL,
	};
	struct err err;

	if (!parse(cmd, state, &store))
		return CMD_DONE;
	if (mailbox_readonly(session->box))
		return cmd_reply(
			cmd, "%s",
			state->conditional
				? "NO CONDSTORE failed: Mailbox is read-only"
				: "OK Store ignored with read-only mailbox");
	if (state->seqs.count > 0 &&
	    mailbox_store(cmd, session->box, &state->seqs, &store,
			  &state->result, &err) < 0)
		return cmd_box_error(cmd, &err);
	imap_sieve_stored(cmd, &state->result);
	tell_new_keywords(session);
	if (store.mode != STORE_REMOVE && (store.flags & MAIL_DELETED) != 0)
		session->stats.deleted +=
			range_set_size(&state->result.changed);
	state->reply = reply_modified(cmd, state);
	return tell_begin(cmd, state);
}
