/* SPDX-License-Identifier: MIT */
#include "mime/icu.h"

#define ADDRESS(name) .name = name,

const struct icu *icu(void)
{
	static const struct icu linked = {ICU_FUNCTIONS(ADDRESS)};

	return &linked;
}
