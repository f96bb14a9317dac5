/* SPDX-License-Identifier: MIT */
/*
 * auth/userdb/static.c - a template for everybody: "uid=vmail gid=vmail
 * home=/srv/mail/%d/%n [allow_all_users=yes]". Whether a user exists is asked
 * of the passdbs, but for the field allow_all_users and after a login.
 */
#include "auth/userdb/static.h"

#include <string.h>

#include "auth/db.h"
#include "auth/userdb/drivers.h"
#include "base/err.h"
#include "base/mem.h"

struct static_args {
	bool allow_all;
	struct str words;
};

/* Names of users and groups become numbers, if they are the same for all: to
 * look them up costs more than all the rest. */
static const char *with_number(const void *ctx, const char *word)
{
	bool group = strncmp(word, "gid=", 4) == 0;
	const char *number = NULL;

	if ((group || strncmp(word, "uid=", 4) == 0) &&
	    strchr(word, '%') == NULL)
		number = db_id(ctx, group, word + 4);
	return number == NULL ? word : mem_printf(ctx, "%.4s%s", word, number);
}

static int static_open(struct userdb *db, struct err *err)
{
	struct static_args *args = mem_new(db, struct static_args);
	struct str rest = str_of(db->args), word;
	const char *words = "";

	if (userdb_check_ids(db->args, err) < 0)
		return -1;
	while (str_word(&rest, &word)) {
		if (str_is(word, "allow_all_users=yes"))
			args->allow_all = true;
		words = mem_printf(args, "%s%s ", words,
				   with_number(args, str_dup(args, word)));
	}
	args->words = str_of(words);
	db->data = args;
	return 0;
}

bool userdb_static_asks_passdb(const struct userdb *db)
{
	const struct static_args *args = db->data;

	return db->driver == &userdb_static && !args->allow_all;
}

static enum user_result
static_lookup(struct userdb *db, struct request *request, struct fields *fields)
{
	const struct static_args *args = db->data;
	struct str rest = args->words, word;

	while (str_word(&rest, &word)) {
		const char *text, *id = NULL;

		if (str_starts(word, "allow_all_users="))
			continue;
		text = request_expand_field(request, str_dup(request, word),
					    fields, true);
		if (text == NULL)
			return USER_FAILURE;
		if (strncmp(text, "uid=", 4) == 0)
			id = db_uid(request, text + 4);
		else if (strncmp(text, "gid=", 4) == 0)
			id = db_gid(request, text + 4);
		else {
			fields_set_text(fields, str_of(text));
			continue;
		}
		if (id == NULL)
			return USER_FAILURE;
		fields_set(fields, text[0] == 'u' ? "uid" : "gid", id);
	}
	return USER_OK;
}

const struct userdb_driver userdb_static = {
	.name = "static",
	.open = static_open,
	.lookup = static_lookup,
};
