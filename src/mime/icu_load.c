/* SPDX-License-Identifier: MIT */
/*
 * mime/icu_load.c - ICU, at the first use.
 */
#include <dlfcn.h>

#include "base/log.h"
#include "mime/icu.h"

#define STRING(text)   #text
#define NAME(function) STRING(function),

const struct icu *icu(void)
{
	static const char *const names[] = {ICU_FUNCTIONS(NAME)};
	static const char file[] = "libicuuc.so." U_ICU_VERSION_SHORT;
	static union {
		struct icu icu;
		void *addresses[sizeof(names) / sizeof(*names)];
	} loaded;
	static void *library;

	if (library != NULL)
		return &loaded.icu;
	library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		log_fatal(89, "%s", dlerror());
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		loaded.addresses[i] = dlsym(library, names[i]);
		if (loaded.addresses[i] == NULL)
			log_fatal(89, "%s: there is no %s", file,
				  names[i]);
	}
	return &loaded.icu;
}
