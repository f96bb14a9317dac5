/* SPDX-License-Identifier: MIT */
#include "auth/passwd_file.h"

#include "auth/db.h"
#include "auth/userdb/drivers.h"
#include "base/err.h"
#include "base/mem.h"

static int pf_open(struct userdb *db, struct err *err)
{
	struct passwd_file_args *args = mem_new(db, struct passwd_file_args);

	if (passwd_file_args(args, db->args, args, err) < 0)
		return -1;
	passwd_file_has_ids(args);
	passwd_file_load(args);
	db->data = args;
	return 0;
}

static enum user_result pf_lookup(struct userdb *db, struct request *request,
				  struct fields *fields)
{
	const struct passwd_entry *entry;
	struct str rest, word;
	int found = passwd_file_find(db->data, request, &entry);

	if (found <= 0)
		return found == 0 ? USER_NOT_FOUND : USER_FAILURE;
	if ((entry->uid != NULL &&
	     !userdb_set_field(request, fields, "uid", entry->uid)) ||
	    (entry->gid != NULL &&
	     !userdb_set_field(request, fields, "gid", entry->gid)))
		return USER_FAILURE;
	if (entry->home != NULL && *entry->home != '\0')
		fields_set(fields, "home", entry->home);
	rest = str_of(entry->extra == NULL ? "" : entry->extra);
	while (str_word(&rest, &word)) {
		const char *text;

		if (!str_starts(word, "userdb_"))
			continue;
		text = request_expand_field(request,
					    str_dup(request, str_from(word, 7)),
					    fields, true);
		if (text == NULL)
			return USER_FAILURE;
		fields_set_text(fields, str_of(text));
	}
	return USER_OK;
}

static int pf_list(struct userdb *db, struct request *request,
		   userdb_list_fn *fn, void *ctx, struct userdb_place *place,
		   struct err *err)
{
	return passwd_file_each(db->data, request, fn, ctx, place, err);
}

const struct userdb_driver userdb_passwd_file = {
	.name = "passwd-file",
	.open = pf_open,
	.lookup = pf_lookup,
	.list = pf_list,
};
