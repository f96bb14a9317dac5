/* SPDX-License-Identifier: MIT */
/*
 * auth/userdb/checkpassword.c - users that a program knows (AUTHORIZED=1);
 * args is the program with its arguments.
 */
#include "auth/checkpassword.h"
#include "auth/db.h"
#include "auth/userdb/drivers.h"
#include "base/err.h"

static int check_open(struct userdb *db, struct err *err)
{
	if (*db->args != '/')
		return err_set(err, ERR_INVALID,
			       "args: The path of a program is missing");
	return 0;
}

static enum user_result check_lookup(struct userdb *db, struct request *request,
				     struct fields *fields)
{
	struct fields reply = fields_init(request);
	enum pass_result result;

	request->lookup_only = true;
	result = checkpassword_run(db->args, request, &reply);
	request->lookup_only = false;
	if (result == PASS_UNKNOWN_USER || result == PASS_MISMATCH)
		return USER_NOT_FOUND;
	if (result != PASS_OK)
		return USER_FAILURE;
	for (size_t i = 0; i < reply.count; i++) {
		const char *key = reply.list[i].key;

		if (strncmp(key, "userdb_", 7) == 0)
			key += 7;
		else if (strcmp(key, "user") != 0)
			continue;
		if (!userdb_set_field(request, fields, key,
				      reply.list[i].value))
			return USER_FAILURE;
	}
	return USER_OK;
}

const struct userdb_driver userdb_checkpassword = {
	.name = "checkpassword",
	.blocking = true,
	.open = check_open,
	.lookup = check_lookup,
};
