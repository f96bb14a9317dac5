/* SPDX-License-Identifier: MIT */
/*
 * storage/save.h, part of storage/storage.h - putting mails into a mailbox.
 *
 * save_commit() returns when all of it is durable (mail_fsync), and only then
 * may anybody answer OK or 250.
 */
#ifndef STORAGE_SAVE_H
#define STORAGE_SAVE_H
#include <stddef.h>
#include <stdint.h>

#include "base/range.h"
#include "base/str.h"

struct err;
struct mailbox;
struct mime_message;
struct save;

struct save_options {
	uint8_t flags;
	const char *const *keywords; /* names, NULL at the end; may be NULL */
	bool some_keywords;          /* those that can't be had are left away */
	int64_t received;            /* INTERNALDATE, if it is dated */
	bool dated;                  /* else that is now */
	const char *guid;            /* NULL: a new one */
	/* For formats that keep it beside the mail; NULL: Return-Path's. */
	const char *sender;
	/* The whole mail's tree, if the caller parsed it already with the same
	 * octets (one DATA for many recipients); NULL: parsed on the way. It is
	 * of use when its line ends are those that are stored: LF only, or with
	 * mail_save_crlf CRLF only. Else the mail is parsed again. */
	const struct mime_message *parsed;
};

/* Begin a transaction that adds mails to `box` (MAILBOX_SAVE_ONLY is enough).
 * Child of ctx; ends with save_commit() or save_rollback(). */
struct save *save_begin(const void *ctx, struct mailbox *box);
/* One mail: begin, its text in pieces (any line ends), finish. */
int save_mail_begin(struct save *save, const struct save_options *options,
		    struct err *err);
int save_mail_write(struct save *save, const void *data, size_t len,
		    struct err *err);
int save_mail_finish(struct save *save, struct err *err);
/* Drop the mail under way; the others of the transaction stay. */
void save_mail_cancel(struct save *save);
/* All mails appear at once, in order, or none. *uids_out (may be NULL) belongs
 * to the ctx of save_begin(). *save becomes NULL, also on failure. ERR_QUOTA,
 * ERR_NO_SPACE. */
int save_commit(struct save **save, uint32_t *uid_validity_out,
		struct range_set *uids_out, struct err *err);
void save_rollback(struct save **save); /* for CLEANUP too */

#endif
