/* SPDX-License-Identifier: MIT */
/*
 * auth/passdb/checkpassword.c - passwords that a program checks; args is the
 * program with its arguments.
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

static enum pass_result check_verify(struct passdb *db, struct request *request,
				     struct fields *fields)
{
	return checkpassword_run(db->args, request, fields);
}

const struct passdb_driver passdb_checkpassword = {
	.name = "checkpassword",
	.blocking = true,
	.open = check_open,
	.verify = check_verify,
};
