/* SPDX-License-Identifier: MIT */
/*
 * imap/fetch.c - FETCH and UID FETCH: one mail after the other, item by item,
 * stopping wherever the client has enough to read for now.
 *
 * Text goes from the file straight into the connection's output. New \Seen
 * flags are told with the mail and written once for all at the end.
 */
#include "imap/fetch.h"

#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/modseq.h"
#include "imap/session.h"
#include "imap/sieve.h"
#include "net/conn.h"
#include "storage/storage.h"

enum { STREAM_CHUNK = 32 * 1024 };

static int fetch_free(struct fetch *fetch)
{
	mail_stream_close(&fetch->stream);
	mail_reader_end(&fetch->reader);
	buf_free(&fetch->scratch);
	return 0;
}

/* small items */

static void two_digits(char *out, int number)
{
	out[0] = (char)('0' + number / 10 % 10);
	out[1] = (char)('0' + number % 10);
}

/* Not by printf: this is a row of a million. */
static void add_date(struct buf *out, int64_t when)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char text[] = "\"00-Jan-0000 00:00:00 +0000\"";
	time_t utc = when;
	int zone;
	struct tm tm;

	if (localtime_r(&utc, &tm) == NULL || tm.tm_year < -1900 ||
	    tm.tm_year > 9999 - 1900)
		tm = (struct tm){.tm_mday = 1, .tm_year = 70};
	zone = (int)(tm.tm_gmtoff / 60);
	two_digits(text + 1, tm.tm_mday);
	memcpy(text + 4, months + (size_t)3 * tm.tm_mon, 3);
	two_digits(text + 8, (tm.tm_year + 1900) / 100);
	two_digits(text + 10, tm.tm_year + 1900);
	two_digits(text + 13, tm.tm_hour);
	two_digits(text + 16, tm.tm_min);
	two_digits(text + 19, tm.tm_sec);
	if (zone < 0) {
		text[22] = '-';
		zone = -zone;
	}
	two_digits(text + 23, zone / 60);
	two_digits(text + 25, zone % 60);
	buf_append(out, text, sizeof(text) - 1);
}

/* What stands before an item: the begin of the line, or a blank. A mail of
 * which nothing can be told has no line. */
static void begin_bare_item(struct fetch *fetch)
{
	struct buf *line = &fetch->cmd->session->line;

	if (fetch->first) {
		buf_add(line, "* ");
		buf_number(line, fetch->mail->seq);
		buf_add(line, " FETCH (");
	} else {
		buf_putc(line, ' ');
	}
	fetch->first = false;
}

static void begin_item(struct fetch *fetch, struct str label)
{
	struct buf *line = &fetch->cmd->session->line;

	begin_bare_item(fetch);
	buf_add_str(line, label);
	buf_putc(line, ' ');
}

static void write_flags(struct fetch *fetch, const struct fetch_item *item)
{
	const struct mail *mail = fetch->mail;
	uint8_t flags = mail->flags;

	if (item->if_seen && !fetch->new_seen)
		return;
	if (fetch->new_seen)
		flags |= MAIL_SEEN;
	begin_item(fetch, STR("FLAGS"));
	buf_flags(&fetch->cmd->session->line, fetch->cmd->session, flags,
		  &mail->keywords);
}

static int write_size(struct fetch *fetch, struct err *err)
{
	uint64_t octets;

	if (mail_size(fetch->mail, &octets, err) < 0)
		return -1;
	begin_item(fetch, STR("RFC822.SIZE"));
	buf_number(&fetch->cmd->session->line, octets);
	return 0;
}

/* "EMAILID (...)" of RFC 8474 */
static int write_object_id(struct fetch *fetch, enum fetch_kind kind,
			   struct err *err)
{
	struct buf *line = &fetch->cmd->session->line;
	char id[OBJECT_ID_LEN + 1];
	bool email = kind == FETCH_EMAIL_ID;

	if ((email ? mail_email_id(fetch->mail, id, err)
		   : mail_thread_id(fetch->mail, id, err)) < 0)
		return -1;
	begin_item(fetch, email ? STR("EMAILID") : STR("THREADID"));
	buf_putc(line, '(');
	buf_add(line, id);
	buf_putc(line, ')');
	return 0;
}

static int write_guid(struct fetch *fetch, struct err *err)
{
	char *guid;

	if (mail_guid(fetch, fetch->mail, &guid, err) < 0)
		return -1;
	begin_item(fetch, STR("X-GUID"));
	imap_write_astring(&fetch->cmd->session->line, str_of(guid));
	mem_free(guid);
	return 0;
}

static int write_structure(struct fetch *fetch, enum fetch_kind kind,
			   struct err *err)
{
	struct str text;
	int failed;

	if (kind == FETCH_ENVELOPE)
		failed = mail_envelope(fetch->mail, &text, err);
	else
		failed = mail_body_structure(
			fetch->mail, kind == FETCH_BODYSTRUCTURE, &text, err);
	if (failed < 0)
		return -1;
	begin_item(fetch, kind == FETCH_ENVELOPE ? STR("ENVELOPE")
			  : kind == FETCH_BODY   ? STR("BODY")
						 : STR("BODYSTRUCTURE"));
	buf_add_str(&fetch->cmd->session->line, text);
	return 0;
}

/* text */

static void count_text(struct fetch *fetch, const struct fetch_item *item,
		       uint64_t octets)
{
	struct session_stats *stats = &fetch->cmd->session->stats;
	enum section_kind kind = item->section.kind;

	if (kind == SECTION_ALL || kind == SECTION_TEXT) {
		stats->body_count++;
		stats->body_bytes += octets;
	} else {
		stats->hdr_count++;
		stats->hdr_bytes += octets;
	}
}

static void begin_literal(struct fetch *fetch, const struct fetch_item *item,
			  uint64_t octets)
{
	struct buf *line = &fetch->cmd->session->line;

	count_text(fetch, item, octets);
	begin_item(fetch, item->label);
	buf_putc(line, '{');
	buf_number(line, octets);
	buf_add(line, "}\r\n");
}

/* IMAP has no NUL (RFC 3501 section 9, CHAR8); Dovecot sends 0x80, too. */
static void replace_nul(char *text, size_t len)
{
	char *nul;

	while ((nul = memchr(text, '\0', len)) != NULL) {
		*nul = (char)0x80;
		len -= nul + 1 - text;
		text = nul + 1;
	}
}

/* Fields of the header, which the cache may have. */
static int write_fields(struct fetch *fetch, const struct fetch_item *item,
			struct err *err)
{
	struct buf *scratch = &fetch->scratch;
	uint64_t len;

	buf_reset(scratch);
	if (mail_header_fields(fetch->mail, &item->section, scratch, err) < 0)
		return -1;
	len = item->offset < scratch->len ? scratch->len - item->offset : 0;
	if (len > item->length)
		len = item->length;
	begin_literal(fetch, item, len);
	if (len > 0) {
		replace_nul(scratch->data + item->offset, len);
		buf_append(&fetch->cmd->session->line,
			   scratch->data + item->offset, len);
	}
	return 0;
}

static int open_text(struct fetch *fetch, const struct fetch_item *item,
		     struct err *err)
{
	uint64_t size = 0;

	if (mail_stream_open(fetch, fetch->mail, &item->section, item->offset,
			     item->length, &fetch->stream, &size, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		size = 0; /* no such part: Dovecot gives "", not NIL */
	}
	begin_literal(fetch, item, size);
	fetch->stream_left = size;
	if (size == 0)
		mail_stream_close(&fetch->stream);
	return 0;
}

static int write_section(struct fetch *fetch, const struct fetch_item *item,
			 struct err *err)
{
	if (item->section.fields != NULL && item->section.path_len == 0)
		return write_fields(fetch, item, err);
	return open_text(fetch, item, err);
}

/* 1: all sent; 0: wait; -1: the mail was shorter than it said. */
static int send_text(struct fetch *fetch, struct err *err)
{
	struct session *session = fetch->cmd->session;
	char *space;
	size_t room;
	ssize_t got;

	while (fetch->stream_left > 0) {
		line_flush(session);
		if (output_full(session))
			return 0;
		room = fetch->stream_left < STREAM_CHUNK ? fetch->stream_left
							 : STREAM_CHUNK;
		space = conn_space(session->conn, room);
		got = mail_stream_read(fetch->stream, space, room, err);
		if (got < 0)
			return -1;
		if (got == 0)
			return err_set(err, ERR_CORRUPT,
				       "mail UID %u is shorter than expected",
				       fetch->mail->uid);
		replace_nul(space, got);
		conn_grew(session->conn, got);
		fetch->stream_left -= got;
	}
	mail_stream_close(&fetch->stream);
	return 1;
}

/* one mail */

static void begin_mail(struct fetch *fetch)
{
	const struct mail *mail = fetch->mail;

	fetch->new_seen = fetch->sets_seen && (mail->flags & MAIL_SEEN) == 0;
	if (fetch->new_seen)
		range_set_add(&fetch->seen, mail->seq, mail->seq);
	fetch->first = true;
	fetch->item = 0;
}

static int write_date(struct fetch *fetch, enum fetch_kind kind,
		      struct err *err)
{
	struct buf *line = &fetch->cmd->session->line;
	int64_t received, saved;

	if (mail_times(fetch->mail, &received, &saved, err) < 0)
		return -1;
	if (kind == FETCH_INTERNALDATE) {
		begin_item(fetch, STR("INTERNALDATE"));
		add_date(line, received);
		return 0;
	}
	begin_item(fetch, STR("SAVEDATE"));
	if (saved == 0)
		buf_add(line, "NIL");
	else
		add_date(line, saved);
	return 0;
}

static int write_preview(struct fetch *fetch, const struct fetch_item *item,
			 struct err *err)
{
	struct buf *line = &fetch->cmd->session->line;
	struct str text;

	if (mail_preview(fetch->mail, item->lazy, &text, err) < 0)
		return -1;
	begin_item(fetch, item->kind == FETCH_PREVIEW ? STR("PREVIEW")
						      : STR("SNIPPET"));
	if (item->fuzzy)
		buf_add(line, "(FUZZY ");
	imap_write_nstring(line, text);
	if (item->fuzzy)
		buf_putc(line, ')');
	return 0;
}

static int write_item(struct fetch *fetch, const struct fetch_item *item,
		      struct err *err)
{
	struct buf *line = &fetch->cmd->session->line;

	switch (item->kind) {
	case FETCH_UID:
		begin_item(fetch, STR("UID"));
		buf_number(line, fetch->mail->uid);
		return 0;
	case FETCH_FLAGS:
		write_flags(fetch, item);
		return 0;
	case FETCH_INTERNALDATE:
	case FETCH_SAVEDATE:
		return write_date(fetch, item->kind, err);
	case FETCH_SIZE:
		return write_size(fetch, err);
	case FETCH_EMAIL_ID:
	case FETCH_THREAD_ID:
		return write_object_id(fetch, item->kind, err);
	case FETCH_X_GUID:
		return write_guid(fetch, err);
	case FETCH_X_MAILBOX:
		begin_item(fetch, STR("X-MAILBOX"));
		buf_mailbox(line, mailbox_name(fetch->cmd->session->box));
		return 0;
	case FETCH_X_REAL_UID:
		begin_item(fetch, STR("X-REAL-UID"));
		buf_number(line, fetch->mail->uid);
		return 0;
	case FETCH_MODSEQ:
		begin_bare_item(fetch);
		modseq_write(fetch->cmd->session, fetch->mail->modseq);
		return 0;
	case FETCH_PREVIEW:
	case FETCH_SNIPPET:
		return write_preview(fetch, item, err);
	case FETCH_ENVELOPE:
	case FETCH_BODY:
	case FETCH_BODYSTRUCTURE:
		return write_structure(fetch, item->kind, err);
	case FETCH_SECTION:
		return write_section(fetch, item, err);
	}
	return 0;
}

/* the whole of it */

/* The item at hand is of a mail that others expunged. */
static void tell_expunged(struct fetch *fetch)
{
	const struct fetch_item *item = &fetch->items[fetch->item - 1];

	if (item->kind != FETCH_SECTION)
		return;
	begin_item(fetch, item->label);
	buf_add(&fetch->cmd->session->line, "NIL");
}

/* What could not be read: false if the connection ends (imap_fetch_failure). A
 * literal that cannot be completed always ends it. */
static bool go_on_after(struct fetch *fetch, const struct err *err)
{
	struct session *session = fetch->cmd->session;
	const char *policy = session->set->imap_fetch_failure;

	if (err->code == ERR_EXPUNGED && fetch->stream == NULL) {
		tell_expunged(fetch);
		fetch->gone = true;
		return true;
	}
	log_error("FETCH of UID %u failed: %s", fetch->mail->uid, err->text);
	fetch->failed = true;
	if (fetch->stream == NULL &&
	    !str_is(str_of(policy), "disconnect-immediately"))
		return true;
	session_bye(session, "FETCH failed", "FETCH failed");
	return false;
}

static int store_seen(struct fetch *fetch, struct store_result *out,
		      struct err *err)
{
	const struct store store = {
		.mode = STORE_ADD,
		.flags = MAIL_SEEN,
		.unchanged_since = UINT64_MAX,
		.list_changes = fetch->cmd->session->sieve != NULL,
	};

	if (fetch->seen.count == 0)
		return 0;
	if (mailbox_store(fetch, fetch->cmd->session->box, &fetch->seen, &store,
			  out, err) < 0)
		return -1;
	imap_sieve_stored(fetch->cmd, out);
	return 0;
}

static enum cmd_result fetch_end(struct fetch *fetch)
{
	struct cmd *cmd = fetch->cmd;
	struct session *session = cmd->session;
	bool gone = fetch->gone || mail_reader_gone(fetch->reader) > 0;
	struct store_result seen = {.changed = range_set_init(fetch)};
	const char *reply = "OK Fetch completed";
	struct err err;

	mail_reader_end(&fetch->reader);
	if (store_seen(fetch, &seen, &err) < 0)
		return cmd_box_error(cmd, &err);
	if (fetch->failed && str_is(str_of(session->set->imap_fetch_failure),
				    "disconnect-after")) {
		session_bye(session, "FETCH failed", "FETCH failed");
		return CMD_DONE;
	}
	if (fetch->failed)
		reply = "NO [SERVERBUG] Some messages could not be read";
	else if (gone)
		reply = "OK [EXPUNGEISSUED] Some messages were already "
			"expunged";
	return store_tell_seen(cmd, &seen.changed, reply);
}

/* The next step of the present mail. 1: done; 0: wait; -1. */
static int step(struct fetch *fetch, struct err *err)
{
	struct session *session = fetch->cmd->session;

	if (fetch->stream != NULL)
		return send_text(fetch, err);
	if (fetch->item < fetch->count)
		return write_item(fetch, &fetch->items[fetch->item++], err) < 0
			       ? -1
			       : 1;
	if (!fetch->first)
		buf_add(&session->line, ")\r\n");
	fetch->mail = NULL;
	if (output_full(session))
		return 0;
	return 1;
}

static enum cmd_result fetch_more(struct cmd *cmd)
{
	struct fetch *fetch = cmd->state;
	struct err err;
	int done;

	for (;;) {
		if (fetch->mail == NULL) {
			done = mail_reader_next(fetch->reader, &fetch->mail,
						&err);
			if (done < 0)
				return cmd_box_error(cmd, &err);
			if (done == 0)
				return fetch_end(fetch);
			if (fetch->changed_only &&
			    fetch->mail->modseq <= fetch->changed_since) {
				fetch->mail = NULL;
				continue;
			}
			begin_mail(fetch);
		}
		done = step(fetch, &err);
		if (done < 0 && !go_on_after(fetch, &err))
			return CMD_DONE;
		if (done == 0) {
			mail_reader_pause(fetch->reader);
			return CMD_OUTPUT;
		}
	}
}

/* beginning */

/* The UIDs that a UID FETCH names, mail or not. */
static void named_uids(struct cmd *cmd, struct range_set *out)
{
	struct session *session = cmd->session;
	uint32_t messages = mailbox_messages(session->box);
	uint32_t last =
		messages == 0 ? 1 : mailbox_uid_of(session->box, messages);

	if (imap_arg_atom_is(&cmd->args[0], "$"))
		range_set_merge(out, &session->saved);
	else
		imap_sequence_set(cmd->args[0].text, last, out);
}

/* Leave only what may have changed, and tell what vanished. */
static int pick_changed(struct fetch *fetch, struct err *err)
{
	struct cmd *cmd = fetch->cmd;
	struct mailbox_history history;
	struct range_set uids = range_set_init(fetch);

	if (mailbox_history(fetch, cmd->session->box, fetch->changed_since,
			    &history, err) < 0)
		return -1;
	range_set_intersect(&fetch->seqs, &history.seqs);
	if (!fetch->vanished)
		return 0;
	named_uids(cmd, &uids);
	range_set_intersect(&history.vanished, &uids);
	modseq_tell_vanished(cmd->session, true, &history.vanished);
	return 0;
}

static bool asks_for(const struct fetch *fetch, enum fetch_kind kind)
{
	for (size_t i = 0; i < fetch->count; i++) {
		if (fetch->items[i].kind == kind)
			return true;
	}
	return false;
}

static enum cmd_result fetch_begin(struct fetch *fetch)
{
	struct cmd *cmd = fetch->cmd;
	struct session *session = cmd->session;
	struct err err;

	if (asks_for(fetch, FETCH_MODSEQ) &&
	    !modseq_wanted(cmd, fetch->changed_only ? "FETCH CHANGEDSINCE"
						    : "FETCH MODSEQ"))
		return CMD_DONE;
	if (mailbox_readonly(session->box))
		fetch->sets_seen = false;
	tell_new_keywords(session);
	if (fetch->changed_only && pick_changed(fetch, &err) < 0)
		return cmd_box_error(cmd, &err);
	fetch->reader = mail_reader_begin(fetch, session->box, &fetch->seqs);
	return fetch_more(cmd);
}

enum cmd_result cmd_fetch(struct cmd *cmd)
{
	struct fetch *fetch = mem_new(cmd, struct fetch);
	const char *problem;

	fetch->cmd = cmd;
	fetch->scratch = buf_init(SIZE_MAX);
	fetch->seen = range_set_init(fetch);
	talloc_set_destructor(fetch, fetch_free);
	cmd->state = fetch;
	cmd->more = fetch_more;
	if (cmd->args[0].kind != IMAP_ARG_ATOM ||
	    cmd->args[1].kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Invalid arguments");
	if (!cmd_set(cmd, &cmd->args[0], &fetch->seqs))
		return CMD_DONE;
	problem = fetch_parse(fetch, &cmd->args[1]);
	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	return fetch_begin(fetch);
}
