/* SPDX-License-Identifier: MIT */
/*
 * auth/passdb/checkpassword.c - passwords that a program checks; args is the
 * program with its arguments. For lookups it runs with AUTHORIZED=1, and may
 * tell the password as the variable "password" (one of EXTRA).
 */
#include "auth/checkpassword.h"
#include "auth/db.h"
#include "auth/passdb/drivers.h"
#include "base/err.h"

static int check_open(struct passdb *db, struct err *err)
{
	if (*db->args != '/')
		return err_set(err, ERR_INVALID,
			       "args: The path of a program is missing");
	return 0;
}

static enum pass_result check_ask(struct passdb *db, struct request *request,
				  struct fields *fields,
				  const char **stored_out, bool *verified_out)
{
	enum pass_result result = checkpassword_run(db->args, request, fields);

	*verified_out = request->want_scheme == NULL;
	*stored_out = fields_get(fields, "password");
	fields_remove(fields, "password");
	/* Nobody has given a password that could be wrong. */
	return request->lookup_only && result == PASS_MISMATCH ? PASS_FAILURE
							       : result;
}

const struct passdb_driver passdb_checkpassword = {
	.name = "checkpassword",
	.blocking = true,
	.open = check_open,
	.ask = check_ask,
};
