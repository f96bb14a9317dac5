/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/anonymous.c - ANONYMOUS (RFC 4505): whoever comes is
 * auth_anonymous_username; what he says of himself goes to the log.
 */
#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "auth/request.h"
#include "auth/settings.h"

static enum mech_step anonymous_step(void *, struct request *request,
				     struct str response, bool, struct buf *,
				     struct err *)
{
	request->user = str_dup(request, response);
	request_log(request, LOG_LEVEL_INFO, "login");
	request->user = request->set->auth_anonymous_username;
	fields_set(&request->pass_fields, "anonymous", "");
	return MECH_ACCEPT;
}

const struct mech mech_anonymous = {
	.name = "ANONYMOUS",
	.flags = "anonymous",
	.client_first = true,
	.step = anonymous_step,
};
