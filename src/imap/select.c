/* SPDX-License-Identifier: MIT */
/*
 * imap/select.c - SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2) with
 * CONDSTORE and QRESYNC (RFC 7162 sections 3.1.8 and 3.2.5).
 */
#include "base/buf.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/modseq.h"
#include "imap/session.h"
#include "storage/storage.h"

/* What a client that comes back says it knows. */
struct resync {
	bool wanted;
	uint32_t uid_validity;
	uint64_t modseq;
	bool some;             /* it knows `uids` only */
	struct range_set uids; /* those it has */
	/* Some of its sequence numbers and their UIDs. */
	struct range_set match_seqs, match_uids;
};

struct select_state {
	struct resync resync;
	const char *reply; /* "Select" */
	struct mail_reader *reader;
	uint64_t since;
};

/* parameters */

/* A set without '*' (RFC 7162 section 3.2.5). */
static bool known_set(const struct imap_arg *arg, struct range_set *out)
{
	return arg->kind == IMAP_ARG_ATOM &&
	       str_find_char(arg->text, '*') < 0 &&
	       imap_sequence_set(arg->text, 0, out);
}

static const char *parse_match(const struct imap_arg *arg,
			       struct resync *resync)
{
	if (!known_set(&arg[0], &resync->match_seqs))
		return "Invalid QRESYNC known-sequence-set";
	if (!known_set(&arg[1], &resync->match_uids))
		return "Invalid QRESYNC known-uid-set";
	if (arg[2].kind != IMAP_ARG_END)
		return "Too many parameters to QRESYNC known set";
	if (range_set_size(&resync->match_seqs) !=
	    range_set_size(&resync->match_uids))
		return "Invalid QRESYNC sets";
	return NULL;
}

/* "(uidvalidity modseq [known-uids] [(known-seqs their-uids)])" */
static const char *parse_qresync(struct cmd *cmd, const struct imap_arg *arg,
				 struct resync *resync)
{
	*resync = (struct resync){
		.wanted = true,
		.uids = range_set_init(cmd),
		.match_seqs = range_set_init(cmd),
		.match_uids = range_set_init(cmd),
	};
	if (!imap_arg_number(&arg[0], &resync->uid_validity) ||
	    !modseq_parse(&arg[1], &resync->modseq))
		return "Invalid QRESYNC parameters";
	arg += 2;
	if (arg->kind != IMAP_ARG_END && arg->kind != IMAP_ARG_LIST) {
		if (!known_set(arg, &resync->uids))
			return "Invalid QRESYNC known-uids";
		resync->some = true;
		arg++;
	}
	if (arg->kind == IMAP_ARG_END)
		return NULL;
	if (arg->kind != IMAP_ARG_LIST || arg[1].kind != IMAP_ARG_END)
		return "Invalid QRESYNC parameters";
	return parse_match(arg->list, resync);
}

/* RFC 4466's; NULL or what is wrong. */
static const char *parse_parameters(struct cmd *cmd, const struct imap_arg *arg,
				    struct resync *resync)
{
	const char *problem;

	for (; arg->kind != IMAP_ARG_END; arg++) {
		if (arg->kind != IMAP_ARG_ATOM)
			return "SELECT options contain non-atoms";
		if (str_case_is(arg->text, "CONDSTORE")) {
			modseq_enable(cmd->session);
			continue;
		}
		if (!str_case_is(arg->text, "QRESYNC"))
			return "Unknown FETCH modifier";
		if (!cmd->session->qresync)
			return "QRESYNC not enabled";
		arg++;
		if (arg->kind != IMAP_ARG_LIST)
			return "QRESYNC parameters missing";
		problem = parse_qresync(cmd, arg->list, resync);
		if (problem != NULL)
			return problem;
	}
	return NULL;
}

/* what is told */

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
	modseq_tell_highest(session);
	tell_mailbox_id(line, status->guid);
	session->recent_told = status->recent;
	session->untold_mails = false;
}

/* resync */

/* The last UID that has the number here that it has there: no mail up to it has
 * vanished since (RFC 7162 section 3.2.5.2). 0 if there is none. */
static uint32_t last_match(const struct mailbox *box,
			   const struct resync *resync)
{
	uint32_t seq, uid, last = 0, messages = mailbox_messages(box);
	uint64_t at_seq = 0, at_uid = 0;

	while (range_set_next(&resync->match_seqs, &at_seq, &seq) &&
	       range_set_next(&resync->match_uids, &at_uid, &uid) &&
	       seq <= messages) {
		if (mailbox_uid_of(box, seq) == uid)
			last = uid;
	}
	return last;
}

static void tell_vanished(struct session *session, const struct resync *resync,
			  struct mailbox_history *history)
{
	if (resync->some)
		range_set_intersect(&history->vanished, &resync->uids);
	if (history->forgotten)
		range_set_remove(&history->vanished, 1,
				 last_match(session->box, resync));
	modseq_tell_vanished(session, true, &history->vanished);
}

static enum cmd_result select_end(struct cmd *cmd)
{
	const struct select_state *state = cmd->state;

	return cmd_reply(cmd, "OK [READ-%s] %s completed",
			 mailbox_readonly(cmd->session->box) ? "ONLY" : "WRITE",
			 state->reply);
}

static enum cmd_result resync_more(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct select_state *state = cmd->state;
	const struct mail *mail;
	struct err err;
	int more;

	while ((more = mail_reader_next(state->reader, &mail, &err)) > 0) {
		if (mail->modseq <= state->since)
			continue;
		modseq_tell_resync(session, mail);
		if (output_full(session)) {
			mail_reader_pause(state->reader);
			return CMD_OUTPUT;
		}
	}
	mail_reader_end(&state->reader);
	if (more < 0) {
		session_deselect(session);
		return cmd_error(cmd, &err, NULL);
	}
	return select_end(cmd);
}

static enum cmd_result resync(struct cmd *cmd, struct select_state *state)
{
	struct session *session = cmd->session;
	const struct resync *known = &state->resync;
	struct mailbox_history history;
	struct range_set seqs;
	struct err err;

	if (mailbox_history(cmd, session->box, known->modseq, &history, &err) <
	    0) {
		session_deselect(session);
		return cmd_error(cmd, &err, NULL);
	}
	tell_vanished(session, known, &history);
	state->since = history.forgotten ? 0 : known->modseq;
	if (known->some) {
		seqs = range_set_init(cmd);
		mailbox_seqs_of(session->box, &known->uids, &seqs);
		range_set_intersect(&history.seqs, &seqs);
	}
	state->reader = mail_reader_begin(cmd, session->box, &history.seqs);
	return resync_more(cmd);
}

/* the command */

static enum cmd_result open_mailbox(struct cmd *cmd, const char *name,
				    unsigned flags)
{
	struct session *session = cmd->session;
	struct select_state *state = cmd->state;
	struct mailbox_status status;
	struct err err;

	if (mailbox_open(session->user, name, flags, &session->box, &err) < 0)
		return cmd_error(cmd, &err, name);
	if (mailbox_get_status(session->box, &status, &err) < 0) {
		session_deselect(session);
		return cmd_error(cmd, &err, name);
	}
	tell_mailbox(session, &status);
	if (state->resync.wanted && modseq_shown(session) &&
	    state->resync.uid_validity == status.uid_validity)
		return resync(cmd, state);
	return select_end(cmd);
}

static enum cmd_result select_mailbox(struct cmd *cmd, unsigned flags,
				      const char *reply)
{
	struct session *session = cmd->session;
	struct select_state *state = mem_new(cmd, struct select_state);
	const char *problem = NULL;
	struct str arg;
	char *name;

	state->reply = reply;
	cmd->state = state;
	cmd->more = resync_more;
	if (!arg_string(&cmd->args[0], &arg))
		return cmd_bad(cmd, "Invalid arguments");
	if (session->box != NULL) {
		session_deselect(session);
		buf_add(&session->line,
			"* OK [CLOSED] Previous mailbox closed.\r\n");
	}
	if (cmd->args[1].kind == IMAP_ARG_LIST)
		problem = parse_parameters(cmd, cmd->args[1].list,
					   &state->resync);
	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	name = cmd_mailbox_name(cmd, arg);
	if (name == NULL)
		return CMD_DONE;
	return open_mailbox(cmd, name, flags);
}

enum cmd_result cmd_select(struct cmd *cmd)
{
	return select_mailbox(cmd, 0, "Select");
}

enum cmd_result cmd_examine(struct cmd *cmd)
{
	return select_mailbox(cmd, MAILBOX_READONLY, "Examine");
}
