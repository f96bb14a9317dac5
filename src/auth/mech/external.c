/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/external.c - EXTERNAL (RFC 4422 appendix A): the user is who the
 * client's TLS certificate names. passdbs must know him with nopassword.
 */
#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "auth/request.h"
#include "auth/settings.h"
#include "base/err.h"

static enum mech_step external_step(void *, struct request *request,
				    struct str response, bool, struct buf *,
				    struct err *err)
{
	if (!request->set->auth_ssl_username_from_cert ||
	    !request->valid_cert || request->cert_user == NULL ||
	    *request->cert_user == '\0') {
		err_set(err, ERR_DENIED, "username not known");
		return MECH_FAIL;
	}
	if (request_set_user(request, request->cert_user, err) < 0)
		return MECH_FAIL;
	request->original_user = ""; /* he said nothing */
	if (response.len > 0 &&
	    request_set_login_user(request, str_dup(request, response), err) <
		    0)
		return MECH_FAIL;
	request_set_password(request, "");
	return MECH_VERIFY;
}

const struct mech mech_external = {
	.name = "EXTERNAL",
	.flags = "",
	.client_first = true,
	.step = external_step,
};
