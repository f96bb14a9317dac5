/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/oauth.c - OAUTHBEARER (RFC 7628) and Google's XOAUTH2: a name and
 * a token, which passdbs are given as the password.
 */
#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "auth/request.h"
#include "base/err.h"
#include "base/mem.h"

/* "Bearer TOKEN" of a field "auth=". */
static bool take_token(struct request *request, struct str value)
{
	struct str scheme;
	char *token;

	if (!str_split(&value, ' ', &scheme) ||
	    !str_case_is(scheme, "Bearer") || value.data == NULL)
		return false;
	value = str_trim(value);
	if (value.len == 0)
		return false;
	token = str_dup(NULL, value);
	request_set_password(request, token);
	mem_wipe(token, strlen(token));
	mem_free(token);
	return true;
}

/* What is in "key=value\1key=value\1\1": user (XOAUTH2) and auth. */
static enum mech_step take(struct request *request, struct str fields,
			   struct str user, struct err *err)
{
	struct str field;
	bool has_token = false;

	while (str_split(&fields, '\1', &field)) {
		if (user.len == 0 && str_case_starts(field, "user="))
			user = str_from(field, 5);
		else if (str_case_starts(field, "auth="))
			has_token = take_token(request, str_from(field, 5));
	}
	if (!has_token || user.len == 0 ||
	    memchr(user.data, '\0', user.len) != NULL) {
		err_set(err, ERR_INVALID, "Username or token missing");
		return MECH_FAIL;
	}
	if (request_set_user(request, str_dup(request, user), err) < 0)
		return MECH_FAIL;
	return MECH_VERIFY;
}

static enum mech_step xoauth2_step(void *, struct request *request,
				   struct str response, bool, struct buf *,
				   struct err *err)
{
	return take(request, response, STR(""), err);
}

/* "n,a=user,\1" in front (RFC 5801): the binding flag counts for nothing, as
 * the token proves nothing of a channel. */
static enum mech_step bearer_step(void *, struct request *request,
				  struct str response, bool, struct buf *,
				  struct err *err)
{
	struct str rest = response, header, flag, authz;
	char *user;

	if (!str_split(&rest, '\1', &header) || rest.data == NULL ||
	    !str_split(&header, ',', &flag) ||
	    !str_split(&header, ',', &authz) || !str_starts(authz, "a=") ||
	    (!str_is(flag, "n") && !str_is(flag, "y"))) {
		err_set(err, ERR_INVALID, "Invalid gs2-header in request");
		return MECH_FAIL;
	}
	user = mech_sasl_name(request, str_from(authz, 2));
	if (user == NULL) {
		err_set(err, ERR_INVALID, "Invalid username in request");
		return MECH_FAIL;
	}
	return take(request, rest, str_of(user), err);
}

const struct mech mech_oauthbearer = {
	.name = "OAUTHBEARER",
	.flags = "plaintext",
	.client_first = true,
	.step = bearer_step,
	.refusal = "{\"status\":\"invalid_token\"}",
};

const struct mech mech_xoauth2 = {
	.name = "XOAUTH2",
	.flags = "plaintext",
	.client_first = true,
	.step = xoauth2_step,
	.refusal = "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":"
		   "\"mail\"}",
};
