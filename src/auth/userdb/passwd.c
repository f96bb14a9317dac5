/* SPDX-License-Identifier: MIT */
/*
 * auth/userdb/passwd.c - users of the system, by NSS. args: "[blocking=no]" and
 * fields that go over what the system says ("home=/var/mail/%u").
 */
#include <errno.h>
#include <pwd.h>

#include "auth/db.h"
#include "auth/settings.h"
#include "auth/userdb/drivers.h"
#include "base/err.h"
#include "base/mem.h"

static int passwd_open(struct userdb *db, struct err *err)
{
	struct str rest = str_of(db->args), word;

	while (str_word(&rest, &word)) {
		if (str_is(word, "blocking=no"))
			db->blocking = false;
	}
	db->cache_key = db->args;
	return userdb_check_ids(db->args, err);
}

static enum user_result
passwd_lookup(struct userdb *db, struct request *request, struct fields *fields)
{
	struct str rest = str_of(db->args), word;
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(request->user);
	if (pw == NULL && errno != 0 && errno != ENOENT) {
		request_log(request, LOG_LEVEL_ERROR, "getpwnam() failed: %m");
		return USER_FAILURE;
	}
	if (pw == NULL) {
		request_log(request, LOG_LEVEL_INFO, "unknown user");
		return USER_NOT_FOUND;
	}
	fields_set(fields, "user", pw->pw_name);
	fields_set(fields, "system_groups_user", pw->pw_name);
	fields_set(fields, "uid",
		   mem_printf(request, "%lu", (unsigned long)pw->pw_uid));
	fields_set(fields, "gid",
		   mem_printf(request, "%lu", (unsigned long)pw->pw_gid));
	fields_set(fields, "home", pw->pw_dir);
	while (str_word(&rest, &word)) {
		const char *text;

		if (str_starts(word, "blocking="))
			continue;
		text = request_expand(request, str_dup(request, word));
		if (text == NULL)
			return USER_FAILURE;
		fields_set_text(fields, str_of(text));
	}
	return USER_OK;
}

static bool is_mail_user(const struct request *request, uid_t uid)
{
	return uid >= request->set->first_valid_uid &&
	       (request->set->last_valid_uid == 0 ||
		uid <= request->set->last_valid_uid);
}

static int passwd_list(struct userdb *, struct request *request,
		       userdb_list_fn *fn, void *ctx, struct userdb_place *,
		       struct err *err)
{
	struct passwd *pw;

	setpwent();
	errno = 0;
	while ((pw = getpwent()) != NULL) {
		if (is_mail_user(request, pw->pw_uid))
			fn(ctx, pw->pw_name);
		errno = 0;
	}
	if (errno != 0 && errno != ENOENT) {
		endpwent();
		return err_sys(err, "getpwent() failed");
	}
	endpwent();
	return 0;
}

const struct userdb_driver userdb_passwd = {
	.name = "passwd",
	.blocking = true,
	.open = passwd_open,
	.lookup = passwd_lookup,
	.list = passwd_list,
};
