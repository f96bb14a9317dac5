/* SPDX-License-Identifier: MIT */
#include "auth/oauth2/jwt.h"

#include <time.h>

#include "auth/fields.h"
#include "auth/json.h"
#include "auth/oauth2/signature.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "service/dict.h"

enum { TOKEN_MAX = 16 * 1024 };

struct alg {
	const char *name, *digest;
	bool hmac;
	enum signature_kind kind;
};

static const struct alg algs[] = {
	{"HS256", "sha256", true, 0},
	{"HS384", "sha384", true, 0},
	{"HS512", "sha512", true, 0},
	{"RS256", "sha256", false, SIGNATURE_RSA},
	{"RS384", "sha384", false, SIGNATURE_RSA},
	{"RS512", "sha512", false, SIGNATURE_RSA},
	{"PS256", "sha256", false, SIGNATURE_RSA_PSS},
	{"PS384", "sha384", false, SIGNATURE_RSA_PSS},
	{"PS512", "sha512", false, SIGNATURE_RSA_PSS},
	{"ES256", "sha256", false, SIGNATURE_ECDSA},
	{"ES384", "sha384", false, SIGNATURE_ECDSA},
	{"ES512", "sha512", false, SIGNATURE_ECDSA},
};

/* A token, cut. */
struct jwt {
	struct str head, payload, signature, signed_part;
};

static bool cut(const char *token, struct jwt *out)
{
	struct str rest = str_of(token);
	size_t len = rest.len;

	if (len > TOKEN_MAX || !str_split(&rest, '.', &out->head) ||
	    !str_split(&rest, '.', &out->payload) ||
	    !str_split(&rest, '.', &out->signature) || rest.data != NULL)
		return false;
	out->signed_part = str_n(token, out->head.len + 1 + out->payload.len);
	return out->head.len > 0 && out->payload.len > 0 &&
	       out->signature.len > 0;
}

bool jwt_looks_like(const char *token)
{
	struct jwt jwt;

	return cut(token, &jwt);
}

/* base64url without padding (RFC 7515 section 2). */
static bool decode(struct str in, struct buf *out)
{
	CLEANUP(buf_free) struct buf plain = buf_init(TOKEN_MAX + 4);

	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i];

		if (c == '+' || c == '/' || c == '=')
			return false;
		buf_putc(&plain, (char)(c == '-' ? '+' : c == '_' ? '/' : c));
	}
	while (plain.len % 4 != 0)
		buf_putc(&plain, '=');
	return base64_decode(str_n(plain.data, plain.len), out) &&
	       !out->overflow;
}

static int read_part(struct str part, const char *prefix, struct fields *out,
		     struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(TOKEN_MAX);

	if (!decode(part, &text) ||
	    json_to_fields(str_n(text.data, text.len), prefix, out, err) < 0)
		return err_set(err, ERR_DENIED, "Broken JWT");
	return 0;
}

static const struct alg *find_alg(const struct fields *head)
{
	const char *name = fields_get(head, "alg");

	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		if (name != NULL && strcmp(name, algs[i].name) == 0)
			return &algs[i];
	}
	return NULL;
}

static void add_part(struct buf *path, const char *part)
{
	for (; *part != '\0'; part++) {
		if (*part == '/')
			buf_add(path, "%2f");
		else if (*part == '%')
			buf_add(path, "%25");
		else
			buf_putc(path, *part);
	}
}

static int find_key(const void *ctx, const struct alg *alg, struct dict *keys,
		    const struct fields *head, const struct fields *claims,
		    const char **key_out, struct err *err)
{
	CLEANUP(buf_free) struct buf path = buf_init(1024);
	const char *kid = fields_get(head, "kid");
	const char *azp = fields_get(claims, "oauth2:azp");
	int found;

	buf_add(&path, "shared/");
	add_part(&path, azp == NULL || *azp == '\0' ? "default" : azp);
	buf_printf(&path, "/%s/", alg->name);
	add_part(&path, kid == NULL || *kid == '\0' ? "default" : kid);
	if (path.overflow)
		return err_set(err, ERR_DENIED, "Key name is too long");
	found = dict_lookup(keys, ctx, path.data, key_out, err);
	if (found == 0)
		return err_set(err, ERR_DENIED, "%s key '%s' not found",
			       alg->name, kid == NULL ? "default" : kid);
	return found < 0 ? -1 : 0;
}

static bool is_signed(const struct alg *alg, const struct jwt *jwt,
		      const char *key)
{
	CLEANUP(buf_free) struct buf given = buf_init(TOKEN_MAX);
	CLEANUP(buf_free) struct buf secret = buf_init(TOKEN_MAX);
	unsigned char mac[DIGEST_MAX];
	bool right;
	size_t len;

	if (!decode(jwt->signature, &given))
		return false;
	if (!alg->hmac)
		return signature_right(alg->digest, alg->kind, str_of(key),
				       jwt->signed_part,
				       str_n(given.data, given.len));
	if (!base64_decode(str_trim(str_of(key)), &secret) || secret.len == 0)
		return false;
	len = digest_hmac(alg->digest, str_n(secret.data, secret.len),
			  jwt->signed_part, mac);
	right = str_equal_secret(str_n(mac, len), str_n(given.data, given.len));
	mem_wipe(secret.data, secret.len);
	return right;
}

/* Seconds since 1970, maybe with a fraction; false if it is not there. */
static bool get_time(const struct fields *claims, const char *name,
		     uint64_t *out)
{
	const char *text = fields_get(claims, name);

	return text != NULL && str_to_u64(str_n(text, strcspn(text, ".")), out);
}

static int check_claims(const struct fields *claims, const char *issuers,
			struct err *err)
{
	uint64_t now = (uint64_t)time(NULL), at;
	const char *subject = fields_get(claims, "oauth2:sub");
	const char *issuer = fields_get(claims, "oauth2:iss");

	if (subject == NULL || *subject == '\0')
		return err_set(err, ERR_DENIED, "Missing 'sub' field");
	if (!get_time(claims, "oauth2:exp", &at))
		return err_set(err, ERR_DENIED, "Missing 'exp' field");
	if (at <= now)
		return err_set(err, ERR_DENIED, "Token has expired");
	if (fields_get(claims, "oauth2:nbf") != NULL &&
	    (!get_time(claims, "oauth2:nbf", &at) || at > now))
		return err_set(err, ERR_DENIED, "Token is not valid yet");
	if (fields_get(claims, "oauth2:iat") != NULL &&
	    (!get_time(claims, "oauth2:iat", &at) || at > now))
		return err_set(err, ERR_DENIED, "Token is issued in future");
	if (*issuers != '\0' &&
	    (issuer == NULL || !str_has_word(issuers, str_of(issuer))))
		return err_set(err, ERR_DENIED, "Issuer is not allowed");
	return 0;
}

int jwt_check(const char *token, struct dict *keys, const char *issuers,
	      struct fields *claims, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "jwt");
	struct fields head = fields_init(ctx);
	const struct alg *alg;
	const char *key;
	struct jwt jwt;

	if (!cut(token, &jwt))
		return err_set(err, ERR_DENIED, "Not a JWT token");
	if (read_part(jwt.head, "", &head, err) < 0 ||
	    read_part(jwt.payload, "oauth2:", claims, err) < 0)
		return -1;
	alg = find_alg(&head);
	if (alg == NULL)
		return err_set(err, ERR_DENIED, "Unsupported JWT algorithm");
	/* What must be understood (RFC 7515 section 4.1.11) is not. */
	if (fields_get(&head, "crit") != NULL)
		return err_set(err, ERR_DENIED, "Unsupported 'crit' field");
	if (find_key(ctx, alg, keys, &head, claims, &key, err) < 0)
		return -1;
	if (!is_signed(alg, &jwt, key))
		return err_set(err, ERR_DENIED, "Invalid JWT signature");
	return check_claims(claims, issuers, err);
}
