/* SPDX-License-Identifier: MIT */
/*
 * Mails are expunged from an mbox on a disk that has not one block left. Needs
 * to mount one: as root, in a mount namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/storage/fixture.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"

enum { MAILS = 30, LINE = 40, LINES = 200 };

static char disk[100];

/* Each one has another length. */
static char *text_of(const void *ctx, unsigned mail)
{
	size_t size = (size_t)LINE * (LINES + 2), len;
	char *text = mem_array(ctx, char, size);

	len = (size_t)snprintf(text, size, "X-Id: %u\r\n\r\n", mail);
	for (unsigned i = 0; i < LINES - mail; i++)
		len += (size_t)snprintf(text + len, size - len,
					"line %u of mail %u\r\n", i, mail);
	return text;
}

static void fill_disk(void)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fill");
	int fd = open(mem_printf(ctx, "%s/filler", disk), O_WRONLY | O_CREAT,
		      0600);
	static const char block[4096];

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static bool is_kept(unsigned mail, unsigned round)
{
	return round == 0 ? mail % 3 != 0 : mail % 3 == 1 && mail > 5;
}

static void check(struct fixture *f, struct mailbox *box, unsigned round)
{
	static const struct section whole = {.kind = SECTION_ALL};
	uint32_t seq = 0;

	for (unsigned mail = 0; mail < MAILS; mail++) {
		char *text, *wanted = text_of(f->ctx, mail);
		size_t len;

		if (!is_kept(mail, round))
			continue;
		assert_int_equal(mailbox_uid_of(box, ++seq), mail + 1);
		text = read_section(f, box, seq, &whole, 0, UINT64_MAX, &len);
		assert_int_equal(len, strlen(wanted));
		assert_memory_equal(text, wanted, len);
		assert_int_equal(flags_of(f, box, seq) & MAIL_SEEN,
				 mail % 2 == 0 ? MAIL_SEEN : 0);
	}
	assert_int_equal(mailbox_messages(box), seq);
}

static void expunge(struct fixture *f, struct mailbox *box, unsigned round)
{
	struct range_set seqs = range_set_init(f->ctx);
	struct err err;

	for (uint32_t seq = 1; seq <= mailbox_messages(box); seq++) {
		if (!is_kept(mailbox_uid_of(box, seq) - 1, round))
			range_set_add(&seqs, seq, seq);
	}
	store_flags(box, seqs, STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(box, NULL, &err));
	sync_box(f, box, 0);
}

static off_t file_size(struct fixture *f)
{
	struct stat st;

	assert_int_equal(stat(mem_printf(f->ctx, "%s/mail/inbox", f->dir), &st),
			 0);
	return st.st_size;
}

static void test_expunge_on_a_full_disk(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box = open_box(f, "INBOX", 0);
	off_t before;

	for (unsigned mail = 0; mail < MAILS; mail++)
		save_text(box, text_of(f->ctx, mail),
			  mail % 2 == 0 ? MAIL_SEEN : 0, NULL);
	sync_box(f, box, 0);
	fill_disk();
	before = file_size(f);
	for (unsigned round = 0; round < 2; round++) {
		expunge(f, box, round);
		check(f, box, round);
		fill_disk();
		sync_box(f, box, SYNC_FULL);
		check(f, box, round);
	}
	mailbox_close(&box);
	/* And with nothing in memory. */
	mem_free(f->user);
	f->user = fixture_user(f);
	box = open_box(f, "INBOX", 0);
	check(f, box, 1);
	mailbox_close(&box);
	assert_true(file_size(f) < before / 2);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(disk, sizeof(disk), "%s/disk-XXXXXX",
		 tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(disk) == NULL)
		return -1;
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", disk, "tmpfs", 0, "size=1m") < 0) {
		rmdir(disk);
		disk[0] = '\0';
		return 0;
	}
	/* The index is elsewhere. */
	setenv("TMPDIR", disk, 1);
	return fixture_open(state, "mail_location = mbox:~/mail:INDEX=MEMORY:"
				   "VOLATILEDIR=/dev/shm\n");
}

static void test_or_skip(void **state)
{
	if (disk[0] == '\0')
		skip();
	test_expunge_on_a_full_disk(state);
}

static int teardown(void **state)
{
	if (disk[0] == '\0')
		return 0;
	fixture_teardown(state);
	umount2(disk, MNT_DETACH);
	return rmdir(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_or_skip, setup, teardown),
	};

	log_open("test_mbox_full", LOG_TO_NOWHERE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
