/* SPDX-License-Identifier: MIT */
/*
 * managesieve/session.h - one ManageSieve client after login (RFC 5804 section
 * 2). Its scripts are scripts/scripts.h's; a command is done when it returns.
 */
#ifndef MANAGESIEVE_SESSION_H
#define MANAGESIEVE_SESSION_H
#include <stdint.h>

#include "base/buf.h"
#include "managesieve/settings.h"
#include "proto/managesieve.h"
#include "session/mail_session.h"

struct err;
struct scripts;

struct session_stats {
	uint64_t put_bytes, put_count, get_bytes, get_count;
	uint64_t check_bytes, check_count, deleted_count, renamed_count;
};

struct session {
	struct mail_session base;
	const struct managesieve_settings *set; /* of `base` */
	struct scripts *scripts;
	struct msieve_parser *parser;
	unsigned bad_commands, mistakes;
	struct session_stats stats;
	struct buf out; /* answers, on their way to the connection */
};

/* At service.init: what sessions of this process share. */
int managesieve_sessions_init(struct service_env *env, struct err *err);

/* answers */

void reply_ok(struct session *session, const char *text);
/* "NO (CODE) "text""; code may be "". */
void reply_no(struct session *session, const char *code, const char *text);
/* What the client sent makes no sense: "Error in MANAGESIEVE command ...". */
void reply_bad(struct session *session, const char *text);
/* An error of scripts/scripts.h; what is not the client's matter is logged.
 * `fmt` is for the log: "Failed to store script `%s'". */
void reply_error(struct session *session, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* commands */

/* store.c: those with a script's text */
void cmd_putscript(struct session *session,
		   const struct msieve_command *command);
void cmd_checkscript(struct session *session,
		     const struct msieve_command *command);
void cmd_havespace(struct session *session,
		   const struct msieve_command *command);
/* The text of one is announced as too large. */
void refuse_script(struct session *session,
		   const struct msieve_command *command, uint64_t size);
/* It compiles before it becomes active. */
void cmd_setactive(struct session *session,
		   const struct msieve_command *command);

/* manage.c: the others */
void cmd_listscripts(struct session *session,
		     const struct msieve_command *command);
void cmd_getscript(struct session *session,
		   const struct msieve_command *command);
void cmd_deletescript(struct session *session,
		      const struct msieve_command *command);
void cmd_renamescript(struct session *session,
		      const struct msieve_command *command);

#endif
