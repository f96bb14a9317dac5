/* SPDX-License-Identifier: MIT */
/*
 * auth/db_dict.c - passdb and userdb dict; args is the path of a
 * dovecot-dict-auth.conf.ext. A key there names an entry of the dictionary,
 * whose value is a JSON object; those of passdb_objects and userdb_objects are
 * fields as they are, passdb_fields and userdb_fields make more of all keys
 * ("%{dict:key.member}", "%{dict:key}" with format = value).
 */
#include "auth/conf_ext.h"
#include "auth/db.h"
#include "auth/json.h"
#include "auth/passdb/drivers.h"
#include "auth/settings.h"
#include "auth/userdb/drivers.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/vars.h"
#include "service/dict.h"

enum { KEYS_MAX = 32 };

struct dict_key {
	const char *name, *key, *preset; /* preset NULL: it must be there */
	bool is_json;
};

struct dict_settings {
	const char *uri, *default_pass_scheme;
	const char *iterate_prefix, *iterate_disable;
	const char *passdb_objects, *userdb_objects;
};

struct source {
	struct dict_settings set; /* first: conf_ext fills it */
	struct dict_key keys[KEYS_MAX];
	size_t key_count;
	struct fields pass_templates, user_templates;
	const char *pass_cache_key, *user_cache_key; /* all templates */
	struct dict *dict;
};

#define ROW(name, preset)                                                      \
	{                                                                      \
#name, offsetof(struct dict_settings, name), preset            \
	}
static const struct conf_ext_row rows[] = {
	ROW(uri, NULL),
	ROW(default_pass_scheme, "MD5"),
	ROW(iterate_prefix, NULL),
	ROW(iterate_disable, NULL),
	ROW(passdb_objects, ""),
	ROW(userdb_objects, ""),
	{NULL, 0, NULL},
};
#undef ROW

static struct dict_key *find_key(struct source *source, struct str name)
{
	for (size_t i = 0; i < source->key_count; i++) {
		if (str_is(name, source->keys[i].name))
			return &source->keys[i];
	}
	return NULL;
}

static int take_key(struct source *source, struct str name, struct str word,
		    struct str value, struct err *err)
{
	struct dict_key *key = find_key(source, name);

	if (key == NULL) {
		if (source->key_count == KEYS_MAX)
			return err_set(err, ERR_LIMIT, "Too many keys");
		key = &source->keys[source->key_count++];
		key->name = str_dup(source, name);
		key->is_json = false;
	}
	if (str_is(word, "key"))
		key->key = str_dup(source, value);
	else if (str_is(word, "default_value") || str_is(word, "default"))
		key->preset = str_dup(source, value);
	else if (str_is(word, "format") &&
		 (str_is(value, "json") || str_is(value, "value")))
		key->is_json = str_is(value, "json");
	else
		return err_set(err, ERR_INVALID, "Unknown setting: %.*s",
			       STR_FMT(word));
	return 0;
}

static int take_setting(void *out, struct str section, struct str word,
			struct str value, struct err *err)
{
	struct source *source = out;
	struct fields *templates = str_is(section, "passdb_fields")
					   ? &source->pass_templates
					   : &source->user_templates;

	if (str_starts(section, "key "))
		return take_key(source, str_trim(str_from(section, 4)), word,
				value, err);
	if (templates == &source->user_templates &&
	    !str_is(section, "userdb_fields"))
		return err_set(err, ERR_INVALID, "Unknown section: %.*s",
			       STR_FMT(section));
	fields_set(templates, str_dup(source, word), str_dup(source, value));
	return 0;
}

static int check_objects(struct source *source, const char *list,
			 struct err *err)
{
	struct str rest = str_of(list), word;

	while (str_word(&rest, &word)) {
		if (find_key(source, word) == NULL)
			return err_set(err, ERR_INVALID,
				       "key %.*s is not defined",
				       STR_FMT(word));
	}
	return 0;
}

/* All on which the answer depends. */
static const char *cache_key_of(struct source *source,
				const struct fields *templates)
{
	const char *key = "";

	for (size_t i = 0; i < source->key_count; i++)
		key = mem_printf(source, "%s%s\t", key, source->keys[i].key);
	for (size_t i = 0; i < templates->count; i++)
		key = mem_printf(source, "%s%s\t", key,
				 templates->list[i].value);
	return key;
}

static int source_open(const void *ctx, const char *path, const char *base_dir,
		       struct source **out, struct err *err)
{
	struct source *source = mem_new(ctx, struct source);

	source->pass_templates = fields_init(source);
	source->user_templates = fields_init(source);
	if (conf_ext_read(source, path, rows, source, take_setting, err) < 0)
		return -1;
	if (source->set.uri == NULL)
		return err_set(err, ERR_INVALID, "%s: uri is not set", path);
	for (size_t i = 0; i < source->key_count; i++) {
		if (source->keys[i].key == NULL)
			return err_set(err, ERR_INVALID,
				       "%s: key %s has no key", path,
				       source->keys[i].name);
	}
	source->pass_cache_key = cache_key_of(source, &source->pass_templates);
	source->user_cache_key = cache_key_of(source, &source->user_templates);
	if (check_objects(source, source->set.passdb_objects, err) < 0 ||
	    check_objects(source, source->set.userdb_objects, err) < 0 ||
	    dict_open(source, source->set.uri, base_dir, &source->dict, err) <
		    0)
		return err_wrap(err, "%s", path);
	*out = source;
	return 0;
}

/* 1: *out is its value; 0: it is not there. */
static int look_up(struct source *source, struct request *request,
		   const struct dict_key *key, const char **out,
		   struct err *err)
{
	const struct vars_escape escape = {dict_escape, NULL};
	const char *path = request_expand_escaped(request, key->key, &escape);
	int found;

	if (path == NULL)
		return err_set(err, ERR_INVALID, "broken key");
	path = mem_printf(request, "shared/%s", path);
	found = dict_lookup(source->dict, request, path, out, err);
	request_log(request, LOG_LEVEL_DEBUG, "Lookup: %s = %s", path,
		    found > 0 ? "<found>" : "<not found>");
	if (found == 0 && key->preset != NULL) {
		*out = key->preset;
		return 1;
	}
	return found;
}

/* What is behind the keys, as variables for the templates. */
static int add_variables(struct request *request, const struct dict_key *key,
			 const char *value, struct err *err)
{
	char *prefix = mem_printf(request, "dict:%s", key->name);

	if (!key->is_json) {
		fields_set(&request->more_vars, prefix, value);
		return 0;
	}
	prefix = mem_printf(request, "%s.", prefix);
	return json_to_fields(str_of(value), prefix, &request->more_vars, err);
}

static bool is_used(const struct fields *templates, const char *name)
{
	char *variable = mem_printf(NULL, "dict:%s", name);
	bool used = false;

	for (size_t i = 0; i < templates->count; i++)
		used = used ||
		       strstr(templates->list[i].value, variable) != NULL;
	mem_free(variable);
	return used;
}

/* 1: *fields is what the user has; 0: there is no such user. */
static int ask(struct source *source, struct request *request,
	       const char *objects, const struct fields *templates,
	       struct fields *fields, struct err *err)
{
	for (size_t i = 0; i < source->key_count; i++) {
		const struct dict_key *key = &source->keys[i];
		bool is_object = str_has_word(objects, str_of(key->name));
		const char *value;
		int found;

		if (!is_object && !is_used(templates, key->name))
			continue;
		found = look_up(source, request, key, &value, err);
		if (found < 0)
			return -1;
		if (found == 0 && is_object)
			return 0;
		if (found > 0 &&
		    (add_variables(request, key, value, err) < 0 ||
		     (is_object &&
		      json_to_fields(str_of(value), "", fields, err) < 0)))
			return err_wrap(err, "key %s", key->name);
	}
	for (size_t i = 0; i < templates->count; i++) {
		const char *value =
			request_expand(request, templates->list[i].value);

		if (value == NULL)
			return err_set(err, ERR_INVALID, "broken field");
		if (*value != '\0')
			fields_set(fields, templates->list[i].key, value);
	}
	return 1;
}

/* passdb */

static int dict_passdb_open(struct passdb *db, struct err *err)
{
	struct source *source;

	/* Only workers, who have the rights, need all of it. */
	if (source_open(db, db->args, db->base_dir, &source, err) < 0)
		return err->code == ERR_DENIED ? 0 : -1;
	db->data = source;
	db->default_scheme = source->set.default_pass_scheme;
	db->cache_key = source->pass_cache_key;
	return 0;
}

static enum pass_result dict_pass_lookup(struct passdb *db,
					 struct request *request,
					 struct fields *fields,
					 const char **stored_out)
{
	struct source *source = db->data;
	struct err err;
	int found;

	found = source == NULL
			? source_open(db, db->args, db->base_dir, &source, &err)
			: 0;
	if (found == 0)
		found = ask(source, request, source->set.passdb_objects,
			    &source->pass_templates, fields, &err);
	if (found < 0) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return PASS_FAILURE;
	}
	if (found == 0) {
		request_log_unknown(request);
		return PASS_UNKNOWN_USER;
	}
	*stored_out = fields_get(fields, "password");
	fields_remove(fields, "password");
	return PASS_OK;
}

const struct passdb_driver passdb_dict = {
	.name = "dict",
	.blocking = true,
	.open = dict_passdb_open,
	.lookup = dict_pass_lookup,
};

/* userdb */

static int dict_userdb_open(struct userdb *db, struct err *err)
{
	struct source *source;

	if (source_open(db, db->args, db->base_dir, &source, err) < 0)
		return err->code == ERR_DENIED ? 0 : -1;
	db->data = source;
	db->cache_key = source->user_cache_key;
	return 0;
}

static enum user_result dict_user_lookup(struct userdb *db,
					 struct request *request,
					 struct fields *fields)
{
	struct fields found_fields = fields_init(request);
	struct source *source = db->data;
	struct err err;
	int found;

	found = source == NULL
			? source_open(db, db->args, db->base_dir, &source, &err)
			: 0;
	if (found == 0)
		found = ask(source, request, source->set.userdb_objects,
			    &source->user_templates, &found_fields, &err);
	if (found < 0) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return USER_FAILURE;
	}
	if (found == 0) {
		request_log_unknown(request);
		return USER_NOT_FOUND;
	}
	for (size_t i = 0; i < found_fields.count; i++) {
		if (!userdb_set_field(request, fields, found_fields.list[i].key,
				      found_fields.list[i].value))
			return USER_FAILURE;
	}
	return USER_OK;
}

struct listing {
	userdb_list_fn *fn;
	void *ctx;
};

static void list_key(void *ctx, const char *name)
{
	struct listing *listing = ctx;

	listing->fn(listing->ctx, name);
}

static int dict_list(struct userdb *db, struct request *request,
		     userdb_list_fn *fn, void *ctx, struct userdb_place *,
		     struct err *err)
{
	struct listing listing = {fn, ctx};
	struct source *source = db->data;
	char *prefix;

	if (source == NULL &&
	    source_open(db, db->args, db->base_dir, &source, err) < 0)
		return -1;
	if (source->set.iterate_prefix == NULL ||
	    conf_ext_bool(source->set.iterate_disable))
		return err_set(err, ERR_UNSUPPORTED,
			       "dict: iterate_prefix is not set");
	prefix = mem_printf(request, "shared/%s", source->set.iterate_prefix);
	return dict_each(source->dict, prefix, list_key, &listing, err);
}

const struct userdb_driver userdb_dict = {
	.name = "dict",
	.blocking = true,
	.open = dict_userdb_open,
	.lookup = dict_user_lookup,
	.list = dict_list,
};
