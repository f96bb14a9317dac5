/* SPDX-License-Identifier: MIT */
/*
 * imap/session.h - one client after login: its connection, the mailbox that it
 * has selected, and the one command that runs.
 *
 * Commands run one after the other, so what RFC 3501 section 5.5 says of
 * ambiguous pipelining holds by itself. A command that makes more output than
 * the client takes, or wants more input, returns what it waits for and is
 * called again (cmd->more); it never blocks.
 */
#ifndef IMAP_SESSION_H
#define IMAP_SESSION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/range.h"
#include "imap/settings.h"
#include "proto/imap.h"
#include "session/mail_session.h"

struct cmd;
struct conn;
struct err;
struct imap_parser;
struct imap_sieve;
struct mailbox;
struct service_env;
struct search_context;
struct service_session;
struct session;
struct user;

enum {
	/* imap_client_workarounds */
	WORKAROUND_DELAY_NEWMAIL = 1 << 0,
	WORKAROUND_EXTRA_MAILBOX_SEP = 1 << 1,
	WORKAROUND_LSUB_FLAGS = 1 << 2,
};

/* What imap_logout_format tells. */
struct session_stats {
	uint64_t deleted, expunged, trashed, appended;
	uint64_t hdr_count, hdr_bytes, body_count, body_bytes;
};

struct session {
	struct mail_session base;
	/* Those of `base`. */
	struct service_env *env;
	struct conn *conn;
	struct user *user;
	const struct imap_settings *set;
	struct imap_parser *parser;
	unsigned workarounds;

	struct mailbox *box;    /* NULL: none selected */
	unsigned keywords_told; /* of its keywords, in FLAGS */
	uint32_t recent_told;
	bool untold_mails;               /* delay-newmail */
	bool condstore, qresync;         /* enabled: see imap/modseq.h */
	uint64_t modseq_told;            /* the highest, of its mails */
	struct range_set saved;          /* UIDs of $ (RFC 5182) */
	struct imap_sieve *sieve;        /* scripts; NULL unless wanted */
	struct search_context *contexts; /* RFC 5267; see imap/context.h */
	struct range_set changed_uids;   /* what these have not seen yet */

	struct cmd *cmd; /* the one that runs */
	unsigned bad_commands;
	bool appending; /* literals are streamed */
	bool idling;    /* it may wait for ever */
	char last_command[32];
	uint64_t last_command_end; /* µs */
	struct session_stats stats;
	struct buf line; /* of answers, on their way to conn */
};

/* What sessions of this process share; at service.init. */
int imap_sessions_init(struct service_env *env, struct err *err);

/* Write "* BYE text", and end when it is sent; `reason` is for the log. */
void session_bye(struct session *session, const char *text, const char *reason);
/* The command that is being parsed goes on behind its literal (APPEND). Eats
 * input. IMAP_PARSE_MORE: wait for more. */
enum imap_parse session_parse(struct session *session);
/* Close the selected mailbox, if there is one. */
void session_deselect(struct session *session);
/* The capabilities of a logged-in client. */
const char *session_capability(const struct session *session);
/* quota.c: whether there is QUOTA (RFC 9208). */
bool imap_quota_on(const struct session *session);

#endif
