/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "lda/job.h"
#include "service/account.h"

static struct account *alice(const void *ctx)
{
	struct account *account;
	struct err err;

	assert_int_equal(account_parse(ctx, STR("alice"),
				       STR("uid=1000\tgid=1001\thome=/h"),
				       &account, &err),
			 0);
	return account;
}

static void test_a_job_arrives_whole_or_not_at_all(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf frame = buf_init(10000);
	const struct job job = {
		.account = alice(ctx),
		.session_id = "id",
		.from = "",
		.to = "alice@example.org",
		.mailbox = "INBOX",
		.pid = 4711,
		.session_started_ms = 1,
		.started_ms = 1ULL << 40,
	};
	struct job *got;
	struct str rest;

	(void)state;
	job_pack(JOB_DELIVER, &job, &frame);
	assert_int_equal(frame.data[0], JOB_DELIVER);
	for (size_t cut = 1; cut < frame.len; cut++) {
		rest = str_n(frame.data + 1, cut - 1);
		assert_null(job_unpack(ctx, &rest));
	}
	buf_append(&frame, "mail", 4);
	rest = str_n(frame.data + 1, frame.len - 1);
	got = job_unpack(ctx, &rest);
	assert_non_null(got);
	assert_true(str_is(rest, "mail"));
	assert_string_equal(got->account->home, "/h");
	assert_int_equal(got->account->gid, 1001);
	assert_string_equal(got->from, "");
	assert_string_equal(got->to, "alice@example.org");
	assert_null(got->original_to);
	assert_int_equal(got->pid, 4711);
	assert_true(got->started_ms == 1ULL << 40);
}

static void test_an_outcome_arrives_whole_or_not_at_all(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf frame = buf_init(10000);
	struct outcome outcome = {.refusal = "go away", .scripted = true}, got;

	(void)state;
	err_set(&outcome.err, ERR_QUOTA, "full");
	outcome_pack(&outcome, &frame);
	for (size_t cut = 1; cut < frame.len; cut++)
		assert_false(outcome_unpack(ctx, str_n(frame.data + 1, cut - 1),
					    &got));
	assert_true(outcome_unpack(ctx, str_n(frame.data + 1, frame.len - 1),
				   &got));
	assert_false(got.ok);
	assert_int_equal(got.err.code, ERR_QUOTA);
	assert_string_equal(got.err.text, "full");
	assert_string_equal(got.refusal, "go away");
	assert_null(got.action);
	assert_true(got.scripted);
	assert_false(got.autoexpunge);
	/* A code that there is not. */
	frame.data[2] = 99;
	assert_false(outcome_unpack(ctx, str_n(frame.data + 1, frame.len - 1),
				    &got));
}

static void test_no_reply_fills_a_frame(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf frame = buf_init(64 * 1024);
	char *text = mem_array(ctx, char, 1000000 + 1);
	struct outcome outcome = {.ok = true, .refusal = text, .action = text};

	(void)state;
	memset(text, 'x', 1000000);
	outcome_pack(&outcome, &frame);
	assert_false(frame.overflow);
	assert_true(outcome_unpack(ctx, str_n(frame.data + 1, frame.len - 1),
				   &outcome));
	assert_true(strlen(outcome.refusal) > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_job_arrives_whole_or_not_at_all),
		cmocka_unit_test(test_an_outcome_arrives_whole_or_not_at_all),
		cmocka_unit_test(test_no_reply_fills_a_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
