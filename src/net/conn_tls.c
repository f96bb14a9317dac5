/* SPDX-License-Identifier: MIT */
/*
 * net/conn_tls.c - TLS of a connection, straight on its descriptor.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/conn_internal.h"
#include "net/tls_internal.h"

enum {
	EXPORTER_LEN = 32,
	RECORD_HEAD = 5,
	RECORD_HANDSHAKE = 22,
	HELLO_MAX = 4096, /* those of post-quantum key exchange have 1.8 kB */
};

/* SSL_get_error() takes for its own what another connection left behind: a
 * client's certificate that did not hold, for one. */
static void begin_call(void)
{
	ERR_clear_error();
	errno = 0;
}

/* "error:0A00010B:SSL routines::wrong version number", as Dovecot logs it. */
static void first_error(char *out, size_t size)
{
	unsigned long code = ERR_get_error();

	out[0] = '\0';
	if (code != 0)
		ERR_error_string_n(code, out, size);
	ERR_clear_error();
}

/* What a failed SSL_ call means. */
static enum conn_io outcome(struct conn *conn, int ret, const char *doing)
{
	char why[CONN_WHY_MAX * 2], reason[CONN_WHY_MAX];
	int error = errno;

	switch (SSL_get_error(conn->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return IO_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		conn->write_first = true;
		conn_want_write(conn, true);
		return IO_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		conn_broke(conn, "");
		return IO_CLOSED;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		conn_broke(conn,
			   error == 0 || error == ECONNRESET || error == EPIPE
				   ? ""
				   : strerror(error));
		return IO_CLOSED;
	default:
		first_error(reason, sizeof(reason));
		/* A client that just goes away without saying so. */
		if (strstr(reason, "unexpected eof") != NULL)
			snprintf(why, sizeof(why), "%s", "");
		else
			snprintf(why, sizeof(why), "%s failed: %s", doing,
				 reason);
		conn_broke(conn, why);
		return IO_CLOSED;
	}
}

static enum conn_io tls_read(struct conn *conn, char *to, size_t room,
			     size_t *len_out)
{
	int ret;

	begin_call();
	ret = SSL_read_ex(conn->ssl, to, room, len_out);
	return ret == 1 ? IO_DONE : outcome(conn, ret, "SSL_read()");
}

static enum conn_io tls_write(struct conn *conn, const char *from, size_t len,
			      size_t *len_out)
{
	int ret;

	begin_call();
	ret = SSL_write_ex(conn->ssl, from, len, len_out);
	return ret == 1 ? IO_DONE : outcome(conn, ret, "SSL_write()");
}

/* epoll wakes us for less on anything but TCP. */
static bool can_wait_for(const struct conn *conn)
{
	int family = 0;
	socklen_t len = sizeof(family);

	return getsockopt(conn->fd, SOL_SOCKET, SO_DOMAIN, &family, &len) ==
		       0 &&
	       (family == AF_INET || family == AF_INET6);
}

static void wait_for(struct conn *conn, int octets)
{
	conn->low_water = octets != 1 ? octets : 0;
	if (setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &octets,
		       sizeof(octets)) < 0)
		conn->low_water = 0;
}

/* Whether the client's hello is there. Until then the kernel keeps what has
 * come, and a client that never sends the rest costs no 45 kB of OpenSSL's. */
static bool hello_complete(struct conn *conn)
{
	unsigned char head[RECORD_HEAD];
	ssize_t got = recv(conn->fd, head, sizeof(head), MSG_PEEK);
	int need = RECORD_HEAD, have = 0;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got == sizeof(head) && head[0] == RECORD_HANDSHAKE)
		need += head[3] << 8 | head[4];
	/* The end, an error, or no TLS: OpenSSL knows what to say. */
	if (got <= 0 || head[0] != RECORD_HANDSHAKE || need > HELLO_MAX ||
	    ioctl(conn->fd, FIONREAD, &have) < 0 || have >= need)
		return true;
	/* Awake although there is less: the client will send no more. */
	if (conn->low_water == need || !can_wait_for(conn))
		return true;
	wait_for(conn, need);
	return conn->low_water == 0;
}

static bool start_ssl(struct conn *conn)
{
	if (conn->tls_host == NULL && !hello_complete(conn)) {
		conn_want_read(conn, true);
		return false;
	}
	if (conn->low_water != 0)
		wait_for(conn, 1);
	conn->ssl = conn->tls_host == NULL
			    ? tls_server(conn->tls, conn->fd, conn->events_ctx)
			    : tls_client(conn->tls, conn->fd, conn->tls_host);
	if (conn->ssl == NULL)
		conn_broke(conn, "Can't set up TLS");
	return conn->ssl != NULL;
}

static void handshake(struct conn *conn)
{
	int ret;

	if (conn->closed || (conn->ssl == NULL && !start_ssl(conn)))
		return;
	begin_call();
	ret = SSL_do_handshake(conn->ssl);
	if (ret == 1) {
		conn->tls_state = TLS_READY;
		conn->more = true;
		conn->active_ms = clock_monotonic_ms();
		conn_want_write(conn, false);
		conn_arm_timer(conn);
		conn_turn_later(conn);
		conn->secured(conn->events_ctx);
		return;
	}
	if (outcome(conn, ret,
		    conn->tls_host == NULL ? "SSL_accept()"
					   : "SSL_connect()") == IO_AGAIN) {
		conn_want_read(conn, true);
		conn_want_write(conn, conn->write_first);
	}
}

static void begin(struct conn *conn)
{
	conn->tls_state = TLS_HANDSHAKE;
	conn->handshake_end_ms = clock_monotonic_ms() + CONN_HANDSHAKE_MS;
	conn_arm_timer(conn);
	handshake(conn);
}

static void say_goodbye(struct conn *conn)
{
	if (conn->tls_state != TLS_READY ||
	    (SSL_get_shutdown(conn->ssl) & SSL_SENT_SHUTDOWN) != 0)
		return;
	SSL_shutdown(conn->ssl);
	ERR_clear_error();
}

static void free_ssl(struct conn *conn)
{
	if (conn->ssl == NULL)
		return;
	if (!conn->closed)
		say_goodbye(conn);
	SSL_free(conn->ssl);
	ERR_clear_error();
}

static const struct conn_tls with_openssl = {
	.read = tls_read,
	.write = tls_write,
	.begin = begin,
	.handshake = handshake,
	.shutdown = say_goodbye,
	.free = free_ssl,
};

void conn_start_tls(struct conn *conn, struct tls *tls,
		    void (*secured)(void *ctx))
{
	/* RFC 3501 section 6.2.1: nothing said in plain counts from here. */
	conn->in_at = 0;
	buf_reset(&conn->in);
	conn->again = false;
	conn->more = false;
	conn->corked = false;
	conn->with_tls = &with_openssl;
	conn->tls = tls;
	conn->secured = secured;
	conn->tls_state = TLS_WANTED;
	conn_turn_later(conn);
}

void conn_start_tls_to(struct conn *conn, struct tls *tls, const char *host,
		       void (*secured)(void *ctx))
{
	conn->tls_host = mem_strdup(conn, host);
	conn_start_tls(conn, tls, secured);
}

const char *conn_tls_info(struct conn *conn)
{
	int used, all;
	const SSL_CIPHER *cipher;

	if (conn->tls_state != TLS_READY)
		return "";
	if (conn->tls_info == NULL) {
		cipher = SSL_get_current_cipher(conn->ssl);
		used = SSL_CIPHER_get_bits(cipher, &all);
		conn->tls_info =
			mem_printf(conn, "%s with cipher %s (%d/%d bits)",
				   SSL_get_version(conn->ssl),
				   SSL_CIPHER_get_name(cipher), used, all);
	}
	return conn->tls_info;
}

const char *conn_tls_server_name(struct conn *conn)
{
	if (conn->ssl == NULL)
		return NULL;
	return SSL_get_servername(conn->ssl, TLSEXT_NAMETYPE_host_name);
}

const char *conn_tls_cert_name(struct conn *conn)
{
	if (conn->ssl == NULL)
		return NULL;
	if (conn->cert_name == NULL)
		conn->cert_name = tls_peer_name(conn, conn->ssl);
	return conn->cert_name;
}

bool conn_tls_has_cert(struct conn *conn)
{
	return conn->ssl != NULL &&
	       SSL_get0_peer_certificate(conn->ssl) != NULL;
}

bool conn_tls_cert_valid(struct conn *conn)
{
	return conn_tls_has_cert(conn) &&
	       SSL_get_verify_result(conn->ssl) == X509_V_OK;
}

/* Before TLS 1.3 it takes an extended master secret, too. */
bool conn_tls_exporter(struct conn *conn, struct buf *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	unsigned char data[EXPORTER_LEN];

	if (conn->ssl == NULL ||
	    (SSL_version(conn->ssl) < TLS1_3_VERSION &&
	     SSL_get_extms_support(conn->ssl) != 1) ||
	    SSL_export_keying_material(conn->ssl, data, sizeof(data), label,
				       strlen(label), NULL, 0, 1) != 1)
		return false;
	buf_append(out, data, sizeof(data));
	return true;
}

/* The certificate's digest, by the algorithm of its signature; SHA-256 for
 * those that are too weak. */
bool conn_tls_server_end_point(struct conn *conn, struct buf *out)
{
	unsigned char data[EVP_MAX_MD_SIZE];
	const EVP_MD *md = EVP_sha256();
	X509 *cert = conn->ssl == NULL ? NULL : SSL_get_certificate(conn->ssl);
	unsigned len;
	int nid;

	if (cert == NULL)
		return false;
	if (X509_get_signature_info(cert, &nid, NULL, NULL, NULL) == 1 &&
	    nid != NID_undef && nid != NID_md5 && nid != NID_sha1 &&
	    EVP_get_digestbynid(nid) != NULL)
		md = EVP_get_digestbynid(nid);
	if (X509_digest(cert, md, data, &len) != 1)
		return false;
	buf_append(out, data, len);
	return true;
}
