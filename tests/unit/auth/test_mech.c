/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/db.h"
#include "auth/mech.h"
#include "auth/request.h"
#include "auth/scheme/scheme.h"
#include "auth/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

static struct auth_settings settings = {
	.auth_username_chars = "abcdefghijklmnopqrstuvwxyz"
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@",
	.auth_username_format = "%Lu",
	.auth_username_translation = "",
	.auth_master_user_separator = "*",
	.auth_default_realm = "",
	.auth_realms = "",
	.auth_verbose_passwords = "no",
};

struct talk {
	TALLOC_CTX *ctx;
	const struct mech *mech;
	struct request *request;
	void *state;
	struct buf out;
	struct err err;
};

static struct talk begin(const char *name)
{
	struct talk talk = {.ctx = mem_ctx(NULL, "test"),
			    .out = buf_init(1000)};

	talk.mech = mech_find(str_of(name));
	assert_non_null(talk.mech);
	talk.request = request_new(talk.ctx, &settings);
	talk.state = mem_zero(talk.ctx, 1, talk.mech->state_size + 1, "state");
	return talk;
}

static enum mech_step say(struct talk *talk, struct str text, bool initial)
{
	buf_reset(&talk->out);
	return talk->mech->step(talk->state, talk->request, text, initial,
				&talk->out, &talk->err);
}

static void end(struct talk *talk)
{
	buf_free(&talk->out);
	mem_free(talk->ctx);
}

static void test_plain_takes_name_and_password(void **state)
{
	struct talk talk = begin("plain");

	(void)state;
	assert_int_equal(say(&talk, STR("\0Alice\0s e"), true), MECH_VERIFY);
	assert_string_equal(talk.request->user, "alice");
	assert_string_equal(talk.request->original_user, "Alice");
	assert_string_equal(talk.request->password, "s e");
	assert_null(talk.request->login_user);
	end(&talk);
}

static void test_plain_with_another_identity(void **state)
{
	struct talk talk = begin("PLAIN");

	(void)state;
	assert_int_equal(say(&talk, STR("bob\0admin\0x"), true), MECH_VERIFY);
	assert_string_equal(talk.request->user, "admin");
	assert_string_equal(talk.request->login_user, "bob");
	end(&talk);
	talk = begin("PLAIN");
	assert_int_equal(say(&talk, STR("bob\0bob\0x"), true), MECH_VERIFY);
	assert_null(talk.request->login_user);
	end(&talk);
}

static void test_plain_refuses_what_is_malformed(void **state)
{
	static const struct str bad[] = {
		{"", 0}, {"abc", 3}, {"\0a", 2}, {"a\0b", 3}, {"\0a\0b\0c", 6},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct talk talk = begin("PLAIN");

		assert_int_equal(say(&talk, bad[i], true), MECH_FAIL);
		end(&talk);
	}
}

static void test_names_have_allowed_characters(void **state)
{
	struct talk talk = begin("PLAIN");

	(void)state;
	assert_int_equal(say(&talk, STR("\0al ice\0x"), true), MECH_FAIL);
	assert_string_equal(talk.err.text,
			    "Username character disallowed by "
			    "auth_username_chars: 0x20 (username: al ice)");
	end(&talk);
	talk = begin("PLAIN");
	assert_int_equal(say(&talk, STR("\0\0x"), true), MECH_FAIL);
	assert_string_equal(talk.err.text, "Empty username");
	end(&talk);
}

static void test_separator_names_a_master_user(void **state)
{
	struct talk talk = begin("PLAIN");

	(void)state;
	assert_int_equal(say(&talk, STR("\0Bob*Admin\0x"), true), MECH_VERIFY);
	assert_string_equal(talk.request->user, "admin");
	assert_string_equal(talk.request->login_user, "bob");
	end(&talk);
}

static void test_realm_and_translation(void **state)
{
	struct talk talk = begin("PLAIN");

	(void)state;
	settings.auth_default_realm = "x.org";
	settings.auth_username_translation = "#_";
	assert_int_equal(say(&talk, STR("\0a#b\0x"), true), MECH_VERIFY);
	assert_string_equal(talk.request->user, "a_b@x.org");
	end(&talk);
	settings.auth_default_realm = "";
	settings.auth_username_translation = "";
}

static void test_names_in_gs2_headers(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");

	(void)state;
	assert_string_equal(mech_sasl_name(ctx, STR("a=2Cb=3dc")), "a,b=c");
	assert_null(mech_sasl_name(ctx, STR("a=b")));
	assert_null(mech_sasl_name(ctx, STR("a=2")));
	assert_null(mech_sasl_name(ctx, STR("a,b")));
}

/* RFC 2195 section 2, but for the challenge, which is ours. */
static void test_cram_md5_is_asked_before_it_answers(void **state)
{
	struct talk talk = begin("CRAM-MD5");

	(void)state;
	assert_int_equal(say(&talk, STR("x"), true), MECH_CONTINUE);
	assert_int_equal(talk.out.data[0], '<');
	assert_int_equal(say(&talk, STR("tim 00"), true), MECH_FAIL);
	assert_int_equal(
		say(&talk, STR("t b b913a602c7eda7a495b4e6e7334d3890"), true),
		MECH_FAIL); /* a blank in the name */
	assert_int_equal(
		say(&talk, STR("tim b913a602c7eda7a495b4e6e7334d3890"), true),
		MECH_LOOKUP);
	assert_string_equal(talk.request->user, "tim");
	assert_string_equal(talk.request->want_scheme, "CRAM-MD5");
	assert_int_equal(talk.mech->check(talk.state, talk.request,
					  "{PLAIN}tanstaaftanstaaf", &talk.out,
					  &talk.err),
			 MECH_MISMATCH);
	end(&talk);
}

static void test_malformed_responses_fail(void **state)
{
	static const struct {
		const char *mech;
		struct str text;
	} bad[] = {
		{"SCRAM-SHA-1", {"", 0}},
		{"SCRAM-SHA-1", {"n,,", 3}},
		{"SCRAM-SHA-1", {"n,,n=a", 6}},
		{"SCRAM-SHA-1", {"n,,n=a,r=", 9}},
		{"SCRAM-SHA-1", {"n,,m=x,n=a,r=b", 14}},
		{"SCRAM-SHA-1", {"p=tls-exporter,,n=a,r=b", 23}},
		{"SCRAM-SHA-1-PLUS", {"n,,n=a,r=b", 10}},
		{"SCRAM-SHA-1-PLUS", {"p=tls-exporter,,n=a,r=b", 23}},
		{"SCRAM-SHA-1", {"n,b=x,n=a,r=b", 13}},
		{"SCRAM-SHA-1", {"n,,n=a\0,r=b", 11}},
		{"OAUTHBEARER", {"n,a=x,", 6}},
		{"OAUTHBEARER", {"n,a=x,\1auth=Basic x\1\1", 22}},
		{"XOAUTH2", {"user=a\1\1", 8}},
		{"XOAUTH2", {"auth=Bearer x\1\1", 15}},
		{"APOP", {"", 0}},
		{"APOP", {"<1.1.1.a@b>\0a\0", 14}},
		{"APOP", {"<1.1.1.a@b>\0a\0abcdefghijklmnop", 30}},
		{"EXTERNAL", {"", 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct talk talk = begin(bad[i].mech);

		assert_int_equal(say(&talk, bad[i].text, true), MECH_FAIL);
		end(&talk);
	}
}

/* Up to the proof, that is wrong; what was made of `credentials` then. */
static enum mech_step scram_until_judged(struct talk *talk,
					 const char *credentials)
{
	CLEANUP(buf_wipe_free) struct buf keys = buf_init(SCHEME_HASH_MAX);
	char *final;

	assert_int_equal(say(talk, STR("n,,n=Alice,r=x"), true), MECH_LOOKUP);
	assert_int_equal(talk->mech->check(talk->state, talk->request,
					   credentials, &talk->out, &talk->err),
			 MECH_CONTINUE);
	assert_null(talk->request->to_hash);
	final = mem_printf(talk->ctx, "c=biws,%.*s,p=%028d",
			   (int)strcspn(talk->out.data, ","), talk->out.data,
			   0);
	final[strlen(final) - 1] = '=';
	assert_int_equal(say(talk, str_of(final), true), MECH_HASH);
	assert_int_equal(scheme_scram(talk->request->want_scheme,
				      talk->request->to_hash,
				      str_of(talk->request->hash_with), &keys,
				      &talk->err),
			 0);
	buf_reset(&talk->out);
	return talk->mech->check(talk->state, talk->request, keys.data,
				 &talk->out, &talk->err);
}

/* Who asks for a salt does not learn whether there is such a user, nor does who
 * measures how long it takes. */
static void test_scram_hashes_when_all_is_said(void **state)
{
	struct talk known = begin("SCRAM-SHA-1"),
		    unknown = begin("SCRAM-SHA-1");

	(void)state;
	assert_int_equal(scram_until_judged(&known, "{PLAIN}secret"),
			 MECH_MISMATCH);
	assert_int_equal(scram_until_judged(&unknown, NULL), MECH_MISMATCH);
	assert_string_equal(known.request->to_hash, "secret");
	assert_string_equal(unknown.request->to_hash, "");
	assert_string_equal(known.request->hash_with,
			    unknown.request->hash_with);
	end(&known);
	end(&unknown);
}

/* A password may look like a hash. */
static void test_scram_reads_no_keys_from_plain_passwords(void **state)
{
	struct talk talk = begin("SCRAM-SHA-1");

	(void)state;
	assert_int_equal(
		scram_until_judged(&talk,
				   "{CLEAR}1,QUJD,5en6G6MezRroT3XKqkdPOmY/BfQ=,"
				   "5en6G6MezRroT3XKqkdPOmY/BfQ="),
		MECH_MISMATCH);
	assert_non_null(strstr(talk.request->hash_with, "4096,"));
	end(&talk);
}

static void test_digest_md5_fields(void **state)
{
	static const char *const bad[] = {
		"",
		"username",
		"username=\"a",
		"username=\"a\\",
		"=x,",
		"username=\"a\",nonce=\"other\",nc=00000001,cnonce=\"x\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct talk talk = begin("DIGEST-MD5");

		assert_int_equal(say(&talk, STR(""), true), MECH_CONTINUE);
		assert_int_equal(say(&talk, str_of(bad[i]), true), MECH_FAIL);
		end(&talk);
	}
}

static void test_login_asks_twice(void **state)
{
	struct talk talk = begin("LOGIN");

	(void)state;
	assert_int_equal(say(&talk, STR(""), false), MECH_CONTINUE);
	assert_string_equal(talk.out.data, "Username:");
	assert_int_equal(say(&talk, STR("alice"), true), MECH_CONTINUE);
	assert_string_equal(talk.out.data, "Password:");
	assert_int_equal(say(&talk, STR("pw"), true), MECH_VERIFY);
	assert_string_equal(talk.request->user, "alice");
	assert_string_equal(talk.request->password, "pw");
	end(&talk);
}

static void test_login_with_an_empty_initial_response(void **state)
{
	struct talk talk = begin("LOGIN");

	(void)state;
	assert_int_equal(say(&talk, STR(""), true), MECH_CONTINUE);
	assert_string_equal(talk.out.data, "Username:");
	assert_int_equal(say(&talk, STR("alice"), true), MECH_CONTINUE);
	assert_string_equal(talk.out.data, "Password:");
	end(&talk);
}

static void test_login_with_initial_name(void **state)
{
	struct talk talk = begin("LOGIN");

	(void)state;
	assert_int_equal(say(&talk, STR("alice"), true), MECH_CONTINUE);
	assert_string_equal(talk.out.data, "Password:");
	assert_int_equal(say(&talk, STR("p\0w"), true), MECH_FAIL);
	end(&talk);
}

static void test_unknown_mechanisms(void **state)
{
	(void)state;
	assert_null(mech_find(STR("NTLM")));
	assert_null(mech_find(STR("")));
	assert_null(mech_find(STR("PLAINX")));
}

static void test_fields_reach_their_places(void **state)
{
	struct talk talk = begin("PLAIN");
	struct request *request = talk.request;

	(void)state;
	say(&talk, STR("\0alice\0x"), true);
	ip_parse("192.0.2.7", &request->remote);
	request_set_pass_field(request, "userdb_home", "/h");
	request_set_pass_field(request, "host", "h1");
	request_set_pass_field(request, "user", "carol");
	request_set_pass_field(request, "allow_nets", "192.0.2.0/24");
	assert_false(request->passdb_failed);
	assert_string_equal(fields_get(&request->user_fields, "home"), "/h");
	assert_string_equal(fields_get(&request->pass_fields, "host"), "h1");
	assert_null(fields_get(&request->pass_fields, "allow_nets"));
	assert_string_equal(request->user, "carol");
	request_set_pass_field(request, "allow_nets", "10.0.0.0/8,::1");
	assert_true(request->passdb_failed);
	end(&talk);
}

static void test_templates_fill_and_override(void **state)
{
	struct talk talk = begin("PLAIN");
	struct request *request = talk.request;

	(void)state;
	say(&talk, STR("\0alice@x.org\0x"), true);
	fields_set(&request->user_fields, "home", "/old");
	request_set_templates(request, "uid=7 mail=mbox:/m/%d/%n", true);
	assert_string_equal(fields_get(&request->user_fields, "home"), "/old");
	assert_string_equal(fields_get(&request->user_fields, "uid"), "7");
	assert_string_equal(fields_get(&request->user_fields, "mail"),
			    "mbox:/m/x.org/alice");
	request_set_templates(request, "home=/new", true);
	assert_string_equal(fields_get(&request->user_fields, "home"), "/new");
	end(&talk);
}

static const char *served(const char *section, const char *name)
{
	const struct setting *row = setting_find(section, name);

	assert_non_null(row);
	assert_non_null(row->choices);
	return row->choices;
}

/* The master refuses what is not in the tables; auth must have all of it. */
static void test_what_the_settings_offer_is_there(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct str rest, word;

	(void)state;
	rest = str_of(served("", "auth_mechanisms"));
	while (str_split(&rest, ':', &word))
		assert_non_null(mech_find(word));
	rest = str_of(served("passdb", "driver"));
	while (str_split(&rest, ':', &word))
		assert_non_null(passdb_driver_find(
			mem_strndup(ctx, word.data, word.len)));
	rest = str_of(served("userdb", "driver"));
	while (str_split(&rest, ':', &word))
		assert_non_null(userdb_driver_find(
			mem_strndup(ctx, word.data, word.len)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_takes_name_and_password),
		cmocka_unit_test(test_plain_with_another_identity),
		cmocka_unit_test(test_plain_refuses_what_is_malformed),
		cmocka_unit_test(test_names_have_allowed_characters),
		cmocka_unit_test(test_separator_names_a_master_user),
		cmocka_unit_test(test_realm_and_translation),
		cmocka_unit_test(test_names_in_gs2_headers),
		cmocka_unit_test(test_cram_md5_is_asked_before_it_answers),
		cmocka_unit_test(test_malformed_responses_fail),
		cmocka_unit_test(test_scram_hashes_when_all_is_said),
		cmocka_unit_test(test_scram_reads_no_keys_from_plain_passwords),
		cmocka_unit_test(test_digest_md5_fields),
		cmocka_unit_test(test_login_asks_twice),
		cmocka_unit_test(test_login_with_an_empty_initial_response),
		cmocka_unit_test(test_login_with_initial_name),
		cmocka_unit_test(test_unknown_mechanisms),
		cmocka_unit_test(test_fields_reach_their_places),
		cmocka_unit_test(test_templates_fill_and_override),
		cmocka_unit_test(test_what_the_settings_offer_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
