/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/duration.h"
#include "login/client.h"

static struct client some_client(enum client_state state)
{
	struct client client;

	memset(&client, 0, sizeof(client));
	client.state = state;
	client.since_ms = clock_monotonic_ms() - 7500;
	client.attempt_ms = clock_monotonic_ms() - 3500;
	return client;
}

static void expect(const struct client *client, const char *text)
{
	char out[128];

	assert_string_equal(client_why(client, out, sizeof(out)), text);
}

static void test_without_attempts(void **state)
{
	struct client client = some_client(CLIENT_COMMANDS);

	(void)state;
	expect(&client, " (no auth attempts in 7 secs)");
}

static void test_failed_attempts_are_counted(void **state)
{
	struct client client = some_client(CLIENT_COMMANDS);

	(void)state;
	client.attempts = 3;
	expect(&client, " (auth failed, 3 attempts in 7 secs)");
	/* A password in the clear that was refused is one, too. */
	client.attempts = 1;
	client.plaintext_tried = true;
	expect(&client, " (auth failed, 1 attempts in 7 secs)");
}

static void test_what_it_was_in_the_middle_of(void **state)
{
	struct client sasl = some_client(CLIENT_SASL);
	struct client auth = some_client(CLIENT_AUTH);
	struct client handover = some_client(CLIENT_HANDOVER);

	(void)state;
	expect(&sasl, " (client didn't finish SASL auth, waited 3 secs)");
	expect(&auth, " (disconnected while authenticating, waited 3 secs)");
	expect(&handover,
	       " (disconnected while finishing login, waited 3 secs)");
}

static void test_what_was_tried_last(void **state)
{
	struct client client = some_client(CLIENT_COMMANDS);

	(void)state;
	client.plaintext_tried = true;
	expect(&client, " (tried to use disallowed plaintext auth)");
	client.no_mech_tried = true;
	expect(&client, " (tried to use unsupported auth mechanism)");
	client.bad_base64 = true;
	expect(&client, " (sent invalid base64 in response)");
	client.sasl_unfinished = true;
	expect(&client, " (client didn't finish SASL auth, waited 3 secs)");
}

static void test_right_passwords_are_no_failures(void **state)
{
	struct client client = some_client(CLIENT_COMMANDS);

	(void)state;
	client.successes = 1;
	expect(&client, " (internal failure, 1 successful auths)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_attempts),
		cmocka_unit_test(test_failed_attempts_are_counted),
		cmocka_unit_test(test_what_it_was_in_the_middle_of),
		cmocka_unit_test(test_what_was_tried_last),
		cmocka_unit_test(test_right_passwords_are_no_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
