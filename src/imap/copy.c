/* SPDX-License-Identifier: MIT */
/*
 * imap/copy.c - COPY (RFC 3501 section 6.4.7) and MOVE (RFC 6851) with COPYUID
 * (RFC 4315).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "imap/sieve.h"
#include "storage/storage.h"

/* Whether `name` is a mailbox for trash, for the log's trashed=. */
static bool is_trash(struct cmd *cmd, const char *name)
{
	const char *const patterns[] = {name, NULL};
	struct list_entry *entries;
	struct err err;
	size_t count;

	if (mailbox_list(cmd, cmd->session->user, patterns,
			 LIST_RETURN_SPECIAL_USE, &entries, &count, &err) < 0)
		return false;
	return count > 0 && entries[0].special_use != NULL &&
	       str_find(str_of(entries[0].special_use), STR("\\Trash")) >= 0;
}

static void add_copyuid(struct buf *out, const struct copy_result *result)
{
	buf_printf(out, "[COPYUID %u ", result->uid_validity);
	range_set_write(&result->from_uids, out);
	buf_putc(out, ' ');
	range_set_write(&result->to_uids, out);
	buf_putc(out, ']');
}

static enum cmd_result fail(struct cmd *cmd, const struct err *err,
			    const char *name)
{
	if (err->code == ERR_NOT_FOUND)
		return cmd_reply(
			cmd, "NO [TRYCREATE] Mailbox doesn't exist: %s", name);
	if (err->code == ERR_EXPUNGED)
		return cmd_sync(cmd, 0,
				"NO [EXPUNGEISSUED] Some of the requested "
				"messages no longer exist");
	return cmd_error(cmd, err, name);
}

static enum cmd_result succeed(struct cmd *cmd, bool move,
			       const struct copy_result *result)
{
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);
	struct buf *line = &cmd->session->line;

	if (move) {
		buf_add(line, "* OK ");
		add_copyuid(line, result);
		buf_add(line, " Moved UIDs.\r\n");
		return cmd_sync(cmd, TELL_OWN_EXPUNGES | TELL_SAVED,
				"OK Move completed");
	}
	buf_add(&text, "OK ");
	add_copyuid(&text, result);
	buf_add(&text, " Copy completed");
	return cmd_sync(cmd, TELL_SAVED, buf_steal(cmd, &text));
}

static enum cmd_result copy(struct cmd *cmd, bool move)
{
	struct session *session = cmd->session;
	struct copy_result result;
	struct range_set seqs;
	struct err err;
	struct str arg;
	char *name;

	if (cmd->args[0].kind == IMAP_ARG_END ||
	    cmd->args[1].kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Missing arguments");
	if (!arg_string(&cmd->args[1], &arg))
		return cmd_bad(cmd, "Invalid arguments");
	if (!cmd_set(cmd, &cmd->args[0], &seqs))
		return CMD_DONE;
	name = cmd_mailbox_name(cmd, arg);
	if (name == NULL)
		return CMD_DONE;
	if (move && mailbox_readonly(session->box))
		return cmd_reply(cmd, "NO Mailbox is read-only");
	if (seqs.count == 0)
		return cmd_reply(cmd, "OK No messages found");
	if (mailbox_copy(cmd, session->box, &seqs, name, move, &result, &err) <
	    0)
		return fail(cmd, &err, name);
	if (is_trash(cmd, name))
		session->stats.trashed += range_set_size(&result.from_uids);
	if (result.from_uids.count == 0)
		return cmd_sync(cmd, 0, "OK No messages found");
	imap_sieve_copied(cmd, name, move, &result.from_uids, &result.to_uids);
	return succeed(cmd, move, &result);
}

enum cmd_result cmd_copy(struct cmd *cmd)
{
	return copy(cmd, false);
}

enum cmd_result cmd_move(struct cmd *cmd)
{
	return copy(cmd, true);
}
