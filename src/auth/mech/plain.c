/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/plain.c - PLAIN (RFC 4616): authorisation id NUL authentication id
 * NUL password.
 */
#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "auth/request.h"
#include "base/err.h"
#include "base/mem.h"

static enum mech_step take(struct request *request, char *authz, char *user,
			   char *password, struct err *err)
{
	if (request_set_users(request, user, authz, err) < 0)
		return MECH_FAIL;
	request_set_password(request, password);
	return MECH_VERIFY;
}

static enum mech_step plain_step(void *, struct request *request,
				 struct str response, bool, struct buf *,
				 struct err *err)
{
	struct str rest = response, authz, user, password;
	enum mech_step step;
	char *text;

	if (!str_split(&rest, '\0', &authz) || !str_split(&rest, '\0', &user) ||
	    !str_split(&rest, '\0', &password) || rest.data != NULL) {
		err_set(err, ERR_INVALID, "invalid input");
		return MECH_FAIL;
	}
	text = mem_strndup(NULL, password.data, password.len);
	step = take(request, str_dup(request, authz), str_dup(request, user),
		    text, err);
	mem_wipe(text, password.len);
	mem_free(text);
	return step;
}

const struct mech mech_plain = {
	.name = "PLAIN",
	.flags = "plaintext",
	.client_first = true,
	.step = plain_step,
};
