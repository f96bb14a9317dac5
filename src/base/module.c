/* SPDX-License-Identifier: MIT */
#include "base/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>

#include "base/err.h"

const char *module_dir = PKG_LIBEXECDIR;

const void *module_get(const char *name, const char *symbol, struct err *err)
{
	char path[PATH_MAX];
	const void *found = NULL;
	void *module;

	snprintf(path, sizeof(path), "%s/%s.so", module_dir, name);
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (module != NULL)
		found = dlsym(module, symbol);
	if (found == NULL)
		err_set(err, ERR_NOT_FOUND, "module %s", dlerror());
	return found;
}
