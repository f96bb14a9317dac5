/* SPDX-License-Identifier: MIT */
/*
 * imap/cmd.h - what commands share: their table, arguments, answers.
 */
#ifndef IMAP_CMD_H
#define IMAP_CMD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "proto/imap.h"

struct buf;
struct err;
struct range_set;
struct session;

enum cmd_result {
	CMD_DONE,
	CMD_OUTPUT, /* waits until the client has taken output */
	CMD_INPUT,  /* waits for input, which is its own */
	CMD_TURN,   /* has more to do, when others had their turn */
};

/* One command on its way; what it allocates hangs below it. */
struct cmd {
	struct session *session;
	const struct command *command;
	char *tag;
	bool uid;
	const struct imap_arg *args; /* until cmd->more is called */
	enum cmd_result (*more)(struct cmd *cmd);
	void *state;
	/* What is told at the end (cmd_sync()). */
	struct cmd_sync *sync;
	uint64_t bytes_in, bytes_out; /* of the connection, at its begin */
	/* µs: begin of the present run, spent running, spent waiting */
	uint64_t since, ran, waited;
	enum cmd_result waits_for;
};

enum {
	CMD_SELECTED = 1 << 0, /* "No mailbox selected" without one */
	CMD_UID = 1 << 1,      /* has a UID form */
	CMD_UID_ONLY = 1 << 2, /* (EXPUNGE has both, as two rows) */
	/* What storage refuses with mail_read_only is said before. */
	CMD_WRITES = 1 << 3,
};

struct command {
	const char *name;
	unsigned flags;
	enum cmd_result (*run)(struct cmd *cmd);
};
/* NULL if there is none. */
const struct command *command_find(struct str name, bool uid);

/* Begin and go on; frees the command when it is done. */
void cmd_start(struct session *session, const struct imap_command *parsed);
void cmd_continue(struct session *session);
/* "IDLE running for 0.001 + waiting input for 0.002 secs, ..." for the log;
 * child of ctx. */
char *cmd_describe(const void *ctx, const struct cmd *cmd);

/* answers: all return CMD_DONE */

/* "OK Check completed" and the like, with tag and times around. */
enum cmd_result cmd_reply(struct cmd *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* "BAD Error in IMAP command NAME: text"; too many of them end the session. */
enum cmd_result cmd_bad(struct cmd *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* NO with the response code and text for a failure; what is not the client's
 * matter is logged. `mailbox` (may be NULL) is the name it was about. */
enum cmd_result cmd_error(struct cmd *cmd, const struct err *err,
			  const char *mailbox);
/* The same of the selected mailbox: one that was deleted ends the session, as
 * it has no state (RFC 2180 section 3.3) that could show that. */
enum cmd_result cmd_box_error(struct cmd *cmd, const struct err *err);
/* The response code with its blank ("" if none) and text of the same. */
void error_text(const struct err *err, const char *mailbox, struct buf *out);
/* For a parse that failed before there was a command. */
void session_bad(struct session *session, struct str tag, const char *problem);

/* arguments */

/* An astring: NIL is one, too, as any atom (RFC 3501 section 9). */
bool arg_string(const struct imap_arg *arg, struct str *out);
/* All args up to the end are none of lists, streams and NIL: false, and BAD was
 * answered, unless there are `count` of them at least. */
bool cmd_strings(struct cmd *cmd, size_t count, struct str *out);
/* A mailbox name in UTF-8, child of cmd; NULL: it was answered. */
char *cmd_mailbox_name(struct cmd *cmd, struct str arg);
/* A sequence or UID set (cmd->uid), or $, as numbers of the view; false: it was
 * answered. */
bool cmd_set(struct cmd *cmd, const struct imap_arg *arg,
	     struct range_set *seqs_out);
/* A flag list (with or without parentheses) from `args`. Keyword names end with
 * NULL and are children of cmd. False: it was answered. */
bool cmd_flags(struct cmd *cmd, const struct imap_arg *args, uint8_t *flags_out,
	       const char *const **keywords_out);
/* The same without answer: the text of BAD, or NULL. */
const char *flags_parse(const void *ctx, const struct imap_arg *args,
			uint8_t *flags_out, const char *const **keywords_out);

/* writing */

/* Of what takes long, at once: others in this process wait for us. */
enum { TURN_MS = 20 };
/* Answers collect in session->line and go out from there. */
void line_flush(struct session *session);
/* To be asked often: flushes when there is enough of it. True if the client
 * must take some first, or others wait for their turn: then return CMD_OUTPUT.
 */
bool output_full(struct session *session);
/* A mailbox name (UTF-8) as IMAP sends it. */
void buf_mailbox(struct buf *out, const char *name);
/* The same, never as an atom. */
void buf_quoted_mailbox(struct buf *out, const char *name);
struct keywords;
/* "(\Seen \Recent foo)" */
void buf_flags(struct buf *out, struct session *session, uint8_t flags,
	       const struct keywords *keywords);
/* FLAGS and PERMANENTFLAGS. */
void tell_flags(struct session *session);
/* The same if there are keywords that were not told yet. */
void tell_new_keywords(struct session *session);

/* telling what changed */

enum {
	TELL_NO_EXPUNGES = 1 << 0,
	TELL_NEW_MAILS = 1 << 1,    /* also with delay-newmail */
	TELL_OWN_EXPUNGES = 1 << 2, /* they are counted for the log */
	SYNC_FILES = 1 << 3,        /* SYNC_WRITE */
	TELL_SAVED = 1 << 4,        /* who does not hear of it saves again */
};
/* Look for changes, tell them, and then answer `reply` (a child of cmd, or a
 * constant; NULL: none, and cmd->more is kept); or, if the mailbox cannot be
 * looked at, why, unless with TELL_SAVED. Returns CMD_DONE only if all was
 * told. */
enum cmd_result cmd_sync(struct cmd *cmd, unsigned flags, const char *reply);
/* Go on with it; for who gave no reply, while cmd->sync is set. */
enum cmd_result cmd_sync_more(struct cmd *cmd);

/* After FETCH set \Seen: tell the modseqs of the mails that changed if the
 * client wants any, then the same as cmd_sync(). */
enum cmd_result store_tell_seen(struct cmd *cmd,
				const struct range_set *changed,
				const char *reply);

/* the commands */

enum cmd_result cmd_capability(struct cmd *cmd);
enum cmd_result cmd_noop(struct cmd *cmd);
enum cmd_result cmd_check(struct cmd *cmd);
enum cmd_result cmd_logout(struct cmd *cmd);
enum cmd_result cmd_id(struct cmd *cmd);
enum cmd_result cmd_enable(struct cmd *cmd);
enum cmd_result cmd_namespace(struct cmd *cmd);
enum cmd_result cmd_list(struct cmd *cmd);
enum cmd_result cmd_lsub(struct cmd *cmd);
enum cmd_result cmd_select(struct cmd *cmd);
enum cmd_result cmd_examine(struct cmd *cmd);
enum cmd_result cmd_close(struct cmd *cmd);
enum cmd_result cmd_unselect(struct cmd *cmd);
enum cmd_result cmd_cancelupdate(struct cmd *cmd); /* context.c */
enum cmd_result cmd_create(struct cmd *cmd);
enum cmd_result cmd_delete(struct cmd *cmd);
enum cmd_result cmd_rename(struct cmd *cmd);
enum cmd_result cmd_subscribe(struct cmd *cmd);
enum cmd_result cmd_unsubscribe(struct cmd *cmd);
enum cmd_result cmd_status(struct cmd *cmd);
enum cmd_result cmd_getmetadata(struct cmd *cmd);
enum cmd_result cmd_setmetadata(struct cmd *cmd);
enum cmd_result cmd_getquota(struct cmd *cmd);
enum cmd_result cmd_getquotaroot(struct cmd *cmd);
enum cmd_result cmd_setquota(struct cmd *cmd);
enum cmd_result cmd_expunge(struct cmd *cmd);
enum cmd_result cmd_uid_expunge(struct cmd *cmd);
enum cmd_result cmd_append(struct cmd *cmd);
enum cmd_result cmd_fetch(struct cmd *cmd);
enum cmd_result cmd_store(struct cmd *cmd);
enum cmd_result cmd_copy(struct cmd *cmd);
enum cmd_result cmd_move(struct cmd *cmd);
enum cmd_result cmd_search(struct cmd *cmd);
enum cmd_result cmd_sort(struct cmd *cmd);
enum cmd_result cmd_thread(struct cmd *cmd);
enum cmd_result cmd_idle(struct cmd *cmd);
enum cmd_result cmd_filter(struct cmd *cmd);

#endif
