/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/gssapi.c - GSSAPI and GSS-SPNEGO: how to the module that knows
 * Kerberos (modules/gssapi.c).
 */
#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "base/module.h"

static enum mech_step krb5_step(void *state, struct request *request,
				struct str response, bool initial,
				struct buf *out, struct err *err)
{
	const struct mech *mech = module_get("auth-gssapi", "gssapi_krb5", err);

	return mech == NULL ? MECH_FAIL
			    : mech->step(state, request, response, initial, out,
					 err);
}

static enum mech_step spnego_step(void *state, struct request *request,
				  struct str response, bool initial,
				  struct buf *out, struct err *err)
{
	const struct mech *mech =
		module_get("auth-gssapi", "gssapi_spnego", err);

	return mech == NULL ? MECH_FAIL
			    : mech->step(state, request, response, initial, out,
					 err);
}

static enum mech_step check(void *state, struct request *request,
			    const char *credentials, struct buf *out,
			    struct err *err)
{
	const struct mech *mech = module_get("auth-gssapi", "gssapi_krb5", err);

	return mech == NULL
		       ? MECH_FAIL
		       : mech->check(state, request, credentials, out, err);
}

const struct mech mech_gssapi = {
	.name = "GSSAPI",
	.flags = "",
	.state_size = GSSAPI_STATE_SIZE,
	.client_first = true,
	.step = krb5_step,
	.check = check,
};

const struct mech mech_gss_spnego = {
	.name = "GSS-SPNEGO",
	.flags = "",
	.state_size = GSSAPI_STATE_SIZE,
	.client_first = true,
	.step = spnego_step,
	.check = check,
};
