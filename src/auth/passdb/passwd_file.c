/* SPDX-License-Identifier: MIT */
#include "auth/passwd_file.h"

#include "auth/db.h"
#include "auth/passdb/drivers.h"
#include "base/err.h"
#include "base/mem.h"

static int pf_open(struct passdb *db, struct err *err)
{
	struct passwd_file_args *args = mem_new(db, struct passwd_file_args);

	if (passwd_file_args(args, db->args, args, err) < 0)
		return -1;
	db->default_scheme = args->scheme;
	db->cache_key = args->path;
	passwd_file_load(args);
	db->data = args;
	return 0;
}

static enum pass_result pf_lookup(struct passdb *db, struct request *request,
				  struct fields *fields,
				  const char **stored_out)
{
	const struct passwd_entry *entry;
	struct str rest, word;
	int found = passwd_file_find(db->data, request, &entry);

	if (found <= 0)
		return found == 0 ? PASS_UNKNOWN_USER : PASS_FAILURE;
	rest = str_of(entry->extra == NULL ? "" : entry->extra);
	while (str_word(&rest, &word)) {
		char *text = str_dup(request, word);
		const char *value =
			request_expand_field(request, text, fields, false);

		if (value == NULL)
			return PASS_FAILURE;
		fields_set_text(fields, str_of(value));
	}
	*stored_out = entry->password == NULL ? "" : entry->password;
	return PASS_OK;
}

const struct passdb_driver passdb_passwd_file = {
	.name = "passwd-file",
	.open = pf_open,
	.lookup = pf_lookup,
};
