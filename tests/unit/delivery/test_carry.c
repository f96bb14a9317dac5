/* SPDX-License-Identifier: MIT */
/* What scripts decided, carried out for a real user, with a program for
 * sendmail that keeps what it is given. */
#include "../storage/fixture.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "delivery/deliver.h"
#include "delivery/send.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "mime/parse.h"

static const char from_joe[] = "Return-Path: <joe@b.example>\n"
			       "From: Joe <joe@b.example>\n"
			       "To: Alice <alice@a.example>\n"
			       "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n"
			       "Message-ID: <1@b.example>\n\nbody\n";

struct world {
	struct fixture *f;
	struct lda_settings set;
	struct lda_sieve *sieve;
	struct delivery delivery;
	struct carry carry;
	const char *refusal;
	char *sent; /* a directory */
};

static struct spool *spool_of(void *ctx, const char *text)
{
	struct spool *spool =
		spool_new(ctx, STR(""), "/tmp", 0, &mime_limits_default);
	struct err err;

	assert_ok(spool_write(spool, text, strlen(text), &err));
	assert_ok(spool_end(spool, &err));
	return spool;
}

static void write_program(struct world *w, const char *end)
{
	struct err err;
	char *script = mem_printf(w,
				  "#!/bin/sh\necho \"$@\" >>%s/args\n"
				  "cat >%s/mail\n%s\n",
				  w->sent, w->sent, end);

	w->set.sendmail_path = mem_printf(w, "%s/sendmail", w->sent);
	assert_ok(file_replace(w->set.sendmail_path, script, strlen(script),
			       0755, &err));
}

static void begin(struct world *w, const char *text)
{
	struct str raw;
	struct err err;

	w->delivery.spool = spool_of(w, text);
	assert_ok(spool_map(w->delivery.spool, &raw, &err));
	w->refusal = NULL;
	w->carry = (struct carry){
		.sieve = w->sieve,
		.delivery = &w->delivery,
		.lda = &w->set,
		.result = sieve_result_new(w),
		.message = sieve_message_new(w, raw, 100),
	};
	w->carry.envelope.null_sender = w->delivery.from[0] == '\0';
	sieve_address_parse(w, str_of(w->delivery.from), true,
			    &w->carry.envelope.from);
	sieve_address_parse(w, str_of(w->delivery.to), false,
			    &w->carry.envelope.to);
	w->carry.host = (struct sieve_host){
		.hostname = "here.example",
		.postmaster = "postmaster@a.example",
	};
}

static int set_up(void **state)
{
	struct world *w;
	struct fixture *f;
	struct err err;

	log_open("test", LOG_TO_STDERR);
	fixture_setup(state);
	f = *state;
	w = mem_new(f, struct world);
	w->f = f;
	w->sent = mem_printf(w, "%s/sent", f->dir);
	assert_int_equal(mkdir(w->sent, 0700), 0);
	w->set = (struct lda_settings){
		.hostname = "here.example",
		.postmaster_address = "postmaster@a.example",
		.deliver_log_format = "msgid=%m: %$",
		.recipient_delimiter = "+",
		.submission_host = "",
		.submission_timeout = {10000},
		.mail_temp_dir = "/tmp",
		.rejection_subject = "Rejected: %s",
		.rejection_reason = "To <%t>:%n%r",
		.lda_mailbox_autocreate = true,
	};
	write_program(w, "");
	assert_ok(lda_sieve_new(w, f->user, &w->set, NULL, &w->sieve, &err));
	assert_ok(sender_new(w, f->config, NULL, &w->set, &w->delivery.sender,
			     &err));
	w->delivery.user = f->user;
	w->delivery.service = "lmtp";
	w->delivery.session_id = "session";
	w->delivery.from = "joe@b.example";
	w->delivery.to = "alice@a.example";
	w->delivery.mailbox = "INBOX";
	w->delivery.refusal_ctx = w;
	begin(w, from_joe);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	void *fixture = w->f;

	return fixture_teardown(&fixture);
}

static void add(struct world *w, struct sieve_action action)
{
	struct err err;

	assert_ok(sieve_result_add(w->carry.result,
				   sieve_engine_settings(w->sieve->engine),
				   &action, &err));
}

static int carry_out(struct world *w)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "carry");
	struct err err;

	return sieve_carry_out(ctx, &w->carry, &err);
}

static unsigned mails_in(struct world *w, const char *name)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct err err;

	if (mailbox_open(w->f->user, name, 0, &box, &err) < 0)
		return 0;
	return mailbox_messages(box);
}

/* What the program got; "" for nothing, and it is forgotten. */
static char *take(struct world *w, const char *name)
{
	CLEANUP(buf_free) struct buf text = buf_init(100000);
	const char *path = mem_printf(w, "%s/%s", w->sent, name);
	struct err err;

	file_read(path, &text, &err);
	unlink(path);
	return buf_steal(w, &text);
}

static struct sieve_action fileinto(const char *mailbox)
{
	return (struct sieve_action){.kind = SIEVE_ACTION_FILEINTO,
				     .store = {.mailbox = mailbox}};
}

static struct sieve_action redirect(const char *address)
{
	return (struct sieve_action){.kind = SIEVE_ACTION_REDIRECT,
				     .redirect = {.address = address}};
}

static struct sieve_action vacation(void)
{
	return (struct sieve_action){
		.kind = SIEVE_ACTION_VACATION,
		.vacation = {.reason = "I am away", .seconds = 3600}};
}

static void test_implicit_keep(void **state)
{
	struct world *w = *state;

	assert_int_equal(carry_out(w), 0);
	assert_int_equal(mails_in(w, "INBOX"), 1);
}

static void test_flags_are_stored(void **state)
{
	static const char *const flags[] = {"\\Seen", "important", NULL};
	struct world *w = *state;
	struct sieve_action action = fileinto("box");
	struct mailbox *box;

	action.store.flags = flags;
	add(w, action);
	assert_int_equal(carry_out(w), 0);
	assert_int_equal(mails_in(w, "INBOX"), 0);
	box = open_box(w->f, "box", 0);
	assert_int_equal(flags_of(w->f, box, 1) & MAIL_SEEN, MAIL_SEEN);
	mailbox_close(&box);
}

static void test_a_mailbox_that_cannot_be_costs_no_mail(void **state)
{
	struct world *w = *state;

	add(w, fileinto("a/../b"));
	assert_int_equal(carry_out(w), 0);
	assert_true(w->carry.failed);
	assert_int_equal(mails_in(w, "INBOX"), 1);
}

static void test_redirects_go_out_once(void **state)
{
	struct world *w = *state;
	char *mail;

	add(w, redirect("x@y.example"));
	assert_int_equal(carry_out(w), 0);
	assert_string_equal(take(w, "args"),
			    "-i -f joe@b.example -- x@y.example\n");
	mail = take(w, "mail");
	assert_non_null(strstr(mail, "X-Sieve-Redirected-From: "
				     "alice@a.example\nFrom: Joe"));
	assert_null(strstr(mail, "Return-Path"));
	assert_non_null(strstr(mail, "\n\nbody\n"));
	assert_int_equal(mails_in(w, "INBOX"), 0);
	/* The MTA tries again: the mail is kept, not sent. */
	begin(w, from_joe);
	add(w, redirect("x@y.example"));
	assert_int_equal(carry_out(w), 0);
	assert_string_equal(take(w, "args"), "");
	assert_int_equal(mails_in(w, "INBOX"), 1);
}

/* A line that is no field is somebody's text, too. */
static void test_redirects_lose_no_line(void **state)
{
	struct world *w = *state;
	char *mail;

	begin(w, "From: Joe <joe@b.example>\nno field\n"
		 "Return-Path: <joe@b.example>\nSubject: x\nnone\n\nbody\n");
	add(w, redirect("x@y.example"));
	assert_int_equal(carry_out(w), 0);
	mail = take(w, "mail");
	assert_non_null(strstr(mail, "\nFrom: Joe <joe@b.example>\nno field\n"
				     "Subject: x\nnone\n\nbody\n"));
}

static void test_a_loop_of_redirects_ends(void **state)
{
	struct world *w = *state;

	begin(w, "X-Sieve-Redirected-From: alice@a.example\n\nx\n");
	add(w, redirect("x@y.example"));
	assert_int_equal(carry_out(w), 0);
	assert_string_equal(take(w, "args"), "");
	assert_int_equal(mails_in(w, "INBOX"), 1);
}

static void test_failing_for_now_delivers_nothing(void **state)
{
	struct world *w = *state;

	write_program(w, "exit 75");
	add(w, fileinto("one"));
	add(w, redirect("x@y.example"));
	assert_int_equal(carry_out(w), -1);
	assert_int_equal(mails_in(w, "one"), 0);
	/* The next try does it all. */
	write_program(w, "");
	begin(w, from_joe);
	add(w, fileinto("one"));
	add(w, redirect("x@y.example"));
	assert_int_equal(carry_out(w), 0);
	assert_int_equal(mails_in(w, "one"), 1);
	assert_string_not_equal(take(w, "args"), "");
	assert_int_equal(mails_in(w, "INBOX"), 0);
}

static void test_failing_for_good_keeps_the_mail(void **state)
{
	struct world *w = *state;

	write_program(w, "exit 67");
	add(w, redirect("x@y.example"));
	assert_int_equal(carry_out(w), 0);
	assert_true(w->carry.failed);
	assert_int_equal(mails_in(w, "INBOX"), 1);
}

static void test_reject(void **state)
{
	struct world *w = *state;
	const struct sieve_action action = {.kind = SIEVE_ACTION_REJECT,
					    .reject = {.reason = "No.\nNo."}};
	char *mail;

	add(w, action);
	assert_int_equal(carry_out(w), 0);
	assert_string_equal(take(w, "args"), "-i -f <> -- joe@b.example\n");
	mail = take(w, "mail");
	assert_non_null(strstr(mail, "To <alice@a.example>:\nNo.\nNo.\n"));
	assert_non_null(strstr(mail, "disposition-notification"));
	assert_int_equal(mails_in(w, "INBOX"), 0);
	/* Nobody is told, and the mail is gone: it was a bounce. */
	w->delivery.from = "";
	begin(w, from_joe);
	add(w, action);
	assert_int_equal(carry_out(w), 0);
	assert_string_equal(take(w, "args"), "");
	assert_int_equal(mails_in(w, "INBOX"), 0);
}

static void test_refusal_by_the_protocol(void **state)
{
	struct world *w = *state;

	w->delivery.refusal = &w->refusal;
	add(w, (struct sieve_action){
		       .kind = SIEVE_ACTION_REJECT,
		       .reject = {.reason = "Go away", .refuse = true}});
	assert_int_equal(carry_out(w), 0);
	assert_string_equal(w->refusal, "Go away");
	assert_string_equal(take(w, "args"), "");
	assert_int_equal(mails_in(w, "INBOX"), 0);
}

static void test_vacation_answers_once(void **state)
{
	struct world *w = *state;
	char *mail;

	add(w, vacation());
	assert_int_equal(carry_out(w), 0);
	assert_string_equal(take(w, "args"), "-i -f <> -- joe@b.example\n");
	mail = take(w, "mail");
	assert_non_null(strstr(mail, "\nFrom: <alice@a.example>\n"
				     "To: \"Joe\" <joe@b.example>\n"
				     "Subject: Auto: =?utf-8?q?"));
	assert_non_null(strstr(mail, "\nIn-Reply-To: <1@b.example>\n"
				     "References: <1@b.example>\n"
				     "Auto-Submitted: auto-replied "
				     "(vacation)\n"));
	assert_non_null(strstr(mail, "\n\nI am away\n"));
	assert_int_equal(mails_in(w, "INBOX"), 1);
	begin(w, from_joe);
	add(w, vacation());
	assert_int_equal(carry_out(w), 0);
	assert_string_equal(take(w, "args"), "");
	assert_int_equal(mails_in(w, "INBOX"), 2);
}

static void expect_no_answer(struct world *w, const char *from,
			     const char *text)
{
	w->delivery.from = from;
	begin(w, text);
	add(w, vacation());
	assert_int_equal(carry_out(w), 0);
	assert_string_equal(take(w, "args"), "");
}

/* RFC 3834 section 2, RFC 5230 section 4.6. */
static void test_whom_vacation_does_not_answer(void **state)
{
#define TO "To: alice@a.example\n"
	struct world *w = *state;

	expect_no_answer(w, "", TO "\n");
	expect_no_answer(w, "alice@a.example", TO "\n");
	expect_no_answer(w, "MAILER-DAEMON@b.example", TO "\n");
	expect_no_answer(w, "owner-x@b.example", TO "\n");
	expect_no_answer(w, "x-request@b.example", TO "\n");
	expect_no_answer(w, "joe@b.example", TO "List-Id: <x>\n\n");
	expect_no_answer(w, "joe@b.example", TO "Precedence: Bulk\n\n");
	expect_no_answer(w, "joe@b.example",
			 TO "Auto-Submitted: auto-replied\n\n");
	expect_no_answer(w, "joe@b.example",
			 TO "X-Auto-Response-Suppress: DR, OOF\n\n");
	expect_no_answer(w, "joe@b.example", "To: others@a.example\n\n");
	begin(w, "Cc: Alice@A.example\nAuto-Submitted: no\n\n");
	add(w, vacation());
	assert_int_equal(carry_out(w), 0);
	assert_string_not_equal(take(w, "args"), "");
}

static void test_header_injection_is_not_possible(void **state)
{
	struct world *w = *state;
	struct sieve_action action = vacation();
	char *mail;

	action.vacation.subject = "x\r\nBcc: evil@c.example";
	action.vacation.from = "a@a.example\nBcc: evil@c.example";
	add(w, action);
	assert_int_equal(carry_out(w), 0);
	mail = take(w, "mail");
	assert_null(strstr(mail, "\nBcc:"));
}

static void test_notify(void **state)
{
	struct world *w = *state;

	add(w, (struct sieve_action){
		       .kind = SIEVE_ACTION_NOTIFY,
		       .notify = {.method = "mailto:n%40y.example?x=y",
				  .importance = "2",
				  .message = "New: \xc3\xa4"}});
	assert_int_equal(carry_out(w), 0);
	assert_string_equal(take(w, "args"),
			    "-i -f postmaster@a.example -- n@y.example\n");
	assert_int_equal(mails_in(w, "INBOX"), 1);
}

static void test_discard(void **state)
{
	struct world *w = *state;

	add(w, (struct sieve_action){.kind = SIEVE_ACTION_DISCARD});
	assert_int_equal(carry_out(w), 0);
	assert_int_equal(mails_in(w, "INBOX"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_implicit_keep),
		TEST(test_flags_are_stored),
		TEST(test_a_mailbox_that_cannot_be_costs_no_mail),
		TEST(test_redirects_go_out_once),
		TEST(test_redirects_lose_no_line),
		TEST(test_a_loop_of_redirects_ends),
		TEST(test_failing_for_now_delivers_nothing),
		TEST(test_failing_for_good_keeps_the_mail),
		TEST(test_reject),
		TEST(test_refusal_by_the_protocol),
		TEST(test_vacation_answers_once),
		TEST(test_whom_vacation_does_not_answer),
		TEST(test_header_injection_is_not_possible),
		TEST(test_notify),
		TEST(test_discard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
