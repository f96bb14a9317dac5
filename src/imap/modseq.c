/* SPDX-License-Identifier: MIT */
#include "imap/modseq.h"

#include "base/buf.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "storage/storage.h"

void modseq_enable(struct session *session)
{
	if (session->condstore)
		return;
	session->condstore = true;
	if (modseq_shown(session))
		modseq_tell_highest(session);
}

bool modseq_shown(const struct session *session)
{
	return session->condstore && session->box != NULL &&
	       mailbox_keeps_modseqs(session->box);
}

/* RFC 7162 section 3.1.2.2 */
bool modseq_wanted(struct cmd *cmd, const char *what)
{
	if (!mailbox_keeps_modseqs(cmd->session->box)) {
		cmd_bad(cmd, "%s can't be used with non-permanent modseqs",
			what);
		return false;
	}
	modseq_enable(cmd->session);
	return true;
}

bool modseq_parse(const struct imap_arg *arg, uint64_t *out)
{
	return arg->kind == IMAP_ARG_ATOM && str_to_u64(arg->text, out);
}

int modseq_highest_of(struct cmd *cmd, const struct range_set *seqs,
		      uint64_t *out, struct err *err)
{
	struct mail_reader *reader =
		mail_reader_begin(cmd, cmd->session->box, seqs);
	uint64_t highest = 0;
	const struct mail *mail;
	int more;

	while ((more = mail_reader_next(reader, &mail, err)) > 0) {
		if (mail->modseq > highest)
			highest = mail->modseq;
	}
	mail_reader_end(&reader);
	if (more == 0)
		*out = highest;
	return more;
}

void modseq_write_highest(struct buf *line, uint64_t modseq)
{
	if (modseq == 0)
		return;
	buf_add(line, " (MODSEQ ");
	buf_number(line, modseq);
	buf_putc(line, ')');
}

void modseq_write(struct session *session, uint64_t modseq)
{
	struct buf *line = &session->line;

	buf_add(line, "MODSEQ (");
	buf_number(line, modseq);
	buf_putc(line, ')');
	if (modseq > session->modseq_told)
		session->modseq_told = modseq;
}

void modseq_tell_highest(struct session *session)
{
	struct buf *line = &session->line;

	if (!mailbox_keeps_modseqs(session->box)) {
		buf_add(line, "* OK [NOMODSEQ] No permanent modsequences\r\n");
		return;
	}
	session->modseq_told = mailbox_modseq(session->box);
	buf_add(line, "* OK [HIGHESTMODSEQ ");
	buf_number(line, session->modseq_told);
	buf_add(line, "] Highest\r\n");
}

void modseq_tell_vanished(struct session *session, bool earlier,
			  const struct range_set *uids)
{
	struct buf *line = &session->line;

	if (uids->count == 0)
		return;
	buf_add(line, earlier ? "* VANISHED (EARLIER) " : "* VANISHED ");
	range_set_write(uids, line);
	buf_add(line, "\r\n");
}

void modseq_tell_mail(struct cmd *cmd, const struct mail *mail, bool flags)
{
	struct session *session = cmd->session;
	struct buf *line = &session->line;
	bool modseq = modseq_shown(session);

	if (!modseq && !flags)
		return;
	buf_add(line, "* ");
	buf_number(line, mail->seq);
	buf_add(line, " FETCH (");
	if (cmd->uid || session->qresync) {
		buf_add(line, "UID ");
		buf_number(line, mail->uid);
		buf_putc(line, ' ');
	}
	if (modseq)
		modseq_write(session, mail->modseq);
	if (flags) {
		buf_add(line, modseq ? " FLAGS " : "FLAGS ");
		buf_flags(line, session, mail->flags, &mail->keywords);
	}
	buf_add(line, ")\r\n");
}

void modseq_tell_resync(struct session *session, const struct mail *mail)
{
	struct buf *line = &session->line;

	buf_add(line, "* ");
	buf_number(line, mail->seq);
	buf_add(line, " FETCH (UID ");
	buf_number(line, mail->uid);
	buf_add(line, " FLAGS ");
	buf_flags(line, session, mail->flags, &mail->keywords);
	buf_putc(line, ' ');
	modseq_write(session, mail->modseq);
	buf_add(line, ")\r\n");
}

/* A reply has one response code, so where it has one, this gets a line of its
 * own. */
enum cmd_result modseq_reply(struct cmd *cmd, uint64_t modseq,
			     const char *reply)
{
	struct session *session = cmd->session;

	if (!session->qresync || !modseq_shown(session) ||
	    session->modseq_told == modseq)
		return cmd_reply(cmd, "%s", reply);
	session->modseq_told = modseq;
	if (str_starts(str_of(reply), "OK ") &&
	    !str_starts(str_of(reply), "OK ["))
		return cmd_reply(cmd, "OK [HIGHESTMODSEQ %llu] %s",
				 (unsigned long long)modseq,
				 reply + strlen("OK "));
	buf_printf(&session->line, "* OK [HIGHESTMODSEQ %llu] Highest\r\n",
		   (unsigned long long)modseq);
	return cmd_reply(cmd, "%s", reply);
}
