/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/program.h"

static const char *const nothing[] = {NULL};

static int run_sh(const char *text, struct str input, struct buf *output,
		  uint64_t timeout_ms, struct err *err)
{
	const char *const args[] = {"-c", text, "sh", "a b", NULL};
	const struct program program = {
		.path = "/bin/sh",
		.args = args,
		.environment = nothing,
		.input = input,
		.timeout = {timeout_ms},
	};
	int status = -1;

	return program_run(&program, output, &status, err) < 0 ? -1 : status;
}

static void test_input_goes_through(void **state)
{
	CLEANUP(buf_free) struct buf in = buf_init(2 << 20);
	CLEANUP(buf_free) struct buf out = buf_init(2 << 20);
	struct err err;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		buf_printf(&in, "line %u\n", i);
	assert_int_equal(run_sh("echo \"$1\"; cat", str_n(in.data, in.len),
				&out, 10000, &err),
			 0);
	assert_int_equal(out.len, in.len + 4);
	assert_memory_equal(out.data, "a b\n", 4);
	assert_memory_equal(out.data + 4, in.data, in.len);
}

static void test_status(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(run_sh("exit 7", STR(""), NULL, 0, &err), 7);
	assert_int_equal(run_sh("kill -9 $$", STR(""), NULL, 0, &err), -1);
	assert_non_null(strstr(err.text, "signal 9"));
}

static void test_nobody_else_is_waited_for(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(100);
	struct err err;

	(void)state;
	assert_int_equal(
		run_sh("sleep 5 & echo x; exit 0", STR(""), &out, 4000, &err),
		0);
	assert_string_equal(out.data, "x\n");
}

static void test_killed_with_its_children(void **state)
{
	char dir[] = "/tmp/programXXXXXX";
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *path, *text;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = mem_printf(ctx, "%s/late", dir);
	text = mem_printf(ctx, "(sleep 1; : >%s) & trap '' TERM; wait", path);
	assert_int_equal(run_sh(text, STR(""), NULL, 50, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	usleep(1100 * 1000);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_output_is_bounded(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(100);
	CLEANUP(buf_free) struct buf more = buf_init(100);
	struct err err;

	(void)state;
	assert_int_equal(run_sh("printf %0100d 1", STR(""), &out, 5000, &err),
			 0);
	assert_int_equal(out.len, 100);
	assert_int_equal(run_sh("printf %0101d 1", STR(""), &more, 5000, &err),
			 -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

static void test_input_must_be_read(void **state)
{
	CLEANUP(buf_free) struct buf in = buf_init(2 << 20);
	struct err err;

	(void)state;
	while (in.len < 1 << 20)
		buf_add(&in, "0123456789abcdef");
	assert_int_equal(run_sh("exec <&-; exit 0", str_n(in.data, in.len),
				NULL, 5000, &err),
			 -1);
	assert_int_equal(err.code, ERR_CLOSED);
}

static void test_not_there(void **state)
{
	struct program program = {.path = "/nosuch/program",
				  .environment = nothing};
	struct err err;
	int status;

	(void)state;
	assert_int_equal(program_run(&program, NULL, &status, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(program_script(&program, NULL, &status, &err), -1);
}

static void test_request(void **state)
{
	static const char in[] = "VERSION\tscript\t4\t0\nenv_A=b\nalarm=3\n-\n"
				 "x y\n\1tz\n\nrest";
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct script_request request;
	const char *problem;

	(void)state;
	for (size_t cut = 0; cut < sizeof(in) - 5; cut++)
		assert_int_equal(script_request_parse(ctx, str_n(in, cut),
						      &request, &problem),
				 SCRIPT_MORE);
	assert_int_equal(script_request_parse(ctx, STR(in), &request, &problem),
			 SCRIPT_READY);
	assert_string_equal(request.environment[0], "A=b");
	assert_null(request.environment[1]);
	assert_string_equal(request.args[0], "x y");
	assert_string_equal(request.args[1], "\tz");
	assert_null(request.args[2]);
	assert_int_equal(request.alarm, 3);
	assert_false(request.no_reply);
	assert_string_equal(in + request.len, "rest");
}

static void test_wrong_requests(void **state)
{
	static const char *const wrong[] = {
		"VERSION\tscript\t3\t0\n",
		"VERSION\tscript\t5\t0\n",
		"garbage\n",
		"VERSION\tscript\t4\t0\nalarm=x\n",
		"VERSION\tscript\t4\t0\nenv_=x\n",
		"VERSION\tscript\t4\t0\nenv_x\n",
		"VERSION\tscript\t4\t0\nfoo\n",
	};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf many = buf_init(10000);
	struct script_request request;
	const char *problem;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(script_request_parse(ctx, str_of(wrong[i]),
						      &request, &problem),
				 SCRIPT_BAD);
	buf_add(&many, "VERSION\tscript\t4\t0\n-\n");
	for (unsigned i = 0; i < 256; i++)
		buf_add(&many, "x\n");
	assert_int_equal(script_request_parse(ctx, str_n(many.data, many.len),
					      &request, &problem),
			 SCRIPT_MORE);
	buf_add(&many, "x\n");
	assert_int_equal(script_request_parse(ctx, str_n(many.data, many.len),
					      &request, &problem),
			 SCRIPT_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input_goes_through),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_nobody_else_is_waited_for),
		cmocka_unit_test(test_killed_with_its_children),
		cmocka_unit_test(test_output_is_bounded),
		cmocka_unit_test(test_input_must_be_read),
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_wrong_requests),
	};

	log_open("test", LOG_TO_STDERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
