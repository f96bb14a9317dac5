/* SPDX-License-Identifier: MIT */
/*
 * The power goes at any moment: all that was acknowledged is on the disk then,
 * byte for byte, under its UID, which no other mail ever gets.
 *
 * The index is from before the cut, of another boot, and may be torn. $CUTS
 * says how many times the power goes.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "disk.h"
#include "index/index.h"
#include "told.h"

enum { CUTS = 160, ROUND_CUTS = 40, OLD_LINES = 2100 };

struct cut {
	struct told told;
	unsigned event;
};

struct power {
	struct fixture *f;
	const char *cuts_dir;
	struct told told;
	struct cut cuts[ROUND_CUTS];
	unsigned count, event, seed, step;
};

/* the cuts of one round */

static char *home_of(struct power *power, unsigned cut)
{
	return mem_printf(power->f->ctx, "%s/%u", power->cuts_dir, cut);
}

static void on_event(void *ctx)
{
	struct power *power = ctx;
	struct cut *cut = &power->cuts[power->count];
	char *home;

	if (++power->event % power->step != power->seed % power->step ||
	    power->count == ROUND_CUTS)
		return;
	*cut = (struct cut){.told = power->told, .event = power->event};
	home = home_of(power, power->count++);
	assert_int_equal(mkdir(home, 0755), 0);
	disk_cut(mem_printf(power->f->ctx, "%s/Maildir", home),
		 power->seed + power->event);
}

/* Locks have an age by now. */
static int age_lock(const char *path, const struct stat *st, int type,
		    struct FTW *ftw)
{
	const struct timespec times[2] = {{.tv_sec = st->st_mtime - 3600},
					  {.tv_sec = st->st_mtime - 3600}};

	(void)ftw;
	if (type == FTW_F && strstr(path, ".lock") != NULL)
		utimensat(AT_FDCWD, path, times, 0);
	return 0;
}

/* The index that was written under this boot is one of another boot now. */
static void reboot(struct power *power, const char *home)
{
	CLEANUP(buf_free) struct buf data = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf boot = buf_init(4096);
	char *path = mem_printf(power->f->ctx,
				"%s/Maildir/dovetail.index/data.mdb", home);
	struct err err;
	char *at;

	nftw(home, age_lock, 10, FTW_PHYS);
	if (file_read(path, &data, &err) < 0)
		return;
	assert_ok(file_read("/proc/sys/kernel/random/boot_id", &boot, &err));
	while ((at = memmem(data.data, data.len, boot.data, 36)) != NULL)
		*at = *at == '0' ? '1' : '0';
	assert_ok(file_replace(path, data.data, data.len, 0600, &err));
}

static void check_cut(struct power *power, unsigned number)
{
	static const struct user_context context = {.service = "imap"};
	const struct cut *cut = &power->cuts[number];
	struct account account = power->f->account;
	struct user *user;
	struct err err;
	char where[64];

	snprintf(where, sizeof(where), "seed %u, event %u, in %u", power->seed,
		 cut->event, number);
	account.home = home_of(power, number);
	reboot(power, account.home);
	assert_ok(user_open(power->f->ctx, power->f->config, &account, &context,
			    &user, &err));
	told_check(power->f, user, &cut->told, where);
	mem_free(user);
	index_keep_open(0);
	assert_ok(dir_remove(account.home, &err));
}

/* what is done meanwhile */

static void save(struct power *power, const char *name, enum told_box which,
		 unsigned mail, unsigned count)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "save");
	struct mailbox *box = open_box(power->f, name, MAILBOX_KEEP_RECENT);
	struct save *save = save_begin(ctx, box);
	uint32_t uid_validity;
	struct range_set uids;
	struct err err;

	for (unsigned i = mail; i < mail + count; i++) {
		const char *const keywords[] = {told_keyword(ctx, i), NULL};
		struct save_options options = {
			.flags = i % 3 == 0 ? MAIL_FLAGGED : 0,
			.keywords = keywords,
		};
		char *text = told_text(ctx, i);

		told_save(&power->told, which, i);
		assert_ok(save_mail_begin(save, &options, &err));
		assert_ok(save_mail_write(save, text, strlen(text), &err));
		assert_ok(save_mail_finish(save, &err));
	}
	assert_ok(save_commit(&save, &uid_validity, &uids, &err));
	for (unsigned i = 0; i < count; i++)
		told_saved(&power->told, which, mail + i, uid_validity,
			   uids.ranges[0].first + i);
	power->told.exists[which] = true;
	mem_free(uids.ranges);
	mailbox_close(&box);
}

static uint32_t seq_of(struct power *power, struct mailbox *box, unsigned mail)
{
	uint32_t uid = power->told.mails[TOLD_INBOX][mail].uid;
	uint32_t seq = mailbox_seq_of(box, uid);

	assert_int_not_equal(seq, 0);
	return seq;
}

static void copy(struct power *power, struct mailbox *box, unsigned mail,
		 bool move)
{
	uint32_t seq = seq_of(power, box, mail);
	struct range_set seqs = one(power->f, seq, seq);
	struct copy_result result;
	struct err err;

	told_save(&power->told, TOLD_OTHER, mail);
	if (move)
		told_remove(&power->told, TOLD_INBOX, mail, false);
	assert_ok(mailbox_copy(power->f->ctx, box, &seqs, "other", move,
			       &result, &err));
	told_saved(&power->told, TOLD_OTHER, mail, result.uid_validity,
		   result.to_uids.ranges[0].first);
	if (move)
		told_removed(&power->told, TOLD_INBOX, mail);
}

static void mark(struct power *power, struct mailbox *box, unsigned mail,
		 uint8_t flags)
{
	uint32_t seq = seq_of(power, box, mail);

	store_flags(box, one(power->f, seq, seq), STORE_ADD, flags);
	if (power->told.all_synced)
		power->told.mails[TOLD_INBOX][mail].flags |= flags;
}

static void expunge(struct power *power, struct mailbox *box, unsigned mail)
{
	struct err err;

	mark(power, box, mail, MAIL_DELETED);
	told_remove(&power->told, TOLD_INBOX, mail, true);
	assert_ok(mailbox_expunge(box, NULL, &err));
	told_removed(&power->told, TOLD_INBOX, mail);
}

static void work(struct power *power)
{
	struct mailbox *box = open_box(power->f, "INBOX", 0);
	struct err err;

	save(power, "INBOX", TOLD_INBOX, 4, 1);
	save(power, "INBOX", TOLD_INBOX, 5, 3);
	sync_box(power->f, box, 0);
	mark(power, box, 0, MAIL_SEEN);
	copy(power, box, 0, false);
	copy(power, box, 1, true);
	expunge(power, box, 2);
	expunge(power, box, 4);
	sync_box(power->f, box, 0);
	assert_ok(mailbox_create(power->f->user, "late", NULL, &err));
	power->told.exists[TOLD_LATE] = true;
	save(power, "late", TOLD_LATE, 8, 1);
	assert_ok(mailbox_rename(power->f->user, "other", "away", &err));
	power->told.renamed = true;
	save(power, "away", TOLD_OTHER, 9, 2);
	save(power, "INBOX", TOLD_INBOX, 11, 1);
	mailbox_close(&box);
}

/* So many lines of expunged mails that the next save writes the file anew. */
static void age_uidlist(struct fixture *f)
{
	char *path = mem_printf(f->ctx, "%s/Maildir/dovecot-uidlist", f->dir);
	FILE *file = fopen(path, "ae");

	assert_non_null(file);
	for (unsigned uid = 10; uid <= OLD_LINES; uid++)
		fprintf(file, "%u :old%u\n", uid, uid);
	fclose(file);
}

static void set_up(struct power *power, const char *more, bool old)
{
	void *state;
	struct mailbox *box;
	struct err err;

	fixture_open(&state, more);
	power->f = state;
	power->cuts_dir = mem_printf(power->f->ctx, "%s/cuts", power->f->dir);
	assert_int_equal(mkdir(power->cuts_dir, 0755), 0);
	memset(&power->told, 0, sizeof(power->told));
	power->told.all_synced = strstr(more, "always") != NULL;
	power->count = power->event = 0;
	assert_ok(mailbox_create(power->f->user, "other", NULL, &err));
	power->told.exists[TOLD_OTHER] = true;
	box = open_box(power->f, "INBOX", 0);
	save(power, "INBOX", TOLD_INBOX, 0, 4);
	if (old)
		age_uidlist(power->f);
	mailbox_close(&box);
}

/* Returns how many events there were. */
static unsigned run_round(struct power *power, const char *more, unsigned seed)
{
	void *state;

	power->seed = seed;
	set_up(power, more, seed % 2 == 1);
	disk_begin(mem_printf(power->f->ctx, "%s/Maildir", power->f->dir),
		   on_event, power);
	work(power);
	on_event(power);
	disk_end();
	for (unsigned i = 0; i < power->count; i++)
		check_cut(power, i);
	state = power->f;
	fixture_teardown(&state);
	return power->event;
}

static void run_rounds(const char *more)
{
	const char *text = getenv("CUTS");
	unsigned cuts = text == NULL ? CUTS : (unsigned)strtoul(text, NULL, 10);
	struct power *power = mem_new(NULL, struct power);
	unsigned done = 0, events;

	power->step = 10000;
	events = run_round(power, more, 0);
	power->step = events / ROUND_CUTS + 1;
	for (unsigned seed = 1; done < cuts; seed++) {
		run_round(power, more, seed);
		done += power->count;
	}
	mem_free(power);
}

static void test_maildir(void **state)
{
	(void)state;
	run_rounds("");
}

static void test_maildir_fs(void **state)
{
	(void)state;
	run_rounds("mail_location = maildir:~/Maildir:LAYOUT=fs");
}

static void test_maildir_all_synced(void **state)
{
	(void)state;
	run_rounds("mail_fsync = always");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maildir),
		cmocka_unit_test(test_maildir_fs),
		cmocka_unit_test(test_maildir_all_synced),
	};

	/* What is synced is simulated. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	log_open_file("test_power", "/dev/null", "");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
