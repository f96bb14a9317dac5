/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/apop.c - APOP of POP3 (RFC 1939 section 7), in a response made by
 * the login process: challenge NUL user NUL digest. The challenge is
 * "<PID.CUID.TIME.random@host>" in hex, of this process and that connection.
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "auth/request.h"
#include "auth/scheme/scheme.h"
#include "base/digest.h"
#include "base/err.h"

enum { MD5_LEN = 16, APOP_MAX_AGE = 10 * 60 };

struct apop {
	const char *challenge;
	char given[MD5_LEN];
};

/* Nobody may bring a challenge of his own choice. */
static bool is_ours(const struct request *request, const char *challenge)
{
	char *end;
	unsigned long pid, uid, when;

	if (*challenge != '<')
		return false;
	pid = strtoul(challenge + 1, &end, 16);
	if (*end != '.')
		return false;
	uid = strtoul(end + 1, &end, 16);
	if (*end != '.')
		return false;
	when = strtoul(end + 1, &end, 16);
	return *end == '.' && pid == (unsigned long)getpid() &&
	       uid == request->connection_uid &&
	       /* time() lags behind other clocks by a tick */
	       when <= (unsigned long)time(NULL) + 1 &&
	       when + APOP_MAX_AGE >= (unsigned long)time(NULL);
}

static enum mech_step apop_step(void *state, struct request *request,
				struct str response, bool, struct buf *,
				struct err *err)
{
	struct apop *apop = state;
	struct str rest = response, challenge, user;

	if (!str_split(&rest, '\0', &challenge) ||
	    !str_split(&rest, '\0', &user) || rest.data == NULL ||
	    rest.len != MD5_LEN) {
		err_set(err, ERR_INVALID, "malformed data");
		return MECH_FAIL;
	}
	apop->challenge = str_dup(request, challenge);
	memcpy(apop->given, rest.data, MD5_LEN);
	if (!is_ours(request, apop->challenge)) {
		err_set(err, ERR_INVALID, "invalid challenge");
		return MECH_FAIL;
	}
	if (request_set_user(request, str_dup(request, user), err) < 0)
		return MECH_FAIL;
	request->want_scheme = "PLAIN";
	return MECH_LOOKUP;
}

static enum mech_step apop_check(void *state, struct request *request,
				 const char *credentials, struct buf *,
				 struct err *)
{
	struct apop *apop = state;
	struct digest *digest = digest_new(request, "md5");
	unsigned char made[DIGEST_MAX];
	struct str name, password;

	if (credentials == NULL || digest == NULL)
		return MECH_MISMATCH;
	scheme_split(credentials, "PLAIN", &name, &password);
	digest_add(digest, str_of(apop->challenge));
	digest_add(digest, password);
	digest_end(digest, made);
	return str_equal_secret(str_n(made, MD5_LEN),
				str_n(apop->given, MD5_LEN))
		       ? MECH_ACCEPT
		       : MECH_MISMATCH;
}

const struct mech mech_apop = {
	.name = "APOP",
	.flags = "private\tdictionary\tactive",
	.state_size = sizeof(struct apop),
	.step = apop_step,
	.check = apop_check,
	.wants_credentials = true,
};
