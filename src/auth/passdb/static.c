/* SPDX-License-Identifier: MIT */
/*
 * auth/passdb/static.c - the same for everybody: "password=... proxy=y
 * host=...", "nopassword=y".
 */
#include "auth/db.h"
#include "auth/passdb/drivers.h"

static enum pass_result static_lookup(struct passdb *db,
				      struct request *request,
				      struct fields *fields,
				      const char **stored_out)
{
	struct str rest = str_of(db->args), word;

	while (str_word(&rest, &word)) {
		const char *text = request_expand_field(
			request, str_dup(request, word), fields, false);

		if (text == NULL)
			return PASS_FAILURE;
		if (strncmp(text, "password=", 9) == 0)
			*stored_out = text + 9;
		else
			fields_set_text(fields, str_of(text));
	}
	return PASS_OK;
}

const struct passdb_driver passdb_static = {
	.name = "static",
	.lookup = static_lookup,
};
