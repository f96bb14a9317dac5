/* SPDX-License-Identifier: MIT */
#include "net/tls.h"

#include <dirent.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/tls_internal.h"

struct tls {
	SSL_CTX *ssl;
	const char *username_field;
	unsigned char alpn[32]; /* length, name */
	unsigned alpn_len;
	unsigned char session_context[SSL_MAX_SID_CTX_LENGTH];
	const char *groups; /* ssl_curve_list */
	struct tls *(*choose)(void *events_ctx, const char *name);
};

enum {
	SERVER_NAME_MAX = 255,
	HASH_LEN = 8, /* of a name in a directory of authorities */
};

/* OpenSSL's first reason, "" if it has none; empties its queue. */
static const char *last_reason(char *out, size_t size)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_SYSTEM_ERROR(code)
				     ? strerror(ERR_GET_REASON(code))
				     : ERR_reason_error_string(code);

	snprintf(out, size, "%s",
		 reason != NULL ? reason : (code == 0 ? "" : "unknown error"));
	ERR_clear_error();
	return out;
}

static int fail(struct err *err, const char *what)
{
	char reason[128];

	return err_set(err, ERR_INVALID, "%s: %s", what,
		       last_reason(reason, sizeof(reason)));
}

static int fail_of(struct err *err, const char *what, const char *value)
{
	char reason[128];

	return err_set(err, ERR_INVALID, "%s: %s: %s", what,
		       last_reason(reason, sizeof(reason)), value);
}

/* certificates and keys */

static int password_cb(char *out, int size, int, void *ctx)
{
	const char *password = ctx;
	size_t len = password != NULL ? strlen(password) : 0;

	if (size < 0 || len > (size_t)size)
		return 0;
	if (len > 0)
		memcpy(out, password, len);
	return (int)len;
}

static BIO *pem_of(const char *text, const char *setting, struct err *err)
{
	if (strstr(text, "-----BEGIN") == NULL) {
		err_set(err, ERR_INVALID,
			"%s: there is no PEM data in it (is it \"<\" and a "
			"file's name?)",
			setting);
		return NULL;
	}
	return BIO_new_mem_buf(text, -1);
}

static int add_chain(SSL_CTX *ssl, BIO *pem)
{
	X509 *one;

	SSL_CTX_clear_chain_certs(ssl);
	while ((one = PEM_read_bio_X509(pem, NULL, password_cb, NULL)) !=
	       NULL) {
		if (SSL_CTX_add0_chain_cert(ssl, one) != 1) {
			X509_free(one);
			return -1;
		}
	}
	/* The end of the text is an error too for OpenSSL. */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return -1;
	ERR_clear_error();
	return 0;
}

/* The other half of the pair, taken for this one. */
static bool mixed_up(const char *text, const char *wanted, const char *other)
{
	return strstr(text, wanted) == NULL && strstr(text, other) != NULL;
}

static int use_cert(SSL_CTX *ssl, const char *text, const char *setting,
		    struct err *err)
{
	BIO *pem = pem_of(text, setting, err);
	X509 *cert;
	int ret = -1;

	if (pem == NULL)
		return -1;
	cert = PEM_read_bio_X509_AUX(pem, NULL, password_cb, NULL);
	if (cert != NULL && SSL_CTX_use_certificate(ssl, cert) == 1)
		ret = add_chain(ssl, pem);
	X509_free(cert);
	BIO_free(pem);
	if (ret < 0 && mixed_up(text, "CERTIFICATE-----", "PRIVATE KEY-----"))
		return err_set(err, ERR_INVALID,
			       "%s: it is a private key (is the certificate "
			       "in place of the key?)",
			       setting);
	return ret < 0 ? fail(err, setting) : 0;
}

/* Why there is no key, and what to look at. */
static int no_key(const char *text, const char *setting, struct err *err)
{
	char reason[128];

	if (mixed_up(text, "PRIVATE KEY-----", "CERTIFICATE-----"))
		return err_set(err, ERR_INVALID,
			       "%s: it is a certificate (is the key in place "
			       "of the certificate?)",
			       setting);
	return err_set(err, ERR_INVALID, "%s: %s%s", setting,
		       last_reason(reason, sizeof(reason)),
		       strstr(text, "ENCRYPTED") == NULL
			       ? ""
			       : " (is ssl_key_password right?)");
}

/* The key of the certificate that was used last. */
static int use_key(SSL_CTX *ssl, const char *text, const char *password,
		   const char *setting, struct err *err)
{
	BIO *pem = pem_of(text, setting, err);
	EVP_PKEY *key;
	int ret;

	if (pem == NULL)
		return -1;
	key = PEM_read_bio_PrivateKey(pem, NULL, password_cb, (void *)password);
	BIO_free(pem);
	if (key == NULL)
		return no_key(text, setting, err);
	ret = SSL_CTX_use_PrivateKey(ssl, key);
	EVP_PKEY_free(key);
	if (ret == 1 && SSL_CTX_check_private_key(ssl) == 1)
		return 0;
	ERR_clear_error();
	return err_set(err, ERR_INVALID,
		       "%s: it is not the key of the certificate", setting);
}

static int use_pairs(SSL_CTX *ssl, const struct tls_settings *set,
		     struct err *err)
{
	if (set->ssl_cert[0] == '\0')
		return err_set(err, ERR_INVALID,
			       "ssl is enabled, but ssl_cert is not set");
	if (set->ssl_key[0] == '\0')
		return err_set(err, ERR_INVALID,
			       "ssl is enabled, but ssl_key is not set");
	if (use_cert(ssl, set->ssl_cert, "ssl_cert", err) < 0 ||
	    use_key(ssl, set->ssl_key, set->ssl_key_password, "ssl_key", err) <
		    0)
		return -1;
	if (set->ssl_alt_cert[0] == '\0')
		return 0;
	if (set->ssl_alt_key[0] == '\0')
		return err_set(err, ERR_INVALID,
			       "ssl_alt_cert: ssl_alt_key is not set");
	if (use_cert(ssl, set->ssl_alt_cert, "ssl_alt_cert", err) < 0)
		return -1;
	return use_key(ssl, set->ssl_alt_key, set->ssl_key_password,
		       "ssl_alt_key", err);
}

/* the clients' certificates */

/* Who comes without a right one goes on without: auth decides. */
static int verify_cb(int, X509_STORE_CTX *)
{
	return 1;
}

static int use_ca(SSL_CTX *ssl, const struct tls_settings *set, struct err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	STACK_OF(X509_INFO) * all;
	bool found = false;
	BIO *pem;

	if (!set->ssl_verify_client_cert)
		return 0;
	if (set->ssl_ca[0] == '\0')
		return err_set(err, ERR_INVALID,
			       "ssl_verify_client_cert: ssl_ca is not set");
	pem = pem_of(set->ssl_ca, "ssl_ca", err);
	if (pem == NULL)
		return -1;
	all = PEM_X509_INFO_read_bio(pem, NULL, NULL, NULL);
	BIO_free(pem);
	if (all == NULL)
		return fail(err, "ssl_ca");
	for (int i = 0; i < sk_X509_INFO_num(all); i++) {
		X509_INFO *one = sk_X509_INFO_value(all, i);

		if (one->x509 != NULL) {
			found = true;
			X509_STORE_add_cert(store, one->x509);
			SSL_CTX_add_client_CA(ssl, one->x509);
		}
		if (one->crl != NULL)
			X509_STORE_add_crl(store, one->crl);
	}
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	ERR_clear_error();
	if (!found)
		return err_set(err, ERR_INVALID,
			       "ssl_ca: there is no certificate in it");
	if (set->ssl_require_crl)
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK |
						    X509_V_FLAG_CRL_CHECK_ALL);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE,
			   verify_cb);
	return 0;
}

char *tls_peer_name(const void *ctx, const SSL *ssl)
{
	const struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const X509 *cert = SSL_get0_peer_certificate(ssl);
	int nid = OBJ_txt2nid(tls->username_field);
	char name[256];
	int len;

	if (cert == NULL || nid == NID_undef ||
	    SSL_get_verify_result(ssl) != X509_V_OK)
		return NULL;
	len = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), nid, name,
					sizeof(name));
	/* A NUL inside would cut the name into somebody else's. */
	if (len <= 0 || strlen(name) != (size_t)len)
		return NULL;
	return mem_strdup(ctx, name);
}

/* protocol and ciphers */

static int min_version(const char *name)
{
	static const struct {
		const char *name;
		int version;
	} all[] = {
		{"ANY", 0},
		{"SSLv3", SSL3_VERSION},
		{"TLSv1", TLS1_VERSION},
		{"TLSv1.0", TLS1_VERSION},
		{"TLSv1.1", TLS1_1_VERSION},
		{"TLSv1.2", TLS1_2_VERSION},
		{"TLSv1.3", TLS1_3_VERSION},
		{"LATEST", TLS1_3_VERSION},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcasecmp(all[i].name, name) == 0)
			return all[i].version;
	}
	return -1;
}

static int use_dh(SSL_CTX *ssl, const char *text, struct err *err)
{
	EVP_PKEY *dh;
	BIO *pem;

	if (text[0] == '\0') {
		SSL_CTX_set_dh_auto(ssl, 1);
		return 0;
	}
	pem = pem_of(text, "ssl_dh", err);
	if (pem == NULL)
		return -1;
	dh = PEM_read_bio_Parameters(pem, NULL);
	BIO_free(pem);
	if (dh == NULL || SSL_CTX_set0_tmp_dh_pkey(ssl, dh) != 1) {
		EVP_PKEY_free(dh);
		return fail(err, "ssl_dh");
	}
	return 0;
}

static int use_options(SSL_CTX *ssl, const char *options, struct err *err)
{
	static const char between[] = ", \t";

	while (*(options += strspn(options, between)) != '\0') {
		struct str word = str_n(options, strcspn(options, between));

		options += word.len;
		if (str_is(word, "no_ticket"))
			SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
		else if (!str_is(word, "no_compression") &&
			 !str_is(word, "compression"))
			return err_set(err, ERR_INVALID,
				       "ssl_options: unknown flag: %.*s",
				       STR_FMT(word));
	}
	return 0;
}

static int use_ciphers(SSL_CTX *ssl, const struct tls_settings *set,
		       struct err *err)
{
	int version = min_version(set->ssl_min_protocol);

	if (version < 0)
		return err_set(err, ERR_INVALID,
			       "ssl_min_protocol: unknown protocol: %s",
			       set->ssl_min_protocol);
	SSL_CTX_set_min_proto_version(ssl, version);
	if (set->ssl_cipher_list[0] != '\0' &&
	    SSL_CTX_set_cipher_list(ssl, set->ssl_cipher_list) != 1)
		return fail_of(err, "ssl_cipher_list", set->ssl_cipher_list);
	if (set->ssl_cipher_suites[0] != '\0' &&
	    SSL_CTX_set_ciphersuites(ssl, set->ssl_cipher_suites) != 1)
		return fail_of(err, "ssl_cipher_suites",
			       set->ssl_cipher_suites);
	if (set->ssl_curve_list[0] != '\0' &&
	    SSL_CTX_set1_groups_list(ssl, set->ssl_curve_list) != 1) {
		ERR_clear_error();
		return err_set(err, ERR_INVALID,
			       "ssl_curve_list: not all are known groups: %s",
			       set->ssl_curve_list);
	}
	if (set->ssl_prefer_server_ciphers)
		SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
	if (use_options(ssl, set->ssl_options, err) < 0)
		return -1;
	return use_dh(ssl, set->ssl_dh, err);
}

/* what a handshake asks */

/* ALPACA: a client that wants another protocol is at the wrong port. */
static int alpn_cb(SSL *, const unsigned char **out, unsigned char *out_len,
		   const unsigned char *in, unsigned in_len, void *ctx)
{
	struct tls *tls = ctx;
	unsigned char *found;

	if (tls->alpn_len == 0)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_select_next_proto(&found, out_len, tls->alpn, tls->alpn_len, in,
				  in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = found;
	return SSL_TLSEXT_ERR_OK;
}

/* So that a resumed session remembers its name. */
static int name_cb(SSL *ssl, int *, void *)
{
	return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) == NULL
		       ? SSL_TLSEXT_ERR_NOACK
		       : SSL_TLSEXT_ERR_OK;
}

/* The name of server_name (RFC 6066 section 3): a list of one, as nobody ever
 * sent more. */
static bool hello_name(SSL *ssl, char out[SERVER_NAME_MAX + 1])
{
	enum { HEAD = 5 };
	const unsigned char *at;
	size_t len, name;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &at,
				      &len) != 1 ||
	    len <= HEAD || at[2] != TLSEXT_NAMETYPE_host_name)
		return false;
	name = (size_t)at[3] << 8 | at[4];
	if (name != len - HEAD || name > SERVER_NAME_MAX ||
	    memchr(at + HEAD, '\0', name) != NULL)
		return false;
	memcpy(out, at + HEAD, name);
	out[name] = '\0';
	return true;
}

/* What SSL_set_SSL_CTX() leaves as it was. */
static void follow(SSL *ssl, const struct tls *tls)
{
	const SSL_CTX *from = tls->ssl;

	SSL_clear_options(ssl,
			  SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_set_options(ssl, SSL_CTX_get_options(from));
	SSL_set_min_proto_version(ssl,
				  (int)SSL_CTX_get_min_proto_version(tls->ssl));
	SSL_set_verify(ssl, SSL_CTX_get_verify_mode(from),
		       SSL_CTX_get_verify_callback(from));
	if (tls->groups[0] != '\0')
		SSL_set1_groups_list(ssl, tls->groups);
	SSL_set_session_id_context(ssl, tls->session_context,
				   sizeof(tls->session_context));
}

/* Before anything is decided, the version included. */
static int hello_cb(SSL *ssl, int *, void *ctx)
{
	struct tls *tls = ctx, *other;
	char name[SERVER_NAME_MAX + 1];

	if (tls->choose == NULL || !hello_name(ssl, name))
		return SSL_CLIENT_HELLO_SUCCESS;
	other = tls->choose(SSL_get_app_data(ssl), name);
	if (other != NULL && other != tls) {
		SSL_set_SSL_CTX(ssl, other->ssl);
		follow(ssl, other);
	}
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* verbose_ssl asks for debug lines, whatever else is debugged. */
static void verbose_cb(const SSL *ssl, int where, int ret)
{
	bool others = log_debug_on();

	log_debug_set(true);
	if ((where & SSL_CB_ALERT) == 0)
		log_debug("SSL: where=0x%x, ret=%d: %s", where, ret,
			  SSL_state_string_long(ssl));
	else if ((ret & 0xff) == SSL_AD_CLOSE_NOTIFY)
		log_debug("SSL alert: close notify");
	else
		log_debug("SSL alert: where=0x%x, ret=%d: %s %s", where, ret,
			  SSL_alert_type_string_long(ret),
			  SSL_alert_desc_string_long(ret));
	log_debug_set(others);
}

/* A session may be resumed only where the client's certificate would have been
 * asked for in the same way: what it was worth for one name is nothing for
 * another. */
static void set_session_context(struct tls *tls, const struct tls_settings *set)
{
	struct digest *digest = digest_new(NULL, "sha256");
	unsigned char out[DIGEST_MAX];

	digest_add(digest, str_of(set->ssl_verify_client_cert ? "y" : "n"));
	digest_add(digest, str_of(set->ssl_require_crl ? "y" : "n"));
	digest_add(digest, str_of(set->ssl_cert_username_field));
	digest_add(digest, str_of(set->ssl_ca));
	digest_end(digest, out);
	mem_free(digest);
	memcpy(tls->session_context, out, sizeof(tls->session_context));
	SSL_CTX_set_session_id_context(tls->ssl, tls->session_context,
				       sizeof(tls->session_context));
}

static void set_manners(struct tls *tls, const struct tls_settings *set)
{
	SSL_CTX *ssl = tls->ssl;

	SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS |
				      SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Sessions are kept by the clients, in one ticket each. */
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ssl, 1);
	/* One read() for a record's header and body. */
	SSL_CTX_set_read_ahead(ssl, 1);
	set_session_context(tls, set);
	SSL_CTX_set_alpn_select_cb(ssl, alpn_cb, tls);
	SSL_CTX_set_tlsext_servername_callback(ssl, name_cb);
	SSL_CTX_set_client_hello_cb(ssl, hello_cb, tls);
	if (set->verbose_ssl)
		SSL_CTX_set_info_callback(ssl, verbose_cb);
}

static int tls_destroy(struct tls *tls)
{
	SSL_CTX_free(tls->ssl);
	return 0;
}

static int begin(const void *ctx, const SSL_METHOD *method,
		 const struct tls_settings *settings, struct tls **out,
		 struct err *err)
{
	struct tls *tls = mem_new(ctx, struct tls);

	tls->ssl = SSL_CTX_new(method);
	if (tls->ssl == NULL) {
		mem_free(tls);
		return fail(err, "SSL_CTX_new()");
	}
	talloc_set_destructor(tls, tls_destroy);
	SSL_CTX_set_app_data(tls->ssl, tls);
	tls->groups = mem_strdup(tls, settings->ssl_curve_list);
	tls->username_field =
		mem_strdup(tls, settings->ssl_cert_username_field);
	set_manners(tls, settings);
	*out = tls;
	return 0;
}

int tls_new(const void *ctx, const struct tls_settings *settings,
	    struct tls **out, struct err *err)
{
	struct tls *tls;

	if (OBJ_txt2nid(settings->ssl_cert_username_field) == NID_undef)
		return err_set(err, ERR_INVALID,
			       "ssl_cert_username_field: unknown field: %s",
			       settings->ssl_cert_username_field);
	if (begin(ctx, TLS_server_method(), settings, &tls, err) < 0)
		return -1;
	if (use_ciphers(tls->ssl, settings, err) < 0 ||
	    use_pairs(tls->ssl, settings, err) < 0 ||
	    use_ca(tls->ssl, settings, err) < 0) {
		mem_free(tls);
		return -1;
	}
	*out = tls;
	return 0;
}

/* All at once: a login process in its chroot can't look there later. Of the
 * same certificates under several names ("Example_CA.pem", "1a2b3c4d.0") only
 * the hashed ones count, as OpenSSL would look for them. */
static int load_dir(SSL_CTX *ssl, const char *path, struct err *err)
{
	DIR *dir = opendir(path);
	X509_LOOKUP *lookup = X509_STORE_add_lookup(SSL_CTX_get_cert_store(ssl),
						    X509_LOOKUP_file());
	const struct dirent *entry;
	char name[PATH_MAX];

	if (dir == NULL)
		return err_sys(err, "ssl_client_ca_dir: opendir(%s)", path);
	while ((entry = readdir(dir)) != NULL) {
		if (strcspn(entry->d_name, ".") != HASH_LEN)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		X509_load_cert_file(lookup, name, X509_FILETYPE_PEM);
	}
	closedir(dir);
	ERR_clear_error();
	return 0;
}

/* Whom the server trusts when it is a client, and how it proves itself. */
static int use_client(struct tls *tls, const struct tls_client_settings *set,
		      struct err *err)
{
	const char *file = set->ssl_client_ca_file;
	const char *dir = set->ssl_client_ca_dir;

	if (file[0] != '\0' && SSL_CTX_load_verify_file(tls->ssl, file) != 1)
		return fail_of(err, "ssl_client_ca_file", file);
	if (dir[0] != '\0' && load_dir(tls->ssl, dir, err) < 0)
		return -1;
	if (set->ssl_client_require_valid_cert)
		SSL_CTX_set_verify(tls->ssl, SSL_VERIFY_PEER, NULL);
	if (set->ssl_client_cert[0] == '\0')
		return 0;
	if (set->ssl_client_key[0] == '\0')
		return err_set(err, ERR_INVALID,
			       "ssl_client_cert: ssl_client_key is not set");
	if (use_cert(tls->ssl, set->ssl_client_cert, "ssl_client_cert", err) <
	    0)
		return -1;
	return use_key(tls->ssl, set->ssl_client_key, NULL, "ssl_client_key",
		       err);
}

int tls_client_new(const void *ctx, const struct tls_settings *settings,
		   const struct tls_client_settings *client, struct tls **out,
		   struct err *err)
{
	struct tls *tls;

	if (begin(ctx, TLS_client_method(), settings, &tls, err) < 0)
		return -1;
	if (use_ciphers(tls->ssl, settings, err) < 0 ||
	    use_client(tls, client, err) < 0) {
		mem_free(tls);
		return -1;
	}
	*out = tls;
	return 0;
}

void tls_set_alpn(struct tls *tls, const char *protocol)
{
	size_t len = strlen(protocol);

	if (len >= sizeof(tls->alpn))
		return;
	tls->alpn[0] = (unsigned char)len;
	memcpy(tls->alpn + 1, protocol, len);
	tls->alpn_len = (unsigned)len + 1;
}

void tls_set_choose(struct tls *tls,
		    struct tls *(*choose)(void *events_ctx, const char *name))
{
	tls->choose = choose;
}

int tls_cert_end(const char *pem, uint64_t *end_out, struct err *err)
{
	BIO *bio = pem_of(pem, "certificate", err);
	X509 *cert;
	struct tm tm;
	int ret;

	if (bio == NULL)
		return -1;
	cert = PEM_read_bio_X509_AUX(bio, NULL, password_cb, NULL);
	BIO_free(bio);
	if (cert == NULL)
		return fail(err, "certificate");
	ret = ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm);
	X509_free(cert);
	if (ret != 1)
		return fail(err, "certificate");
	*end_out = (uint64_t)timegm(&tm);
	return 0;
}

static SSL *on_fd(struct tls *tls, int fd)
{
	SSL *ssl = SSL_new(tls->ssl);

	if (ssl != NULL && SSL_set_fd(ssl, fd) == 1)
		return ssl;
	SSL_free(ssl);
	ERR_clear_error();
	return NULL;
}

SSL *tls_server(struct tls *tls, int fd, void *owner)
{
	SSL *ssl = on_fd(tls, fd);

	if (ssl != NULL) {
		SSL_set_accept_state(ssl);
		SSL_set_app_data(ssl, owner);
	}
	return ssl;
}

SSL *tls_client(struct tls *tls, int fd, const char *host)
{
	SSL *ssl = on_fd(tls, fd);
	struct ip ip;

	if (ssl == NULL)
		return NULL;
	SSL_set_connect_state(ssl);
	/* RFC 6066 section 3: no address in the server name. */
	if (ip_parse(host, &ip)) {
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	} else {
		SSL_set_tlsext_host_name(ssl, host);
		SSL_set1_host(ssl, host);
	}
	return ssl;
}
