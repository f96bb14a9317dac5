/* SPDX-License-Identifier: MIT */
/*
 * imap/select.c - SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2).
 */
#include "base/buf.h"
#include "base/encode.h"
#include "base/err.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "storage/storage.h"

static void add_count(struct buf *line, uint32_t count, const char *word)
{
	buf_add(line, "* ");
	buf_number(line, count);
	buf_add(line, word);
}

static void add_code(struct buf *line, const char *code, uint64_t number,
		     const char *text)
{
	buf_add(line, "* OK [");
	buf_add(line, code);
	buf_putc(line, ' ');
	buf_number(line, number);
	buf_add(line, text);
}

/* RFC 8474 section 4.2 */
static void tell_mailbox_id(struct buf *line, const unsigned char guid[16])
{
	buf_add(line, "* OK [MAILBOXID (");
	hex_encode(str_n(guid, 16), line);
	buf_add(line, ")] Mailbox ID\r\n");
}

static void tell_mailbox(struct session *session,
			 const struct mailbox_status *status)
{
	struct buf *line = &session->line;

	tell_flags(session);
	add_count(line, status->messages, " EXISTS\r\n");
	add_count(line, status->recent, " RECENT\r\n");
	if (status->first_unseen != 0)
		add_code(line, "UNSEEN", status->first_unseen,
			 "] First unseen.\r\n");
	add_code(line, "UIDVALIDITY", status->uid_validity, "] UIDs valid\r\n");
	add_code(line, "UIDNEXT", status->uid_next, "] Predicted next UID\r\n");
	tell_mailbox_id(line, status->guid);
	session->recent_told = status->recent;
	session->untold_mails = false;
}

/* No parameter (RFC 4466) is known here. */
static bool has_parameters(const struct cmd *cmd)
{
	return cmd->args[1].kind == IMAP_ARG_LIST &&
	       cmd->args[1].list[0].kind != IMAP_ARG_END;
}

static enum cmd_result select_mailbox(struct cmd *cmd, unsigned flags,
				      const char *reply)
{
	struct session *session = cmd->session;
	struct mailbox_status status;
	struct err err;
	struct str arg;
	char *name;

	if (!arg_string(&cmd->args[0], &arg))
		return cmd_bad(cmd, "Invalid arguments");
	if (session->box != NULL) {
		session_deselect(session);
		buf_add(&session->line,
			"* OK [CLOSED] Previous mailbox closed.\r\n");
	}
	if (has_parameters(cmd))
		return cmd_bad(cmd, "Unknown FETCH modifier");
	name = cmd_mailbox_name(cmd, arg);
	if (name == NULL)
		return CMD_DONE;
	if (mailbox_open(session->user, name, flags, &session->box, &err) < 0)
		return cmd_error(cmd, &err, name);
	if (mailbox_get_status(session->box, &status, &err) < 0) {
		session_deselect(session);
		return cmd_error(cmd, &err, name);
	}
	tell_mailbox(session, &status);
	return cmd_reply(cmd, "OK [READ-%s] %s completed",
			 mailbox_readonly(session->box) ? "ONLY" : "WRITE",
			 reply);
}

enum cmd_result cmd_select(struct cmd *cmd)
{
	return select_mailbox(cmd, 0, "Select");
}

enum cmd_result cmd_examine(struct cmd *cmd)
{
	return select_mailbox(cmd, MAILBOX_READONLY, "Examine");
}
