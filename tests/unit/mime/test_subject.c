/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
/* cmocka wants these before it. */
#include <setjmp.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mime/collate.h"
#include "mime/message_id.h"
#include "mime/subject.h"

static const struct {
	const char *subject, *base;
	bool reply;
} subjects[] = {
	{"hello", "hello", false},
	{"", "", false},
	{"  hello \t  world ", "hello world", false},
	{"Re: hello", "hello", true},
	{"RE : hello", "hello", true},
	{"re:hello", "hello", true},
	{"re[2]: hello", "hello", true},
	{"Re [x] : hello", "hello", true},
	{"Re [x] [y]: hello", "Re [x] [y]: hello", false},
	{"Re: Re: re: hello", "hello", true},
	{"fw: hello", "hello", true},
	{"Fwd: hello", "hello", true},
	{"fwd[1]: [2] hello", "hello", true},
	{"forward: hello", "forward: hello", false},
	{"[a] Re: hello", "hello", true},
	{"[a][b]  [c] hello", "hello", false},
	{"[a] [b]", "[b]", false},
	{"[a]", "[a]", false},
	{"[b] re: [a]", "[a]", true},
	{"[a[b] hello", "[a[b] hello", false},
	{"[a]b] hello", "b] hello", false},
	{"[] hello", "hello", false},
	{"hello (fwd)", "hello", true},
	{"hello(FWD) (fwd)  ", "hello", true},
	{"(fwd)", "", true},
	{"re: (fwd)", "", true},
	{"[fwd: hello]", "hello", true},
	{"[Fwd: Re: hello (fwd)]", "hello", true},
	{"[fwd: [fwd: hello]]", "hello", true},
	{"[fwd:]", "", true},
	{"[fwd: hello] x", "x", false},
	{"[a] [fwd: hello]", "hello", true},
	{"Re:", "", true},
	{"Re", "Re", false},
	{"re re: x", "re re: x", false},
	{"hello re: x", "hello re: x", false},
};

static void test_base_subjects(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		CLEANUP(buf_free) struct buf words = buf_init(SIZE_MAX);
		struct str base;
		bool reply;

		subject_words(str_of(subjects[i].subject), &words);
		base = subject_base(str_n(words.data, words.len), &reply);
		if (!str_is(base, subjects[i].base) ||
		    reply != subjects[i].reply)
			fail_msg("\"%s\": \"%.*s\", reply %d",
				 subjects[i].subject, STR_FMT(base), reply);
	}
}

static struct buf repeat(const char *text, size_t count, const char *tail)
{
	struct buf buf = buf_init(SIZE_MAX);

	for (size_t i = 0; i < count; i++)
		buf_add(&buf, text);
	buf_add(&buf, tail);
	return buf;
}

static void time_subject(const char *text, size_t count, const char *tail)
{
	CLEANUP(buf_free) struct buf buf = repeat(text, count, tail);
	clock_t start = clock();
	bool reply;

	subject_base(str_of(buf.data), &reply);
	if (clock() - start > 3 * CLOCKS_PER_SEC)
		fail_msg("\"%s\" takes too long", text);
}

/* With n * n, each of these would take minutes. */
static void test_hostile_subjects_take_linear_time(void **state)
{
	(void)state;
	time_subject("[x]", 300000, "");
	time_subject("[x] ", 300000, "y");
	time_subject("[", 1000000, "]");
	time_subject("re: ", 300000, "y");
	time_subject("[fwd: ", 200000, "y");
	time_subject("[fwd:re[", 200000, "]: y");
	time_subject("re[", 500000, "");
	time_subject("x(fwd)", 200000, "");
	time_subject("[fwd:(fwd)", 200000, "]");
}

/* message ids */

static void assert_ids(const char *text, const char *wanted)
{
	CLEANUP(buf_free) struct buf id = buf_init(100);
	CLEANUP(buf_free) struct buf all = buf_init(1000);
	struct str rest = str_of(text);

	buf_add(&all, "");
	while (message_id_next(&rest, &id)) {
		buf_append(&all, id.data, id.len);
		buf_putc(&all, '\n');
	}
	assert_string_equal(all.len == 0 ? "" : all.data, wanted);
}

static void test_message_ids(void **state)
{
	(void)state;
	assert_ids("<a@x>", "a@x\n");
	assert_ids("<a@x><b@x>\r\n\t<c@x>", "a@x\nb@x\nc@x\n");
	assert_ids("On Monday <a@x>, he wrote", "a@x\n");
	/* RFC 5256: these are the same. */
	assert_ids("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>",
		   "01KF8JCEOCBS0045PS@xxx.yyy.com\n");
	assert_ids("< a(comment) @ x >", "a@x\n");
	assert_ids("<abc\r\n def@x>", "abcdef@x\n");
	assert_ids("<a..b@x> <a@b@c> <a@[1.2.3.4]>",
		   "a..b@x\na@b@c\na@[1.2.3.4]\n");
	assert_ids("<q <a@x> <b@x", "a@x\n");
	assert_ids("<no id> a@x <>", "");
	assert_ids("<\"a@x> <b@x>", "");
	assert_ids("", "");
}

static void test_a_long_message_id_is_none(void **state)
{
	CLEANUP(buf_free) struct buf id = buf_init(10);
	struct str rest = STR("<0123456789abcdef@x> <b@x>");

	(void)state;
	assert_true(message_id_next(&rest, &id));
	assert_true(str_is(str_n(id.data, id.len), "b@x"));
	assert_false(message_id_next(&rest, &id));
}

static void test_hostile_references_take_linear_time(void **state)
{
	static const char *const texts[] = {"<",     "<(",       "<\"", "<a@x",
					    "<a@x>", "<(<a@x>)", ")("};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEANUP(buf_free) struct buf id = buf_init(2048);
		CLEANUP(buf_free)
		struct buf all = repeat(texts[i], 1000000, "");
		struct str rest = str_of(all.data);
		clock_t start = clock();

		while (message_id_next(&rest, &id))
			;
		assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
	}
}

/* collation */

static void assert_collated(const char *text, const char *wanted)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	collate(str_of(text), &out);
	assert_string_equal(out.data, wanted);
}

static void test_collation_is_title_case_decomposed(void **state)
{
	(void)state;
	assert_collated("aBc_^z", "ABC_^Z");
	assert_collated("\xc3\xa4", "A\xcc\x88");     /* ä */
	assert_collated("\xc3\x84", "A\xcc\x88");     /* Ä */
	assert_collated("\xc7\x86", "D\x7a\xcc\x8c"); /* dž: Dž */
	assert_collated("\xd1\x82\xd0\xa2", "\xd0\xa2\xd0\xa2");
	assert_collated("\xc3\x9f", "\xc3\x9f");  /* ß has none */
	assert_collated("\xef\xac\x81", "fi");    /* ﬁ */
	assert_collated("Re\xef\xbc\x9a", "RE:"); /* wide colon */
	assert_collated("a\xff"
			"b",
			"A\xef\xbf\xbd"
			"B"); /* no UTF-8 */
	assert_collated("\xea\xb0\x80", "\xe1\x84\x80\xe1\x85\xa1");
}

static void test_collation_has_no_nul(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	(void)state;
	collate(str_n("a\0b", 3), &out);
	assert_string_equal(out.data, "A\xef\xbf\xbd"
				      "B");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base_subjects),
		cmocka_unit_test(test_hostile_subjects_take_linear_time),
		cmocka_unit_test(test_message_ids),
		cmocka_unit_test(test_a_long_message_id_is_none),
		cmocka_unit_test(test_hostile_references_take_linear_time),
		cmocka_unit_test(test_collation_is_title_case_decomposed),
		cmocka_unit_test(test_collation_has_no_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
