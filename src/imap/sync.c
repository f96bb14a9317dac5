/* SPDX-License-Identifier: MIT */
/*
 * imap/sync.c - untagged answers of what changed (RFC 3501 section 7.3), at the
 * end of a command and in IDLE.
 *
 * Expunges go from the highest number downwards, so that each number is right
 * when it is told; flags come after them, in the numbers that hold then.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/context.h"
#include "imap/modseq.h"
#include "imap/session.h"
#include "storage/storage.h"

struct cmd_sync {
	struct mailbox_changes changes;
	unsigned flags;
	const char *reply;
	size_t range; /* ranges of changes.expunged still to tell */
	uint32_t seq; /* in it; 0: begin with its last */
	struct mail_reader *reader;
	bool told_counts;
	struct context_look *look;
};

static bool tell_expunges(struct session *session, struct cmd_sync *sync)
{
	const struct range *ranges = sync->changes.expunged.ranges;

	if (session->qresync && sync->range > 0) {
		modseq_tell_vanished(session, false,
				     &sync->changes.expunged_uids);
		sync->range = 0;
	}
	while (sync->range > 0) {
		const struct range *range = &ranges[sync->range - 1];
		uint32_t seq = sync->seq == 0 ? range->last : sync->seq;

		buf_add(&session->line, "* ");
		buf_number(&session->line, seq);
		buf_add(&session->line, " EXPUNGE\r\n");
		sync->seq = seq - 1;
		if (seq == range->first) {
			sync->range--;
			sync->seq = 0;
		}
		if (output_full(session))
			return false;
	}
	return true;
}

/* 1: all told; 0: wait; -1. */
static int tell_changed(struct cmd *cmd, struct cmd_sync *sync, struct err *err)
{
	struct session *session = cmd->session;
	const struct mail *mail;
	int more;

	if (sync->changes.changed.count == 0)
		return 1;
	if (sync->reader == NULL)
		sync->reader = mail_reader_begin(cmd, session->box,
						 &sync->changes.changed);
	while ((more = mail_reader_next(sync->reader, &mail, err)) > 0) {
		modseq_tell_mail(cmd, mail, true);
		if (output_full(session)) {
			mail_reader_pause(sync->reader);
			return 0;
		}
	}
	mail_reader_end(&sync->reader);
	range_set_clear(&sync->changes.changed);
	return more < 0 ? -1 : 1;
}

static void tell_counts(struct session *session, struct cmd_sync *sync)
{
	struct buf *line = &session->line;

	if (sync->told_counts)
		return;
	sync->told_counts = true;
	session->untold_mails |= sync->changes.new_mails;
	if ((session->workarounds & WORKAROUND_DELAY_NEWMAIL) != 0 &&
	    (sync->flags & TELL_NEW_MAILS) == 0 && session->untold_mails)
		return;
	if (session->untold_mails) {
		buf_add(line, "* ");
		buf_number(line, sync->changes.messages);
		buf_add(line, " EXISTS\r\n");
		session->untold_mails = false;
	}
	if (sync->changes.recent != session->recent_told) {
		buf_add(line, "* ");
		buf_number(line, sync->changes.recent);
		buf_add(line, " RECENT\r\n");
		session->recent_told = sync->changes.recent;
	}
}

static enum cmd_result sync_failed(struct cmd *cmd, const struct err *err)
{
	bool answer = cmd->sync->reply != NULL;

	if ((cmd->sync->flags & TELL_SAVED) != 0) {
		cmd_reply(cmd, "%s", cmd->sync->reply);
		answer = false;
	}
	mem_free(cmd->sync);
	cmd->sync = NULL;
	if (answer || err->code == ERR_NOT_FOUND)
		return cmd_box_error(cmd, err);
	log_error("%s", err->text); /* the next look may do */
	return CMD_DONE;
}

enum cmd_result cmd_sync_more(struct cmd *cmd)
{
	struct cmd_sync *sync = cmd->sync;
	struct err err;
	int done;

	if (!tell_expunges(cmd->session, sync))
		return CMD_OUTPUT;
	done = tell_changed(cmd, sync, &err);
	if (done == 0)
		return CMD_OUTPUT;
	if (done < 0)
		return sync_failed(cmd, &err);
	tell_counts(cmd->session, sync);
	done = contexts_tell(sync, cmd->session, &sync->look, &err);
	if (done == 0)
		return CMD_TURN;
	if (done < 0)
		return sync_failed(cmd, &err);
	if (sync->reply != NULL)
		modseq_reply(cmd, sync->changes.highest_modseq, sync->reply);
	mem_free(sync);
	cmd->sync = NULL;
	return CMD_DONE;
}

enum cmd_result cmd_sync(struct cmd *cmd, unsigned flags, const char *reply)
{
	struct session *session = cmd->session;
	struct cmd_sync *sync;
	struct err err;

	if (session->box == NULL)
		return reply == NULL ? CMD_DONE : cmd_reply(cmd, "%s", reply);
	sync = cmd->sync = mem_new(cmd, struct cmd_sync);
	sync->flags = flags;
	sync->reply = reply;
	if (reply != NULL)
		cmd->more = cmd_sync_more;
	if (mailbox_sync(
		    sync, session->box,
		    ((flags & TELL_NO_EXPUNGES) != 0 ? SYNC_KEEP_EXPUNGED : 0) |
			    ((flags & SYNC_FILES) != 0 ? SYNC_WRITE : 0),
		    &sync->changes, &err) < 0)
		return sync_failed(cmd, &err);
	if ((flags & TELL_OWN_EXPUNGES) != 0)
		session->stats.expunged +=
			range_set_size(&sync->changes.expunged);
	tell_new_keywords(session);
	contexts_tell_expunged(session, &sync->changes);
	context_changed(session, &sync->changes.changed);
	sync->range = sync->changes.expunged.count;
	return cmd_sync_more(cmd);
}
