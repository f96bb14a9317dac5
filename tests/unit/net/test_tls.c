/* SPDX-License-Identifier: MIT */
/*
 * A client of OpenSSL's own in a thread's stead: it is stepped between turns
 * of the loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "net/tls.h"

static char cert_pem[4096], key_pem[4096], other_key_pem[4096];

static void pem_text(BIO *bio, char *out, size_t size)
{
	int len = BIO_read(bio, out, (int)size - 1);

	assert_true(len > 0);
	out[len] = '\0';
	BIO_free(bio);
}

static EVP_PKEY *make_key(char *out, size_t size)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	pem_text(bio, out, size);
	return key;
}

static int make_cert(void **state)
{
	EVP_PKEY *key = make_key(key_pem, sizeof(key_pem));
	X509 *cert = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	EVP_PKEY_free(make_key(other_key_pem, sizeof(other_key_pem)));
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	PEM_write_bio_X509(bio, cert);
	pem_text(bio, cert_pem, sizeof(cert_pem));
	X509_free(cert);
	EVP_PKEY_free(key);
	return 0;
}

static struct tls_settings settings(void)
{
	return (struct tls_settings){
		.ssl = "yes",
		.ssl_cert = cert_pem,
		.ssl_key = key_pem,
		.ssl_alt_cert = "",
		.ssl_alt_key = "",
		.ssl_ca = "",
		.ssl_key_password = "",
		.ssl_dh = "",
		.ssl_min_protocol = "TLSv1.2",
		.ssl_cipher_list = "",
		.ssl_cipher_suites = "",
		.ssl_curve_list = "",
		.ssl_options = "",
		.ssl_cert_username_field = "commonName",
	};
}

struct session {
	struct loop *loop;
	struct conn *conn;
	struct tls *tls;
	SSL_CTX *client_ctx;
	SSL *client;
	int fd;
	char text[64];
	size_t len;
	unsigned secured, closed;
	char why[256];
};

static void on_input(void *ctx)
{
	struct session *session = ctx;
	struct str input = conn_input(session->conn);

	if (session->len + input.len < sizeof(session->text)) {
		memcpy(session->text + session->len, input.data, input.len);
		session->len += input.len;
	}
	conn_consume(session->conn, input.len);
}

static void on_closed(void *ctx, const char *why)
{
	struct session *session = ctx;
	size_t used = strlen(session->why);

	session->closed++;
	snprintf(session->why + used, sizeof(session->why) - used, "%s", why);
}

static void on_secured(void *ctx)
{
	((struct session *)ctx)->secured++;
}

static const struct conn_events events = {
	.input = on_input,
	.closed = on_closed,
};

static void stop_loop(void *ctx)
{
	loop_stop(ctx);
}

static void step(struct session *session)
{
	struct timer *timer = timer_new(session->loop, (struct duration){1},
					stop_loop, session->loop);

	loop_run(session->loop);
	timer_free(&timer);
}

static struct session *session_new(void)
{
	struct session *session = mem_new(NULL, struct session);
	struct tls_settings set = settings();
	struct err err;
	int fds[2];

	assert_int_equal(sock_pair(fds, &err), 0);
	session->loop = loop_new();
	session->fd = fds[1];
	assert_int_equal(tls_new(session, &set, &session->tls, &err), 0);
	tls_set_alpn(session->tls, "imap");
	session->conn = conn_new(session, session->loop, fds[0], 1000, &events,
				 session);
	session->client_ctx = SSL_CTX_new(TLS_client_method());
	session->client = SSL_new(session->client_ctx);
	SSL_set_fd(session->client, session->fd);
	SSL_set_tlsext_host_name(session->client, "mail.example");
	return session;
}

static void session_free(struct session *session)
{
	conn_free(&session->conn);
	loop_free(&session->loop);
	SSL_free(session->client);
	SSL_CTX_free(session->client_ctx);
	close(session->fd);
	mem_free(session);
}

static int handshake(struct session *session)
{
	int ret = 0;

	for (int i = 0; i < 50 && ret != 1 && session->closed == 0; i++) {
		ret = SSL_connect(session->client);
		step(session);
	}
	ERR_clear_error();
	return ret;
}

static void test_what_was_said_in_plain_is_thrown_away(void **state)
{
	struct session *session = session_new();
	char plain[16] = "", got[16] = "";

	(void)state;
	conn_pause(session->conn);
	assert_int_equal(write(session->fd, "a LOGIN x y\r\n", 13), 13);
	conn_resume(session->conn);
	/* Read, but not consumed: as pipelined behind STARTTLS. */
	conn_add_input(session->conn, STR("b NOOP\r\n"));
	conn_write(session->conn, "OK go\r\n", 7);
	assert_int_equal(read(session->fd, plain, sizeof(plain)), -1);
	/* The kernel still holds the line above; take it away first. */
	step(session);
	session->len = 0;
	memset(session->text, 0, sizeof(session->text));
	conn_add_input(session->conn, STR("c NOOP\r\n"));
	conn_start_tls(session->conn, session->tls, on_secured);
	step(session);
	assert_int_equal(read(session->fd, plain, sizeof(plain)), 7);
	assert_string_equal(plain, "OK go\r\n");
	assert_int_equal(handshake(session), 1);
	assert_int_equal(session->secured, 1);
	assert_true(conn_has_tls(session->conn));
	assert_string_equal(conn_tls_server_name(session->conn),
			    "mail.example");
	assert_non_null(
		strstr(conn_tls_info(session->conn), "TLSv1.3 with cipher "));
	assert_int_equal(SSL_write(session->client, "hello", 5), 5);
	step(session);
	assert_string_equal(session->text, "hello");
	conn_write(session->conn, "answer", 6);
	step(session);
	assert_int_equal(SSL_read(session->client, got, sizeof(got)), 6);
	assert_string_equal(got, "answer");
	session_free(session);
}

static void test_many_records_at_once_are_all_read(void **state)
{
	struct session *session = session_new();

	(void)state;
	conn_start_tls(session->conn, session->tls, on_secured);
	assert_int_equal(handshake(session), 1);
	for (int i = 0; i < 20; i++)
		assert_int_equal(SSL_write(session->client, "ab", 2), 2);
	step(session);
	step(session);
	assert_int_equal(session->len, 40);
	session_free(session);
}

static void test_a_client_of_another_protocol_is_refused(void **state)
{
	struct session *session = session_new();

	(void)state;
	SSL_set_alpn_protos(session->client, (const void *)"\004http", 5);
	conn_start_tls(session->conn, session->tls, on_secured);
	assert_int_not_equal(handshake(session), 1);
	assert_int_equal(session->secured, 0);
	assert_int_equal(session->closed, 1);
	session_free(session);
}

static void test_garbage_instead_of_a_handshake_ends_it(void **state)
{
	struct session *session = session_new();

	(void)state;
	conn_start_tls(session->conn, session->tls, on_secured);
	step(session);
	assert_int_equal(write(session->fd, "a LOGIN b c\r\n", 13), 13);
	step(session);
	assert_int_equal(session->closed, 1);
	assert_non_null(strstr(session->why, "SSL_accept() failed: "));
	session_free(session);
}

static void test_a_wrong_certificate_names_its_setting(void **state)
{
	struct tls_settings set = settings();
	struct tls *tls;
	struct err err;

	(void)state;
	set.ssl_key = other_key_pem;
	assert_int_equal(tls_new(NULL, &set, &tls, &err), -1);
	assert_string_equal(err.text,
			    "ssl_key: it is not the key of the certificate");
	assert_int_equal(err.code, ERR_INVALID);
	set = settings();
	set.ssl_cert = "/etc/ssl/cert.pem";
	assert_int_equal(tls_new(NULL, &set, &tls, &err), -1);
	assert_non_null(strstr(err.text, "ssl_cert"));
	set = settings();
	set.ssl_min_protocol = "TLSv9";
	assert_int_equal(tls_new(NULL, &set, &tls, &err), -1);
	assert_non_null(strstr(err.text, "ssl_min_protocol"));
	set = settings();
	set.ssl_options = "no_ticket,fast";
	assert_int_equal(tls_new(NULL, &set, &tls, &err), -1);
	assert_non_null(strstr(err.text, "ssl_options: unknown flag: fast"));
}

/* As Dovecot takes them. */
static void test_words_in_any_case_and_with_commas(void **state)
{
	struct tls_settings set = settings();
	struct tls *tls;
	struct err err;

	(void)state;
	set.ssl_min_protocol = "tlsv1.3";
	set.ssl_options = "no_compression,no_ticket";
	assert_int_equal(tls_new(NULL, &set, &tls, &err), 0);
	mem_free(tls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_said_in_plain_is_thrown_away),
		cmocka_unit_test(test_many_records_at_once_are_all_read),
		cmocka_unit_test(test_a_client_of_another_protocol_is_refused),
		cmocka_unit_test(test_garbage_instead_of_a_handshake_ends_it),
		cmocka_unit_test(test_a_wrong_certificate_names_its_setting),
		cmocka_unit_test(test_words_in_any_case_and_with_commas),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_cert, NULL);
}
