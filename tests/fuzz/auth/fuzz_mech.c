/* SPDX-License-Identifier: MIT */
/*
 * Responses of a client, with 0xff between them, for the mechanism that the
 * first octet chooses. Most find credentials; what is sent back must be
 * bounded, and nothing may be accepted without the password.
 */
#include <stdint.h>
#include <stdlib.h>

#include "auth/mech.h"
#include "auth/request.h"
#include "auth/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct auth_settings settings = {
	.auth_username_chars = "",
	.auth_username_format = "%Lu",
	.auth_username_translation = "",
	.auth_master_user_separator = "*",
	.auth_default_realm = "",
	.auth_realms = "x.example y.example",
	.auth_anonymous_username = "anonymous",
	.auth_verbose_passwords = "no",
	.auth_ssl_username_from_cert = true,
};

#define SCRAM_KEYS                                                             \
	"1,QUJD,5en6G6MezRroT3XKqkdPOmY/BfQ=,5en6G6MezRroT3XKqkdPOmY/BfQ="

static const struct {
	const char *name, *credentials;
} mechs[] = {
	{"PLAIN", NULL},
	{"LOGIN", NULL},
	{"CRAM-MD5", "{PLAIN}nobody guesses it"},
	{"DIGEST-MD5", "{PLAIN}nobody guesses it"},
	{"APOP", "{PLAIN}nobody guesses it"},
	{"SCRAM-SHA-1", "{SCRAM-SHA-1}" SCRAM_KEYS},
	{"SCRAM-SHA-256", "{SCRAM-SHA-256}1,QUJD"},
	{"SCRAM-SHA-1-PLUS", "{PLAIN}nobody guesses it"},
	{"OAUTHBEARER", NULL},
	{"XOAUTH2", NULL},
	{"EXTERNAL", NULL},
	{"DIGEST-MD5", NULL},
};

static enum mech_step step(const struct mech *mech, void *state,
			   struct request *request, struct str response,
			   const char *credentials)
{
	CLEANUP(buf_free) struct buf out = buf_init(8192);
	struct err err;
	enum mech_step result =
		mech->step(state, request, response, true, &out, &err);

	if (result == MECH_LOOKUP)
		result = mech->check(state, request, credentials, &out, &err);
	if (result == MECH_HASH)
		result = mech->check(state, request, SCRAM_KEYS, &out, &err);
	if (result == MECH_ACCEPT)
		abort();
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	struct request *request = request_new(ctx, &settings);
	struct str rest = str_n(data, size), response;
	const struct mech *mech;
	const char *credentials;
	void *state;

	if (size == 0)
		return 0;
	credentials =
		mechs[data[0] % (sizeof(mechs) / sizeof(mechs[0]))].credentials;
	mech = mech_find(str_of(
		mechs[data[0] % (sizeof(mechs) / sizeof(mechs[0]))].name));
	state = mem_zero(ctx, 1, mech->state_size + 1, "state");
	request->tls_exporter = "QUJD";
	rest = str_from(rest, 1);
	while (str_split(&rest, '\xff', &response)) {
		if (step(mech, state, request, response, credentials) !=
		    MECH_CONTINUE)
			break;
	}
	return 0;
}
