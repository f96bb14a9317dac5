/* SPDX-License-Identifier: MIT */
/*
 * Many processes on one mailbox: whatever they do, each one's view stays
 * consistent, and at the end all see the same as the disk has.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/storage/fixture.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "index/index.h"
#include "told_work.h"

enum { PROCESSES = 5, OPERATIONS = 250, SEED = 20261122 };

/* An mbox instead of a Maildir, in the same directory. */
static bool is_mbox;

struct session {
	struct fixture *f;
	struct mailbox *box;
	uint32_t messages; /* as the client was told */
	unsigned number;
};

static uint32_t pick(const struct session *s)
{
	return 1 + (uint32_t)random() % s->messages;
}

/* What a client would believe after these changes. */
static void follow(struct session *s, unsigned flags)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sync");
	struct mailbox_changes changes;
	struct err err;

	assert_ok(mailbox_sync(ctx, s->box, flags, &changes, &err));
	if ((flags & SYNC_KEEP_EXPUNGED) != 0)
		assert_int_equal(changes.expunged.count, 0);
	assert_int_equal(range_set_size(&changes.expunged),
			 range_set_size(&changes.expunged_uids));
	assert_true(range_set_size(&changes.expunged) <= s->messages);
	if (!changes.new_mails)
		assert_int_equal(changes.messages,
				 s->messages -
					 range_set_size(&changes.expunged));
	s->messages = changes.messages;
	assert_int_equal(mailbox_messages(s->box), s->messages);
	for (uint32_t seq = 2; seq <= s->messages; seq++)
		assert_true(mailbox_uid_of(s->box, seq - 1) <
			    mailbox_uid_of(s->box, seq));
}

static void read_one(struct session *s)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "read");
	static const struct section whole = {.kind = SECTION_ALL};
	struct range_set seqs = range_set_init(ctx);
	struct mail_reader *reader;
	const struct mail *mail;
	struct mail_stream *stream;
	uint64_t size, octets;
	struct err err;

	range_set_add(&seqs, pick(s), s->messages);
	reader = mail_reader_begin(ctx, s->box, &seqs);
	if (mail_reader_next(reader, &mail, &err) == 1) {
		if (mail_stream_open(ctx, mail, &whole, 0, UINT64_MAX, &stream,
				     &size, &err) < 0) {
			/* Somebody was faster. */
			assert_int_equal(err.code, ERR_EXPUNGED);
		} else {
			assert_ok(mail_size(mail, &octets, &err));
			assert_int_equal(octets, size);
		}
	}
	mail_reader_end(&reader);
}

static void copy_one(struct session *s, bool move)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "copy");
	struct range_set seqs = range_set_init(ctx);
	struct copy_result result;
	uint32_t seq = pick(s);
	struct err err;

	range_set_add(&seqs, seq, seq);
	if (mailbox_copy(ctx, s->box, &seqs, move ? "other" : "INBOX", move,
			 &result, &err) < 0)
		assert_int_equal(err.code, ERR_EXPUNGED);
}

static void store_one(struct session *s)
{
	static const uint8_t flags[] = {MAIL_SEEN, MAIL_DELETED, MAIL_FLAGGED,
					MAIL_SEEN | MAIL_DRAFT};
	uint32_t seq = pick(s);

	store_flags(s->box, one(s->f, seq, seq),
		    random() % 3 == 0 ? STORE_REMOVE : STORE_ADD,
		    flags[(size_t)random() % 4]);
}

/* As Postfix delivers to an mbox: fcntl lock, dotlock, append. */
static void append_foreign(struct session *s)
{
	char *path = mem_printf(NULL, "%s/Maildir/inbox", s->f->dir);
	char *lock = mem_printf(path, "%s.lock", path);
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC), lock_fd = -1;
	static const char text[] =
		"From x  Sat Nov 28 20:15:24 2026\nA: b\n\nfrom outside\n\n";

	assert_true(fd >= 0);
	/* Nothing is held while waiting. */
	while (lock_fd < 0) {
		whole.l_type = F_WRLCK;
		assert_int_equal(fcntl(fd, F_OFD_SETLKW, &whole), 0);
		lock_fd = open(lock, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (lock_fd >= 0)
			break;
		whole.l_type = F_UNLCK;
		fcntl(fd, F_OFD_SETLK, &whole);
		usleep(100);
	}
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	unlink(lock);
	close(lock_fd);
	close(fd);
	mem_free(path);
}

/* Another program's delivery, and one that sets a flag by renaming. */
static void drop_file(struct session *s)
{
	static unsigned count;
	char tmp[400], new[400];
	FILE *file;

	snprintf(tmp, sizeof(tmp), "%s/Maildir/tmp/%d.%u", s->f->dir,
		 (int)getpid(), count);
	snprintf(new, sizeof(new), "%s/Maildir/new/%d.%u", s->f->dir,
		 (int)getpid(), count++);
	file = fopen(tmp, "we");
	assert_non_null(file);
	fputs("A: b\n\nfrom outside\n", file);
	fclose(file);
	assert_int_equal(rename(tmp, new), 0);
}

static void rename_file(struct session *s)
{
	char *path = mem_printf(NULL, "%s/Maildir/cur", s->f->dir);
	DIR *dir = opendir(path);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);
		char to[300];

		if (entry->d_name[0] == '.' || entry->d_name[len - 1] != ',')
			continue;
		snprintf(to, sizeof(to), "%sR", entry->d_name);
		renameat(dirfd(dir), entry->d_name, dirfd(dir), to);
		break;
	}
	closedir(dir);
	mem_free(path);
}

static void operate(struct session *s)
{
	struct err err;

	switch (s->messages == 0 ? 0 : random() % 12) {
	case 0:
	case 1:
		save_mail(s->box, "x");
		break;
	case 2:
		if (is_mbox)
			append_foreign(s);
		else
			drop_file(s);
		break;
	case 3:
		if (!is_mbox)
			rename_file(s);
		break;
	case 4:
	case 5:
	case 6:
		store_one(s);
		follow(s, SYNC_KEEP_EXPUNGED);
		break;
	case 7:
		assert_ok(mailbox_expunge(s->box, NULL, &err));
		break;
	case 8:
		copy_one(s, false);
		break;
	case 9:
		copy_one(s, true);
		break;
	default:
		read_one(s);
		break;
	}
	follow(s, 0);
}

static void run(struct fixture *f, unsigned number)
{
	struct session s = {.f = f, .number = number};

	index_after_fork();
	srandom(SEED + number);
	f->user = fixture_user(f);
	s.box = open_box(f, "INBOX", 0);
	s.messages = mailbox_messages(s.box);
	for (unsigned i = 0; i < OPERATIONS; i++)
		operate(&s);
	mailbox_close(&s.box);
	mem_free(f->user);
	_exit(0);
}

static unsigned count_files(struct fixture *f, const char *sub)
{
	char *path = mem_printf(f->ctx, "%s/Maildir/%s", f->dir, sub);
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.' ? 1 : 0;
	closedir(dir);
	return count;
}

static unsigned count_mails(struct fixture *f)
{
	char *path = mem_printf(f->ctx, "%s/Maildir/inbox", f->dir);
	CLEANUP(buf_free) struct buf text = buf_init(64 << 20);
	unsigned count = 0;
	struct err err;

	if (!is_mbox)
		return count_files(f, "cur") + count_files(f, "new");
	assert_ok(file_read(path, &text, &err));
	if (text.len > 0)
		count += strncmp(text.data, "From MAILER_DAEMON", 18) != 0;
	for (const char *at = text.data; (at = strstr(at, "\nFrom ")) != NULL;
	     at++)
		count++;
	return count;
}

static void check_end(struct fixture *f)
{
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct mailbox_status before, after;
	struct err err;

	assert_ok(mailbox_get_status(box, &before, &err));
	assert_int_equal(before.messages, count_mails(f));
	/* A look at everything finds nothing that was missed. */
	assert_false(sync_box(f, box, SYNC_FULL).new_mails);
	assert_ok(mailbox_get_status(box, &after, &err));
	assert_int_equal(after.messages, before.messages);
	assert_int_equal(after.unseen, before.unseen);
	assert_int_equal(after.deleted, before.deleted);
	assert_int_equal(after.highest_modseq, before.highest_modseq);
	assert_int_equal(after.size, before.size);
}

static void test_all_views_stay_consistent(void **state)
{
	struct fixture *f = *state;
	pid_t pids[PROCESSES];
	struct err err;

	assert_ok(mailbox_create(f->user, "other", NULL, &err));
	mem_free(f->user);
	index_keep_open(0);
	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			run(f, i);
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	f->user = fixture_user(f);
	check_end(f);
}

static int setup_mbox(void **state)
{
	is_mbox = true;
	return fixture_open(state, MBOX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_views_stay_consistent,
						fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_all_views_stay_consistent,
						setup_mbox, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
