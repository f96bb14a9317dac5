/* SPDX-License-Identifier: MIT */
/*
 * imap/status.c - STATUS (RFC 3501 section 6.3.10), SIZE (RFC 8438),
 * HIGHESTMODSEQ (RFC 7162), MAILBOXID (RFC 8474).
 */
#include "imap/status.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/modseq.h"
#include "imap/session.h"
#include "storage/storage.h"

enum item {
	MESSAGES,
	RECENT,
	UIDNEXT,
	UIDVALIDITY,
	UNSEEN,
	HIGHESTMODSEQ,
	SIZE,
	MAILBOXID,
};

/* In the order in which they are told. */
static const char *const items[] = {
	"MESSAGES", "RECENT",        "UIDNEXT", "UIDVALIDITY",
	"UNSEEN",   "HIGHESTMODSEQ", "SIZE",    "MAILBOXID",
};
enum { ITEMS = sizeof(items) / sizeof(items[0]) };

static uint64_t value_of(const struct mailbox_status *status, enum item item)
{
	switch (item) {
	case MESSAGES:
		return status->messages;
	case RECENT:
		return status->recent;
	case UIDNEXT:
		return status->uid_next;
	case UIDVALIDITY:
		return status->uid_validity;
	case UNSEEN:
		return status->unseen;
	case HIGHESTMODSEQ:
		return status->no_modseq ? 0 : status->highest_modseq;
	case SIZE:
		return status->size;
	case MAILBOXID:
		break;
	}
	return 0;
}

static void write_value(struct buf *out, const struct mailbox_status *status,
			enum item item)
{
	if (item != MAILBOXID) {
		buf_number(out, value_of(status, item));
		return;
	}
	buf_putc(out, '(');
	hex_encode(str_n(status->guid, sizeof(status->guid)), out);
	buf_putc(out, ')');
}

const char *status_parse(struct cmd *cmd, const struct imap_arg *list,
			 unsigned *items_out)
{
	unsigned bits = 0;

	if (list->kind == IMAP_ARG_END)
		return "Empty status list";
	for (; list->kind != IMAP_ARG_END; list++) {
		unsigned i = 0;

		while (i < ITEMS && !imap_arg_atom_is(list, items[i]))
			i++;
		if (i == ITEMS)
			return mem_printf(cmd, "Invalid status item %s",
					  list->kind == IMAP_ARG_ATOM
						  ? str_upper(cmd, list->text)
						  : "");
		bits |= 1U << i;
	}
	if ((bits & 1U << HIGHESTMODSEQ) != 0)
		modseq_enable(cmd->session);
	*items_out = bits;
	return NULL;
}

bool status_tells_size(unsigned bits)
{
	return (bits & 1U << SIZE) != 0;
}

void status_write(struct buf *out, const char *mailbox, unsigned bits,
		  const struct mailbox_status *status)
{
	bool first = true;

	buf_add(out, "* STATUS ");
	buf_mailbox(out, mailbox);
	buf_putc(out, ' ');
	for (unsigned i = 0; i < ITEMS; i++) {
		if ((bits & 1U << i) == 0)
			continue;
		buf_putc(out, first ? '(' : ' ');
		buf_add(out, items[i]);
		buf_putc(out, ' ');
		write_value(out, status, i);
		first = false;
	}
	buf_add(out, ")\r\n");
}

enum cmd_result cmd_status(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct mailbox_status status;
	const char *problem;
	struct str arg;
	struct err err;
	unsigned bits;
	char *name;

	if (!arg_string(&cmd->args[0], &arg))
		return cmd_bad(cmd, "Invalid arguments");
	if (cmd->args[1].kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Missing arguments");
	if (cmd->args[1].kind != IMAP_ARG_LIST)
		return cmd_bad(cmd, "Invalid arguments");
	problem = status_parse(cmd, cmd->args[1].list, &bits);
	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	name = cmd_mailbox_name(cmd, arg);
	if (name == NULL)
		return CMD_DONE;
	if (mailbox_status(session->user, name, &status, &err) < 0 ||
	    (status_tells_size(bits) &&
	     mailbox_status_size(session->user, name, &status, &err) < 0))
		return cmd_error(cmd, &err, name);
	status_write(&session->line, name, bits, &status);
	if (session->box != NULL &&
	    str_case_is(str_of(name), mailbox_name(session->box)))
		return cmd_reply(cmd, "OK [CLIENTBUG] Status on selected "
				      "mailbox completed");
	return cmd_sync(cmd, 0, "OK Status completed");
}
