/* SPDX-License-Identifier: MIT */
#include "scripts/location.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "scripts/scripts.h"
#include "service/dict.h"
#include "service/program.h"
#include "sieve/sieve.h"
#include "storage/user.h"

enum { SOURCE_MAX = 4 * 1024 * 1024, LDAP_WAIT_MS = 30 * 1000 };

/* what a setting says */

int script_path_expand(const void *ctx, const struct scripts *scripts,
		       const char *what, const char *path, const char **out,
		       struct err *err)
{
	*out = scripts_expand(ctx, scripts, path);
	if (*out != NULL || path[0] == '\0')
		return 0;
	return err_set(err, ERR_TEMPORARY,
		       "sieve: file storage: Sieve storage %s `%s' is relative "
		       "to home directory, but home directory is not "
		       "available.",
		       what, path);
}

static int take_option(const void *ctx, const struct scripts *scripts,
		       struct str part, struct script_location *out,
		       struct err *err)
{
	struct str name, value = part;
	const char *text;

	str_split(&value, '=', &name);
	text = value.data == NULL ? "" : str_dup(ctx, value);
	if (str_case_is(name, "active"))
		return script_path_expand(ctx, scripts, "active script path",
					  text, &out->active, err);
	if (str_case_is(name, "bindir"))
		return script_path_expand(ctx, scripts, "bindir", text,
					  &out->bindir, err);
	if (str_case_is(name, "name"))
		out->name = text;
	else if (str_case_is(name, "user"))
		out->user = text;
	else if (name.len > 0)
		return err_set(err, ERR_INVALID,
			       "sieve: Unknown option of a script location: "
			       "%.*s",
			       STR_FMT(name));
	return 0;
}

int script_location_parse(const void *ctx, const struct scripts *scripts,
			  const char *text, struct script_location *out,
			  struct err *err)
{
	struct str rest = str_of(text), part;
	ptrdiff_t colon = str_find_char(rest, ':');
	const char *path;

	*out = (struct script_location){
		.ldap = str_case_starts(rest, "ldap:"),
	};
	out->remote = out->ldap || str_case_starts(rest, "dict:");
	if (out->remote || str_case_starts(rest, "file:"))
		rest = str_from(rest, 5);
	else if (colon > 0 && memchr(text, '/', (size_t)colon) == NULL &&
		 text[0] != '~')
		return err_set(err, ERR_UNSUPPORTED,
			       "sieve: Unknown kind of script location: %s",
			       text);
	if (!str_split(&rest, ';', &part))
		part = STR("");
	path = str_dup(ctx, part);
	while (str_split(&rest, ';', &part)) {
		if (take_option(ctx, scripts, part, out, err) < 0)
			return -1;
	}
	if (!out->remote)
		return script_path_expand(ctx, scripts, "path", path,
					  &out->path, err);
	out->path = path;
	return 0;
}

const char *script_location_file(const void *ctx,
				 const struct script_location *location)
{
	return location->name == NULL || location->path == NULL
		       ? location->path
		       : mem_printf(ctx, "%s/%s.sieve", location->path,
				    location->name);
}

/* dictionaries */

static int open_dict(const void *ctx, const struct script_remote *remote,
		     struct dict **out, struct err *err)
{
	const struct script_location *location = remote->location;
	const struct user *user = remote->scripts->user;

	if (dict_open(ctx, location->path, user_base_dir(user), out, err) < 0)
		return -1;
	dict_set_user(*out, remote->user);
	return 0;
}

static const char *name_of(const struct script_location *location,
			   const char *name)
{
	if (name != NULL && name[0] != '\0')
		return name;
	return location->name != NULL && location->name[0] != '\0'
		       ? location->name
		       : "default";
}

/* Names and ids are one part of a key. */
static const char *key_of(const void *ctx, const char *what, const char *name)
{
	struct buf out = buf_init(64 * 1024);

	buf_printf(&out, "priv/sieve/%s/", what);
	dict_escape(NULL, str_of(name), &out);
	return buf_steal(ctx, &out);
}

/* 1: *id_out; 0; -1. */
static int find_in_dict(const void *ctx, const struct script_remote *remote,
			const char **id_out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "dict");
	struct dict *dict;

	if (open_dict(tmp, remote, &dict, err) < 0)
		return -1;
	return dict_lookup(dict, ctx, key_of(tmp, "name", remote->name), id_out,
			   err);
}

static int read_in_dict(const void *ctx, const struct script_remote *remote,
			const char **text_out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "dict");
	struct dict *dict;

	if (open_dict(tmp, remote, &dict, err) < 0)
		return -1;
	return dict_lookup(dict, ctx, key_of(tmp, "data", remote->id), text_out,
			   err);
}

/* LDAP */

/* One script has no other name than its location's. 1: the first line of what
 * service sieve-ldap says, and *text_out the rest. */
static int ask_ldap(const void *ctx, const struct script_remote *remote,
		    const char *how, const char **id_out, const char **text_out,
		    struct err *err)
{
	const struct scripts *scripts = remote->scripts;
	const char *user = remote->user, *own = name_of(remote->location, NULL);
	const char *const args[] = {how, remote->location->path, user, NULL};
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "ldap");
	CLEANUP(buf_free) struct buf text = buf_init(SOURCE_MAX);
	const struct program program = {
		.path = mem_printf(tmp, "%s/sieve-ldap",
				   user_base_dir(scripts->user)),
		.args = args,
		.timeout = {LDAP_WAIT_MS},
	};
	struct str rest, id;
	int status;

	if (strcmp(remote->name, own) != 0)
		return 0;
	if (program_script(&program, &text, &status, err) < 0)
		return err_wrap(err, "ldap");
	if (status != 0)
		return err_set(err, ERR_TEMPORARY,
			       "ldap: service sieve-ldap failed");
	rest = str_n(text.data, text.len);
	if (!str_split(&rest, '\n', &id) || id.len == 0)
		return 0;
	*id_out = str_dup(ctx, id);
	*text_out = rest.data == NULL ? "" : str_dup(ctx, rest);
	return 1;
}

/* all of them */

int script_remote_find(const void *ctx, const struct scripts *scripts,
		       const struct script_location *location, const char *name,
		       struct script_remote *out, struct err *err)
{
	const char *none;
	int found;

	*out = (struct script_remote){
		.scripts = scripts,
		.location = location,
		.name = mem_strdup(ctx, name_of(location, name)),
		.user = location->user != NULL ? location->user
					       : user_name(scripts->user),
	};
	if (!script_name_valid(str_of(out->name)))
		return err_set(err, ERR_INVALID, "invalid script name");
	found = location->ldap
			? ask_ldap(ctx, out, "find", &out->id, &none, err)
			: find_in_dict(ctx, out, &out->id, err);
	if (found <= 0)
		return found;
	/* What can't be the name of a file is no path that it depends on. */
	out->version =
		mem_printf(ctx, "=%s:%s;user=%s;name=%s;id=%s",
			   location->ldap ? "ldap" : "dict", location->path,
			   out->user, out->name, out->id);
	return 1;
}

int script_remote_read(const void *ctx, const struct script_remote *remote,
		       struct sieve_source *out, struct err *err)
{
	uint64_t max = sieve_engine_settings(remote->scripts->engine)
			       ->sieve_max_script_size;
	const char *text, *id;
	int found;

	found = remote->location->ldap
			? ask_ldap(ctx, remote, "read", &id, &text, err)
			: read_in_dict(ctx, remote, &text, err);
	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND,
			       "script %s: there is no data with its id %s",
			       remote->name, remote->id);
	if (max > 0 && strlen(text) > max)
		return err_set(err, ERR_LIMIT, "script %s is too large",
			       remote->name);
	*out = (struct sieve_source){
		.name = mem_strdup(ctx, remote->name),
		.path = mem_strdup(ctx, remote->version),
		.text = str_of(text),
	};
	return 0;
}

/* compiled */

static const char *binary_of(const void *ctx,
			     const struct script_remote *remote)
{
	const char *dir = remote->location->bindir;

	return dir == NULL ? NULL
			   : mem_printf(ctx, "%s/%s.svbin", dir, remote->name);
}

static bool open_binary(const void *ctx, const struct script_remote *remote,
			const char *binary, bool global,
			struct sieve_program **out)
{
	struct sieve_engine *engine = remote->scripts->engine;
	struct err ignored;

	if (binary == NULL ||
	    sieve_program_open(ctx, engine, binary, out, &ignored) < 0)
		return false;
	if (sieve_program_fits(*out, global) &&
	    sieve_program_current(*out) &&
	    strcmp(sieve_program_origin(*out), remote->version) == 0)
		return true;
	mem_free(*out);
	return false;
}

int script_remote_open(const void *ctx, const struct script_remote *remote,
		       bool global, const struct sieve_log *log,
		       struct sieve_program **out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "script");
	const char *binary = binary_of(tmp, remote);
	struct sieve_source source;
	struct err ignored;

	if (open_binary(ctx, remote, binary, global, out))
		return 0;
	if (script_remote_read(tmp, remote, &source, err) < 0) {
		if (err->code == ERR_LIMIT)
			log->line(log->ctx, LOG_LEVEL_ERROR, remote->name,
				  err->text);
		return -1;
	}
	source.global = global;
	if (sieve_compile(ctx, remote->scripts->engine, &source, log, out,
			  err) < 0)
		return -1;
	if (binary != NULL &&
	    dir_create(remote->location->bindir, 0700, &ignored) == 0)
		sieve_program_keep(*out, binary);
	return 0;
}
