/* SPDX-License-Identifier: MIT */
/*
 * pop3/maildrop.c - the mails of a session: which there are, DELE, RSET, and
 * the end: what QUIT removes, and flags.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "pop3/session.h"
#include "service/service.h"
#include "storage/storage.h"

enum {
	LOCK_WAIT_MS = 10 * 1000,
	LOCK_STEP_MS = 500,
};

/* opening */

/* A message with its place; 0 where the format says none. */
struct place {
	uint32_t order;
	bool was_seen;
	struct msg msg;
};

struct loading {
	struct session *session;
	struct place *places;
	uint32_t count, cap;
	bool ordered;
	bool by_flag;
	unsigned flag_bit; /* of pop3_deleted_flag */
};

static bool flag_is_set(const char *flag)
{
	return flag[0] != '\0';
}

static bool deletes_by_flag(const struct session *session)
{
	const struct pop3_settings *set = session->set;

	return strcmp(set->pop3_delete_type, "expunge") != 0 &&
	       flag_is_set(set->pop3_deleted_flag);
}

/* The bit of the keyword, if the mailbox has it. */
static void find_flag(struct loading *loading)
{
	struct session *session = loading->session;
	const char *const *names;
	unsigned count;

	if (!deletes_by_flag(session))
		return;
	names = mailbox_keywords(session->box, &count);
	for (unsigned i = 0; i < count; i++) {
		if (names[i] == NULL ||
		    !str_case_is(str_of(names[i]),
				 session->set->pop3_deleted_flag))
			continue;
		loading->by_flag = true;
		loading->flag_bit = i;
	}
}

static bool hidden(const struct loading *loading, const struct mail *mail)
{
	unsigned bit = loading->flag_bit;

	return loading->by_flag &&
	       (mail->keywords.bits[bit / 64] >> bit % 64 & 1) != 0;
}

static int order_of(const struct mail *mail, uint32_t *out, struct err *err)
{
	char *text;
	int found = mail_special(NULL, mail, MAIL_POP3_ORDER, &text, err);

	*out = 0;
	if (found <= 0)
		return found;
	if (!str_to_u32(str_of(text), out))
		*out = 0;
	mem_free(text);
	return 0;
}

/* 1: it was taken, 0: passed over. */
static int load_one(struct loading *loading, const struct mail *mail,
		    struct err *err)
{
	struct place *place = &loading->places[loading->count];
	bool fast = loading->session->set->pop3_fast_size_lookups;

	*place = (struct place){.msg.seq = mail->seq};
	if (hidden(loading, mail))
		return 0;
	if ((fast ? mail_size_fast(mail, &place->msg.size, err)
		  : mail_size(mail, &place->msg.size, err)) < 0)
		return err->code == ERR_EXPUNGED ? 0 : -1;
	if (order_of(mail, &place->order, err) < 0)
		return -1;
	loading->ordered = loading->ordered || place->order != 0;
	place->was_seen = (mail->flags & MAIL_SEEN) != 0;
	loading->count++;
	return 1;
}

static int load_all(struct loading *loading, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "load");
	struct mailbox *box = loading->session->box;
	uint32_t messages = mailbox_messages(box);
	struct range_set all = range_set_init(ctx);
	struct mail_reader *reader;
	const struct mail *mail;
	int more;

	if (messages == 0)
		return 0;
	loading->places = mem_array(loading->session, struct place, messages);
	range_set_add(&all, 1, messages);
	reader = mail_reader_begin(ctx, box, &all);
	while ((more = mail_reader_next(reader, &mail, err)) > 0) {
		if (load_one(loading, mail, err) < 0) {
			more = -1;
			break;
		}
	}
	mail_reader_end(&reader);
	return more;
}

/* Those with a place of their own come first. */
static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->order != y->order)
		return x->order - 1 < y->order - 1 ? -1 : 1;
	return x->msg.seq < y->msg.seq ? -1 : x->msg.seq > y->msg.seq;
}

static void take_places(struct session *session, struct loading *loading)
{
	if (loading->ordered)
		qsort(loading->places, loading->count, sizeof(struct place),
		      compare_places);
	session->count = loading->count;
	session->msgs = mem_array(session, struct msg, loading->count + 1);
	for (uint32_t i = 0; i < loading->count; i++) {
		session->msgs[i] = loading->places[i].msg;
		session->size += session->msgs[i].size;
		if (loading->places[i].was_seen)
			session->last = i + 1;
	}
	mem_free(loading->places);
}

/* Those of userdb were not checked when the server started. */
static int check_settings(struct session *session, struct err *err)
{
	const struct pop3_settings *set = session->set;
	const char *problem = config_pop3_problem(
		session, set->pop3_uidl_format, set->pop3_delete_type,
		set->pop3_deleted_flag);

	if (problem != NULL)
		return err_set(err, ERR_TEMPORARY,
			       "Invalid settings (probably caused by userdb): "
			       "%s",
			       problem);
	if (deletes_by_flag(session) &&
	    !keyword_valid(session->user, set->pop3_deleted_flag))
		return err_set(err, ERR_TEMPORARY,
			       "pop3_deleted_flag: Invalid keyword '%s'",
			       set->pop3_deleted_flag);
	return 0;
}

static int open_mailbox(struct session *session, struct err *err)
{
	struct loading loading = {.session = session};
	unsigned flags =
		session->set->pop3_no_flag_updates ? MAILBOX_KEEP_RECENT : 0;

	if (check_settings(session, err) < 0)
		return -1;
	if (mailbox_open(session->user, "INBOX", flags, &session->box, err) < 0)
		return -1;
	find_flag(&loading);
	if (load_all(&loading, err) < 0)
		return -1;
	take_places(session, &loading);
	return 0;
}

/* What the user, too, may know of: a mailbox that is none, or is not his. */
static const char *told(const struct err *err)
{
	if (err->code == ERR_DENIED)
		return "Permission denied";
	return err->code == ERR_INVALID && !err->system ? err->text : NULL;
}

/* RFC 1939 section 4: a maildrop that can't be opened is an answer to PASS. */
static void refuse(struct session *session, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(1024);
	char *reason =
		mem_printf(session, "Couldn't open INBOX: %s", err->text);

	if (told(err) != NULL) {
		log_error("%s", reason);
		buf_printf(&text, "[SYS/PERM] %s", told(err));
	} else {
		err_wrap(err, "Couldn't open INBOX");
		error_text(err, &text);
	}
	mail_session_bye(&session->base, text.data, reason);
}

static enum session_wait open_more(struct session *session)
{
	struct err err;

	if (session->set->pop3_lock_session && session->lock == NULL &&
	    mailbox_lock_session(session->user, "INBOX", &session->lock, &err) <
		    0) {
		if (err.code == ERR_IN_USE &&
		    clock_monotonic_ms() < session->lock_deadline)
			return SESSION_TURN;
		session->more = NULL;
		if (err.code == ERR_IN_USE)
			mail_session_bye(&session->base,
					 "[IN-USE] Mailbox is locked by "
					 "another POP3 session.",
					 "Couldn't lock POP3 session");
		else
			refuse(session, &err);
		return SESSION_INPUT;
	}
	session->more = NULL;
	session->base.turn_after.ms = 0;
	if (open_mailbox(session, &err) < 0)
		refuse(session, &err);
	else if (!session->base.login->alone)
		reply(session, "+OK Logged in.");
	return SESSION_INPUT;
}

void maildrop_open(struct session *session)
{
	session->lock_deadline = clock_monotonic_ms() + LOCK_WAIT_MS;
	session->base.turn_after.ms = LOCK_STEP_MS;
	session->more = open_more;
}

/* DELE and RSET */

void cmd_dele(struct session *session, struct str args)
{
	struct msg *msg = take_msg(session, &args, true);

	if (msg == NULL)
		return;
	if (mailbox_readonly(session->box)) {
		reply(session, "-ERR [SYS/PERM] Mailbox is read-only.");
		return;
	}
	msg->deleted = true;
	session->deleted++;
	session->deleted_size += msg->size;
	reply(session, "+OK Marked to be deleted.");
}

/* RFC 1460 has LAST begin anew: no mail was seen then. */
static int forget_seen(struct session *session, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "unseen");
	const struct store store = {
		.mode = STORE_REMOVE,
		.flags = MAIL_SEEN,
		.unchanged_since = UINT64_MAX,
	};
	struct range_set seqs = range_set_init(ctx);

	session->last = 0;
	if (session->count == 0 || mailbox_readonly(session->box))
		return 0;
	range_set_add(&seqs, 1, mailbox_messages(session->box));
	return mailbox_store(ctx, session->box, &seqs, &store, NULL, err);
}

void cmd_rset(struct session *session, struct str args)
{
	struct err err;

	(void)args;
	for (uint32_t i = 0; i < session->count; i++)
		session->msgs[i].deleted = session->msgs[i].seen = false;
	session->deleted = 0;
	session->deleted_size = 0;
	if (session->set->pop3_enable_last && forget_seen(session, &err) < 0)
		reply_error(session, &err);
	else
		reply(session, "+OK");
}

/* the end */

/* Numbers of the view, of mails that are deleted or seen. */
static void collect(const struct session *session, bool deleted,
		    struct range_set *out)
{
	for (uint32_t i = 0; i < session->count; i++) {
		const struct msg *msg = &session->msgs[i];

		if (deleted ? msg->deleted : msg->seen)
			range_set_add(out, msg->seq, msg->seq);
	}
}

static int write_seen(struct session *session, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "seen");
	const struct store store = {
		.mode = STORE_ADD,
		.flags = MAIL_SEEN,
		.unchanged_since = UINT64_MAX,
	};
	struct range_set seqs = range_set_init(ctx);

	if (session->set->pop3_no_flag_updates ||
	    mailbox_readonly(session->box))
		return 0;
	collect(session, false, &seqs);
	if (seqs.count == 0)
		return 0;
	return mailbox_store(ctx, session->box, &seqs, &store, NULL, err);
}

/* Once: at QUIT, before it is answered, or when the session ends without. */
static void keep_seen(struct session *session)
{
	struct err err;

	if (session->box == NULL || session->seen_kept)
		return;
	session->seen_kept = true;
	if (write_seen(session, &err) < 0)
		log_error("Couldn't update flags: %s", err.text);
}

/* What is lazily written is in the file before +OK: an index in memory ends
 * with the session. */
static int store_deleted(const void *ctx, struct session *session,
			 const struct range_set *seqs, struct err *err)
{
	const char *const keywords[] = {session->set->pop3_deleted_flag, NULL};
	const struct store store = {
		.mode = STORE_ADD,
		.keywords = keywords,
		.unchanged_since = UINT64_MAX,
	};
	struct mailbox_changes changes;

	if (mailbox_store(ctx, session->box, seqs, &store, NULL, err) < 0)
		return -1;
	return mailbox_sync(ctx, session->box, SYNC_WRITE, &changes, err);
}

static int remove_deleted(struct session *session, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "delete");
	struct range_set seqs = range_set_init(ctx);
	struct range_set uids = range_set_init(ctx);

	if (session->deleted == 0)
		return 0;
	collect(session, true, &seqs);
	mailbox_wait_for_disk(session->box);
	if (deletes_by_flag(session))
		return store_deleted(ctx, session, &seqs, err);
	mailbox_uids_of(session->box, &seqs, &uids);
	return mailbox_remove(session->box, &uids, err);
}

/* Flags of what is to be removed don't matter. */
static void forget_deleted(struct session *session)
{
	for (uint32_t i = 0; i < session->count; i++)
		session->msgs[i].seen =
			session->msgs[i].seen && !session->msgs[i].deleted;
}

void cmd_quit(struct session *session, struct str args)
{
	struct err err;

	(void)args;
	forget_deleted(session);
	keep_seen(session);
	session->quit = remove_deleted(session, &err) == 0;
	if (!session->quit)
		reply_error(session, &err);
	else if (session->deleted > 0)
		reply(session, "+OK Logging out, messages deleted.");
	else
		reply(session, "+OK Logging out.");
	mail_session_bye(&session->base, NULL, "Logged out");
}

void maildrop_close(struct session *session)
{
	struct err err;

	keep_seen(session);
	if (session->box != NULL && uidls_save(session, &err) < 0)
		log_error("Couldn't save UIDLs: %s", err.text);
	mailbox_close(&session->box);
	mailbox_unlock_session(&session->lock);
}
