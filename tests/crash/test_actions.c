/* SPDX-License-Identifier: MIT */
/*
 * A delivery by a script is killed before a call that changes the disk, or that
 * call fails, or all do from then on (full disk, full quota), within each
 * action. The MTA tries again until it is told that the mail was taken: then it
 * is everywhere where the script wants it, and whoever was told so at once has
 * it, too.
 *
 * $FAULTS says how many calls of each delivery and kind; all of them when it is
 * not less.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/storage/fixture.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/module.h"
#include "calls.h"
#include "delivery/deliver.h"
#include "delivery/send.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "fault.h"
#include "index/index.h"
#include "mime/parse.h"

enum { FAULTS = 2, BOXES_MAX = 4, EXTRA_MAX = 3 };

static const char text[] =
	"From: Joe <joe@b.example>\nTo: alice@a.example\n"
	"Subject: test\nMessage-ID: <1@b.example>\n"
	"Content-Type: text/calendar; method=REQUEST\n\n"
	"BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:x\n"
	"DTSTART:20240601T100000Z\nORGANIZER:mailto:joe@b.example\n"
	"ATTENDEE:mailto:alice@a.example\nEND:VEVENT\nEND:VCALENDAR\n";

static const struct delivery_case {
	const char *name, *script;
	const char *boxes[BOXES_MAX]; /* that have it at the end */
	bool sent, piped;
} cases[] = {
	{"keep", "keep;", {"INBOX"}, false, false},
	{"stores",
	 "require [\"fileinto\", \"imap4flags\", \"mailbox\"]; setflag \"kw\";"
	 "fileinto :create \"a\"; fileinto :create \"b\"; keep;",
	 {"a", "b", "INBOX"},
	 false,
	 false},
	{"redirect", "redirect \"x@c.example\";", {NULL}, true, false},
	{"redirect and store",
	 "require \"copy\"; redirect :copy \"x@c.example\";",
	 {"INBOX"},
	 true,
	 false},
	{"pipe",
	 "require [\"vnd.dovecot.pipe\", \"copy\", \"fileinto\"];"
	 "pipe :copy \"take\"; fileinto \"a\";",
	 {"a"},
	 false,
	 true},
	{"filter and edit",
	 "require [\"vnd.dovecot.filter\", \"editheader\", \"fileinto\"];"
	 "filter \"copy\"; addheader \"X-New\" \"yes\"; fileinto \"a\"; keep;",
	 {"a", "INBOX"},
	 false,
	 false},
	{"answers",
	 "require [\"vacation\", \"enotify\"]; vacation :addresses "
	 "\"alice@a.example\" \"away\"; notify \"mailto:n@c.example\";",
	 {"INBOX"},
	 false,
	 false},
	{"calendar",
	 "require \"processcalendar\"; processcalendar;",
	 {"INBOX"},
	 false,
	 false},
	{"reject", "require \"reject\"; reject \"no\";", {NULL}, true, false},
	{"duplicate",
	 "require [\"duplicate\", \"fileinto\"]; if not duplicate "
	 "{ fileinto \"a\"; } else { keep; }",
	 {NULL},
	 false,
	 false},
};

static char programs[] = "/tmp/actionsXXXXXX";

/* one try, in a process of its own */

static int deliver_once(struct fixture *f)
{
	struct lda_settings set = {
		.hostname = "here.example",
		.postmaster_address = "postmaster@a.example",
		.deliver_log_format = "%$",
		.recipient_delimiter = "+",
		.sendmail_path = mem_printf(f->ctx, "%s/sendmail", programs),
		.submission_host = "",
		.submission_timeout = {10000},
		.mail_temp_dir = "/tmp",
		.rejection_subject = "Rejected: %s",
		.rejection_reason = "%r",
		.lda_mailbox_autocreate = true,
	};
	struct spool *spool =
		spool_new(f->ctx, STR(""), "/tmp", 0, &mime_limits_default);
	struct delivery delivery = {
		.user = f->user,
		.service = "lmtp",
		.session_id = "session",
		.from = "joe@b.example",
		.to = "alice@a.example",
		.mailbox = "INBOX",
		.spool = spool,
	};
	struct err err;

	if (spool_write(spool, text, strlen(text), &err) < 0 ||
	    spool_end(spool, &err) < 0 ||
	    sender_new(f->ctx, f->config, NULL, &set, &delivery.sender, &err) <
		    0 ||
	    lda_sieve_new(f->ctx, f->user, &set, NULL, &delivery.sieve, &err) <
		    0)
		return 1;
	return sieve_deliver(delivery.sieve, &delivery, &err) == 0 ? 0 : 1;
}

/* 0: it was taken. */
static int try(struct fixture *f, struct fault *fault)
{
	int status;
	pid_t pid;

	mem_free(f->user);
	f->user = NULL;
	index_keep_open(0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		index_after_fork();
		f->user = fixture_user(f);
		*fault->calls = 0;
		fault_begin(fault);
		_exit(deliver_once(f));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	f->user = fixture_user(f);
	return WEXITSTATUS(status);
}

/* what there is */

static uint32_t count(struct fixture *f, const char *name)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct err err;

	if (mailbox_open(f->user, name, MAILBOX_READONLY, &box, &err) < 0)
		return 0;
	return mailbox_messages(box);
}

static bool is_there(const char *name)
{
	char path[100];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", programs, name);
	return stat(path, &st) == 0 && st.st_size > 0;
}

static bool is_anywhere(struct fixture *f, const struct delivery_case *it)
{
	bool found = count(f, "INBOX") > 0 || count(f, "a") > 0;

	return found || (it->sent && is_there("sent")) ||
	       (it->piped && is_there("piped"));
}

/* As a whole, if the mail was taken by the script. */
static void check_calendar(struct fixture *f, const struct delivery_case *it,
			   const char *where)
{
	CLEANUP(buf_free) struct buf found = buf_init(10000);
	struct err err;

	if (strcmp(it->name, "calendar") != 0)
		return;
	if (file_read(mem_printf(f->ctx, "%s/calendars/default/x.ics",
				 user_home(f->user)),
		      &found, &err) < 0)
		fail_msg("%s: %s", where, err.text);
	if (strstr(found.data, "END:VCALENDAR") == NULL)
		fail_msg("%s: the object is not whole", where);
}

static void check(struct fixture *f, const struct delivery_case *it,
		  const char *where)
{
	for (unsigned i = 0; i < BOXES_MAX && it->boxes[i] != NULL; i++) {
		uint32_t found = count(f, it->boxes[i]);

		if (found == 0 || found > EXTRA_MAX)
			fail_msg("%s: %u mails in %s", where, found,
				 it->boxes[i]);
	}
	check_calendar(f, it, where);
	if ((it->sent && !is_there("sent")) ||
	    (it->piped && !is_there("piped")) || !is_anywhere(f, it))
		fail_msg("%s: it is lost", where);
}

static void write_file(const char *dir, const char *name, const char *content)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "file");
	struct err err;

	assert_ok(file_replace(mem_printf(ctx, "%s/%s", dir, name), content,
			       strlen(content), 0755, &err));
}

static void remove_sent(void)
{
	static const char *const names[] = {"sent", "piped"};
	char path[100];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", programs, names[i]);
		unlink(path);
	}
}

/* Returns how many calls the first try made. */
static unsigned run_once(const struct delivery_case *it, struct fault fault)
{
	char what[100], where[200], more[500];
	unsigned made;
	struct fixture *f;
	void *state;
	int status;

	snprintf(more, sizeof(more),
		 "plugin {\n  sieve_extensions = +editheader +vnd.dovecot.pipe "
		 "+vnd.dovecot.filter +processcalendar\n"
		 "  sieve_processcalendar_dir = ~/calendars\n  "
		 "sieve_pipe_bin_dir = %s\n"
		 "  sieve_filter_bin_dir = %s\n}\n",
		 programs, programs);
	fault_describe(&fault, what, sizeof(what));
	snprintf(where, sizeof(where), "%s, %s", it->name, what);
	remove_sent();
	fixture_open(&state, more);
	f = state;
	write_file(user_home(f->user), ".dovecot.sieve", it->script);
	status = try(f, &fault);
	made = *fault.calls;
	if (status == 0 && !is_anywhere(f, it))
		fail_msg("%s: taken, and lost", where);
	fault.at = 0;
	if (status != 0 && try(f, &fault) != 0)
		fail_msg("%s: not taken even when all is well", where);
	if (status != 0)
		check(f, it, where);
	fixture_teardown(&state);
	return made;
}

static void run_all(int error, bool stays)
{
	const char *limit = getenv("FAULTS");
	unsigned faults =
		limit == NULL ? FAULTS : (unsigned)strtoul(limit, NULL, 10);
	unsigned *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(shared != MAP_FAILED);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault fault = {.calls = shared};
		unsigned made = run_once(&cases[i], fault);
		unsigned step = faults >= made ? 1 : made / faults;

		assert_true(made > 0);
		fault.error = error;
		fault.stays = stays;
		for (fault.at = 1 + (unsigned)error % step; fault.at <= made;
		     fault.at += step)
			run_once(&cases[i], fault);
	}
	munmap(shared, sizeof(*shared));
}

static void test_killed(void **state)
{
	(void)state;
	run_all(0, false);
}

static void test_failing_disk(void **state)
{
	(void)state;
	run_all(EIO, false);
}

static void test_full_disk(void **state)
{
	(void)state;
	run_all(ENOSPC, true);
}

static void test_full_quota(void **state)
{
	(void)state;
	run_all(EDQUOT, true);
}

static int make_programs(void **state)
{
	char *program;

	(void)state;
	assert_non_null(mkdtemp(programs));
	program = mem_printf(NULL, "#!/bin/sh\ncat >%s/sent\n", programs);
	write_file(programs, "sendmail", program);
	mem_free(program);
	program = mem_printf(NULL, "#!/bin/sh\ncat >%s/piped\n", programs);
	write_file(programs, "take", program);
	mem_free(program);
	write_file(programs, "copy", "#!/bin/sh\nexec cat\n");
	return 0;
}

static int remove_programs(void **state)
{
	struct err err;

	(void)state;
	assert_ok(dir_remove(programs, &err));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_failing_disk),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_full_quota),
	};

	module_dir = ".";
	calls_skip_sync();
	log_open("test_actions", LOG_TO_NOWHERE);
	return cmocka_run_group_tests(tests, make_programs, remove_programs);
}
