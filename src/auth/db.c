/* SPDX-License-Identifier: MIT */
#include "auth/db.h"

#include <grp.h>
#include <pwd.h>

#include "auth/passdb/drivers.h"
#include "auth/scheme/scheme.h"
#include "auth/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"

enum { MARK_LEN = 8 };

/* Of all that makes a worker answer otherwise. */
static const char *mark_of(const void *ctx, const char *driver,
			   const char *args, bool master, bool deny)
{
	CLEANUP(ctx_free)
	TALLOC_CTX *text =
		mem_printf(NULL, "%s\n%d\n%d\n%s", driver, master, deny, args);
	CLEANUP(buf_free) struct buf hex = buf_init(2 * DIGEST_MAX + 1);
	unsigned char digest[DIGEST_MAX];

	digest_once("sha256", str_of((const char *)text), digest);
	hex_encode(str_n(digest, MARK_LEN), &hex);
	return buf_steal(ctx, &hex);
}

static int add_passdb(struct dbs *dbs, const struct config *config,
		      const struct config_section *section, unsigned index,
		      struct err *err)
{
	struct passdb_settings *set = mem_new(dbs, struct passdb_settings);
	struct passdb *db = mem_new(dbs, struct passdb), **end;

	if (config_read_section(dbs, section, passdb_settings, set, err) < 0)
		return -1;
	db->driver = passdb_driver_find(set->driver);
	if (db->driver == NULL)
		return err_set(err, ERR_INVALID, "Unknown passdb driver '%s'",
			       set->driver);
	db->set = set;
	db->args = set->args;
	db->base_dir = config_value(config, NULL, "base_dir");
	db->index = index;
	db->mark = mark_of(db, set->driver, set->args, set->master, set->deny);
	db->default_scheme = "PLAIN";
	if (db->driver->open != NULL && db->driver->open(db, err) < 0)
		return err_wrap(err, "passdb %s", db->driver->name);
	/* Nobody was authenticated before the first: as in Dovecot it is not
	 * even there for users of masters. */
	if (!set->master && dbs->passdbs == NULL &&
	    strcmp(set->skip, "unauthenticated") == 0)
		return 0;
	end = set->master ? &dbs->masterdbs : &dbs->passdbs;
	while (*end != NULL)
		end = &(*end)->next;
	*end = db;
	return 0;
}

static int check_masters(const struct dbs *dbs, struct err *err)
{
	for (const struct passdb *db = dbs->masterdbs; db != NULL;
	     db = db->next) {
		if (db->set->pass && dbs->passdbs == NULL)
			return err_set(err, ERR_INVALID,
				       "Master passdb can't have pass=yes if "
				       "there are no passdbs");
	}
	return 0;
}

static int add_userdb(struct dbs *dbs, const struct config *config,
		      const struct config_section *section, unsigned index,
		      struct err *err)
{
	struct userdb_settings *set = mem_new(dbs, struct userdb_settings);
	struct userdb *db = mem_new(dbs, struct userdb), **end;

	if (config_read_section(dbs, section, userdb_settings, set, err) < 0)
		return -1;
	db->driver = userdb_driver_find(set->driver);
	if (db->driver == NULL)
		return err_set(err, ERR_INVALID, "Unknown userdb driver '%s'",
			       set->driver);
	db->set = set;
	db->args = set->args;
	db->base_dir = config_value(config, NULL, "base_dir");
	db->index = index;
	db->mark = mark_of(db, set->driver, set->args, false, false);
	db->blocking = db->driver->blocking;
	if (userdb_check_ids(set->default_fields, err) < 0 ||
	    userdb_check_ids(set->override_fields, err) < 0 ||
	    (db->driver->open != NULL && db->driver->open(db, err) < 0))
		return err_wrap(err, "userdb %s", db->driver->name);
	for (end = &dbs->userdbs; *end != NULL; end = &(*end)->next)
		;
	*end = db;
	return 0;
}

int dbs_open(const void *ctx, const struct config *config, const char *service,
	     struct dbs **out, struct err *err)
{
	struct config_filter filter = {.protocol = service};
	const struct config_section *at = NULL;
	struct dbs *dbs = mem_new(ctx, struct dbs);

	for (unsigned i = 0;; i++) {
		at = config_section_next(config, &filter, "passdb", at);
		if (at == NULL)
			break;
		if (add_passdb(dbs, config, at, i, err) < 0)
			goto failed;
	}
	for (unsigned i = 0;; i++) {
		at = config_section_next(config, &filter, "userdb", at);
		if (at == NULL)
			break;
		if (add_userdb(dbs, config, at, i, err) < 0)
			goto failed;
	}
	if (check_masters(dbs, err) < 0)
		goto failed;
	*out = dbs;
	return 0;
failed:
	mem_free(dbs);
	return -1;
}

struct passdb *dbs_passdb(const struct dbs *dbs, unsigned index)
{
	struct passdb *lists[] = {dbs->passdbs, dbs->masterdbs};

	for (size_t i = 0; i < 2; i++) {
		for (struct passdb *db = lists[i]; db != NULL; db = db->next) {
			if (db->index == index)
				return db;
		}
	}
	return NULL;
}

struct userdb *dbs_userdb(const struct dbs *dbs, unsigned index)
{
	for (struct userdb *db = dbs->userdbs; db != NULL; db = db->next) {
		if (db->index == index)
			return db;
	}
	return NULL;
}

/* asking a passdb */

static enum pass_result compare(struct passdb *db, struct request *request,
				const char *stored, bool may_wait)
{
	struct str name, hash;
	const struct scheme *scheme;
	struct err err;

	scheme_split(stored, db->default_scheme, &name, &hash);
	scheme = scheme_find(name);
	if (scheme != NULL && scheme->slow && !may_wait)
		return PASS_SLOW;
	/* DIGEST-MD5 has the name in it, as the user writes it. */
	switch (scheme_verify(request->password,
			      request->original_user != NULL
				      ? request->original_user
				      : request->user,
			      name, hash, &err)) {
	case 1:
		return PASS_OK;
	case 0:
		request_log_mismatch(request);
		if (request->set->auth_debug_passwords)
			request_log(request, LOG_LEVEL_DEBUG, "%s(%s) != '%s'",
				    scheme->name, request->password, stored);
		return PASS_MISMATCH;
	default:
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return err.code == ERR_TEMPORARY ? PASS_FAILURE : PASS_MISMATCH;
	}
}

/* What is stored, in request->want_scheme or in plain: what is made of plain
 * passwords depends on what the client says. */
static enum pass_result credentials(struct passdb *db, struct request *request,
				    const char *stored, const char **out)
{
	const struct scheme *scheme = scheme_find(str_of(request->want_scheme));
	struct str name, hash;

	if (stored == NULL || scheme == NULL) {
		request_log(request, LOG_LEVEL_INFO,
			    "Requested %s scheme, but we have a NULL password",
			    request->want_scheme);
		return PASS_MISMATCH;
	}
	scheme_split(stored, db->default_scheme, &name, &hash);
	if (scheme != scheme_find(name) && !scheme_is_plain(name)) {
		request_log(request, LOG_LEVEL_INFO,
			    "Requested %s scheme, but we have only %.*s",
			    request->want_scheme, STR_FMT(name));
		return PASS_MISMATCH;
	}
	*out = mem_printf(request, "{%.*s}%.*s", STR_FMT(name), STR_FMT(hash));
	return PASS_OK;
}

static enum pass_result ask(struct passdb *db, struct request *request,
			    bool may_wait, struct fields *fields,
			    const char **credentials_out)
{
	const char *stored = NULL;
	enum pass_result result;
	bool verified = false;

	if (db->driver->verify != NULL && request->lookup_only) {
		request_log(request, LOG_LEVEL_DEBUG,
			    "passdb doesn't support credential lookups");
		return PASS_NOT_FOR_USER;
	}
	if (db->driver->verify != NULL)
		return db->driver->verify(db, request, fields);
	if (db->driver->ask != NULL)
		result = db->driver->ask(db, request, fields, &stored,
					 &verified);
	else
		result = db->driver->lookup(db, request, fields, &stored);
	if (verified ||
	    (result == PASS_OK && fields_get(fields, PASS_ASIDE) != NULL))
		return result;
	if (result != PASS_OK || db->set->deny)
		return result;
	if (request->want_scheme != NULL)
		return credentials(db, request, stored, credentials_out);
	if (request->password_known)
		return PASS_OK;
	if (fields_get(fields, "nopassword") != NULL) {
		if (stored == NULL || *stored == '\0')
			return PASS_OK;
		/* It counts all the same, as in Dovecot. */
		request_log(request, LOG_LEVEL_ERROR,
			    "nopassword set but password is non-empty");
	}
	if (stored == NULL) {
		request_log(request, LOG_LEVEL_INFO,
			    "No password returned (and no nopassword)");
		return request->lookup_only ? PASS_FAILURE : PASS_MISMATCH;
	}
	return request->lookup_only ? PASS_OK
				    : compare(db, request, stored, may_wait);
}

void passdb_ask(struct passdb *db, struct request *request, bool may_wait,
		struct pass_answer *answer)
{
	if (db->driver->blocking && !may_wait)
		answer->result = PASS_SLOW;
	else
		answer->result = ask(db, request, may_wait, &answer->fields,
				     &answer->credentials);
}

/* for drivers */

static bool is_number(const char *text)
{
	uint32_t number;

	return str_to_u32(str_of(text), &number);
}

const char *db_id(const void *ctx, bool group, const char *name)
{
	const struct passwd *pw = group ? NULL : getpwnam(name);
	const struct group *gr = group ? getgrnam(name) : NULL;

	if (pw == NULL && gr == NULL)
		return NULL;
	return mem_printf(ctx, "%lu",
			  (unsigned long)(group ? gr->gr_gid : pw->pw_uid));
}

static const char *number_of(struct request *request, bool group,
			     const char *text)
{
	const char *number;

	if (text == NULL || *text == '\0')
		return NULL;
	if (is_number(text))
		return text;
	number = db_id(request, group, text);
	if (number == NULL)
		request_log(request, LOG_LEVEL_ERROR, "Invalid %s value '%s'",
			    group ? "GID" : "UID", text);
	return number;
}

const char *db_uid(struct request *request, const char *text)
{
	return number_of(request, false, text);
}

const char *db_gid(struct request *request, const char *text)
{
	return number_of(request, true, text);
}

int passdb_check_words(const struct passdb *db, const char *known,
		       struct err *err)
{
	struct str rest = str_of(db->args), word;

	while (str_word(&rest, &word)) {
		if (!str_starts(word, known))
			return err_set(err, ERR_INVALID,
				       "Unknown setting: %.*s", STR_FMT(word));
	}
	return 0;
}

int userdb_check_ids(const char *fields, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "ids");
	struct str rest = str_of(fields), word;

	while (str_word(&rest, &word)) {
		bool group = str_starts(word, "gid=");
		const char *value = str_dup(ctx, str_from(word, 4));

		if ((group || str_starts(word, "uid=")) &&
		    strchr(value, '%') == NULL && !is_number(value) &&
		    db_id(ctx, group, value) == NULL)
			return err_set(err, ERR_INVALID, "Invalid %cid: %s",
				       word.data[0], value);
	}
	return 0;
}

bool userdb_set_field(struct request *request, struct fields *fields,
		      const char *key, const char *value)
{
	bool is_uid = strcmp(key, "uid") == 0;

	if (is_uid || strcmp(key, "gid") == 0) {
		if (*value == '\0')
			return true;
		value = is_uid ? db_uid(request, value)
			       : db_gid(request, value);
		if (value == NULL)
			return false;
	}
	fields_set(fields, key, value);
	return true;
}

void passdb_enter(const struct passdb *db, struct request *request)
{
	request->source =
		*db->set->name != '\0' ? db->set->name : db->driver->name;
	request->source_number = db->index + 1;
}

void userdb_enter(const struct userdb *db, struct request *request)
{
	request->source =
		*db->set->name != '\0' ? db->set->name : db->driver->name;
	request->source_number = db->index + 1;
}

bool db_verbose(const struct auth_settings *set, const char *own)
{
	if (strcmp(own, "default") == 0)
		return set->auth_verbose || set->auth_debug;
	return strcmp(own, "yes") == 0;
}
