/* SPDX-License-Identifier: MIT */
#include "base/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ip parsed(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(text, &ip));
	return ip;
}

static void test_addresses_as_text(void **state)
{
	char text[IP_TEXT_MAX];
	struct ip ip = parsed("192.0.2.1");

	(void)state;
	assert_string_equal(ip_text(&ip, text), "192.0.2.1");
	ip = parsed("[2001:db8::1]");
	assert_string_equal(ip_text(&ip, text), "2001:db8::1");
	ip = parsed("::ffff:192.0.2.1");
	assert_string_equal(ip_text(&ip, text), "192.0.2.1");
	ip = (struct ip){0};
	assert_string_equal(ip_text(&ip, text), "");
}

static void test_what_is_no_address(void **state)
{
	static const char *const wrong[] = {
		"",          "localhost", "1.2.3", "1.2.3.4:25", "1.2.3.4/8",
		"[1.2.3.4]", "[::1",      "::1]",  "256.1.1.1",  ":::",
	};
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(ip_parse(wrong[i], &ip));
}

static void test_networks(void **state)
{
	struct ip v4 = parsed("192.0.2.77"), v6 = parsed("2001:db8:1::7");
	struct ip mapped = parsed("::ffff:192.0.2.77");

	(void)state;
	assert_true(ip_in_network(&v4, "192.0.2.0/24"));
	assert_true(ip_in_network(&v4, "192.0.2.64/27"));
	assert_false(ip_in_network(&v4, "192.0.2.64/30"));
	assert_true(ip_in_network(&v4, "0.0.0.0/0"));
	assert_false(ip_in_network(&v4, "::/0"));
	assert_true(ip_in_network(&mapped, "192.0.2.0/24"));
	assert_true(ip_in_network(&v4, "::ffff:192.0.2.0/120"));
	assert_true(ip_in_network(&v6, "2001:db8::/32"));
	assert_true(ip_in_network(&v6, "2001:db8:1::7"));
	assert_false(ip_in_network(&v6, "2001:db8:2::/48"));
	assert_false(ip_in_network(&v4, "192.0.2.0/33"));
	assert_false(ip_in_network(&v4, "192.0.2.0/"));
}

static void test_lists_of_networks(void **state)
{
	struct ip v4 = parsed("10.1.2.3"), none = {0};

	(void)state;
	assert_true(ip_in_networks(&v4, "192.0.2.0/24, 10.0.0.0/8"));
	assert_true(ip_in_networks(&v4, " ::1 10.1.2.3 "));
	assert_false(ip_in_networks(&v4, ""));
	assert_false(ip_in_networks(&v4, "local"));
	assert_true(ip_in_networks(&none, "10.0.0.0/8 local"));
	assert_false(ip_in_networks(&none, "0.0.0.0/0 ::/0"));
	assert_true(ip_network_valid("::/0"));
	assert_false(ip_network_valid("imap.example.org"));
}

static void test_equal_addresses(void **state)
{
	struct ip a = parsed("192.0.2.1"), b = parsed("::ffff:192.0.2.1");
	struct ip c = parsed("192.0.2.2"), none = {0};

	(void)state;
	b.port = 25;
	assert_true(ip_equal(&a, &b));
	assert_false(ip_equal(&a, &c));
	assert_false(ip_equal(&a, &none));
	assert_true(ip_equal(&none, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_as_text),
		cmocka_unit_test(test_what_is_no_address),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_lists_of_networks),
		cmocka_unit_test(test_equal_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
