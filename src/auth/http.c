/* SPDX-License-Identifier: MIT */
#include "auth/http.h"

#include "base/encode.h"
#include "base/module.h"
#include "base/str.h"

void http_escape(void *, struct str text, struct buf *out)
{
	url_encode(text, "", out);
}

int http_ask(const struct http_request *request, unsigned *status_out,
	     struct buf *body, struct err *err)
{
	static const struct http_module *module;

	if (module == NULL)
		module = module_get("auth-http", "http_module", err);
	return module == NULL ? -1
			      : module->ask(request, status_out, body, err);
}
