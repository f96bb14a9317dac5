/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "sieve/program.h"
#include "sieve/sieve.h"

static const char script[] =
	"require [\"variables\", \"fileinto\", \"copy\"];\n"
	"if header :matches [\"subject\", \"x\"] \"*a*\" {\n"
	"\tset :lower \"v\" \"${1}-x\"; fileinto :copy \"${v}\"; }\n"
	"elsif anyof(size :over 10K, not exists \"to\") { discard; }\n";

struct place {
	void *ctx;
	char dir[64], script[80], binary[80], included[80];
	struct sieve_engine *engine;
	unsigned compiled;
};

static int find(void *ctx, const void *mem, const char *location,
		struct str name, struct sieve_source *out, struct err *err)
{
	struct place *place = ctx;

	(void)location;
	(void)name;
	return sieve_source_read(mem, place->engine, place->included, out, err);
}

static void count(void *ctx, enum log_level level, const char *where,
		  const char *text)
{
	struct place *place = ctx;

	(void)level;
	(void)where;
	(void)text;
	place->compiled++;
}

static void write_text(const char *path, const char *text)
{
	struct err err;

	assert_int_equal(file_replace(path, text, strlen(text), 0600, &err), 0);
}

static int setup(void **state)
{
	struct place *place = mem_new(NULL, struct place);
	struct sieve_engine_options options = {.script = find, .ctx = place};

	place->ctx = place;
	snprintf(place->dir, sizeof(place->dir), "/tmp/test-sieve.XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->script, 80, "%.60s/s.sieve", place->dir);
	snprintf(place->binary, 80, "%.60s/s.svbin", place->dir);
	snprintf(place->included, 80, "%.60s/i.sieve", place->dir);
	place->engine = sieve_engine_new(place, &options);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;
	struct err err;

	dir_remove(place->dir, &err);
	mem_free(place);
	return 0;
}

static struct sieve_program *open_script(struct place *place)
{
	struct sieve_log log = {count, place};
	struct sieve_program *program;
	struct err err;

	place->compiled = 0;
	assert_int_equal(sieve_script_open(place, place->engine, place->script,
					   NULL, false, &log, &program, &err),
			 0);
	return program;
}

/* Whether it was compiled: it has a warning, which shows then. */
static bool compiles(struct place *place)
{
	mem_free(open_script(place));
	return place->compiled > 0;
}

static const char warns[] = "require [\"imap4flags\", \"include\"];\n"
			    "setflag \"\\\\wrong\"; include \"i\";\n";

static void test_made_anew_when_a_script_changes(void **state)
{
	struct place *place = *state;

	write_text(place->script, warns);
	write_text(place->included, "keep;");
	assert_true(compiles(place));
	assert_false(compiles(place));
	usleep(20 * 1000); /* times of files have ticks */
	write_text(place->script, warns);
	assert_true(compiles(place));
	assert_false(compiles(place));
	write_text(place->included, "keep; ");
	assert_true(compiles(place));
	assert_false(compiles(place));
	unlink(place->binary);
	assert_true(compiles(place));
}

static void test_not_trusted_if_others_could_write(void **state)
{
	struct place *place = *state;

	write_text(place->script, warns);
	write_text(place->included, "keep;");
	assert_true(compiles(place));
	assert_int_equal(chmod(place->binary, 0620), 0);
	assert_true(compiles(place));
	assert_int_equal(chmod(place->binary, 0602), 0);
	assert_true(compiles(place));
	assert_false(compiles(place));
}

static void test_damaged_is_made_anew(void **state)
{
	struct place *place = *state;

	write_text(place->script, warns);
	write_text(place->included, "keep;");
	assert_true(compiles(place));
	assert_int_equal(truncate(place->binary, 40), 0);
	assert_true(compiles(place));
	write_text(place->binary, "");
	assert_true(compiles(place));
	write_text(place->binary, "something else");
	assert_true(compiles(place));
	assert_false(compiles(place));
}

static void test_readable_by_whom_the_script_is(void **state)
{
	struct place *place = *state;
	struct stat st;

	write_text(place->script, warns);
	write_text(place->included, "keep;");
	assert_int_equal(chmod(place->script, 0664), 0);
	assert_true(compiles(place));
	assert_int_equal(stat(place->binary, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(chmod(place->script, 0600), 0);
	unlink(place->binary);
	assert_true(compiles(place));
	assert_int_equal(stat(place->binary, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static struct sieve_program *compile(struct place *place, const char *text)
{
	struct sieve_source source = {.name = "t", .text = str_of(text)};
	struct sieve_program *program;
	struct err err;

	assert_int_equal(sieve_compile(place, place->engine, &source, NULL,
				       &program, &err),
			 0);
	return program;
}

static void run(struct place *place, struct sieve_program *program)
{
	static const char mail[] = "To: a@b.c\r\nSubject: aaa\r\n\r\nx\r\n";
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "run");
	CLEANUP(buf_free) struct buf text = buf_init(1 << 20);
	struct sieve_host host = {0};
	struct sieve_envelope envelope = {0};
	struct err err;

	(void)place;
	(void)sieve_program_run(program,
				sieve_message_new(ctx, str_of(mail), 100),
				&envelope, &host, sieve_result_new(ctx), &err);
	sieve_program_dump(program, &text);
}

static void load(struct place *place, char *bytes, size_t len)
{
	struct sieve_program *program;
	struct err err;
	uint64_t sum = sieve_checksum(
		str_n(bytes + SIEVE_HEAD_SIZE, len - SIEVE_HEAD_SIZE));

	for (unsigned i = 0; i < 8; i++)
		bytes[12 + i] = (char)(sum >> 8 * i);
	if (sieve_program_load(place, place->engine, str_n(bytes, len),
			       &program, &err) == 0) {
		run(place, program);
		mem_free(program);
	}
}

/* Each octet, and each length, behind a right checksum. */
static void test_any_damage_is_survived(void **state)
{
	struct place *place = *state;
	struct sieve_program *program = compile(place, script);
	struct str bytes = sieve_program_bytes(program);
	static const unsigned char values[] = {0x00, 0x01, 0x07,
					       0x7f, 0x80, 0xff};
	char *copy = mem_array(place, char, bytes.len);

	for (size_t len = SIEVE_HEAD_SIZE; len < bytes.len; len++) {
		memcpy(copy, bytes.data, bytes.len);
		load(place, copy, len);
	}
	for (size_t at = SIEVE_HEAD_SIZE; at < bytes.len; at++) {
		for (size_t i = 0; i < sizeof(values); i++) {
			memcpy(copy, bytes.data, bytes.len);
			copy[at] = (char)values[i];
			load(place, copy, bytes.len);
		}
	}
}

/* As after runs of that CPU time; whether it runs now. */
static bool runs_after(struct place *place, uint64_t cpu_ms)
{
	struct sieve_program *program = open_script(place);
	struct sieve_message *message =
		sieve_message_new(program, STR("Subject: x\n\nx\n"), 10);
	struct sieve_envelope envelope = {.null_sender = true};
	struct sieve_host host = {.log = {count, place}};
	struct err err;

	sieve_usage_add(program, cpu_ms);
	return sieve_program_run(program, message, &envelope, &host,
				 sieve_result_new(program), &err) == 0;
}

static void set_last(struct place *place, uint64_t last_ms)
{
	struct sieve_program *program = open_script(place);
	struct err err;

	program->usage.last_ms = last_ms;
	assert_int_equal(sieve_program_save(program, place->binary, &err), 0);
}

static void test_what_takes_long_again_and_again_ends(void **state)
{
	struct place *place = *state;

	write_text(place->script, "keep;");
	assert_true(runs_after(place, 1499));
	for (unsigned i = 0; i < 6; i++)
		assert_true(runs_after(place, 4999));
	assert_true(runs_after(place, 1000));
	assert_false(runs_after(place, 2000));
	assert_false(runs_after(place, 0));
	/* Another text is no way out. */
	write_text(place->script, "discard;");
	assert_false(runs_after(place, 0));
	set_last(place, 1000);
	assert_true(runs_after(place, 0));
	/* And starts anew. */
	assert_true(runs_after(place, 20000));
	assert_false(runs_after(place, 20000));
	/* sievec makes it anew, too. */
	assert_int_equal(unlink(place->binary), 0);
	assert_true(runs_after(place, 0));
	/* What is more than the limit at once. */
	assert_false(runs_after(place, 30001));
}

static void test_the_same_bytes_each_time(void **state)
{
	struct place *place = *state;
	struct str one = sieve_program_bytes(compile(place, script));
	struct str two = sieve_program_bytes(compile(place, script));
	struct sieve_program *again;
	struct err err;

	assert_true(str_equal(one, two));
	assert_int_equal(
		sieve_program_load(place, place->engine, one, &again, &err), 0);
	assert_true(str_equal(one, sieve_program_bytes(again)));
}

static const char *small(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "sieve_max_binary_size") == 0 ? "8 K" : NULL;
}

/* Comments take no room, wherever they stand. */
static void test_it_is_the_program_that_is_held_against_the_limit(void **state)
{
	struct place *place = *state;
	struct sieve_engine_options options = {
		.setting = small, .script = find, .ctx = place};
	CLEANUP(buf_free) struct buf text = buf_init(1 << 20);

	for (int i = 0; i < 1200; i++)
		buf_add(&text, "# A comment.\n");
	buf_add(&text, "keep;");
	write_text(place->included, text.data);
	buf_reset(&text);
	buf_add(&text, "require \"include\";\n");
	for (int i = 0; i < 100; i++)
		buf_printf(&text, "if exists \"x-of-rule-%d\" { stop; }\n", i);
	buf_add(&text, "include \"i\";");
	place->engine = sieve_engine_new(place, &options);
	(void)compile(place, text.data);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_takes_long_again_and_again_ends),
		TEST(test_made_anew_when_a_script_changes),
		TEST(test_not_trusted_if_others_could_write),
		TEST(test_damaged_is_made_anew),
		TEST(test_readable_by_whom_the_script_is),
		TEST(test_any_damage_is_survived),
		TEST(test_the_same_bytes_each_time),
		TEST(test_it_is_the_program_that_is_held_against_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
