/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"

static void is_hex(const unsigned char *data, size_t len, const char *wanted)
{
	CLEANUP(buf_free) struct buf hex = buf_init(1000);

	hex_encode(str_n(data, len), &hex);
	assert_string_equal(hex.data, wanted);
}

static void test_digests_of_abc(void **state)
{
	static const char *const pairs[][2] = {
		{"md4", "a448017aaf21d8525fc10ae87aa6729d"},
		{"md5", "900150983cd24fb0d6963f7d28e17f72"},
		{"sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"sha256",
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410"
		 "ff61f20015ad"},
		{"sha3-256", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b4"
			     "6bfe24511431532"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		unsigned char out[DIGEST_MAX];
		size_t len = digest_once(pairs[i][0], STR("abc"), out);

		is_hex(out, len, pairs[i][1]);
		assert_int_equal(digest_size(pairs[i][0]), len);
	}
	assert_int_equal(digest_size("md6"), 0);
}

static void test_a_digest_can_start_again(void **state)
{
	struct digest *digest = digest_new(NULL, "md5");
	unsigned char out[DIGEST_MAX];

	(void)state;
	for (int i = 0; i < 2; i++) {
		digest_add(digest, STR("a"));
		digest_add(digest, STR("bc"));
		is_hex(out, digest_end(digest, out),
		       "900150983cd24fb0d6963f7d28e17f72");
	}
	mem_free(digest);
	assert_null(digest_new(NULL, "crc32"));
	assert_int_equal(digest_once("nosuch", STR(""), out), 0);
}

static void test_hmac_and_pbkdf2_of_the_rfcs(void **state)
{
	unsigned char out[DIGEST_MAX];

	(void)state;
	/* RFC 2104 */
	is_hex(out,
	       digest_hmac("md5", STR("Jefe"),
			   STR("what do ya want for nothing?"), out),
	       "750c783e6ab0b503eaa86e310a5db738");
	/* RFC 6070 */
	assert_true(digest_pbkdf2("sha1", STR("password"), STR("salt"), 2, out,
				  20));
	is_hex(out, 20, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
	assert_false(digest_pbkdf2("sha1", STR("p"), STR("s"), 0, out, 20));
}

static void test_guids_differ(void **state)
{
	unsigned char a[16], b[16];

	(void)state;
	guid128_new(a);
	guid128_new(b);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_true(random_u64() != random_u64());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests_of_abc),
		cmocka_unit_test(test_a_digest_can_start_again),
		cmocka_unit_test(test_hmac_and_pbkdf2_of_the_rfcs),
		cmocka_unit_test(test_guids_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
