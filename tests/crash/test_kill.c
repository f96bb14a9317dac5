/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at any moment: what was acknowledged is there, once, with the flags
 * that were acknowledged, and no UID is given out twice.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/storage/fixture.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "index/index.h"

enum {
	ROUNDS = 40,
	WRITERS = 2,
	MAILS = 400,     /* at most, of one writer in one round */
	LIFE_US = 25000, /* at most */
};

/* What a writer says when it has done it. */
struct ack {
	uint32_t uid, number;
	bool seen; /* the flag is set; else the mail is saved */
};

struct known {
	bool saved, seen;
	uint32_t uid;
};

struct kill_test {
	struct fixture *f;
	struct known known[ROUNDS][WRITERS][MAILS];
	unsigned found[ROUNDS][WRITERS][MAILS];
};

static void say(int fd, struct ack ack)
{
	if (write(fd, &ack, sizeof(ack)) != (ssize_t)sizeof(ack))
		_exit(1);
}

static uint32_t deliver(struct mailbox *box, unsigned round, unsigned writer,
			unsigned number)
{
	char text[200];

	snprintf(text, sizeof(text), "X-Id: %u %u %u\r\n\r\nText\r\n", round,
		 writer, number);
	return save_text(box, text, 0, NULL);
}

/* Save, acknowledge, set a flag, acknowledge; until killed. */
static void run_writer(struct fixture *f, unsigned round, unsigned writer,
		       int fd)
{
	struct mailbox *box;

	index_after_fork();
	f->user = fixture_user(f);
	box = open_box(f, "INBOX", MAILBOX_KEEP_RECENT);
	for (uint32_t number = 0; number < MAILS; number++) {
		uint32_t uid = deliver(box, round, writer, number);
		uint32_t seq;

		say(fd, (struct ack){uid, number, false});
		sync_box(f, box, 0);
		seq = mailbox_seq_of(box, uid);
		assert_int_not_equal(seq, 0);
		store_flags(box, one(f, seq, seq), STORE_ADD, MAIL_SEEN);
		say(fd, (struct ack){uid, number, true});
	}
	_exit(0);
}

static pid_t start(struct fixture *f, unsigned round, unsigned writer,
		   int *fd_out)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		run_writer(f, round, writer, fds[1]);
	}
	close(fds[1]);
	*fd_out = fds[0];
	return pid;
}

/* A writer may be behind with dying, but never with what it said. */
static void collect(int fd, struct known *known)
{
	struct ack ack;

	while (read(fd, &ack, sizeof(ack)) == (ssize_t)sizeof(ack)) {
		assert_true(ack.number < MAILS);
		known[ack.number].uid = ack.uid;
		if (ack.seen)
			known[ack.number].seen = true;
		else
			known[ack.number].saved = true;
	}
	close(fd);
}

static void run_round(struct kill_test *test, unsigned round)
{
	pid_t pids[WRITERS];
	int fds[WRITERS];

	for (unsigned w = 0; w < WRITERS; w++)
		pids[w] = start(test->f, round, w, &fds[w]);
	for (unsigned w = 0; w < WRITERS; w++) {
		usleep((useconds_t)(random() % LIFE_US));
		kill(pids[w], SIGKILL);
	}
	for (unsigned w = 0; w < WRITERS; w++) {
		int status;

		collect(fds[w], test->known[round][w]);
		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		/* Nothing but our signal ended it. */
		assert_true(WIFSIGNALED(status) ||
			    (WIFEXITED(status) && WEXITSTATUS(status) == 0));
	}
}

static void check_mail(struct kill_test *test, const struct mail *mail)
{
	unsigned round, writer, number;
	const struct known *known;
	struct str header;
	struct err err;
	char line[100];

	assert_ok(mail_header(mail, &header, &err));
	snprintf(line, sizeof(line), "%.*s", STR_FMT(header));
	assert_int_equal(
		sscanf(line, "X-Id: %u %u %u", &round, &writer, &number), 3);
	assert_true(round < ROUNDS && writer < WRITERS && number < MAILS);
	test->found[round][writer][number]++;
	known = &test->known[round][writer][number];
	if (known->saved)
		assert_int_equal(mail->uid, known->uid);
	if (known->seen)
		assert_true((mail->flags & MAIL_SEEN) != 0);
}

static void check_all(struct kill_test *test)
{
	struct mailbox *box = open_box(test->f, "INBOX", MAILBOX_KEEP_RECENT);
	uint32_t messages = mailbox_messages(box);
	struct range_set all = one(test->f, 1, messages);
	struct mail_reader *reader = mail_reader_begin(test->f->ctx, box, &all);
	const struct mail *mail;
	struct err err;

	memset(test->found, 0, sizeof(test->found));
	while (mail_reader_next(reader, &mail, &err) == 1)
		check_mail(test, mail);
	mail_reader_end(&reader);
	mailbox_close(&box);
	for (unsigned r = 0; r < ROUNDS; r++) {
		for (unsigned w = 0; w < WRITERS; w++) {
			for (unsigned n = 0; n < MAILS; n++) {
				bool saved = test->known[r][w][n].saved;

				assert_true(test->found[r][w][n] <= 1);
				assert_true(!saved || test->found[r][w][n]);
			}
		}
	}
}

static void test_acknowledged_mail_survives_kill(void **state)
{
	struct kill_test *test = mem_new(NULL, struct kill_test);

	test->f = *state;
	srandom(20261122);
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* No handle of ours may be shared with the children. */
		mem_free(test->f->user);
		index_keep_open(0);
		test->f->user = NULL;
		run_round(test, round);
		test->f->user = fixture_user(test->f);
		if (round % 8 == 7)
			check_all(test);
	}
	check_all(test);
	mem_free(test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_acknowledged_mail_survives_kill, fixture_setup,
			fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
