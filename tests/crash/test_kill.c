/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at any moment: what was acknowledged is there, once, with the flags
 * that were acknowledged, no UID is given out twice, and a mail that was being
 * moved is in one of the two mailboxes at least.
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
enum done { SAVED, SEEN, MOVED };

struct ack {
	uint32_t uid, number;
	enum done done;
};

struct known {
	bool saved, seen, moved;
	uint32_t uid;
};

struct kill_test {
	struct fixture *f;
	struct known known[ROUNDS][WRITERS][MAILS];
	unsigned found[ROUNDS][WRITERS][MAILS];
	unsigned moved[ROUNDS][WRITERS][MAILS]; /* found in the other one */
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

static void move(struct fixture *f, struct mailbox *box, uint32_t seq)
{
	struct range_set seqs = one(f, seq, seq);
	struct copy_result result;
	struct err err;

	assert_ok(
		mailbox_copy(f->ctx, box, &seqs, "other", true, &result, &err));
}

/* Save, acknowledge, set a flag or move away, acknowledge; until killed. */
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

		say(fd, (struct ack){uid, number, SAVED});
		sync_box(f, box, 0);
		seq = mailbox_seq_of(box, uid);
		assert_int_not_equal(seq, 0);
		if (number % 2 == 0) {
			store_flags(box, one(f, seq, seq), STORE_ADD,
				    MAIL_SEEN);
			say(fd, (struct ack){uid, number, SEEN});
		} else {
			move(f, box, seq);
			say(fd, (struct ack){uid, number, MOVED});
		}
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
		known[ack.number].saved = true;
		known[ack.number].seen |= ack.done == SEEN;
		known[ack.number].moved |= ack.done == MOVED;
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

static void read_id(const struct mail *mail, unsigned id[3])
{
	struct str header;
	struct err err;
	char line[100];

	assert_ok(mail_header(mail, &header, &err));
	snprintf(line, sizeof(line), "%.*s", STR_FMT(header));
	assert_int_equal(sscanf(line, "X-Id: %u %u %u", &id[0], &id[1], &id[2]),
			 3);
	assert_true(id[0] < ROUNDS && id[1] < WRITERS && id[2] < MAILS);
}

static void look_into(struct kill_test *test, const char *name,
		      unsigned found[ROUNDS][WRITERS][MAILS], bool inbox)
{
	struct mailbox *box = open_box(test->f, name, MAILBOX_KEEP_RECENT);
	struct range_set all = one(test->f, 1, mailbox_messages(box));
	struct mail_reader *reader = mail_reader_begin(test->f->ctx, box, &all);
	const struct mail *mail;
	struct err err;

	while (mail_reader_next(reader, &mail, &err) == 1) {
		const struct known *known;
		unsigned id[3];

		read_id(mail, id);
		found[id[0]][id[1]][id[2]]++;
		known = &test->known[id[0]][id[1]][id[2]];
		if (inbox && known->saved)
			assert_int_equal(mail->uid, known->uid);
		if (inbox && known->seen)
			assert_true((mail->flags & MAIL_SEEN) != 0);
	}
	mail_reader_end(&reader);
	mailbox_close(&box);
}

static void check_one(const struct known *known, unsigned found, unsigned moved)
{
	assert_true(found <= 1 && moved <= 1);
	assert_true(!known->saved || found + moved >= 1);
	assert_true(!known->moved || (moved == 1 && found == 0));
}

static void check_all(struct kill_test *test)
{
	memset(test->found, 0, sizeof(test->found));
	memset(test->moved, 0, sizeof(test->moved));
	look_into(test, "INBOX", test->found, true);
	look_into(test, "other", test->moved, false);
	for (unsigned r = 0; r < ROUNDS; r++) {
		for (unsigned w = 0; w < WRITERS; w++) {
			for (unsigned n = 0; n < MAILS; n++)
				check_one(&test->known[r][w][n],
					  test->found[r][w][n],
					  test->moved[r][w][n]);
		}
	}
}

static void test_acknowledged_mail_survives_kill(void **state)
{
	struct kill_test *test = mem_new(NULL, struct kill_test);
	struct err err;

	test->f = *state;
	assert_ok(mailbox_create(test->f->user, "other", NULL, &err));
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
