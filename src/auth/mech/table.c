/* SPDX-License-Identifier: MIT */
#include "auth/mech.h"
#include "auth/mech/mechs.h"

static const struct mech *const mechs[] = {
	&mech_login,
	&mech_plain,
};

const struct mech *mech_find(struct str name)
{
	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++) {
		if (str_case_is(name, mechs[i]->name))
			return mechs[i];
	}
	return NULL;
}
