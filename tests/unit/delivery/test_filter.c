/* SPDX-License-Identifier: MIT */
/* Scripts on mails that are stored already: what comes out, and what becomes of
 * the mail. */
#include "../storage/fixture.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "delivery/filter.h"
#include "delivery/sieve.h"
#include "sieve/sieve.h"

static const char text[] = "Return-Path: <joe@b.example>\n"
			   "From: Joe <joe@b.example>\nTo: alice\n"
			   "Subject: hello\n\nbody\n";
static const char requires[] =
	"require [\"fileinto\", \"copy\", \"imap4flags\", \"editheader\", "
	"\"mailbox\", \"vacation\", \"reject\", \"environment\"];\n";

struct world {
	struct fixture *f;
	struct filter *filter;
	struct mailbox *box;
	struct filter_outcome outcome;
	uint32_t uid;
	unsigned simulated, actions;
};

static int environment(void *ctx, const void *mem, const char *name,
		       struct str *value_out, struct err *err)
{
	(void)ctx;
	(void)mem;
	(void)err;
	*value_out =
		strcmp(name, "imap.cause") == 0 ? STR("TEST") : (struct str){0};
	return 0;
}

static int set_up(void **state)
{
	struct world *w;
	struct fixture *f;
	struct err err;

	log_open("test_filter", LOG_TO_NOWHERE);
	fixture_open(state, "plugin {\n  sieve_extensions = +editheader\n}\n");
	f = *state;
	w = mem_new(f, struct world);
	w->f = f;
	const struct filter_options options = {
		.config = f->config,
		.service = "imap",
		.session_id = "session",
		.environment = environment,
		.ctx = w,
	};
	assert_ok(filter_new(w, f->user, &options, &w->filter, &err));
	w->box = open_box(f, "INBOX", 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	void *f = w->f;

	mailbox_close(&w->box);
	return fixture_teardown(&f);
}

static void simulate(void *ctx, const struct sieve_result *result)
{
	struct world *w = ctx;

	w->simulated++;
	w->actions = result->count;
}

static int try(struct world *w, const char *script, bool only, struct err *err)
{
	const char *path = mem_printf(w, "%s/x.sieve", w->f->dir);
	char *whole = mem_printf(w, "%s%s", requires, script);
	struct lda_script *scripts = NULL, **end = &scripts;

	assert_int_equal(file_replace(path, whole, strlen(whole), 0600, err),
			 0);
	/* One compiled in the same second may be of the same size. */
	remove(mem_printf(w, "%s/x.svbin", w->f->dir));
	lda_script_add(w, &end, path, false);
	return filter_mail(w, w->filter, w->box, w->uid, scripts, NULL,
			   only ? simulate : NULL, &w->outcome, err);
}

/* A new mail, and a script on it. */
static void run(struct world *w, const char *script)
{
	static const char *const keywords[] = {"old", NULL};
	struct err err;

	w->uid = save_text(w->box, text, MAIL_FLAGGED, keywords);
	sync_box(w->f, w->box, 0);
	assert_ok(try(w, script, false, &err));
}

static bool settle(struct world *w, bool expunge)
{
	bool changed;
	struct err err;

	assert_ok(filter_settle(w, w->box, w->uid, &w->outcome, expunge,
				&changed, &err));
	sync_box(w->f, w->box, 0);
	return changed;
}

static uint32_t mails_in(struct world *w, const char *name)
{
	struct mailbox *box = open_box(w->f, name, 0);
	uint32_t count = mailbox_messages(box);

	mailbox_close(&box);
	return count;
}

static uint8_t flags_now(struct world *w)
{
	return flags_of(w->f, w->box, mailbox_seq_of(w->box, w->uid)) &
	       (uint8_t)~MAIL_RECENT;
}

static void test_kept(void **state)
{
	struct world *w = *state;

	run(w, "keep;");
	assert_true(w->outcome.kept);
	assert_false(w->outcome.replaced || w->outcome.taken ||
		     w->outcome.failed);
	assert_null(w->outcome.flags);
	assert_false(settle(w, true));
	assert_int_equal(flags_now(w), MAIL_FLAGGED);
	assert_int_equal(mailbox_messages(w->box), 1);
}

static void test_discarded(void **state)
{
	struct world *w = *state;

	run(w, "discard;");
	assert_false(w->outcome.kept || w->outcome.taken);
	assert_true(settle(w, false));
	assert_int_equal(flags_now(w), MAIL_FLAGGED | MAIL_DELETED);
	run(w, "discard;");
	assert_true(settle(w, true));
	assert_int_equal(mailbox_seq_of(w->box, w->uid), 0);
	assert_int_equal(mailbox_messages(w->box), 1);
}

static void test_filed(void **state)
{
	struct world *w = *state;

	run(w, "fileinto :create \"a\";");
	assert_true(!w->outcome.kept && w->outcome.taken);
	run(w, "fileinto :copy \"a\";");
	assert_true(w->outcome.kept && w->outcome.taken);
	assert_int_equal(mails_in(w, "a"), 2);
	/* It is there already. */
	run(w, "fileinto \"INBOX\";");
	assert_true(w->outcome.kept && !w->outcome.taken);
	assert_int_equal(mails_in(w, "INBOX"), 3);
}

static void test_flags(void **state)
{
	struct world *w = *state;

	run(w, "if hasflag \"old\" { addflag \"\\\\Seen\"; }");
	assert_true(w->outcome.kept);
	assert_true(settle(w, false));
	assert_int_equal(flags_now(w), MAIL_FLAGGED | MAIL_SEEN);
	run(w, "setflag \"\";");
	assert_true(settle(w, false));
	assert_int_equal(flags_now(w), 0);
}

static void test_edited(void **state)
{
	struct world *w = *state;

	run(w, "addheader \"X-New\" \"yes\";");
	assert_true(!w->outcome.kept && w->outcome.replaced);
	assert_true(settle(w, false));
	assert_int_equal(mailbox_seq_of(w->box, w->uid), 0);
	assert_int_equal(mails_in(w, "INBOX"), 1);
}

/* What goes wrong keeps the mail as it is. */
static void test_failing(void **state)
{
	struct world *w = *state;

	run(w, "setflag \"x\"; fileinto \"nosuch/mailbox\";");
	assert_true(w->outcome.kept && w->outcome.failed);
	assert_null(w->outcome.flags);
	run(w, "nonsense;");
	assert_true(w->outcome.kept);
	run(w, "redirect \"x@c.example\";");
	assert_true(w->outcome.kept && w->outcome.failed);
	assert_false(settle(w, true));
}

/* The sender hears nothing of a mail that came long ago. */
static void test_mute(void **state)
{
	struct world *w = *state;

	run(w, "reject \"no\";");
	assert_false(w->outcome.failed);
	run(w, "vacation \"away\";");
	assert_true(w->outcome.kept && !w->outcome.failed);
}

static void test_what_scripts_see(void **state)
{
	struct world *w = *state;

	run(w, "if allof(environment \"imap.cause\" \"TEST\", environment "
	       "\"location\" \"MS\", header \"subject\" \"hello\") "
	       "{ discard; }");
	assert_false(w->outcome.kept);
}

static void test_simulated(void **state)
{
	struct world *w = *state;
	struct err err;

	run(w, "keep;");
	assert_ok(try(w, "fileinto :create \"b\"; discard;", true, &err));
	assert_int_equal(w->simulated, 1);
	assert_int_equal(w->actions, 2);
	assert_true(w->outcome.kept && !w->outcome.taken);
	assert_int_equal(mailbox_exists(w->f->user, "b", &err), -1);
}

static void test_gone_or_readonly(void **state)
{
	struct world *w = *state;
	struct err err;

	run(w, "discard;");
	mailbox_close(&w->box);
	w->box = open_box(w->f, "INBOX", MAILBOX_READONLY);
	assert_ok(try(w, "addheader \"X-New\" \"yes\"; setflag \"x\";", false,
		      &err));
	assert_true(w->outcome.kept && !w->outcome.replaced);
	assert_false(settle(w, true));
	w->uid += 10;
	assert_int_equal(try(w, "keep;", false, &err), -1);
	assert_int_equal(err.code, ERR_EXPUNGED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_kept),      TEST(test_discarded),
		TEST(test_filed),     TEST(test_flags),
		TEST(test_edited),    TEST(test_failing),
		TEST(test_mute),      TEST(test_what_scripts_see),
		TEST(test_simulated), TEST(test_gone_or_readonly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
