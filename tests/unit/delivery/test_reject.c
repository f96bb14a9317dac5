/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "delivery/deliver.h"
#include "delivery/reject.h"
#include "delivery/send.h"
#include "delivery/settings.h"
#include "delivery/spool.h"
#include "mime/header.h"
#include "mime/parse.h"

struct fixture {
	void *ctx;
	char *dir, *program;
	struct lda_settings set;
	struct sender *sender;
	struct delivery delivery;
};

static const char mail[] = "Return-Path: <back@b.example>\n"
			   "Subject: Lunch\n at noon\n"
			   "Message-ID: <id@b.example>\n\nbody\n";

static int set_up(void **state)
{
	struct fixture *f = mem_new(NULL, struct fixture);
	char dir[] = "/tmp/test_reject.XXXXXX";
	struct err err;
	char *script;

	f->ctx = f;
	f->dir = mem_strdup(f, mkdtemp(dir));
	f->program = mem_printf(f, "%s/sendmail", f->dir);
	script =
		mem_printf(f, "#!/bin/sh\necho \"$@\" >%s/args\ncat >%s/mail\n",
			   f->dir, f->dir);
	if (file_replace(f->program, script, strlen(script), 0755, &err) < 0)
		return -1;
	f->set = (struct lda_settings){
		.hostname = "here.example",
		.postmaster_address = "postmaster@%d",
		.sendmail_path = f->program,
		.rejection_reason = "Your message to <%t> was automatically "
				    "rejected:%n%r",
		.rejection_subject = "Rejected: %s",
		.submission_host = "",
		.submission_timeout = {10000},
		.mail_temp_dir = "/tmp",
	};
	if (sender_new(f, NULL, NULL, &f->set, &f->sender, &err) < 0)
		return -1;
	f->delivery.spool =
		spool_new(f, STR(""), "/tmp", 0, &mime_limits_default);
	spool_write(f->delivery.spool, mail, sizeof(mail) - 1, &err);
	log_open("test", LOG_TO_STDERR);
	f->delivery.from = "back@b.example";
	f->delivery.to = "ann";
	*state = f;
	return spool_end(f->delivery.spool, &err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct err err;

	dir_remove(f->dir, &err);
	mem_free(f);
	return 0;
}

static char *sent(struct fixture *f, const char *name)
{
	CLEANUP(buf_free) struct buf text = buf_init(100000);
	struct err err;

	assert_int_equal(
		file_read(mem_printf(f, "%s/%s", f->dir, name), &text, &err),
		0);
	return buf_steal(f, &text);
}

static void expect_field(struct fixture *f, const char *name,
			 const char *expected)
{
	CLEANUP(buf_free) struct buf text = buf_init(1000);
	struct header_field field;

	assert_true(header_find(str_of(sent(f, "mail")), name, &field));
	header_unfold(field.value, &text);
	assert_string_equal(text.data, expected);
}

static int reject(struct fixture *f, const char *reason, struct err *err)
{
	return reject_send(&f->delivery, &f->set, f->sender, NULL, reason, err);
}

static void test_the_sender_is_told(void **state)
{
	struct fixture *f = *state;
	const char *text;
	struct err err;

	f->delivery.from = "who@a.example";
	f->delivery.to = "ann@c.example";
	assert_int_equal(reject(f, "Quota exceeded", &err), 0);
	assert_string_equal(sent(f, "args"), "-i -f <> -- who@a.example\n");
	expect_field(f, "To", "<who@a.example>");
	expect_field(f, "From", "Postmaster <postmaster@c.example>");
	expect_field(f, "Subject", "Rejected: Lunch at noon");
	expect_field(f, "Auto-Submitted", "auto-replied (rejected)");
	text = sent(f, "mail");
	assert_non_null(strstr(text, "Your message to <ann@c.example> was "
				     "automatically rejected:\n"
				     "Quota exceeded\n"));
	assert_non_null(strstr(text, "Original-Message-ID: <id@b.example>\n"));
	assert_non_null(strstr(text, "\n\nReturn-Path: <back@b.example>\n"));
}

static void test_what_could_not_be_delivered_is_told_so(void **state)
{
	struct fixture *f = *state;
	const char *text;
	struct err err;

	f->delivery.from = "who@a.example";
	f->delivery.to = "ann@c.example";
	assert_int_equal(reject_send(&f->delivery, &f->set, f->sender, "5.2.2",
				     "Quota exceeded", &err),
			 0);
	text = sent(f, "mail");
	assert_non_null(strstr(text, "report-type=delivery-status"));
	assert_non_null(strstr(text, "Content-Type: message/delivery-status\n\n"
				     "Reporting-MTA: dns; "));
	assert_non_null(strstr(text,
			       "\n\nFinal-Recipient: rfc822; ann@c.example\n"
			       "Action: failed\nStatus: 5.2.2\n"));
	assert_null(strstr(text, "disposition"));
}

/* Bounces are not answered, and nobody passes an option to sendmail. */
static void test_some_senders_are_not_told(void **state)
{
	struct fixture *f = *state;
	struct err err;

	f->delivery.from = "";
	assert_int_equal(reject(f, "no", &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	f->delivery.from = "-C/etc/passwd";
	assert_int_equal(reject(f, "no", &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	f->delivery.from = "a@b>\nBcc: c@d";
	assert_int_equal(reject(f, "no", &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
}

static void test_subject_cannot_add_fields(void **state)
{
	struct fixture *f = *state;
	struct err err;

	f->set.rejection_subject = "Rejected:%nBcc: evil@d.example%n%s";
	assert_int_equal(reject(f, "no", &err), 0);
	expect_field(f, "Subject",
		     "Rejected: Bcc: evil@d.example Lunch at noon");
}

static void test_failing_program_is_told(void **state)
{
	struct fixture *f = *state;
	struct err err;

	f->set.sendmail_path = "/bin/false";
	assert_int_equal(reject(f, "no", &err), -1);
	assert_int_equal(err.code, ERR_TEMPORARY);
	f->set.sendmail_path = "/nonexistent";
	assert_int_equal(reject(f, "no", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_sender_is_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_could_not_be_delivered_is_told_so, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_some_senders_are_not_told,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_subject_cannot_add_fields,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failing_program_is_told,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
