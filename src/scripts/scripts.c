/* SPDX-License-Identifier: MIT */
/*
 * scripts/scripts.c - where they are: the location, what include finds.
 */
#include "scripts/scripts.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/config.h"
#include "scripts/location.h"
#include "sieve/sieve.h"
#include "storage/user.h"

enum { SUFFIX_LEN = sizeof(".sieve") - 1 };

const char *scripts_expand(const void *ctx, const struct scripts *scripts,
			   const char *path)
{
	const char *home = user_home(scripts->user);

	if (path[0] == '\0' || (home == NULL && path[0] != '/'))
		return NULL;
	return path_expand(ctx, path, home);
}

bool script_name_valid(struct str name)
{
	return name.len <= NAME_MAX - SUFFIX_LEN && utf8_is_name(name);
}

/* for the engine */

static const char *get_setting(void *ctx, const char *name)
{
	struct scripts *scripts = ctx;
	const struct scripts_options *options = scripts->options;
	const char *value = NULL;

	if (options != NULL && options->setting != NULL)
		value = options->setting(options->ctx, name);
	if (value != NULL)
		return value;
	if (strcmp(name, "recipient_delimiter") == 0)
		return scripts->recipient_delimiter;
	return user_plugin(scripts, scripts->user, name);
}

bool scripts_are_missing(const struct scripts *scripts)
{
	struct stat st;

	return scripts->needs_dir &&
	       (scripts->dir == NULL || stat(scripts->dir, &st) < 0);
}

int scripts_path(const void *ctx, const struct scripts *scripts, bool global,
		 struct str name, const char **out, struct err *err)
{
	const char *dir = global ? scripts->global_dir : scripts->dir;

	if (!script_name_valid(name))
		return err_set(err, ERR_INVALID, "invalid script name");
	if (dir == NULL)
		return err_set(err, ERR_NOT_FOUND, "%s scripts are nowhere",
			       global ? "global" : "personal");
	*out = mem_printf(ctx, "%s/%.*s.sieve", dir, STR_FMT(name));
	return 0;
}

static int remote_source(const void *ctx, const struct scripts *scripts,
			 const struct script_location *location,
			 struct str name, struct sieve_source *out,
			 struct err *err)
{
	struct script_remote remote;
	int found = script_remote_find(ctx, scripts, location,
				       str_dup(ctx, name), &remote, err);

	if (found == 0) {
		out->path = "=";
		return err_set(err, ERR_NOT_FOUND, "script %.*s is not there",
			       STR_FMT(name));
	}
	return found < 0 ? -1 : script_remote_read(ctx, &remote, out, err);
}

/* Its texts are children of ctx. */
static int source_of(const void *ctx, const struct scripts *scripts,
		     bool global, struct str name, struct sieve_source *out,
		     struct err *err)
{
	const struct script_location *remote =
		global ? scripts->remote_global : scripts->remote;
	const char *path;

	if (remote != NULL)
		return remote_source(ctx, scripts, remote, name, out, err);
	if (scripts_path(ctx, scripts, global, name, &path, err) < 0)
		return -1;
	return sieve_source_read(ctx, scripts->engine, path, out, err);
}

static int include(void *ctx, const void *mem, const char *location,
		   struct str name, struct sieve_source *out, struct err *err)
{
	struct scripts *scripts = ctx;
	bool global = strcmp(location, "global") == 0;

	if (source_of(mem, scripts, global, name, out, err) < 0)
		return -1;
	out->global = global;
	return 0;
}

static int include_path(void *ctx, const void *mem, const char *location,
			struct str name, const char **out, struct err *err)
{
	const struct scripts *scripts = ctx;
	bool global = strcmp(location, "global") == 0;

	if ((global ? scripts->remote_global : scripts->remote) != NULL)
		return err_set(err, ERR_NOT_FOUND, "%s scripts are no files",
			       location);
	return scripts_path(mem, scripts, global, name, out, err);
}

/* the location */

/* Whether `path` is one script rather than a directory, which need not be there
 * yet. */
static bool is_script(const struct scripts *scripts, const char *path)
{
	size_t len = strlen(path);
	struct stat st;

	if (stat(path, &st) == 0)
		return !S_ISDIR(st.st_mode);
	return (len > SUFFIX_LEN &&
		strcmp(path + len - SUFFIX_LEN, ".sieve") == 0) ||
	       user_plugin(scripts, scripts->user, "sieve_dir") != NULL;
}

/* What needs a home that there is not is no error yet. */
static int keep_why(struct scripts *scripts, const char **out,
		    const struct err *err)
{
	if (err->code != ERR_TEMPORARY)
		return -1;
	*out = mem_strdup(scripts, err->text);
	return 0;
}

static int parse(struct scripts *scripts, const char *text,
		 struct script_location **out, const char **unreachable_out,
		 struct err *err)
{
	*out = mem_new(scripts, struct script_location);
	if (script_location_parse(scripts, scripts, text, *out, err) == 0)
		return 0;
	return keep_why(scripts, unreachable_out, err);
}

/* Where it is if nothing says so. */
static int find_active(struct scripts *scripts, struct err *err)
{
	if (script_path_expand(scripts, scripts, "active script path",
			       "~/.dovecot.sieve", &scripts->active, err) == 0)
		return 0;
	return keep_why(scripts, &scripts->unreachable, err);
}

static int find_own(struct scripts *scripts, struct err *err)
{
	static const char usual[] = "file:~/sieve;active=~/.dovecot.sieve";
	const char *text = scripts->set.sieve, **why = &scripts->unreachable;
	struct script_location *own;

	scripts->needs_dir = text[0] == '\0';
	if (scripts->needs_dir)
		return 0;
	if (parse(scripts, text, &own, why, err) < 0)
		return -1;
	/* "file:": as if nobody had set it. */
	if (own->path == NULL && *why == NULL &&
	    parse(scripts, usual, &own, why, err) < 0)
		return -1;
	if (*why != NULL)
		return 0;
	if (own->remote) {
		scripts->remote = own;
		return 0;
	}
	scripts->dir = own->path;
	scripts->bindir = own->bindir;
	if (own->active != NULL) {
		scripts->active = own->active;
	} else if (own->name != NULL) {
		scripts->active = script_location_file(scripts, own);
	} else if (is_script(scripts, own->path)) {
		scripts->active = own->path;
		scripts->dir = scripts_expand(scripts, scripts,
					      scripts->set.sieve_dir);
	} else {
		scripts->needs_dir = true;
		return find_active(scripts, err);
	}
	return 0;
}

static const char *first_of(const char *name, const char *older)
{
	return name[0] == '\0' ? older : name;
}

static int find(struct scripts *scripts, struct err *err)
{
	const struct scripts_settings *set = &scripts->set;
	struct script_location *fallback, *global;
	const char *nowhere = NULL; /* an include tells so */

	if (find_own(scripts, err) < 0 ||
	    parse(scripts, first_of(set->sieve_default, set->sieve_global_path),
		  &fallback, &scripts->fallback_unreachable, err) < 0 ||
	    parse(scripts, first_of(set->sieve_global, set->sieve_global_dir),
		  &global, &nowhere, err) < 0)
		return -1;
	if (fallback->remote)
		scripts->remote_fallback = fallback;
	else
		scripts->fallback = script_location_file(scripts, fallback);
	scripts->fallback_bindir = fallback->bindir;
	if (global->remote)
		scripts->remote_global = global;
	else
		scripts->global_dir = global->path;
	return 0;
}

const struct scripts_options *scripts_upload_options(struct user *user)
{
	static const struct scripts_options events = {
		.extra = sieve_imap_extensions,
	};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "options");
	const char *url = user_plugin(ctx, user, "imapsieve_url");

	return url != NULL && url[0] != '\0' ? &events : NULL;
}

int scripts_new(const void *ctx, struct user *user,
		const char *recipient_delimiter,
		const struct scripts_options *options, struct scripts **out,
		struct err *err)
{
	struct scripts *scripts = mem_new(ctx, struct scripts);
	const struct sieve_engine_options engine = {
		.setting = get_setting,
		.script = include,
		.script_path = include_path,
		.ctx = scripts,
		.extra = options == NULL ? NULL : options->extra,
		.no_envelope = options != NULL && options->no_envelope,
	};

	scripts->user = user;
	scripts->options = options;
	scripts->recipient_delimiter = recipient_delimiter;
	config_read_tolerant(scripts, get_setting, scripts, scripts_settings,
			     &scripts->set, "sieve");
	scripts->engine = sieve_engine_new(scripts, &engine);
	if (find(scripts, err) < 0) {
		mem_free(scripts);
		return -1;
	}
	*out = scripts;
	return 0;
}
