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

/* Whose mail it is, options say: -A, -F, -S and -u; with none of them it is the
 * caller's own ($USER). */

/* Complains and returns a status if there is nobody to work for, or if another
 * server is to do it. */
int mail_targets_check(const struct doveadm *adm);
/* The printer of a mail command: with a column for the user if there may be
 * several. NULL after an error. */
struct printer *mail_printer(struct doveadm *adm, const char *format);
/* What auth knows of a user; child of ctx. ERR_NOT_FOUND. */
int mail_account(const void *ctx, struct doveadm *adm, const char *name,
		 struct account **out, struct err *err);
/* 32 hex digits (mailbox_update.c). */
bool mailbox_guid_parse(const char *text, unsigned char guid[16]);
/* Call `fn` for each user, with that user's rights; it returns an exit status.
 * `printer` (may be NULL) is told whose rows follow, and ends. Returns the
 * first status that is not 0. */
int mail_run(struct doveadm *adm, struct printer *printer,
	     int (*fn)(void *ctx, struct user *user), void *ctx);

#endif
