/* SPDX-License-Identifier: MIT */
/*
 * session/mail_session.h - one client after login, whatever its protocol: from
 * the hand-over by login to the line in the log. imap and pop3 have their own
 * state behind it.
 *
 * It never blocks on the client: what makes more output than the client takes
 * says so and is called again when that is gone.
 */
#ifndef SESSION_MAIL_SESSION_H
#define SESSION_MAIL_SESSION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/duration.h"

struct buf;
struct conn;
struct err;
struct mail_session;
struct service_env;
struct service_session;
struct setting;
struct timer;
struct user;
struct var;

enum session_wait {
	SESSION_INPUT,
	SESSION_OUTPUT, /* until the client has taken some */
	SESSION_TURN,   /* has more to do, turn_after when others had theirs */
	SESSION_WAKE,   /* until mail_session_wake() */
};

struct session_protocol {
	const char *name;    /* "imap": for filters of settings, and storage */
	const char *service; /* as the log has it; NULL: the name */
	const struct setting *settings;
	size_t settings_size;
	size_t size; /* of its struct, which begins with a mail_session */
	size_t max_input;
	uint64_t inactivity_ms;
	const char *inactive; /* the log's words for that */
	const char *internal; /* code of internal errors: "[SERVERBUG]" */
	/* The log has "Connection closed" without "Disconnected: ". */
	bool terse;
	/* The user is open: greet, and take what `login` read already. */
	void (*begin)(struct mail_session *session);
	/* Do what can be done now; returns what for it waits then. Is never
	 * called while it runs. */
	enum session_wait (*run)(struct mail_session *session);
	/* A command is under way that is to end before the session does. */
	bool (*busy)(const struct mail_session *session);
	/* The last words. */
	void (*bye)(struct mail_session *session, const char *text);
	/* How it stood when the client went away: child of the session; NULL:
	 * the log does not tell. */
	const char *(*describe)(struct mail_session *session);
	/* Close the mailbox; the user and the connection are still there. */
	void (*close)(struct mail_session *session);
	/* After that, if there was a user: mail_session_log_end(). */
	void (*log_end)(struct mail_session *session, uint64_t autoexpunged);
};

struct mail_session {
	const struct session_protocol *protocol;
	struct service_env *env;
	const struct service_session *login;
	struct conn *conn;
	struct user *user; /* NULL: could not be opened */
	const void *set;   /* protocol->settings */
	bool own_set;      /* not those that all share */
	const char *log_prefix;
	const char *remote;         /* for the process title */
	const char *end_reason;     /* for the log */
	bool running;               /* protocol->run() is on the stack */
	bool closing;               /* nothing more is read */
	bool gone;                  /* the client closed */
	bool patient;               /* it may say nothing for ever */
	uint64_t timeout_ms;        /* of conn */
	struct timer *turn;         /* for SESSION_TURN */
	struct duration turn_after; /* 0: as soon as others had theirs */
	struct mail_session *next, *prev;
};

/* At service.init: all sessions of this process have that protocol. Reads the
 * settings that they share, unless those depend on the connection. */
int mail_sessions_init(const struct session_protocol *protocol,
		       struct service_env *env, struct err *err);
const void *mail_sessions_settings(void);
/* service.start and service.stop. */
void mail_session_start(struct service_env *env,
			const struct service_session *login);
void mail_sessions_stop(struct service_env *env, const char *reason);

/* Say `text` in the protocol's words (NULL: nothing), and end when it is sent;
 * `reason` is for the log. */
void mail_session_bye(struct mail_session *session, const char *text,
		      const char *reason);
/* Whether its next command may begin: not when it ends, or its process does,
 * which waits for the one that runs. */
bool mail_session_goes_on(const struct mail_session *session);
/* Before the log is written to from elsewhere than protocol->run(). */
void mail_session_enter(struct mail_session *session);
/* For timers and notifications: go on. */
void mail_session_wake(struct mail_session *session);
/* In state `state` for ps, if verbose_proctitle. */
void mail_session_title(struct mail_session *session, const char *state);

/* "Disconnected: REASON" and `format` (the value of `setting`) expanded with
 * `vars` (up to {0}), %i, %o, session, rip and the user's. */
void mail_session_log_end(struct mail_session *session, const char *setting,
			  const char *format, const struct var *vars);
/* What the client is told of an error that is the log's matter; logs it. */
void internal_error_text(const struct err *err, struct buf *out);

#endif
