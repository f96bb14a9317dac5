/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/scheme/scheme.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

/* What Dovecot 2.3 made of "secret" for the user alice. */
static const char *const from_dovecot[] = {
	"{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ=",
	"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
	"{SHA.b64}5en6G6MezRroT3XKqkdPOmY/BfQ=",
	"{SHA.hex}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
	"{SHA1}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
	"{SSHA512}M1Zod3Np4AI+rb+lAClhNRUXr8HOG8sGWIZWGOsjCqNT8NY1T+wJ+8Ka7pJJ"
	"iCe37gMNkicSSjLckUm7u/GlP9XiMNk=",
	"{SCRAM-SHA-256}4096,1KB2U5twlym3kSDjXdGzjg==,mOfl8//cTTJ5R+n1tCxFmCIW"
	"PjcqejnO3gYL+R74vcA=,qT/Y2VGtaxek/jmd4D1eQXmr0zCnUC2E8qjdycgx0xs=",
	"{PLAIN}secret",
	"{CLEARTEXT}secret",
	"{CLEAR}secret",
	"{HMAC-MD5}"
	"cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b"
	"56",
	"{CRAM-MD5}"
	"cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b"
	"56",
	"{DES-CRYPT}EcLv/7XeEVmDE",
	"{CRYPT}$2y$05$.Vy3MRzSxjD8AWQCYNRG/ezgowE/AJomDbkc1kySpXYSPgT4uc7DS",
	"{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
	"{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$laa2mfftsnoJ6PQqkzvQGA$7LT6XYoE"
	"8b6l7kw8TW2YKsC4xTw+1ywIMB2bkDsvfw8",
	"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$9Bb7Y2w0IwIvxwzXQDH3Zw$"
	"dgmchpcH"
	"u3mEZs+TMnkeAKrc/xtX2pFXSSHh5bva7MM",
	"{PBKDF2}$1$ABI6UfKh5jBdgEna$5000$"
	"56ce309286fd97e073544bbf5ad97bfc04d638"
	"da",
	"{PBKDF2}$1$salt$100$B73635F7C0882E1FC3BA6E29B14AF1274DF84828",
	"{PLAIN-TRUNC}9-secret",
	"{OTP}sha1 1024 76067b4ef1640ca3 d3cfa4fc41790b71",
	"{OTP}MD5 1 ABC 04e4f35320562b17",
	"{PLAIN-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
	"{SHA256}K7gNU3sdo+OL0wNh qoVWhr3g6s1xYv72ol/pe/Unolt=  ",
	"{SMD5}MrTSrZODE6HM4rwHKMniWT77cnQ=",
	"{DIGEST-MD5}cc3a3506aba601d2feee7bf9b34237ce",
	"{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
	"{MD5}$1$DQKufMRf$aSg8ncSUYR6B1RMr2AiAQ0",
	"{MD5}5EBE2294ecd0e0f08eab7690d2a6ee69",
	"{MD5-CRYPT}$1$NdJNyGIc$Hq0iuTC.6jFowXy1VLUqD1",
	"$1$NdJNyGIc$Hq0iuTC.6jFowXy1VLUqD1",
	"{BLF-CRYPT}$2y$05$t5LwPgzdo66Vj5muWp3ZKequyPpExXW7/"
	"LrD6GG1ZqXccYTVcLuAq",
	"{SHA512-CRYPT}$6$HVx5ILg/"
	"FNnpirGb$w31tXvNE1YWRtMt4cCj3lO9Pzr39mEOxPdxhY5"
	"IKwu8ItztRuxREctK9Ce89psu5CM6kpcC0VDujEM.3sYeMt.",
	"{SHA256-CRYPT}$5$A5JVmqur1MSYKGx9$ZLnd3Xz."
	"SZLBgQdtAoE2bS0bLSaZacOmhMBpOj"
	"5dmA0",
	"{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
	"{SHA256.HEX}"
	"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527"
	"a25b",
};

static int verify(const char *password, const char *stored, struct err *err)
{
	struct str name, hash;

	scheme_split(stored, "CRYPT", &name, &hash);
	return scheme_verify(password, "alice", name, hash, err);
}

static void test_hashes_of_dovecot_are_understood(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(from_dovecot) / sizeof(char *); i++) {
		int right = verify("secret", from_dovecot[i], &err);

		if (right != 1)
			print_error("%s\n", from_dovecot[i]);
		assert_int_equal(right, 1);
		assert_int_equal(verify("Secret", from_dovecot[i], &err), 0);
		assert_int_equal(verify("secret2", from_dovecot[i], &err), 0);
		assert_int_equal(verify("", from_dovecot[i], &err), 0);
	}
}

static void test_every_scheme_knows_what_it_made(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	const struct scheme *scheme;
	struct err err;
	char *stored;

	(void)state;
	for (size_t i = 0; (scheme = scheme_nth(i)) != NULL; i++) {
		if (scheme_make(ctx, "pa word", "alice", str_of(scheme->name),
				0, &stored, &err) < 0) {
			/* OpenSSL without its legacy provider has no MD4. */
			assert_string_equal(scheme->name, "PLAIN-MD4");
			continue;
		}
		assert_int_equal(verify("pa word", stored, &err), 1);
		assert_int_equal(verify("pa wore", stored, &err), 0);
	}
}

static void test_salted_hashes_differ(void **state)
{
	static const char *const salted[] = {"SSHA256", "SHA512-CRYPT",
					     "PBKDF2", "SCRAM-SHA-1"};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct err err;
	char *a, *b;

	(void)state;
	for (size_t i = 0; i < sizeof(salted) / sizeof(salted[0]); i++) {
		struct str name = str_of(salted[i]);

		scheme_make(ctx, "x", "alice", name, 0, &a, &err);
		scheme_make(ctx, "x", "alice", name, 0, &b, &err);
		assert_string_not_equal(a, b);
	}
}

static void test_realm_counts_in_digest_md5(void **state)
{
	struct err err;
	struct str hash = STR("cc3a3506aba601d2feee7bf9b34237ce");

	(void)state;
	assert_int_equal(
		scheme_verify("secret", "alice", STR("DIGEST-MD5"), hash, &err),
		1);
	assert_int_equal(scheme_verify("secret", "alice@x", STR("DIGEST-MD5"),
				       hash, &err),
			 0);
}

static void test_plain_trunc_keeps_the_first_octets(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(verify("secretariat", "{PLAIN-TRUNC}6-secret", &err),
			 1);
	assert_int_equal(verify("secrecy", "{PLAIN-TRUNC}6-secret", &err), 0);
	assert_int_equal(verify("secre", "{PLAIN-TRUNC}6-secret", &err), 0);
	assert_int_equal(verify("secret", "{PLAIN-TRUNC}secret", &err), -1);
}

static void test_malformed_hashes_are_errors(void **state)
{
	static const char *const broken[] = {
		"{FOO}x",
		"{SHA1}!!!",
		"{SHA1}QUJD",
		"{SHA.oct}x",
		"{SSHA256}QUJD",
		"{CRAM-MD5}00",
		"{PBKDF2}$1$a$b",
		"{PBKDF2}$1$a$0$",
		"{SCRAM-SHA-1}1,2",
		"{CRYPT}",
		"{ARGON2ID}$argon2id$nonsense",
		"{PBKDF2}$1$a$99999999999$00",
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		int result = verify("secret", broken[i], &err);

		if (result != -1)
			print_error("%s\n", broken[i]);
		assert_int_equal(result, -1);
	}
}

static void test_accounts_switched_off_match_nothing(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(verify("*", "*", &err), 0);
	assert_int_equal(verify("x", "!$6$abc", &err), 0);
	assert_int_equal(verify("!", "!", &err), 0);
}

static void test_endless_passwords_are_not_hashed(void **state)
{
	static char password[SCHEME_PASSWORD_MAX + 2];
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct err err;
	char *stored;

	(void)state;
	memset(password, 'x', SCHEME_PASSWORD_MAX + 1);
	assert_int_equal(scheme_make(ctx, password, "a", STR("SHA256"), 0,
				     &stored, &err),
			 -1);
	assert_int_equal(verify(password, "{PLAIN}x", &err), 0);
	password[SCHEME_PASSWORD_MAX] = '\0';
	assert_int_equal(scheme_make(ctx, password, "a", STR("SHA256"), 0,
				     &stored, &err),
			 0);
	assert_int_equal(verify(password, stored, &err), 1);
}

/* Others of crypt(3) take any that it knows, these as in Dovecot only theirs;
 * else the name would say too little of how long it takes. */
static void test_names_that_stand_for_one_kind_of_crypt(void **state)
{
	static const char des[] = "EcLv/7XeEVmDE";
	static const char md5[] = "$1$NdJNyGIc$Hq0iuTC.6jFowXy1VLUqD1";
	static const char blowfish[] =
		"$2y$05$t5LwPgzdo66Vj5muWp3ZKequyPpExXW7/"
		"LrD6GG1ZqXccYTVcLuAq";
	const struct {
		const char *name, *hash;
		int right;
	} all[] = {
		{"MD5-CRYPT", des, 0},      {"MD5-CRYPT", blowfish, 0},
		{"MD5-CRYPT", md5, 1},      {"BLF-CRYPT", des, -1},
		{"BLF-CRYPT", md5, -1},     {"BLF-CRYPT", blowfish, 1},
		{"BLF-CRYPT", "!", 0},      {"SHA512-CRYPT", blowfish, 1},
		{"DES-CRYPT", blowfish, 1}, {"CRYPT", md5, 1},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_int_equal(scheme_verify("secret", "alice",
					       str_of(all[i].name),
					       str_of(all[i].hash), &err),
				 all[i].right);
	for (size_t i = 0; scheme_nth(i) != NULL; i++) {
		if (scheme_verify("secret", "alice",
				  str_of(scheme_nth(i)->name), str_of(blowfish),
				  &err) == 1)
			assert_true(scheme_nth(i)->slow);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes_of_dovecot_are_understood),
		cmocka_unit_test(test_every_scheme_knows_what_it_made),
		cmocka_unit_test(test_salted_hashes_differ),
		cmocka_unit_test(test_realm_counts_in_digest_md5),
		cmocka_unit_test(test_plain_trunc_keeps_the_first_octets),
		cmocka_unit_test(test_malformed_hashes_are_errors),
		cmocka_unit_test(test_accounts_switched_off_match_nothing),
		cmocka_unit_test(test_endless_passwords_are_not_hashed),
		cmocka_unit_test(test_names_that_stand_for_one_kind_of_crypt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
