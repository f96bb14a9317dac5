/* SPDX-License-Identifier: MIT */
/*
 * auth/db_passwd.c - the users of the system, by NSS. passdb passwd: passwords
 * are "x" on Linux, but sites with NIS still have them. passdb shadow: with the
 * dates on which accounts and passwords end (shadow(5)). args of userdb passwd:
 * "[blocking=no]" and fields that go over what the system says
 * ("home=/var/mail/%u").
 */
#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <time.h>

#include "auth/db.h"
#include "auth/drivers.h"
#include "auth/settings.h"
#include "base/err.h"
#include "base/mem.h"

enum { DAY = 24 * 60 * 60 };

/* 1, 0 or -1; the last two are logged. */
static int find(const struct request *request, struct passwd **out)
{
	errno = 0;
	*out = getpwnam(request->user);
	if (*out != NULL)
		return 1;
	if (errno != 0 && errno != ENOENT) {
		request_log(request, LOG_LEVEL_ERROR, "getpwnam() failed: %m");
		return -1;
	}
	request_log(request, LOG_LEVEL_INFO, "unknown user");
	return 0;
}

/* passdbs */

static int crypt_open(struct passdb *db, struct err *)
{
	db->cache_key = "";
	db->default_scheme = "CRYPT";
	return 0;
}

static bool is_disabled(const struct request *request, const char *hash)
{
	if (hash != NULL && strlen(hash) >= 2 && hash[0] != '*' &&
	    hash[0] != '!')
		return false;
	request_log(request, LOG_LEVEL_INFO, "invalid password field");
	return true;
}

static enum pass_result passwd_pass_lookup(struct passdb *,
					   struct request *request,
					   struct fields *fields,
					   const char **stored_out)
{
	struct passwd *pw;
	int found = find(request, &pw);

	if (found <= 0)
		return found == 0 ? PASS_UNKNOWN_USER : PASS_FAILURE;
	if (is_disabled(request, pw->pw_passwd))
		return PASS_DISABLED;
	fields_set(fields, "user", pw->pw_name);
	*stored_out = mem_strdup(request, pw->pw_passwd);
	return PASS_OK;
}

const struct passdb_driver passdb_passwd = {
	.name = "passwd",
	.blocking = true,
	.open = crypt_open,
	.lookup = passwd_pass_lookup,
};

static enum pass_result shadow_lookup(struct passdb *, struct request *request,
				      struct fields *fields,
				      const char **stored_out)
{
	struct spwd *sp = getspnam(request->user);
	long today = (long)(time(NULL) / DAY);

	if (sp == NULL) {
		request_log(request, LOG_LEVEL_INFO, "unknown user");
		return PASS_UNKNOWN_USER;
	}
	if (is_disabled(request, sp->sp_pwdp))
		return PASS_DISABLED;
	if (sp->sp_expire >= 0 && today > sp->sp_expire) {
		request_log(request, LOG_LEVEL_INFO, "Account expired");
		return PASS_EXPIRED;
	}
	fields_set(fields, "user", sp->sp_namp);
	*stored_out = mem_strdup(request, sp->sp_pwdp);
	return PASS_OK;
}

const struct passdb_driver passdb_shadow = {
	.name = "shadow",
	.blocking = true,
	.open = crypt_open,
	.lookup = shadow_lookup,
};

/* userdb */

static int passwd_userdb_open(struct userdb *db, struct err *)
{
	struct str rest = str_of(db->args), word;

	while (str_word(&rest, &word)) {
		if (str_is(word, "blocking=no"))
			db->blocking = false;
	}
	db->cache_key = db->args;
	return 0;
}

static enum user_result passwd_user_lookup(struct userdb *db,
					   struct request *request,
					   struct fields *fields)
{
	struct str rest = str_of(db->args), word;
	struct passwd *pw;
	int found = find(request, &pw);

	if (found <= 0)
		return found == 0 ? USER_NOT_FOUND : USER_FAILURE;
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
		       userdb_list_fn *fn, void *ctx, struct err *err)
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
	.open = passwd_userdb_open,
	.lookup = passwd_user_lookup,
	.list = passwd_list,
};
