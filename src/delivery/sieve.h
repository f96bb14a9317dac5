/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve.h - Sieve scripts of a delivery (mail_plugins = sieve): where
 * they are, running them, carrying out what they decided.
 *
 *	sieve_scripts.c	 which there are, the user's log, compiled programs
 *	sieve_deliver.c	 all scripts of one delivery, one after the other
 *	sieve_carry.c	 what they decided, as a whole
 *	sieve_host.c	 what scripts ask: mailboxes, lists
 *	sieve_calendar.c processcalendar
 *	sieve_program.c	 pipe, filter, execute
 *	sieve_send.c	 mails that go out: redirect, vacation, notify, report
 *
 * A delivery that fails for now has delivered nothing twice when it is tried
 * again: stores are prepared, then mails are sent, then stores appear.
 */
#ifndef DELIVERY_SIEVE_H
#define DELIVERY_SIEVE_H
#include <stdbool.h>

#include "base/digest.h"
#include "delivery/deliver.h"
#include "delivery/dupes.h"
#include "delivery/plugin_settings.h"
#include "sieve/sieve.h"

struct buf;
struct config;
struct config_filter;
struct err;
struct filter;
struct lda_settings;
struct lda_sieve;
struct mail_settings;
struct save_options;
struct scripts;
struct script_location;
struct scripts_options;
struct sender;
struct smtp_source;
struct user;

/* scripts */

struct lda_script {
	const char *path; /* or what errors call it */
	/* In a dictionary, and its name there (NULL: the location's). */
	const struct script_location *location;
	const char *name;
	const char *bindir; /* for it, compiled; NULL: beside a file */
	bool missing; /* there is none: nothing to run */
	bool global; /* the administrator's: errors go to the server's log */
	unsigned number; /* sieve_action.script of its actions */
	struct sieve_program *program; /* NULL: can't be compiled */
	struct lda_script *next;
};

/* Of one user; kept as long as the user is. */
struct lda_sieve {
	struct user *user;
	const struct lda_settings *lda;
	struct scripts *scripts;
	struct lda_plugin_settings set;
	/* The administrator's locations, up to NULL. */
	const char *const *before, *const *after;
	struct sieve_engine *engine; /* of `scripts` */
	const char *log_path;        /* of the user's; NULL: the server's */
	const char *dupes_path;      /* NULL: nothing is remembered */
	bool log_begun;              /* in this delivery */
	/* Hears what scripts say in place of the logs; NULL: nobody does. */
	const struct sieve_log *listener;
	struct lda_script *programs; /* list: kept while they are current */
};

/* Whether mail_plugins names it: the user's, or that of all. As with Dovecot,
 * userdb takes nobody's scripts away with that. */
bool lda_sieve_wanted(const struct user *user,
		      const struct mail_settings *common);
/* ERR_INVALID for settings that make no sense. `options` are NULL in
 * deliveries. Child of ctx. */
int lda_sieve_new(const void *ctx, struct user *user,
		  const struct lda_settings *set,
		  const struct scripts_options *options, struct lda_sieve **out,
		  struct err *err);
/* One script more at the end of a list; children of ctx. */
void lda_script_add(const void *ctx, struct lda_script ***end, const char *path,
		    bool global);
/* The user's active script, or else sieve_default; NULL if there is neither. */
int lda_script_personal(const void *ctx, struct lda_sieve *sieve,
			struct lda_script **out, struct err *err);
/* One of his, or of sieve_global, by its name. ERR_NOT_FOUND, ERR_INVALID. */
int lda_script_named(const void *ctx, struct lda_sieve *sieve, bool global,
		     struct str name, struct lda_script **out, struct err *err);
/* The administrator's script(s) of a location: "file:/path"; nothing if there
 * are none. -1 for a location that makes no sense, which the log is told. */
int lda_script_add_global(const void *ctx, struct lda_sieve *sieve,
			  struct lda_script ***end, const char *location);
/* The scripts that there are now, in order; children of ctx. The log is told of
 * what went wrong. */
int lda_sieve_scripts(const void *ctx, struct lda_sieve *sieve,
		      struct lda_script **out, struct err *err);
/* Fill in its program, NULL if it is missing, or can't be compiled, which the
 * log tells; -1 for what may be better later. */
int lda_script_open(struct lda_sieve *sieve, struct lda_script *script,
		    struct err *err);
/* A line for the user's log. `where` may be "". */
void lda_sieve_user_log(void *sieve, enum log_level level, const char *where,
			const char *text);
/* The same of the administrator's scripts, for the server's log. */
void lda_sieve_server_log(void *sieve, enum log_level level, const char *where,
			  const char *text);

/* a delivery */

/* As deliver(), by the scripts; 1 if there are none. ERR_DENIED with
 * delivery->refusal set: it is to be refused. */
int sieve_deliver(struct lda_sieve *sieve, const struct delivery *delivery,
		  struct err *err);

/* A mail that is stored already (filter.h). */
struct carry_stored {
	struct filter *filter;
	const char *mailbox; /* that it is in */
	/* That log lines name, and which actions are no news then: debug; 0: as
	 * deliveries do. */
	uint32_t uid;
	const char *const *flags;
	int64_t received;
	bool readonly;   /* changes of its text are dropped */
	const void *ctx; /* of new_flags */
	/* what comes out */
	bool kept, replaced;
	const char *const *new_flags;
};

struct carry {
	struct lda_sieve *sieve;
	const struct delivery *delivery;
	const struct lda_settings *lda;
	struct sieve_message *message;
	struct sieve_envelope envelope;
	struct sieve_host host;
	struct sieve_result *result;
	bool delivered;      /* something took the place of the implicit keep */
	bool acted;          /* it was stored or sent */
	bool kept_elsewhere; /* by (implicit) keep in another mailbox */
	bool failed; /* an action could not be done, and never will be */
	bool flags_hold; /* of the implicit keep, though one failed */
	/* One that can't store; then nothing of its script is done. */
	const struct sieve_action *broken;
	struct lda_script *scripts; /* list: those that ran */
	struct carry_store *stores;  /* list */
	struct carry_stored *stored; /* NULL in deliveries */
	struct dupes_hold *hold;     /* NULL: there is no place for it */
	struct {
		unsigned char octets[DIGEST_MAX];
		size_t len;
	} mail_hash; /* as it came; 0: nobody has asked yet */
};

/* Nothing is decided yet; the spool is mapped. */
int carry_begin(const void *ctx, struct carry *carry, struct lda_sieve *sieve,
		const struct delivery *delivery, struct err *err);
/* Run them while the mail would be kept. -1 for what may be better later. */
int sieve_run_scripts(struct carry *carry, struct lda_script *scripts,
		      struct lda_script **last_out, struct err *err);

/* The one with those actions. */
struct lda_script *carry_script(const struct carry *carry, unsigned number);

/* Whether that is the administrator's. */
bool carry_is_global(const struct carry *carry,
		     const struct sieve_action *action);

/* Do it all, or nothing that would be done again. */
int sieve_carry_out(const void *ctx, struct carry *carry, struct err *err);
/* Other deliveries of this user that come to the same id wait for the end of
 * this one, or dupes_let_go() (dupes_hold()): only once is the first. */
int carry_hold(const struct carry *carry, enum dupe_kind kind, struct str id,
	       struct err *err);
/* "sieve: msgid=<...>: text", by deliver_log_format. */
void carry_log(const struct carry *carry, enum log_level level, const char *fmt,
	       ...) __attribute__((format(printf, 3, 4)));
/* For the user's log: "error: msgid=<...>: text". */
void carry_user_log(const struct carry *carry, const char *text);
/* Flags and keywords by their names. */
void carry_flags(const void *ctx, const char *const *flags,
		 struct save_options *options);
/* -1 only for what may be better later. action->done: it was sent. */
int carry_redirect(const void *ctx, struct carry *carry,
		   struct sieve_action *action, struct err *err);
/* Into carry->host, if sieve_trace_dir asks for it (sieve_trace.c). */
void carry_trace(const void *ctx, struct carry *carry);
/* What scripts ask (sieve_host.c): carry->host. */
void carry_host(const void *ctx, struct carry *carry);
/* Where a store goes: by MAILBOXID, by special use, by name. */
const char *carry_mailbox(const void *ctx, struct carry *carry,
			  const struct sieve_store *wanted);
/* The text of an external list; and its members, one after the other. */
int carry_list(struct carry *carry, const char *list, struct buf *text,
	       struct err *err);
bool carry_list_next(struct str *rest, struct str *member);
/* Calendars (sieve_calendar.c): their code, NULL if the user has none; for
 * struct sieve_host; and storing, -1 only for what may be better later. */
const struct calendar_code *carry_calendars(const struct carry *carry);
int carry_calendar_object(void *carry, const void *mem, const char *uid,
			  const char *wanted, struct str *text_out,
			  const char **calendar_out, struct err *err);
int carry_calendar(const void *ctx, struct carry *carry,
		   const struct sieve_calendar *object, struct err *err);
/* Whether scripts may run programs of this system by themselves, or what
 * sendmail_path names: then there can be no sandbox. */
bool lda_sieve_runs_programs(const struct config *config,
			     const struct config_filter *filter);
/* What calendars need is loaded if plugin {} names a place of theirs: before
 * the user's chroot hides it. */
void lda_sieve_load_calendars(const struct config *config,
			      const struct config_filter *filter);
/* For struct sieve_host. */
int carry_program(void *carry, const void *mem, const char *kind,
		  const char *name, const char *const *args, struct str input,
		  struct str *output_out, int *status_out, struct err *err);
/* Whether the program took it; a failure is logged, and the mail is kept. */
bool carry_pipe(const void *ctx, struct carry *carry,
		const struct sieve_action *action);
/* Vacation, notify, report: whether one was sent; what goes wrong is logged,
 * and that is all. */
bool carry_answer(const void *ctx, struct carry *carry,
		  const struct sieve_action *action);

#endif
