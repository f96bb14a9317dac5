/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/login.c - LOGIN (draft-murchison-sasl-login): the name, then the
 * password, each when asked.
 */
#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "auth/request.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

struct login {
	bool asked;
};

static bool has_nul(struct str response)
{
	return response.len > 0 &&
	       memchr(response.data, '\0', response.len) != NULL;
}

static enum mech_step take_password(struct request *request,
				    struct str response)
{
	char *password = mem_strndup(NULL, response.data, response.len);

	request_set_password(request, password);
	mem_wipe(password, response.len);
	mem_free(password);
	return MECH_VERIFY;
}

static enum mech_step login_step(void *state, struct request *request,
				 struct str response, bool initial,
				 struct buf *out, struct err *err)
{
	struct login *login = state;

	if (has_nul(response)) {
		err_set(err, ERR_INVALID, "invalid input");
		return MECH_FAIL;
	}
	if (!login->asked) {
		login->asked = true;
		/* Exim sends an empty initial response when it has none. */
		if (!initial || response.len == 0) {
			buf_add(out, "Username:");
			return MECH_CONTINUE;
		}
	}
	if (request->original_user != NULL)
		return take_password(request, response);
	if (request_set_user(request, str_dup(request, response), err) < 0)
		return MECH_FAIL;
	buf_add(out, "Password:");
	return MECH_CONTINUE;
}

const struct mech mech_login = {
	.name = "LOGIN",
	.flags = "plaintext",
	.state_size = sizeof(struct login),
	.step = login_step,
};
