/* SPDX-License-Identifier: MIT */
/*
 * auth/passdb/passwd.c - passwords that getpwnam(3) gives. On Linux they are
 * "x"; sites with NIS still have them.
 */
#include <errno.h>
#include <pwd.h>

#include "auth/db.h"
#include "auth/passdb/drivers.h"
#include "base/mem.h"

static int passwd_open(struct passdb *db, struct err *err)
{
	db->cache_key = "";
	db->default_scheme = "CRYPT";
	return passdb_check_words(db, "blocking=", err);
}

static enum pass_result passwd_lookup(struct passdb *, struct request *request,
				      struct fields *fields,
				      const char **stored_out)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(request->user);
	if (pw == NULL && errno != 0 && errno != ENOENT) {
		request_log(request, LOG_LEVEL_ERROR, "getpwnam() failed: %m");
		return PASS_FAILURE;
	}
	if (pw == NULL) {
		request_log_unknown(request);
		return PASS_UNKNOWN_USER;
	}
	if (pw->pw_passwd == NULL || strlen(pw->pw_passwd) < 2 ||
	    pw->pw_passwd[0] == '*' || pw->pw_passwd[0] == '!') {
		request_log(request, LOG_LEVEL_INFO, "invalid password field");
		return PASS_DISABLED;
	}
	fields_set(fields, "user", pw->pw_name);
	*stored_out = mem_strdup(request, pw->pw_passwd);
	return PASS_OK;
}

const struct passdb_driver passdb_passwd = {
	.name = "passwd",
	.blocking = true,
	.open = passwd_open,
	.lookup = passwd_lookup,
};
