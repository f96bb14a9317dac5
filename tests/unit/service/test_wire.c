/* SPDX-License-Identifier: MIT */
/*
 * What comes from other processes and from proxies: whole, cut, and bent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pack.h"
#include "service/account.h"
#include "service/handover.h"
#include "service/haproxy.h"

static struct handover example(void)
{
	struct handover handover = {
		.id = 7,
		.token = {.client_pid = 100,
			  .request_id = 3,
			  .cookie = "0123456789abcdef0123456789abcdef"},
		.flags = HANDOVER_SECURED | HANDOVER_TLS,
		.session_id = STR("abcDEF"),
		.tag = STR("a1"),
		.input = STR("a2 SELECT INBOX\r\n"),
	};

	assert_true(ip_parse("192.0.2.1", &handover.local));
	assert_true(ip_parse("2001:db8::7", &handover.remote));
	handover.remote.port = 4711;
	return handover;
}

static void test_a_handover_arrives_as_it_was_sent(void **state)
{
	struct buf frame = buf_init(1000);
	struct handover in = example(), out;

	(void)state;
	handover_pack(&in, &frame);
	assert_true(handover_unpack(str_n(frame.data, frame.len), &out));
	assert_int_equal(out.id, 7);
	assert_int_equal(out.token.client_pid, 100);
	assert_string_equal(out.token.cookie, in.token.cookie);
	assert_true(ip_equal(&out.remote, &in.remote));
	assert_int_equal(out.remote.port, 4711);
	assert_int_equal(out.flags, in.flags);
	assert_true(str_equal(out.input, in.input));
	assert_true(str_equal(out.tag, in.tag));
	buf_free(&frame);
}

static bool arrives(const struct handover *in)
{
	struct buf frame = buf_init(1000);
	struct handover out;
	bool ok;

	handover_pack(in, &frame);
	ok = handover_unpack(str_n(frame.data, frame.len), &out);
	buf_free(&frame);
	return ok;
}

static void test_what_would_be_a_line_is_refused(void **state)
{
	struct handover in = example();

	(void)state;
	assert_true(arrives(&in));
	in.session_id = STR("a b\303\274");
	assert_true(arrives(&in));
	in.session_id = STR("a\nb");
	assert_false(arrives(&in));
	in = example();
	memcpy(in.token.cookie, "\nUSER\t1", 7);
	assert_false(arrives(&in));
}

static void test_a_handover_that_is_cut_anywhere_is_refused(void **state)
{
	struct buf frame = buf_init(1000);
	struct handover in = example(), out;

	(void)state;
	handover_pack(&in, &frame);
	for (size_t len = 0; len < frame.len; len++)
		assert_false(handover_unpack(str_n(frame.data, len), &out));
	buf_putc(&frame, 'x');
	assert_false(handover_unpack(str_n(frame.data, frame.len), &out));
	buf_free(&frame);
}

static void test_a_reply_arrives_as_it_was_sent(void **state)
{
	struct handover_reply in = {.id = 9,
				    .message = STR("Too many"),
				    .code = STR("[LIMIT]")},
			      out;
	struct buf frame = buf_init(1000);

	(void)state;
	handover_reply_pack(&in, &frame);
	assert_true(handover_reply_unpack(str_n(frame.data, frame.len), &out));
	assert_false(out.ok);
	assert_int_equal(out.id, 9);
	assert_true(str_equal(out.code, in.code));
	assert_false(
		handover_reply_unpack(str_n(frame.data, frame.len - 1), &out));
	buf_free(&frame);
}

static void test_fields_of_a_user_become_an_account(void **state)
{
	static const char fields[] = "uid=1000\tgid=100\thome=/home/a"
				     "\tmail=maildir:~/x\tquota_rule=*:storage"
				     "=1M\tflag\todd=tab\001there";
	struct account *account, *copy;
	struct buf packed = buf_init(1000);
	struct unpack in;
	struct err err;

	(void)state;
	assert_int_equal(account_parse(NULL, STR("alice"), str_of(fields),
				       &account, &err),
			 0);
	assert_int_equal(account->uid, 1000);
	assert_int_equal(account->gid, 100);
	assert_string_equal(account->home, "/home/a");
	assert_string_equal(account->mail, "maildir:~/x");
	assert_null(account->chroot);
	assert_string_equal(account_field(account, "quota_rule"),
			    "*:storage=1M");
	assert_string_equal(account_field(account, "flag"), "");
	assert_string_equal(account_field(account, "odd"), "tab\there");
	assert_null(account_field(account, "quota"));
	account_pack(account, &packed);
	for (size_t len = 0; len < packed.len; len++) {
		in = (struct unpack){.in = str_n(packed.data, len)};
		assert_null(account_unpack(NULL, &in));
	}
	in = (struct unpack){.in = str_n(packed.data, packed.len)};
	copy = account_unpack(NULL, &in);
	assert_non_null(copy);
	assert_int_equal(copy->uid, 1000);
	assert_string_equal(copy->home, "/home/a");
	mem_free(copy);
	mem_free(account);
	assert_int_equal(account_parse(NULL, STR("a"), STR("uid=nosuchuser:"),
				       &account, &err),
			 -1);
	buf_free(&packed);
}

static int proxy(struct str text, struct ip *remote)
{
	struct haproxy header;
	const char *why;
	int ret = haproxy_parse(text, &header, &why);

	*remote = header.remote;
	return ret;
}

static void test_proxy_headers_of_version_1(void **state)
{
	static const char good[] = "PROXY TCP4 192.0.2.9 192.0.2.1 4711 143"
				   "\r\n";
	static const char *const bad[] = {
		"GET / HTTP/1.0\r\n",
		"PROXY TCP4 192.0.2.9 192.0.2.1 4711\r\n",
		"PROXY TCP4 192.0.2.9 2001:db8::1 1 2\r\n",
		"PROXY TCP4 192.0.2.9 192.0.2.1 4711 99999\r\n",
		"PROXY TCP4 192.0.2.9 192.0.2.1 4711 143 x\r\n",
		"PROXY TCP4 192.0.2.9 192.0.2.1 4711 143\n",
		"PROXY TCP5 192.0.2.9 192.0.2.1 4711 143\r\n",
		"PROXY \r\n",
	};
	struct ip remote;
	char text[IP_TEXT_MAX];

	(void)state;
	for (size_t len = 0; len < strlen(good); len++)
		assert_int_equal(proxy(str_n(good, len), &remote), 0);
	assert_int_equal(proxy(str_of(good), &remote), strlen(good));
	assert_string_equal(ip_text(&remote, text), "192.0.2.9");
	assert_int_equal(remote.port, 4711);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(proxy(str_of(bad[i]), &remote), -1);
	assert_int_equal(proxy(STR("PROXY UNKNOWN x y\r\nhello"), &remote), 19);
}

static void test_proxy_headers_of_version_2(void **state)
{
	static const char good[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
				   "\xc0\0\x02\x09\xc0\0\x02\x01\x12\x34\0\x8f";
	static const char check[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
	static const char large[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff";
	static const char old[] = "\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0";
	size_t len = sizeof(good) - 1;
	struct ip remote;
	char text[IP_TEXT_MAX];

	(void)state;
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(proxy(str_n(good, cut), &remote), 0);
	assert_int_equal(proxy(str_n(good, len), &remote), len);
	assert_string_equal(ip_text(&remote, text), "192.0.2.9");
	assert_int_equal(remote.port, 0x1234);
	assert_int_equal(proxy(str_n(check, 16), &remote), 16);
	assert_int_equal(proxy(str_n(large, 16), &remote), -1);
	assert_int_equal(proxy(str_n(old, 16), &remote), -1);
}

/* The header of version 2 with these TLVs behind its addresses. */
static int proxy_tlvs(struct str tlvs, struct haproxy *header)
{
	char text[2000] = "\r\n\r\n\0\r\nQUIT\n\x21\x11";
	size_t len = 12 + tlvs.len;
	const char *why;

	text[14] = (char)(len >> 8);
	text[15] = (char)len;
	memcpy(text + 28, tlvs.data, tlvs.len);
	return haproxy_parse(str_n(text, 16 + len), header, &why);
}

static void test_additions_of_version_2(void **state)
{
	static const char all[] = "\x02\0\x05names"
				  "\x20\0\x0d\x03\0\0\0\0\x22\0\x05"
				  "alice";
	static const char unverified[] = "\x20\0\x0d\x03\0\0\0\x01\x22\0\x05"
					 "alice";
	static const char control[] = "\x02\0\x03"
				      "a\nb";
	struct haproxy header;

	(void)state;
	assert_true(proxy_tlvs(str_n(all, sizeof(all) - 1), &header) > 0);
	assert_true(header.tls);
	assert_string_equal(header.server_name, "names");
	assert_string_equal(header.cert_name, "alice");
	assert_true(proxy_tlvs(str_n(unverified, sizeof(unverified) - 1),
			       &header) > 0);
	assert_true(header.tls);
	assert_string_equal(header.cert_name, "");
	assert_true(proxy_tlvs(str_n(control, sizeof(control) - 1), &header) >
		    0);
	assert_string_equal(header.server_name, "");
	/* Cut anywhere within a TLV. */
	for (size_t cut = 1; cut < sizeof(unverified) - 1; cut++)
		assert_int_equal(proxy_tlvs(str_n(unverified, cut), &header),
				 -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_handover_arrives_as_it_was_sent),
		cmocka_unit_test(test_what_would_be_a_line_is_refused),
		cmocka_unit_test(
			test_a_handover_that_is_cut_anywhere_is_refused),
		cmocka_unit_test(test_a_reply_arrives_as_it_was_sent),
		cmocka_unit_test(test_fields_of_a_user_become_an_account),
		cmocka_unit_test(test_proxy_headers_of_version_1),
		cmocka_unit_test(test_proxy_headers_of_version_2),
		cmocka_unit_test(test_additions_of_version_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
