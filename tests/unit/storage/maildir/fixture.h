/* SPDX-License-Identifier: MIT */
/*
 * A Maildir in a temporary directory, and the driver's functions called as the
 * storage core calls them.
 */
#ifndef TESTS_MAILDIR_FIXTURE_H
#define TESTS_MAILDIR_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "storage/maildir/maildir.h"
#include "storage/user.h"

#define OK(call)                                                               \
	do {                                                                   \
		if ((call) < 0)                                                \
			fail_msg("%s", err.text);                              \
	} while (0)

struct fixture {
	char root[64];
	struct mail_settings settings;
	struct location location;
	struct index *index;
	struct driver_box *box;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
struct driver_box *fixture_box(struct fixture *f, const char *name);
/* Give the box back and open it anew, without what it remembered. */
void fixture_reopen(struct fixture *f);
void fixture_drop_index(struct fixture *f);
void fixture_sync(struct fixture *f);
struct index_box fixture_row(struct fixture *f);
/* "1:S 2: 3:Ta" - UIDs, flags and keyword letters; child of f->box. */
char *fixture_mails(struct fixture *f);
void fixture_save(struct fixture *f, const char *text, uint8_t flags,
		  uint32_t letters);
void fixture_flags(struct fixture *f, uint32_t uid, uint8_t flags,
		   uint32_t letters);
void fixture_expunge(struct fixture *f, uint32_t uid);
/* A file as another program puts it there, and how to move and remove it. */
void fixture_file(struct fixture *f, const char *path, const char *text);
void fixture_move(struct fixture *f, const char *from, const char *to);
bool fixture_has(struct fixture *f, const char *path);
char *fixture_text(struct fixture *f, const char *path);
/* Files of a sub directory that the driver's own steps have read since. */
unsigned fixture_count(struct fixture *f, const char *sub);

#endif
