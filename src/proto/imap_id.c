/* SPDX-License-Identifier: MIT */
#include "proto/imap_id.h"

#include <sys/utsname.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/imap.h"

enum { ID_PAIRS_MAX = 30, ID_KEY_MAX = 30, ID_VALUE_MAX = 1024 };

/* The value that * stands for; NULL if there is none. */
static const char *preset(struct str key, const struct utsname *system)
{
	if (str_case_is(key, "name"))
		return "Dovetail";
	if (str_case_is(key, "version"))
		return PACKAGE_VERSION;
	if (str_case_is(key, "os"))
		return system->sysname;
	if (str_case_is(key, "os-version"))
		return system->release;
	return NULL;
}

void imap_id_reply(const char *send, struct buf *out)
{
	struct str rest = str_of(send), key, value;
	struct utsname system;
	bool any = false;

	uname(&system);
	buf_add(out, "* ID ");
	while (str_word(&rest, &key) && str_word(&rest, &value)) {
		if (str_is(value, "*")) {
			const char *own = preset(key, &system);

			if (own == NULL)
				continue;
			value = str_of(own);
		}
		buf_putc(out, any ? ' ' : '(');
		imap_write_nstring(out, key);
		buf_putc(out, ' ');
		imap_write_nstring(out, value);
		any = true;
	}
	buf_add(out, any ? ")\r\n" : "NIL\r\n");
}

void imap_id_log_text(const struct imap_arg *list, const char *wanted,
		      struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "id");
	const struct imap_arg *arg = list;
	struct str key, value;

	for (int i = 0; i < ID_PAIRS_MAX && imap_arg_astring(&arg[0], &key) &&
			arg[1].kind != IMAP_ARG_END;
	     i++, arg += 2) {
		if (!str_has_word(wanted, STR("*")) &&
		    !str_case_has_word(wanted, key))
			continue;
		if (!imap_arg_astring(&arg[1], &value))
			value = STR("NIL");
		buf_printf(out, "%s%s=%s", out->len == 0 ? "" : ", ",
			   str_sanitize(ctx, key, ID_KEY_MAX),
			   str_sanitize(ctx, value, ID_VALUE_MAX));
	}
}
