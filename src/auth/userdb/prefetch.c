/* SPDX-License-Identifier: MIT */
/*
 * auth/userdb/prefetch.c - the passdb gave userdb_* fields already: nothing
 * else is asked. Lookups without a login go to the next userdb.
 */
#include "auth/db.h"
#include "auth/userdb/drivers.h"
#include "base/err.h"

static int prefetch_open(struct userdb *db, struct err *err)
{
	if (*db->args == '\0')
		return 0;
	return err_set(err, ERR_INVALID, "No args are supported: %s", db->args);
}

static enum user_result
prefetch_lookup(struct userdb *db, struct request *request, struct fields *)
{
	bool given = request->success && request->user_fields.count > 0;

	if (!given && db->index == 0 && db->next == NULL) {
		request_log(request, LOG_LEVEL_ERROR,
			    "no userdb entries of a passdb, and no userdb "
			    "beside this one");
		return USER_FAILURE;
	}
	if (!given) {
		request_log(request, LOG_LEVEL_DEBUG,
			    "passdb didn't return userdb entries");
		return USER_NOT_FOUND;
	}
	return USER_OK;
}

const struct userdb_driver userdb_prefetch = {
	.name = "prefetch",
	.open = prefetch_open,
	.lookup = prefetch_lookup,
};
