/* SPDX-License-Identifier: MIT */
/*
 * imap/store.c - STORE and UID STORE (RFC 3501 section 6.4.6).
 *
 * Flags that were set already are not told again; Dovecot does so, too.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "storage/storage.h"

struct store_state {
	struct range_set seqs;
	uint64_t before; /* the highest modseq before the change */
	struct mail_reader *reader;
	bool deleting, silent;
};

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

static void tell(struct cmd *cmd, const struct mail *mail)
{
	struct buf *line = &cmd->session->line;

	buf_add(line, "* ");
	buf_number(line, mail->seq);
	buf_add(line, " FETCH (");
	if (cmd->uid) {
		buf_add(line, "UID ");
		buf_number(line, mail->uid);
		buf_putc(line, ' ');
	}
	buf_add(line, "FLAGS ");
	buf_flags(line, cmd->session, mail->flags, &mail->keywords);
	buf_add(line, ")\r\n");
}

static enum cmd_result store_end(struct cmd *cmd)
{
	return cmd_sync(cmd, cmd->uid ? 0 : TELL_NO_EXPUNGES,
			"OK Store completed");
}

static enum cmd_result store_more(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct store_state *state = cmd->state;
	const struct mail *mail;
	struct err err;
	int more;

	while ((more = mail_reader_next(state->reader, &mail, &err)) > 0) {
		if (mail->modseq <= state->before)
			continue;
		if (state->deleting)
			session->stats.deleted++;
		if (state->silent)
			continue;
		tell(cmd, mail);
		if (session->line.len > 4096 && output_full(session)) {
			mail_reader_pause(state->reader);
			return CMD_OUTPUT;
		}
	}
	mail_reader_end(&state->reader);
	if (more < 0)
		return cmd_error(cmd, &err, NULL);
	return store_end(cmd);
}

static int change(struct cmd *cmd, struct store_state *state,
		  const struct store *store, struct err *err)
{
	struct session *session = cmd->session;
	struct mailbox_status status;

	if (state->seqs.count == 0 || mailbox_readonly(session->box))
		return 0;
	if (mailbox_get_status(session->box, &status, err) < 0)
		return -1;
	state->before = status.highest_modseq;
	if (mailbox_store(session->box, &state->seqs, store, NULL, NULL, err) <
	    0)
		return -1;
	tell_new_keywords(session);
	return 0;
}

enum cmd_result cmd_store(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct store_state *state = mem_new(cmd, struct store_state);
	struct store store = {.unchanged_since = UINT64_MAX};
	struct err err;

	cmd->state = state;
	cmd->more = store_more;
	if (cmd->args[0].kind == IMAP_ARG_END ||
	    cmd->args[1].kind != IMAP_ARG_ATOM)
		return cmd_bad(cmd, "Invalid arguments");
	if (!cmd_set(cmd, &cmd->args[0], &state->seqs))
		return CMD_DONE;
	if (!parse_item(cmd->args[1].text, &store, &state->silent))
		return cmd_bad(cmd, "Invalid arguments");
	if (!cmd_flags(cmd, &cmd->args[2], &store.flags, &store.keywords))
		return CMD_DONE;
	if (mailbox_readonly(session->box))
		return cmd_reply(cmd, "OK Store ignored with "
				      "read-only mailbox");
	if (change(cmd, state, &store, &err) < 0)
		return cmd_error(cmd, &err, NULL);
	state->deleting =
		store.mode != STORE_REMOVE && (store.flags & MAIL_DELETED) != 0;
	if (state->seqs.count == 0 || (state->silent && !state->deleting))
		return store_end(cmd);
	state->reader = mail_reader_begin(cmd, session->box, &state->seqs);
	return store_more(cmd);
}
