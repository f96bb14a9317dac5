/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "fixture.h"

static void test_flags_sizes_and_keywords_are_read(void **state)
{
	struct file_name name;

	(void)state;
	file_name_parse(STR("1.M2P3.h,S=100,W=104:2,FSac"), &name);
	assert_true(str_is(name.base, "1.M2P3.h,S=100,W=104"));
	assert_int_equal(name.flags, MAIL_FLAGGED | MAIL_SEEN);
	assert_int_equal(name.keywords, 5);
	assert_int_equal(name.size, 100);
	assert_int_equal(name.vsize, 104);
}

static void test_odd_names_have_no_flags(void **state)
{
	static const char *const names[] = {
		"1.h",    "1.h:",    "1.h:1,S", "1.h:2",
		"1.h:2,", "x,S=:2,", "x,S=12a", "x,S=99999999999999999999999",
	};
	struct file_name name;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		file_name_parse(str_of(names[i]), &name);
		assert_int_equal(name.flags, 0);
		assert_true(name.size == UINT64_MAX);
	}
}

static void check_flags(const char *old, uint8_t flags, uint32_t keywords,
			const char *want)
{
	char room[64 + FILE_FLAGS_ROOM];

	assert_int_equal(
		file_name_flags_put(room, str_of(old), flags, keywords),
		strlen(want));
	assert_string_equal(room, want);
}

static void test_flags_are_written_in_order(void **state)
{
	(void)state;
	check_flags("1.h", MAIL_SEEN | MAIL_DRAFT, 0, "1.h:2,DS");
	check_flags("1.h:2,S", 0, 3, "1.h:2,ab");
	/* P (passed) is not ours; what stands behind the flags neither. */
	check_flags("1.h:2,PSz,x=1", MAIL_DELETED, 0, "1.h:2,PT,x=1");
}

/* As Dovecot 2.3.19 reads and writes them. */
static void test_names_with_two_infos(void **state)
{
	static const struct {
		const char *name;
		uint8_t flags;
		const char *answered;
	} names[] = {
		{"1.h:2,S:2,F", MAIL_FLAGGED, "1.h:2,S:2,FR"},
		{"1.h:2,S:2,", 0, "1.h:2,S:2,R"},
		{"1.h:2,SX:2,F", MAIL_FLAGGED, "1.h:2,SX:2,FR"},
		{"1.h:2,:2,S", MAIL_SEEN, "1.h:2,:2,RS"},
		{"1.h:2,S:1,R", 0, "1.h:2,S:2,R"},
		{"1.h::2,S", MAIL_SEEN, "1.h::2,RS"},
		{"1.h:2,FS,x:2,R", MAIL_ANSWERED, "1.h:2,FS,x:2,R"},
		{"1.h:2,S=3", MAIL_SEEN, "1.h:2,3=RS"},
		{"1.h:2,!F,S", MAIL_FLAGGED, "1.h:2,!FR,S"},
		{"1.h:1,S", 0, "1.h:2,R"},
	};
	struct file_name name;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		file_name_parse(str_of(names[i].name), &name);
		assert_true(str_is(name.base, "1.h"));
		assert_int_equal(name.flags, names[i].flags);
		check_flags(names[i].name, name.flags | MAIL_ANSWERED, 0,
			    names[i].answered);
	}
}

static void test_fresh_names_differ(void **state)
{
	TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *last = file_name_new(ctx);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char *next = file_name_new(ctx);

		assert_string_not_equal(last, next);
		last = next;
	}
	mem_free(ctx);
}

static void test_driver_data_of_strangers_is_refused(void **state)
{
	static const char *const bad[] = {"",      "c",        "xname", "n../x",
					  "c/etc", "n.hidden", "ca/b"};
	struct record_name name;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(record_name_get(str_of(bad[i]), &name));
	assert_true(record_name_get(STR("c1.h:2,S\0G1 W2"), &name));
	assert_true(str_is(name.name, "1.h:2,S"));
	assert_true(str_is(ext_field(name.ext, 'W'), "2"));
	assert_null(ext_field(name.ext, 'P').data);
	assert_true(str_is(ext_field(STR("W2 P"), 'P'), ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags_sizes_and_keywords_are_read),
		cmocka_unit_test(test_odd_names_have_no_flags),
		cmocka_unit_test(test_flags_are_written_in_order),
		cmocka_unit_test(test_names_with_two_infos),
		cmocka_unit_test(test_fresh_names_differ),
		cmocka_unit_test(test_driver_data_of_strangers_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
