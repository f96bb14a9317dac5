/* SPDX-License-Identifier: MIT */
#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "base/mem.h"

static const struct mech *const mechs[] = {
	&mech_anonymous,        &mech_apop,          &mech_cram_md5,
	&mech_digest_md5,       &mech_external,      &mech_login,
	&mech_oauthbearer,      &mech_plain,         &mech_scram_sha_1,
	&mech_scram_sha_1_plus, &mech_scram_sha_256, &mech_scram_sha_256_plus,
	&mech_xoauth2,
#ifdef HAVE_GSSAPI
	&mech_gss_spnego,       &mech_gssapi,
#endif
};

const struct mech *mech_find(struct str name)
{
	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++) {
		if (str_case_is(name, mechs[i]->name))
			return mechs[i];
	}
	return NULL;
}

char *mech_sasl_name(const void *ctx, struct str in)
{
	char *out = mem_zero(ctx, in.len + 1, 1, "name"), *to = out;

	while (in.len > 0) {
		char c = in.data[0];
		size_t used = 1;

		if (c == '\0' || c == ',')
			return NULL;
		if (c == '=') {
			if (str_case_starts(in, "=2C"))
				c = ',';
			else if (!str_case_starts(in, "=3D"))
				return NULL;
			used = 3;
		}
		*to++ = c;
		in = str_from(in, used);
	}
	return out;
}
