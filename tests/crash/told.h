/* SPDX-License-Identifier: MIT */
/*
 * tests/crash/told.h - what a client was told of a few mails, and whether a
 * location that was interrupted still holds that.
 *
 * A change is asked for first, and acknowledged then: in between it may be
 * there or not.
 */
#ifndef TESTS_CRASH_TOLD_H
#define TESTS_CRASH_TOLD_H
#include <stdbool.h>
#include <stdint.h>

#include "../unit/storage/fixture.h"

/* INBOX, one that is renamed from "other" to "away", one that is made late. */
enum told_box { TOLD_INBOX, TOLD_OTHER, TOLD_LATE, TOLD_BOXES };
enum { TOLD_MAILS = 16, TOLD_UIDS = 64 };

struct told_mail {
	bool must; /* is there, under `uid` */
	bool may;  /* could be */
	uint32_t uid;
	uint8_t flags; /* at least */
};

struct told {
	struct told_mail mails[TOLD_BOXES][TOLD_MAILS];
	bool kept[TOLD_MAILS];   /* in some mailbox, at least once */
	bool exists[TOLD_BOXES]; /* acknowledged */
	bool renaming, renamed;  /* "other" to "away": asked, done */
	uint32_t uid_validity[TOLD_BOXES], uid_max[TOLD_BOXES];
	bool all_synced; /* mail_fsync = always: flags and expunges, too */
};

/* The text of a mail; child of ctx. */
char *told_text(const void *ctx, unsigned mail);
/* The keyword that it is saved with, or NULL; child of ctx. */
const char *told_keyword(const void *ctx, unsigned mail);
void told_save(struct told *told, enum told_box box, unsigned mail);
void told_saved(struct told *told, enum told_box box, unsigned mail,
		uint32_t uid_validity, uint32_t uid);
/* To be taken out of `box`: expunged for good, or moved. */
void told_remove(struct told *told, enum told_box box, unsigned mail,
		 bool for_good);
void told_removed(struct told *told, enum told_box box, unsigned mail);
/* Fails the test, with `where`, if the user's mailboxes tell otherwise. */
void told_check(struct fixture *f, struct user *user, const struct told *told,
		const char *where);

#endif
