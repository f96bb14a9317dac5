/* SPDX-License-Identifier: MIT */
#include "base/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"

static void test_what_is_packed_comes_back(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);
	struct unpack in = {.bad = false};

	(void)state;
	pack_u8(&out, 200);
	pack_u32(&out, 0x12345678);
	pack_u64(&out, UINT64_MAX - 1);
	pack_str(&out, STR("a\0b"));
	pack_str(&out, STR(""));
	in.in = str_n(out.data, out.len);
	assert_int_equal(unpack_u8(&in), 200);
	assert_int_equal(unpack_u32(&in), 0x12345678);
	assert_true(unpack_u64(&in) == UINT64_MAX - 1);
	assert_true(str_equal(unpack_str(&in), STR("a\0b")));
	assert_int_equal(unpack_str(&in).len, 0);
	assert_false(in.bad);
	assert_int_equal(in.in.len, 0);
}

static void test_every_cut_is_noticed(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(1000);

	(void)state;
	pack_u32(&out, 7);
	pack_str(&out, STR("text"));
	for (size_t cut = 0; cut < out.len; cut++) {
		struct unpack in = {.in = str_n(out.data, cut)};

		unpack_u32(&in);
		unpack_str(&in);
		assert_true(in.bad);
		assert_int_equal(unpack_u64(&in), 0);
		assert_int_equal(unpack_str(&in).len, 0);
	}
}

static void test_a_huge_length_is_no_memory(void **state)
{
	struct unpack in = {.in = STR("\xff\xff\xff\xff"
				      "abc")};

	(void)state;
	assert_int_equal(unpack_str(&in).len, 0);
	assert_true(in.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_packed_comes_back),
		cmocka_unit_test(test_every_cut_is_noticed),
		cmocka_unit_test(test_a_huge_length_is_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
