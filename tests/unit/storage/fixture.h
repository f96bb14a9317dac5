/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/storage/fixture.h - a user with a real Maildir in a temporary
 * directory.
 */
#ifndef TEST_STORAGE_FIXTURE_H
#define TEST_STORAGE_FIXTURE_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <setjmp.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "service/account.h"
#include "storage/storage.h"

struct fixture {
	TALLOC_CTX *ctx;
	char *dir;
	struct config *config;
	struct account account;
	struct user *user;
};

/* With mail_location = maildir:~/Maildir and the settings in `more`. */
int fixture_open(void **state, const char *more);
int fixture_setup(void **state); /* nothing more */
int fixture_teardown(void **state);
/* One more session of the same user. */
struct user *fixture_user(struct fixture *f);

/* These fail the test when the call does. */
struct mailbox *open_box(struct fixture *f, const char *name, unsigned flags);
uint32_t save_text(struct mailbox *box, const char *text, uint8_t flags,
		   const char *const *keywords);
/* A small mail with that subject; returns its UID. */
uint32_t save_mail(struct mailbox *box, const char *subject);
struct mailbox_changes sync_box(struct fixture *f, struct mailbox *box,
				unsigned flags);
/* The range of one number. */
struct range_set one(struct fixture *f, uint32_t first, uint32_t last);
/* Numbers as text: "1:3,5". */
char *set_text(struct fixture *f, const struct range_set *set);
/* A section of mail `seq` as it is sent. */
char *read_section(struct fixture *f, struct mailbox *box, uint32_t seq,
		   const struct section *section, uint64_t offset,
		   uint64_t length, size_t *len_out);
void store_flags(struct mailbox *box, struct range_set seqs,
		 enum store_mode mode, uint8_t flags);
uint8_t flags_of(struct fixture *f, struct mailbox *box, uint32_t seq);

/* assert_return_code() with the reason. */
#define assert_ok(call)                                                        \
	do {                                                                   \
		if ((call) < 0)                                                \
			fail_msg("%s: %s", #call, err.text);                   \
	} while (0)

#endif
