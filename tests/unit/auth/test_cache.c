/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/cache.h"
#include "auth/db.h"
#include "auth/request.h"
#include "auth/settings.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

static struct auth_settings settings = {
	.auth_username_chars = "",
	.auth_username_format = "",
	.auth_username_translation = "",
	.auth_master_user_separator = "",
	.auth_default_realm = "",
	.auth_cache_size = 64 * 1024,
	.auth_cache_ttl = {60 * 1000},
	.auth_cache_negative_ttl = {60 * 1000},
};

static struct cache_key key_of(struct cache *cache, unsigned db_index,
			       const char *user, const char *service)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct request *request = request_new(ctx, &settings);
	const struct passdb db = {
		.index = db_index, .args = "", .cache_key = "%s"};
	struct cache_key key;
	struct err err;

	assert_int_equal(request_set_user(request, user, &err), 0);
	request_set_arg(request, STR("service"), str_of(service));
	assert_true(cache_pass_key(cache, &db, request, &key));
	return key;
}

static void test_only_the_same_password_hits(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct cache *cache = cache_new(ctx, &settings);
	struct cache_key key = key_of(cache, 0, "alice", "imap");
	struct str value;

	(void)state;
	assert_int_equal(cache_get(cache, &key, "pw", &value), CACHE_MISS);
	cache_put(cache, &key, "alice", "pw", STR("\tuser=alice"));
	assert_int_equal(cache_get(cache, &key, "pw", &value), CACHE_HIT);
	assert_true(str_is(value, "\tuser=alice"));
	assert_int_equal(cache_get(cache, &key, "pv", &value), CACHE_MISS);
	assert_int_equal(cache_get(cache, &key, "", &value), CACHE_MISS);
}

static void test_keys_tell_all_apart(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct cache *cache = cache_new(ctx, &settings);
	struct cache_key keys[] = {
		key_of(cache, 0, "alice", "imap"),
		key_of(cache, 1, "alice", "imap"),
		key_of(cache, 0, "alic", "imap"),
		key_of(cache, 0, "alice", "pop3"),
		key_of(cache, 0, "aliceimap", ""),
	};
	size_t count = sizeof(keys) / sizeof(keys[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		for (size_t n = i + 1; n < count; n++)
			assert_memory_not_equal(&keys[i], &keys[n],
						sizeof(keys[0]));
	}
}

static void test_what_is_negative_and_flushed(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct cache *cache = cache_new(ctx, &settings);
	struct cache_key alice = key_of(cache, 0, "alice", "imap");
	struct cache_key bob = key_of(cache, 0, "bob", "imap");
	struct str value;

	(void)state;
	cache_put_negative(cache, &alice, "alice");
	cache_put(cache, &bob, "bob", "x", STR(""));
	assert_int_equal(cache_get(cache, &alice, "x", &value), CACHE_NEGATIVE);
	assert_int_equal(cache_flush(cache, "alice"), 1);
	assert_int_equal(cache_get(cache, &alice, "x", &value), CACHE_MISS);
	assert_int_equal(cache_get(cache, &bob, "x", &value), CACHE_HIT);
	assert_int_equal(cache_flush(cache, NULL), 1);
}

static void test_the_oldest_go_first(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct cache *cache = cache_new(ctx, &settings);
	struct cache_key first = key_of(cache, 0, "first", "imap");
	char name[16];
	struct str value;

	(void)state;
	cache_put(cache, &first, "first", "x", STR(""));
	for (unsigned i = 0; i < 1000; i++) {
		struct cache_key key;

		snprintf(name, sizeof(name), "u%u", i);
		key = key_of(cache, 0, name, "imap");
		cache_put(cache, &key, name, "x", STR(""));
		/* It stays as long as it is used. */
		assert_int_equal(cache_get(cache, &first, "x", &value),
				 CACHE_HIT);
	}
	assert_true(cache_flush(cache, NULL) < 64 * 1024 / 256);
}

static void test_a_wrong_password_is_remembered(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct cache *cache = cache_new(ctx, &settings);
	struct cache_key key = key_of(cache, 0, "alice", "imap");
	struct str value;

	(void)state;
	cache_put_mismatch(cache, &key, "alice", "no");
	assert_int_equal(cache_get(cache, &key, "no", &value), CACHE_MISMATCH);
	assert_int_equal(cache_get(cache, &key, "", &value), CACHE_MISS);
	cache_put(cache, &key, "alice", "no", STR("x"));
	assert_int_equal(cache_get(cache, &key, "no", &value), CACHE_HIT);
	cache_put_mismatch(cache, &key, "alice", "other");
	assert_int_equal(cache_get(cache, &key, "no", &value), CACHE_HIT);
	assert_int_equal(cache_get(cache, &key, "other", &value),
			 CACHE_MISMATCH);
	assert_int_equal(cache_flush(cache, "alice"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_the_same_password_hits),
		cmocka_unit_test(test_a_wrong_password_is_remembered),
		cmocka_unit_test(test_keys_tell_all_apart),
		cmocka_unit_test(test_what_is_negative_and_flushed),
		cmocka_unit_test(test_the_oldest_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
