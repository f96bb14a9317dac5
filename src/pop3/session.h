/* SPDX-License-Identifier: MIT */
/*
 * pop3/session.h - one POP3 client after login (RFC 1939 section 5).
 *
 * Mails are what they were at login: new ones are for the next session. The
 * client's numbers are called `msg`, from 1 on; those of the mailbox's view are
 * `seq`. They differ when some mails are hidden (pop3_deleted_flag) or have an
 * order of their own.
 *
 * A command that makes more output than the client takes sets session->more,
 * which is called until it is NULL again. Nothing is deleted before QUIT.
 */
#ifndef POP3_SESSION_H
#define POP3_SESSION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "pop3/settings.h"
#include "session/mail_session.h"

struct err;
struct mailbox;
struct retr;
struct session_lock;
struct uidls;

struct msg {
	uint32_t seq;
	uint64_t size;
	bool deleted;
	bool seen; /* fetched in this session: gets \Seen */
};

struct session_stats {
	uint64_t top_count, top_bytes, retr_count, retr_bytes;
	uint32_t lowest_retr; /* 0: none */
};

struct session {
	struct mail_session base;
	/* Those of `base`. */
	struct conn *conn;
	struct user *user;
	const struct pop3_settings *set;

	struct mailbox *box; /* NULL: not open */
	struct session_lock *lock;
	uint64_t lock_deadline; /* ms */
	struct msg *msgs;       /* msgs[0] is 1 to the client */
	uint32_t count, deleted;
	uint64_t size, deleted_size;
	uint32_t last;       /* what LAST tells */
	struct uidls *uidls; /* NULL: not asked for */

	enum session_wait (*more)(struct session *session);
	struct retr *retr;
	uint32_t at; /* of LIST and UIDL */
	unsigned bad_commands;
	bool quit;
	bool seen_kept; /* \Seen of what was fetched is in the mailbox */
	struct session_stats stats;
	struct buf line; /* of answers, on their way to conn */
};

/* What sessions of this process share; at service.init. */
int pop3_sessions_init(struct service_env *env, struct err *err);

/* answers; they collect in session->line */

void reply(struct session *session, const char *text); /* adds CRLF */
/* "-ERR text", of what the client sent. */
void reply_bad(struct session *session, const char *text);
/* "-ERR" and what fits the error; what is not the client's matter is logged. */
void reply_error(struct session *session, const struct err *err);
void error_text(const struct err *err, struct buf *out);
void line_flush(struct session *session);
/* Flush; true if the client must take some first. */
bool output_full(struct session *session);
bool workaround(const struct session *session, const char *name);

/* The mail of that number at the start of *args, which becomes what is behind
 * it; NULL: it was answered. */
struct msg *take_msg(struct session *session, struct str *args, bool last);
uint32_t msg_number(const struct session *session, const struct msg *msg);

/* maildrop.c */

/* Open the mailbox and greet; goes on in session->more while it is locked. */
void maildrop_open(struct session *session);
/* Write \Seen flags and UIDLs, give back the lock. */
void maildrop_close(struct session *session);
void cmd_dele(struct session *session, struct str args);
void cmd_rset(struct session *session, struct str args);
void cmd_quit(struct session *session, struct str args);

/* list.c */

void cmd_stat(struct session *session, struct str args);
void cmd_list(struct session *session, struct str args);
void cmd_last(struct session *session, struct str args);

/* uidl.c */

void cmd_uidl(struct session *session, struct str args);
/* pop3_save_uidl */
int uidls_save(struct session *session, struct err *err);
/* "2/4a97454f", or "1/15be536d -> 2/4a97454f" if they are others now; "" if
 * nobody asked for them. Child of ctx. */
char *uidls_change(const void *ctx, const struct session *session);

/* retr.c */

void cmd_retr(struct session *session, struct str args);
void cmd_top(struct session *session, struct str args);

#endif
