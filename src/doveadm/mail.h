/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mail.h - commands on users' mailboxes: for one user, for those of a
 * mask or a file, for all. Storage is opened here, as the user.
 */
#ifndef DOVEADM_MAIL_H
#define DOVEADM_MAIL_H
#include <stdbool.h>

struct account;
struct doveadm;
struct err;
struct printer;
struct user;

/* -A, -F, -S and -u; nothing of it: the caller's own mail ($USER). */
struct mail_targets {
	bool all;
	const char *file, *user;
	const char *socket; /* -S */
};

/* True if the option is one of these four. */
bool mail_target_option(struct mail_targets *targets, int option,
			const char *value);
/* Complains and returns a status if there is nobody to work for, or if another
 * server is to do it. */
int mail_targets_check(const struct mail_targets *targets);
/* The options of a command that has no others, and its arguments: *argv and
 * *argc become what is left. A status that is not 0 is to be returned. */
int mail_options(struct doveadm *adm, struct mail_targets *targets, int *argc,
		 char ***argv);
/* The printer of a mail command: with a column for the user if there may be
 * several. NULL after an error. */
struct printer *mail_printer(struct doveadm *adm,
			     const struct mail_targets *targets,
			     const char *format);
/* What auth knows of a user; child of the run. ERR_NOT_FOUND. */
int mail_account(struct doveadm *adm, const char *name,
		 const struct account **out, struct err *err);
/* 32 hex digits (mailbox_update.c). */
bool mailbox_guid_parse(const char *text, unsigned char guid[16]);
/* Call `fn` for each user, with that user's rights; it returns an exit status.
 * `printer` (may be NULL) is told whose rows follow. Returns the first status
 * that is not 0. */
int mail_run(struct doveadm *adm, const struct mail_targets *targets,
	     struct printer *printer, int (*fn)(void *ctx, struct user *user),
	     void *ctx);

#endif
