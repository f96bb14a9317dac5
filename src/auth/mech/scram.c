/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/scram.c - SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, 7677), also
 * bound to the TLS channel (-PLUS; RFC 5929, 9266).
 *
 * A hash that is stored has a salt of its own. Of who has a plain password, or
 * none as he is unknown, it comes from his name, and the hash is made when he
 * has said all: who is unknown is refused at the end, as for a wrong password,
 * and costs the same.
 */
#include "auth/mech.h"
#include "auth/request.h"
#include "auth/scheme/scheme.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"

/* Rounds and salt of those that scheme_make() makes. */
enum { NONCE_OCTETS = 18, ROUNDS = 4096, SALT_LEN = 16, GS2_MAX = 512 };

struct scram {
	const char *gs2; /* the header, with the comma at its end */
	const char *bare, *server_first, *nonce;
	const char *binding; /* base64; NULL: not bound */
	const char *message; /* what the proof is made of: AuthMessage */
	struct str proof;
	const char *plain; /* "{PLAIN}password"; NULL: a hash is stored, or
			      nothing */
	unsigned char stored_key[DIGEST_MAX], server_key[DIGEST_MAX];
	size_t len;
	bool is_stored, is_known;
};

struct scram_kind {
	const char *digest, *scheme;
	bool plus;
};

static enum mech_step malformed(struct err *err, const char *why)
{
	err_set(err, ERR_INVALID, "Invalid SCRAM message: %s", why);
	return MECH_FAIL;
}

/* The value of "x=value"; NULL data if it is another attribute. */
static struct str attribute(struct str part, char name)
{
	if (part.len < 2 || part.data[0] != name || part.data[1] != '=')
		return (struct str){NULL, 0};
	return str_from(part, 2);
}

/* "n", "y" or "p=tls-exporter": is it right here? */
static bool take_flag(struct scram *scram, const struct scram_kind *kind,
		      const struct request *request, struct str flag)
{
	struct str type = attribute(flag, 'p');
	bool have = request->tls_exporter != NULL ||
		    request->tls_server_end_point != NULL;

	if (!kind->plus)
		/* "y": the client could, and was told that we could not: who
		 * told it so, if we can? */
		return str_is(flag, "n") || (str_is(flag, "y") && !have);
	if (str_is(type, "tls-exporter"))
		scram->binding = request->tls_exporter;
	else if (str_is(type, "tls-server-end-point"))
		scram->binding = request->tls_server_end_point;
	return scram->binding != NULL;
}

static enum mech_step client_first(struct scram *scram,
				   const struct scram_kind *kind,
				   struct request *request, struct str in,
				   struct err *err)
{
	struct str rest = in, flag, authz, name, nonce;
	const char *user, *login = "";

	if (memchr(in.data, '\0', in.len) != NULL ||
	    !str_split(&rest, ',', &flag) || !str_split(&rest, ',', &authz) ||
	    rest.data == NULL || (size_t)(rest.data - in.data) > GS2_MAX)
		return malformed(err, "no GS2 header");
	if (!take_flag(scram, kind, request, flag))
		return malformed(err, "channel binding");
	scram->gs2 =
		mem_strndup(request, in.data, (size_t)(rest.data - in.data));
	scram->bare = str_dup(request, rest);
	if (!str_split(&rest, ',', &name) || attribute(name, 'n').data == NULL)
		return malformed(err, "no user name");
	if (!str_split(&rest, ',', &nonce) || attribute(nonce, 'r').len == 0)
		return malformed(err, "no nonce");
	user = mech_sasl_name(request, attribute(name, 'n'));
	if (authz.len > 0)
		login = mech_sasl_name(request, attribute(authz, 'a'));
	if (user == NULL || login == NULL || (authz.len > 0 && *login == '\0'))
		return malformed(err, "user name");
	scram->nonce = str_dup(request, attribute(nonce, 'r'));
	if (request_set_users(request, user, login, err) < 0)
		return MECH_FAIL;
	request->want_scheme = kind->scheme;
	return MECH_LOOKUP;
}

/* "rounds,salt,StoredKey,ServerKey", as the scheme stores it. */
static bool take_stored(struct scram *scram, const char *credentials,
			struct str *rounds_out, struct str *salt_out)
{
	CLEANUP(buf_free) struct buf stored = buf_init(DIGEST_MAX);
	CLEANUP(buf_free) struct buf server = buf_init(DIGEST_MAX);
	struct str name, rest, part;

	scheme_split(credentials, "", &name, &rest);
	if (!str_split(&rest, ',', rounds_out) ||
	    !str_split(&rest, ',', salt_out) || !str_split(&rest, ',', &part) ||
	    rest.data == NULL || !base64_decode(part, &stored) ||
	    !base64_decode(rest, &server) || stored.len != scram->len ||
	    server.len != scram->len)
		return false;
	memcpy(scram->stored_key, stored.data, scram->len);
	memcpy(scram->server_key, server.data, scram->len);
	return true;
}

/* "rounds,salt" of who has none stored: of the name and a secret of this
 * process. Those that are stored are others for the other scheme. */
static char *made_salt(const struct request *request, const char *scheme)
{
	CLEANUP(buf_free) struct buf text = buf_init(64);
	static unsigned char secret[32];
	static bool is_made;
	unsigned char digest[DIGEST_MAX];
	char *name = mem_printf(NULL, "%s %s", scheme, request->auth_user);

	if (!is_made)
		random_fill(secret, sizeof(secret));
	is_made = true;
	digest_hmac("sha256", str_n(secret, sizeof(secret)), str_of(name),
		    digest);
	mem_free(name);
	buf_printf(&text, "%d,", ROUNDS);
	base64_encode(str_n(digest, SALT_LEN), &text);
	return buf_steal(request, &text);
}

static bool is_plain(const char *credentials)
{
	struct str name, hash;

	scheme_split(credentials, "", &name, &hash);
	return scheme_is_plain(name);
}

static enum mech_step server_first(struct scram *scram,
				   const struct scram_kind *kind,
				   struct request *request,
				   const char *credentials, struct buf *out)
{
	CLEANUP(buf_free) struct buf nonce = buf_init(64);
	bool plain = credentials != NULL && is_plain(credentials);
	unsigned char octets[NONCE_OCTETS];
	struct str rounds, salt;

	scram->len = digest_size(kind->digest);
	scram->plain = plain ? credentials : NULL;
	scram->is_stored = credentials != NULL && !plain &&
			   take_stored(scram, credentials, &rounds, &salt);
	scram->is_known = plain || scram->is_stored;
	request->hash_with = made_salt(request, kind->scheme);
	if (!scram->is_stored) {
		salt = str_of(request->hash_with);
		str_split(&salt, ',', &rounds);
	}
	if (credentials != NULL && !scram->is_known)
		request_log(request, LOG_LEVEL_ERROR, "Invalid %s credentials",
			    kind->scheme);
	random_fill(octets, sizeof(octets));
	base64_encode(str_n(octets, sizeof(octets)), &nonce);
	scram->nonce = mem_printf(request, "%s%s", scram->nonce, nonce.data);
	buf_printf(out, "r=%s,s=%.*s,i=%.*s", scram->nonce, STR_FMT(salt),
		   STR_FMT(rounds));
	scram->server_first = mem_strdup(request, out->data);
	return MECH_CONTINUE;
}

/* c=: the GS2 header again, and what binds it to the channel. */
static bool is_bound(const struct scram *scram, struct str given)
{
	CLEANUP(buf_free) struct buf have = buf_init(2 * GS2_MAX);
	CLEANUP(buf_free) struct buf want = buf_init(2 * GS2_MAX);

	buf_add(&want, scram->gs2);
	if (scram->binding != NULL &&
	    !base64_decode(str_of(scram->binding), &want))
		return false;
	return base64_decode(given, &have) && !have.overflow &&
	       !want.overflow &&
	       str_equal_secret(str_n(have.data, have.len),
				str_n(want.data, want.len));
}

/* ClientKey is what the proof hides: its digest must be StoredKey. */
static bool is_proof(const struct scram *scram, const char *digest)
{
	unsigned char signature[DIGEST_MAX], key[DIGEST_MAX];
	bool right;

	digest_hmac(digest, str_n(scram->stored_key, scram->len),
		    str_of(scram->message), signature);
	for (size_t i = 0; i < scram->len; i++)
		signature[i] ^= (unsigned char)scram->proof.data[i];
	digest_once(digest, str_n(signature, scram->len), key);
	right = str_equal_secret(str_n(key, scram->len),
				 str_n(scram->stored_key, scram->len));
	mem_wipe(signature, sizeof(signature));
	return right && scram->is_known;
}

/* The keys are there. */
static enum mech_step judge(const struct scram *scram,
			    const struct scram_kind *kind, struct buf *out)
{
	unsigned char signature[DIGEST_MAX];

	if (!is_proof(scram, kind->digest))
		return MECH_MISMATCH;
	digest_hmac(kind->digest, str_n(scram->server_key, scram->len),
		    str_of(scram->message), signature);
	buf_add(out, "v=");
	base64_encode(str_n(signature, scram->len), out);
	return MECH_ACCEPT;
}

static enum mech_step hash(struct scram *scram, struct request *request)
{
	CLEANUP(buf_wipe_free) struct buf text = buf_init(SCHEME_HASH_MAX);
	struct err err;

	if (scram->plain != NULL &&
	    scheme_octets(scram->plain, "PLAIN", "", &text, &err) < 0) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		scram->is_known = false;
	}
	request_set_hash(request, text.data == NULL ? "" : text.data);
	return MECH_HASH;
}

static enum mech_step take_hash(struct scram *scram,
				const struct scram_kind *kind, const char *made,
				struct buf *out)
{
	struct str rounds, salt;

	return made != NULL && take_stored(scram, made, &rounds, &salt)
		       ? judge(scram, kind, out)
		       : MECH_MISMATCH;
}

static enum mech_step client_final(struct scram *scram,
				   const struct scram_kind *kind,
				   struct request *request, struct str in,
				   struct buf *out, struct err *err)
{
	CLEANUP(buf_free) struct buf octets = buf_init(DIGEST_MAX);
	struct str rest = in, bound, nonce, proof = {NULL, 0};

	if (!str_split(&rest, ',', &bound) || !str_split(&rest, ',', &nonce))
		return malformed(err, "final message");
	for (struct str part; str_split(&rest, ',', &part);)
		proof = part; /* extensions before it are passed over */
	if (attribute(proof, 'p').data == NULL)
		return malformed(err, "no proof");
	if (!is_bound(scram, attribute(bound, 'c')))
		return malformed(err, "channel binding");
	if (!str_equal_secret(attribute(nonce, 'r'), str_of(scram->nonce)))
		return malformed(err, "nonce");
	if (!base64_decode(attribute(proof, 'p'), &octets) ||
	    octets.len != scram->len)
		return MECH_MISMATCH;
	scram->proof =
		str_n(mem_memdup(request, octets.data, octets.len), octets.len);
	scram->message = mem_printf(request, "%s,%s,%.*s", scram->bare,
				    scram->server_first,
				    (int)(proof.data - in.data - 1), in.data);
	return scram->is_stored ? judge(scram, kind, out)
				: hash(scram, request);
}

static enum mech_step scram_step(struct scram *scram,
				 const struct scram_kind *kind,
				 struct request *request, struct str in,
				 struct buf *out, struct err *err)
{
	return scram->server_first == NULL
		       ? client_first(scram, kind, request, in, err)
		       : client_final(scram, kind, request, in, out, err);
}

static enum mech_step scram_check(struct scram *scram,
				  const struct scram_kind *kind,
				  struct request *request,
				  const char *credentials, struct buf *out)
{
	return scram->server_first == NULL
		       ? server_first(scram, kind, request, credentials, out)
		       : take_hash(scram, kind, credentials, out);
}

#define SCRAM(id, mech_name, mech_flags, ...)                                  \
	static const struct scram_kind id##_kind = {__VA_ARGS__};              \
	static enum mech_step id##_step(void *state, struct request *request,  \
					struct str response, bool initial,     \
					struct buf *out, struct err *err)      \
	{                                                                      \
		(void)initial;                                                 \
		return scram_step(state, &id##_kind, request, response, out,   \
				  err);                                        \
	}                                                                      \
	static enum mech_step id##_check(void *state, struct request *request, \
					 const char *credentials,              \
					 struct buf *out, struct err *err)     \
	{                                                                      \
		(void)err;                                                     \
		return scram_check(state, &id##_kind, request, credentials,    \
				   out);                                       \
	}                                                                      \
	const struct mech mech_##id = {                                        \
		.name = mech_name,                                             \
		.flags = mech_flags,                                           \
		.state_size = sizeof(struct scram),                            \
		.client_first = true,                                          \
		.step = id##_step,                                             \
		.check = id##_check,                                           \
		.wants_credentials = true,                                     \
	}

/* Clients of auth that cannot tell the channel's data (Postfix) must not offer
 * what needs it: "private". */
SCRAM(scram_sha_1, "SCRAM-SHA-1", "mutual-auth", "sha1", "SCRAM-SHA-1", false);
SCRAM(scram_sha_256, "SCRAM-SHA-256", "mutual-auth", "sha256", "SCRAM-SHA-256",
      false);
SCRAM(scram_sha_1_plus, "SCRAM-SHA-1-PLUS",
      "private\tmutual-auth\tchannel-binding", "sha1", "SCRAM-SHA-1", true);
SCRAM(scram_sha_256_plus, "SCRAM-SHA-256-PLUS",
      "private\tmutual-auth\tchannel-binding", "sha256", "SCRAM-SHA-256", true);
