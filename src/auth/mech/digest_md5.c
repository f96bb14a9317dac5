/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/digest_md5.c - DIGEST-MD5 (RFC 2831): authentication only, no
 * second exchange with the same nonce.
 */
#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "auth/request.h"
#include "auth/scheme/scheme.h"
#include "auth/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"

enum { MD5_LEN = 16, NONCE_LEN = 16, FIELDS_MAX_IN = 32 };

struct digest_md5 {
	char nonce[32];
	/* What the client said; NULL: nothing. */
	const char *username, *realm, *client_nonce, *cnonce, *nc, *qop, *uri,
		*response, *authzid;
};

static enum mech_step ask(struct digest_md5 *md5, struct request *request,
			  struct buf *out)
{
	CLEANUP(buf_free) struct buf nonce = buf_init(sizeof(md5->nonce));
	struct str rest = str_of(request->set->auth_realms), realm;
	unsigned char octets[NONCE_LEN];

	random_fill(octets, sizeof(octets));
	base64_encode(str_n(octets, sizeof(octets)), &nonce);
	memcpy(md5->nonce, nonce.data, nonce.len + 1);
	while (str_word(&rest, &realm))
		buf_printf(out, "realm=\"%.*s\",", STR_FMT(realm));
	buf_printf(out,
		   "nonce=\"%s\",qop=\"auth\",charset=\"utf-8\","
		   "algorithm=\"md5-sess\"",
		   md5->nonce);
	return MECH_CONTINUE;
}

/* The next "key=value" or "key=\"quoted\"", cut in place. */
static bool next_field(char **at, const char **key_out, const char **value_out)
{
	char *p = *at + strspn(*at, ", \t\r\n"), *to;

	*key_out = p;
	p += strcspn(p, "= \t,");
	if (p == *key_out || (*p != '=' && p[strspn(p, " \t")] != '='))
		return false;
	to = p + strspn(p, " \t");
	*p = '\0';
	p = to + 1 + strspn(to + 1, " \t");
	*value_out = p;
	if (*p != '"') {
		p += strcspn(p, ", \t");
	} else {
		to = p++;
		*value_out = to;
		for (; *p != '"'; p++) {
			if (*p == '\\')
				p++;
			if (*p == '\0')
				return false;
			*to++ = *p;
		}
		*to = '\0';
		p++;
	}
	if (*p != '\0')
		*p++ = '\0';
	*at = p;
	return true;
}

static bool parse(struct digest_md5 *md5, char *text)
{
	const struct {
		const char *key, **value;
	} fields[] = {
		{"username", &md5->username},
		{"realm", &md5->realm},
		{"nonce", &md5->client_nonce},
		{"cnonce", &md5->cnonce},
		{"nc", &md5->nc},
		{"qop", &md5->qop},
		{"digest-uri", &md5->uri},
		{"response", &md5->response},
		{"authzid", &md5->authzid},
	};
	const char *key, *value;

	for (unsigned n = 0; *text != '\0'; n++) {
		if (n == FIELDS_MAX_IN || !next_field(&text, &key, &value))
			return false;
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]);
		     i++) {
			if (!str_case_is(str_of(key), fields[i].key))
				continue;
			if (*fields[i].value != NULL)
				return false;
			*fields[i].value = value;
		}
	}
	return true;
}

static const char *wrong_with(const struct digest_md5 *md5)
{
	if (md5->client_nonce == NULL ||
	    strcmp(md5->client_nonce, md5->nonce) != 0)
		return "Invalid nonce";
	if (md5->username == NULL || *md5->username == '\0')
		return "Missing username";
	if (md5->cnonce == NULL || *md5->cnonce == '\0')
		return "Missing cnonce";
	if (md5->nc == NULL || strcmp(md5->nc, "00000001") != 0)
		return "re-auth not supported currently";
	if (md5->qop != NULL && strcmp(md5->qop, "auth") != 0)
		return "Nonallowed QoP requested";
	if (md5->response == NULL || strlen(md5->response) != 2 * MD5_LEN)
		return "Invalid response";
	return NULL;
}

static enum mech_step digest_step(void *state, struct request *request,
				  struct str response, bool, struct buf *out,
				  struct err *err)
{
	struct digest_md5 *md5 = state;
	const char *user, *wrong;

	if (*md5->nonce == '\0')
		return ask(md5, request, out);
	if (memchr(response.data, '\0', response.len) != NULL ||
	    !parse(md5, str_dup(request, response))) {
		err_set(err, ERR_INVALID, "Invalid response");
		return MECH_FAIL;
	}
	wrong = wrong_with(md5);
	if (wrong != NULL) {
		err_set(err, ERR_INVALID, "%s", wrong);
		return MECH_FAIL;
	}
	if (md5->realm == NULL)
		md5->realm = "";
	if (md5->uri == NULL)
		md5->uri = "";
	user = md5->username;
	if (*md5->realm != '\0' && strchr(user, '@') == NULL)
		user = mem_printf(request, "%s@%s", user, md5->realm);
	if (request_set_users(request, user,
			      md5->authzid == NULL ? "" : md5->authzid,
			      err) < 0)
		return MECH_FAIL;
	request->want_scheme = "DIGEST-MD5";
	return MECH_LOOKUP;
}

/* MD5 of the parts, with colons between them. */
static void md5_joined(const void *ctx, const struct str *parts, size_t count,
		       unsigned char out[DIGEST_MAX])
{
	struct digest *digest = digest_new(ctx, "md5");

	if (digest == NULL)
		mem_fatal(DIGEST_MAX);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			digest_add(digest, STR(":"));
		digest_add(digest, parts[i]);
	}
	digest_end(digest, out);
	mem_free(digest);
}

static void md5_hex(const void *ctx, const struct str *parts, size_t count,
		    char out[2 * MD5_LEN + 1])
{
	CLEANUP(buf_free) struct buf hex = buf_init(2 * MD5_LEN);
	unsigned char octets[DIGEST_MAX];

	md5_joined(ctx, parts, count, octets);
	hex_encode(str_n(octets, MD5_LEN), &hex);
	memcpy(out, hex.data, 2 * MD5_LEN + 1);
}

/* H(user:realm:password), as it is stored or of what is stored. The names are
 * those that the client used. */
static bool secret_of(struct digest_md5 *md5, struct request *request,
		      const char *credentials, unsigned char out[DIGEST_MAX])
{
	CLEANUP(buf_free) struct buf octets = buf_init(SCHEME_HASH_MAX);
	struct str name, hash;
	struct err err;

	scheme_split(credentials, "", &name, &hash);
	if (scheme_octets(credentials,
			  scheme_is_plain(name) ? "PLAIN" : "DIGEST-MD5", "",
			  &octets, &err) < 0) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return false;
	}
	if (scheme_is_plain(name)) {
		const struct str parts[] = {str_of(md5->username),
					    str_of(md5->realm),
					    str_n(octets.data, octets.len)};

		md5_joined(request, parts, 3, out);
	} else if (octets.len == MD5_LEN) {
		memcpy(out, octets.data, MD5_LEN);
	} else {
		return false;
	}
	if (octets.len > 0)
		mem_wipe(octets.data, octets.len);
	return true;
}

/* The response (`method` "AUTHENTICATE"), or rspauth (""). */
static void respond(const struct digest_md5 *md5, const void *ctx,
		    const char *a1, const char *method,
		    char out[2 * MD5_LEN + 1])
{
	char a2[2 * MD5_LEN + 1];
	const struct str second[] = {str_of(method), str_of(md5->uri)};

	md5_hex(ctx, second, 2, a2);
	const struct str all[] = {str_of(a1),      str_of(md5->nonce),
				  str_of(md5->nc), str_of(md5->cnonce),
				  STR("auth"),     str_of(a2)};

	md5_hex(ctx, all, 6, out);
}

static enum mech_step digest_check(void *state, struct request *request,
				   const char *credentials, struct buf *out,
				   struct err *)
{
	struct digest_md5 *md5 = state;
	unsigned char secret[DIGEST_MAX];
	char a1[2 * MD5_LEN + 1], want[2 * MD5_LEN + 1];
	const char *authzid = md5->authzid == NULL ? "" : md5->authzid;

	if (credentials == NULL ||
	    !secret_of(md5, request, credentials, secret))
		return MECH_MISMATCH;
	const struct str first[] = {str_n(secret, MD5_LEN), str_of(md5->nonce),
				    str_of(md5->cnonce), str_of(authzid)};

	md5_hex(request, first, *authzid == '\0' ? 3 : 4, a1);
	mem_wipe(secret, sizeof(secret));
	respond(md5, request, a1, "AUTHENTICATE", want);
	if (!str_equal_secret(str_of(want), str_of(md5->response)))
		return MECH_MISMATCH;
	respond(md5, request, a1, "", want);
	buf_printf(out, "rspauth=%s", want);
	return MECH_ACCEPT;
}

const struct mech mech_digest_md5 = {
	.name = "DIGEST-MD5",
	.flags = "dictionary\tactive\tmutual-auth",
	.state_size = sizeof(struct digest_md5),
	.step = digest_step,
	.check = digest_check,
	.wants_credentials = true,
};
