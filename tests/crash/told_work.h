/* SPDX-License-Identifier: MIT */
/*
 * tests/crash/told_work.h - a bit of everything that changes mailboxes, with
 * notes of what a client would be told of it.
 */
#ifndef TESTS_CRASH_TOLD_WORK_H
#define TESTS_CRASH_TOLD_WORK_H

#include "told.h"

/* In the directory that tests of Maildir use, too. */
#define MBOX "mail_location = mbox:~/Maildir\n"

/* Something failed; told is as it was before it. */
typedef void told_failed_fn(void *ctx, const struct err *err);

struct told_work {
	struct fixture *f;
	struct told *told;
	told_failed_fn *failed; /* may fail the test */
	void *ctx;
	bool settle; /* put the index on disk now and then */
};

/* A location with "INBOX" and "other", and the mails 0 to 3 in INBOX; `old`:
 * and a uidlist with so many lines of expunged mails that it is written anew
 * with the next mail. */
void told_prepare(struct told_work *work, bool old);
/* Save, mark, copy, move, expunge, create, rename. */
void told_run(struct told_work *work);

#endif
