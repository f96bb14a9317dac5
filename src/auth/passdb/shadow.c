/* SPDX-License-Identifier: MIT */
/*
 * auth/passdb/shadow.c - /etc/shadow, with the dates on which accounts and
 * passwords end (shadow(5)).
 */
#include <shadow.h>
#include <time.h>

#include "auth/db.h"
#include "auth/passdb/drivers.h"
#include "base/mem.h"

enum { DAY = 24 * 60 * 60 };

static int shadow_open(struct passdb *db, struct err *err)
{
	db->cache_key = "";
	db->default_scheme = "CRYPT";
	return passdb_check_words(db, "blocking=", err);
}

static enum pass_result shadow_lookup(struct passdb *, struct request *request,
				      struct fields *fields,
				      const char **stored_out)
{
	struct spwd *sp = getspnam(request->user);
	long today = (long)(time(NULL) / DAY);

	if (sp == NULL) {
		request_log_unknown(request);
		return PASS_UNKNOWN_USER;
	}
	if (sp->sp_pwdp == NULL || strlen(sp->sp_pwdp) < 2 ||
	    sp->sp_pwdp[0] == '*' || sp->sp_pwdp[0] == '!') {
		request_log(request, LOG_LEVEL_INFO, "invalid password field");
		return PASS_DISABLED;
	}
	if (sp->sp_expire >= 0 && today > sp->sp_expire) {
		request_log(request, LOG_LEVEL_INFO, "Account expired");
		return PASS_EXPIRED;
	}
	fields_set(fields, "user", sp->sp_namp);
	*stored_out = mem_strdup(request, sp->sp_pwdp);
	return PASS_OK;
}

const struct passdb_driver passdb_shadow = {
	.name = "shadow",
	.blocking = true,
	.open = shadow_open,
	.lookup = shadow_lookup,
};
