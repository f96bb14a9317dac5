/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve_scripts.c - which scripts a delivery runs: sieve_before,
 * sieve_before2..., the user's active one or sieve_default, sieve_after,
 * sieve_after2...
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "scripts/location.h"
#include "scripts/scripts.h"
#include "storage/user.h"

enum { NUMBERED_MAX = 100, USER_LOG_MAX = 10 * 1024, LINE_MAX_SIZE = 4096 };

/* the user's own */

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether there is one; ERR for anything but its absence. A link to itself is
 * none, and no mail has to wait for it. */
static int script_exists(const char *path, bool *exists_out, struct err *err)
{
	struct stat st;

	*exists_out = stat(path, &st) == 0;
	if (*exists_out || errno == ENOENT || errno == ENOTDIR ||
	    errno == ELOOP)
		return 0;
	return err_sys(err, "stat(%s)", path);
}

/* Who thinks that his script runs. */
static void warn_of_dangling(const char *path)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "link");
	char to[LINE_MAX_SIZE];
	ssize_t len = readlink(path, to, sizeof(to));

	if (len > 0)
		log_warning("sieve: file storage: Active sieve script symlink "
			    "%s points to non-existent script (points to %s).",
			    path,
			    str_sanitize(ctx, str_n(to, (size_t)len),
					 LINE_MAX_SIZE));
}

void lda_script_add(const void *ctx, struct lda_script ***end, const char *path,
		    bool global)
{
	struct lda_script *script = mem_new(ctx, struct lda_script);

	script->path = mem_strdup(script, path);
	script->global = global;
	**end = script;
	*end = &script->next;
}

static void add_remote(const void *ctx, struct lda_script ***end,
		       const struct script_location *location, const char *name,
		       bool global)
{
	struct lda_script *script = mem_new(ctx, struct lda_script);
	const char *shown = name != NULL ? name : location->name;

	script->path = mem_printf(
		script, "%s:%s;name=%s", location->ldap ? "ldap" : "dict",
		location->path, shown != NULL ? shown : "default");
	script->location = location;
	script->name = name;
	script->global = global;
	**end = script;
	*end = &script->next;
}

static int is_there(const void *ctx, const struct scripts *scripts,
		    const struct script_location *location, const char *path,
		    bool *there_out, struct err *err)
{
	struct script_remote remote;
	int found;

	*there_out = false;
	if (location == NULL)
		return path == NULL ? 0 : script_exists(path, there_out, err);
	found = script_remote_find(ctx, scripts, location, NULL, &remote, err);
	*there_out = found > 0;
	return found < 0 ? -1 : 0;
}

static void add_file(const void *ctx, struct lda_script ***end,
		     const char *path, const char *bindir, bool global)
{
	struct lda_script **script = *end;

	lda_script_add(ctx, end, path, global);
	(*script)->bindir = bindir;
}

static int add_if_there(const void *ctx, const struct scripts *scripts,
			struct lda_script ***end,
			const struct script_location *location,
			const char *path, bool global, bool *there_out,
			struct err *err)
{
	if (is_there(ctx, scripts, location, path, there_out, err) < 0)
		return -1;
	if (*there_out && location != NULL)
		add_remote(ctx, end, location, NULL, global);
	else if (*there_out)
		add_file(ctx, end, path,
			 global ? scripts->fallback_bindir : scripts->bindir,
			 global);
	else if (location == NULL && path != NULL && !global)
		warn_of_dangling(path);
	return 0;
}

/* Not even looked for, while who has no home may have scripts elsewhere. */
static int check_reachable(const char *why, struct err *err)
{
	if (why == NULL)
		return 0;
	log_error("%s", why);
	return err_set(err, ERR_TEMPORARY,
		       "Failed to access user's personal storage (temporary "
		       "failure)");
}

static int add_personal(const void *ctx, const struct scripts *scripts,
			struct lda_script ***end, struct err *err)
{
	bool missing = scripts_are_missing(scripts), there = false;

	if (check_reachable(scripts->unreachable, err) < 0)
		return -1;
	if (!missing && add_if_there(ctx, scripts, end, scripts->remote,
				     scripts->active, false, &there, err) < 0)
		return -1;
	if (there ||
	    (scripts->remote == NULL && scripts->active == NULL && !missing))
		return 0;
	if (check_reachable(scripts->fallback_unreachable, err) < 0)
		return -1;
	return add_if_there(ctx, scripts, end, scripts->remote_fallback,
			    scripts->fallback, true, &there, err);
}

int lda_script_personal(const void *ctx, struct lda_sieve *sieve,
			struct lda_script **out, struct err *err)
{
	struct lda_script **end = out;

	*out = NULL;
	return add_personal(ctx, sieve->scripts, &end, err);
}

int lda_script_named(const void *ctx, struct lda_sieve *sieve, bool global,
		     struct str name, struct lda_script **out, struct err *err)
{
	const struct scripts *scripts = sieve->scripts;
	const struct script_location *location =
		global ? scripts->remote_global : scripts->remote;
	struct lda_script **end = out;
	struct script_remote remote;
	const char *path;
	bool exists;
	int found;

	*out = NULL;
	if (location != NULL) {
		path = str_dup(ctx, name);
		add_remote(ctx, &end, location, path, global);
		found = script_remote_find(ctx, scripts, location, path,
					   &remote, err);
		if (found < 0)
			return -1;
		exists = found > 0;
	} else if (scripts_path(ctx, scripts, global, name, &path, err) < 0 ||
		   script_exists(path, &exists, err) < 0) {
		return -1;
	} else if (exists) {
		add_file(ctx, &end, path, global ? NULL : scripts->bindir,
			 global);
	}
	return exists ? 0
		      : err_set(err, ERR_NOT_FOUND, "%s is not there", path);
}

/* the administrator's */

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static void add_dir(const void *ctx, struct lda_script ***end, const char *path,
		    const char *bindir)
{
	glob_t found;

	if (faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) < 0)
		log_error("sieve: file storage: Failed to open sieve sequence: "
			  "open(%s): %s",
			  path, strerror(errno));
	if (glob(mem_printf(ctx, "%s/*.sieve", path), 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		if (is_file(found.gl_pathv[i]))
			add_file(ctx, end, found.gl_pathv[i], bindir, true);
	}
	globfree(&found);
}

/* One script, or all of a directory in the order of their names. As Pigeonhole:
 * a script that is not there is none, nor is what is no file. */
static void add_files(const void *ctx, struct lda_script ***end,
		      const struct script_location *location)
{
	const char *path = script_location_file(ctx, location);

	if (path == NULL)
		return;
	if (is_dir(path))
		add_dir(ctx, end, path, location->bindir);
	else if (access(path, F_OK) == 0)
		add_file(ctx, end, path, location->bindir, true);
	else if (errno != ENOENT && errno != ENOTDIR)
		log_error("sieve: file storage: Failed to open sieve sequence: "
			  "stat(%s): %s",
			  path, strerror(errno));
}

int lda_script_add_global(const void *ctx, struct lda_sieve *sieve,
			  struct lda_script ***end, const char *text)
{
	struct script_location *location = mem_new(ctx, struct script_location);
	struct err err;

	if (script_location_parse(location, sieve->scripts, text, location,
				  &err) < 0) {
		log_error("%s", err.text);
		return -1;
	}
	if (location->remote)
		add_remote(ctx, end, location, NULL, true);
	else
		add_files(ctx, end, location);
	return 0;
}

/* "sieve_before", "sieve_before2"... */
static const char *const *numbered(struct lda_sieve *sieve, const char *name)
{
	const char **list = mem_array(sieve, const char *, NUMBERED_MAX);
	size_t count = 0;

	for (unsigned n = 1; n < NUMBERED_MAX; n++) {
		const char *key =
			n == 1 ? name : mem_printf(list, "%s%u", name, n);
		const char *value = user_plugin(list, sieve->user, key);

		if (value == NULL && n > 1)
			break;
		if (value != NULL && value[0] != '\0')
			list[count++] = value;
	}
	return list;
}

static int add_all(const void *ctx, struct lda_sieve *sieve,
		   struct lda_script ***end, const char *const *locations,
		   struct err *err)
{
	for (; *locations != NULL; locations++) {
		if (lda_script_add_global(ctx, sieve, end, *locations) < 0)
			return err_set(err, ERR_TEMPORARY,
				       "Can't find scripts at %s", *locations);
	}
	return 0;
}

int lda_sieve_scripts(const void *ctx, struct lda_sieve *sieve,
		      struct lda_script **out, struct err *err)
{
	struct lda_script *list = NULL, **end = &list;

	if (add_all(ctx, sieve, &end, sieve->before, err) < 0)
		return -1;
	if (add_personal(ctx, sieve->scripts, &end, err) < 0) {
		log_error("sieve: %s", err->text);
		return -1;
	}
	if (add_all(ctx, sieve, &end, sieve->after, err) < 0)
		return -1;
	*out = list;
	return 0;
}

/* the user's log */

static const char *log_path(struct lda_sieve *sieve)
{
	const struct scripts *scripts = sieve->scripts;
	const char *path;

	if (scripts->set.sieve_user_log[0] != '\0')
		return scripts_expand(sieve, scripts,
				      scripts->set.sieve_user_log);
	path = scripts->active;
	if (path == NULL && scripts->remote != NULL)
		path = scripts_expand(sieve, scripts, "~/.dovecot.sieve");
	return path == NULL ? NULL : mem_printf(sieve, "%s.log", path);
}

static void begin_log(struct lda_sieve *sieve, int fd, struct buf *out)
{
	char when[64];
	time_t now = time(NULL);
	struct tm tm;

	(void)fd;
	if (sieve->log_begun)
		return;
	sieve->log_begun = true;
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %z",
		 localtime_r(&now, &tm));
	buf_printf(out, "sieve: info: started log at %s.\n", when);
}

static void rotate(const char *path)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_size > USER_LOG_MAX)
		rename(path, mem_printf(ctx, "%s.0", path));
}

void lda_sieve_user_log(void *ctx, enum log_level level, const char *where,
			const char *text)
{
	static const char *const names[] = {"debug", "info",  "warning",
					    "error", "error", "error"};
	struct lda_sieve *sieve = ctx;
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "log");
	CLEANUP(buf_free) struct buf line = buf_init(2 * LINE_MAX_SIZE);
	CLEANUP(fd_close) int fd = -1;
	struct err err;

	if (sieve->listener != NULL) {
		sieve->listener->line(sieve->listener->ctx, level, where, text);
		return;
	}
	if (sieve->log_path == NULL) {
		lda_sieve_server_log(ctx, level, where, text);
		return;
	}
	if (!sieve->log_begun)
		rotate(sieve->log_path);
	fd = open(sieve->log_path,
		  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
			  O_NONBLOCK,
		  0600);
	if (fd < 0) {
		log_warning("sieve: open(%s): %s", sieve->log_path,
			    strerror(errno));
		lda_sieve_server_log(ctx, level, where, text);
		return;
	}
	begin_log(sieve, fd, &line);
	buf_printf(&line, "%s%s%s: %s.\n", where, where[0] == '\0' ? "" : ": ",
		   names[level],
		   str_sanitize(tmp, str_of(text), LINE_MAX_SIZE));
	if (file_write_all(fd, line.data, line.len, sieve->log_path, &err) < 0)
		log_warning("sieve: %s", err.text);
}

void lda_sieve_server_log(void *ctx, enum log_level level, const char *where,
			  const char *text)
{
	const struct sieve_log *listener = ((struct lda_sieve *)ctx)->listener;

	if (listener != NULL)
		listener->line(listener->ctx, level, where, text);
	else
		log_line(level, "sieve: %s: %s", where, text);
}

/* programs */

/* From an earlier delivery, if the script is still the same: `version` is that
 * of a remote one. */
static struct sieve_program *known_program(struct lda_sieve *sieve,
					   const struct lda_script *script,
					   const char *version)
{
	struct lda_script *at;

	LL_FOREACH (sieve->programs, at) {
		if (strcmp(at->path, script->path) != 0)
			continue;
		if (sieve_program_current(at->program) &&
		    (version == NULL ||
		     strcmp(sieve_program_origin(at->program), version) == 0))
			return at->program;
		LL_DELETE(sieve->programs, at);
		mem_free(at);
		return NULL;
	}
	return NULL;
}

static void keep_program(struct lda_sieve *sieve,
			 const struct lda_script *script)
{
	struct lda_script *known = mem_new(sieve, struct lda_script);

	known->path = mem_strdup(known, script->path);
	known->program = mem_steal(known, script->program);
	LL_PREPEND(sieve->programs, known);
}

/* 1: it is opened, and new; 0: nothing more is to be done; -1. */
static int open_remote(struct lda_sieve *sieve, struct lda_script *script,
		       const struct sieve_log *log, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remote");
	struct script_remote remote;
	int found = script_remote_find(ctx, sieve->scripts, script->location,
				       script->name, &remote, err);

	script->missing = found == 0;
	if (found <= 0)
		return found;
	script->program = known_program(sieve, script, remote.version);
	if (script->program != NULL)
		return 0;
	return script_remote_open(sieve, &remote, script->global, log,
				  &script->program, err) < 0
		       ? -1
		       : 1;
}

static int open_file(struct lda_sieve *sieve, struct lda_script *script,
		     const struct sieve_log *log, struct err *err)
{
	script->program = known_program(sieve, script, NULL);
	if (script->program != NULL)
		return 0;
	return sieve_script_open(sieve, sieve->engine, script->path,
				 script->bindir, script->global, log,
				 &script->program, err) < 0
		       ? -1
		       : 1;
}

/* Why it could not be opened; -1 for what may be better later. */
static int cant_open(const struct lda_sieve *sieve,
		     const struct lda_script *script, const struct err *err)
{
	switch (err->code) {
	case ERR_NOT_FOUND:
		log_error("sieve: %s", err->text);
		return 0;
	case ERR_INVALID:
	case ERR_LIMIT:
	case ERR_UNSUPPORTED:
	case ERR_CORRUPT:
		break;
	default:
		return -1;
	}
	if (script->global)
		log_error("sieve: Failed to compile script `%s'", script->path);
	else
		log_info("sieve: Failed to compile script `%s' (view user "
			 "logfile `%s' for more information)",
			 script->path,
			 sieve->log_path == NULL ? "" : sieve->log_path);
	return 0;
}

int lda_script_open(struct lda_sieve *sieve, struct lda_script *script,
		    struct err *err)
{
	const struct sieve_log log = {
		.line = script->global ? lda_sieve_server_log
				       : lda_sieve_user_log,
		.ctx = sieve,
	};
	int opened;

	if (script->program != NULL)
		return 0;
	opened = script->location != NULL
			 ? open_remote(sieve, script, &log, err)
			 : open_file(sieve, script, &log, err);
	if (opened > 0)
		keep_program(sieve, script);
	if (opened >= 0)
		return 0;
	script->program = NULL;
	return cant_open(sieve, script, err);
}

static const char *plugin_setting(void *ctx, const char *name)
{
	struct lda_sieve *sieve = ctx;
	const struct scripts_options *options = sieve->scripts->options;
	const char *value = NULL;

	if (options != NULL && options->setting != NULL)
		value = options->setting(options->ctx, name);
	return value != NULL ? value : user_plugin(sieve, sieve->user, name);
}

int lda_sieve_new(const void *ctx, struct user *user,
		  const struct lda_settings *set,
		  const struct scripts_options *options, struct lda_sieve **out,
		  struct err *err)
{
	struct lda_sieve *sieve = mem_new(ctx, struct lda_sieve);

	sieve->user = user;
	sieve->lda = set;
	if (scripts_new(sieve, user, set->recipient_delimiter, options,
			&sieve->scripts, err) < 0) {
		mem_free(sieve);
		return -1;
	}
	config_read_tolerant(sieve, plugin_setting, sieve, lda_plugin_settings,
			     &sieve->set, "sieve");
	sieve->before = numbered(sieve, "sieve_before");
	sieve->after = numbered(sieve, "sieve_after");
	sieve->engine = sieve->scripts->engine;
	sieve->log_path = log_path(sieve);
	sieve->dupes_path = mem_printf(sieve, "%s/.dovetail.lda-dupes",
				       user_state_dir(user));
	*out = sieve;
	return 0;
}

bool lda_sieve_wanted(const struct user *user,
		      const struct mail_settings *common)
{
	return str_has_item(user_settings(user)->mail_plugins, STR("sieve")) ||
	       str_has_item(common->mail_plugins, STR("sieve"));
}
