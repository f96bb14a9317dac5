/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve_scripts.c - where a user's scripts are (Dovecot 2.3's plugin
 * settings): sieve_before, sieve_before2..., the user's active one or
 * sieve_default, sieve_after, sieve_after2...
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
#include "storage/user.h"

enum { NUMBERED_MAX = 100, USER_LOG_MAX = 10 * 1024, LINE_MAX_SIZE = 4096 };

/* settings */

static const char *get_setting(void *ctx, const char *name)
{
	struct lda_sieve *sieve = ctx;

	if (strcmp(name, "recipient_delimiter") == 0)
		return sieve->lda->recipient_delimiter;
	return user_plugin(sieve, sieve->user, name);
}

static const char *expand(const void *ctx, const struct lda_sieve *sieve,
			  const char *path)
{
	return path[0] == '\0' ? NULL
			       : path_expand(ctx, path, user_home(sieve->user));
}

/* include */

static int include(void *ctx, const void *mem, const char *location,
		   struct str name, struct sieve_source *out, struct err *err)
{
	struct lda_sieve *sieve = ctx;
	bool global = strcmp(location, "global") == 0;
	const char *dir = global ? sieve->global_dir : sieve->dir;

	if (name.len == 0 || name.data[0] == '.' ||
	    str_find_char(name, '/') >= 0 || str_find_char(name, '\0') >= 0)
		return err_set(err, ERR_INVALID, "invalid script name");
	if (dir == NULL)
		return err_set(err, ERR_NOT_FOUND, "%s scripts are nowhere",
			       location);
	if (sieve_source_read(
		    mem, sieve->engine,
		    mem_printf(mem, "%s/%.*s.sieve", dir, STR_FMT(name)), out,
		    err) < 0)
		return -1;
	out->global = global;
	return 0;
}

/* the user's own */

struct location {
	const char *path, *active;
};

/* "file:~/sieve;active=~/.dovecot.sieve" */
static int parse_location(const void *ctx, const struct lda_sieve *sieve,
			  struct location *out, struct err *err)
{
	const char *text = sieve->set.sieve, *active = NULL;
	struct str rest = str_of(text), part;

	if (str_case_starts(rest, "file:"))
		rest = str_from(rest, 5);
	else if (str_find_char(rest, ':') > 0 && text[0] != '/' &&
		 text[0] != '~')
		return err_set(err, ERR_UNSUPPORTED,
			       "sieve: Unknown kind of script location: %s",
			       text);
	str_split(&rest, ';', &part);
	out->path = expand(ctx, sieve, str_dup(ctx, part));
	while (str_split(&rest, ';', &part)) {
		if (str_case_starts(part, "active="))
			active = expand(ctx, sieve,
					str_dup(ctx, str_from(part, 7)));
	}
	out->active = active != NULL ? active
				     : expand(ctx, sieve, "~/.dovecot.sieve");
	return out->path != NULL
		       ? 0
		       : err_set(err, ERR_INVALID,
				 "sieve: no path in its location: %s", text);
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether there is one; ERR for anything but its absence. */
static int script_exists(const char *path, bool *exists_out, struct err *err)
{
	struct stat st;

	*exists_out = stat(path, &st) == 0;
	if (*exists_out || errno == ENOENT || errno == ENOTDIR)
		return 0;
	return err_sys(err, "stat(%s)", path);
}

static void add(const void *ctx, struct lda_script ***end, const char *path,
		bool global)
{
	struct lda_script *script = mem_new(ctx, struct lda_script);

	script->path = mem_strdup(script, path);
	script->global = global;
	**end = script;
	*end = &script->next;
}

static int add_personal(const void *ctx, struct lda_sieve *sieve,
			struct lda_script ***end, struct err *err)
{
	const char *other = sieve->set.sieve_default;
	struct location location;
	const char *path;
	bool exists;

	if (parse_location(ctx, sieve, &location, err) < 0)
		return -1;
	/* One script, or a directory that need not be there yet. */
	path = location.path;
	if (strstr(sieve->set.sieve, "active=") != NULL || is_dir(path))
		path = location.active;
	if (user_home(sieve->user) == NULL && path[0] != '/')
		return 0;
	if (script_exists(path, &exists, err) < 0)
		return -1;
	if (exists) {
		add(ctx, end, path, false);
		return 0;
	}
	if (other[0] == '\0')
		other = sieve->set.sieve_global_path;
	path = expand(ctx, sieve, other);
	if (path != NULL && access(path, F_OK) == 0)
		add(ctx, end, path, true);
	return 0;
}

/* the administrator's */

/* One script, or all of a directory in the order of their names. */
static void add_global(const void *ctx, struct lda_sieve *sieve,
		       struct lda_script ***end, const char *text)
{
	const char *path;
	glob_t found;

	if (str_case_starts(str_of(text), "file:"))
		text += 5;
	path = expand(ctx, sieve, mem_strndup(ctx, text, strcspn(text, ";")));
	if (path == NULL)
		return;
	/* As Pigeonhole: a script that is not there is none. */
	if (!is_dir(path)) {
		if (access(path, F_OK) == 0)
			add(ctx, end, path, true);
		return;
	}
	if (glob(mem_printf(ctx, "%s/*.sieve", path), 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		add(ctx, end, found.gl_pathv[i], true);
	globfree(&found);
}

/* "sieve_before", "sieve_before2"... */
static void add_numbered(const void *ctx, struct lda_sieve *sieve,
			 struct lda_script ***end, const char *name)
{
	for (unsigned n = 1; n < NUMBERED_MAX; n++) {
		const char *key =
			n == 1 ? name : mem_printf(ctx, "%s%u", name, n);
		const char *value = user_plugin(ctx, sieve->user, key);

		if (value == NULL && n > 1)
			return;
		if (value != NULL && value[0] != '\0')
			add_global(ctx, sieve, end, value);
	}
}

int lda_sieve_scripts(const void *ctx, struct lda_sieve *sieve,
		      struct lda_script **out, struct err *err)
{
	struct lda_script *list = NULL, **end = &list;

	add_numbered(ctx, sieve, &end, "sieve_before");
	if (add_personal(ctx, sieve, &end, err) < 0)
		return -1;
	add_numbered(ctx, sieve, &end, "sieve_after");
	*out = list;
	return 0;
}

/* the user's log */

static const char *log_path(struct lda_sieve *sieve)
{
	struct location location;
	struct err err;

	if (sieve->set.sieve_user_log[0] != '\0')
		return expand(sieve, sieve, sieve->set.sieve_user_log);
	if (user_home(sieve->user) == NULL ||
	    parse_location(sieve, sieve, &location, &err) < 0)
		return NULL;
	return mem_printf(sieve, "%s.log",
			  strstr(sieve->set.sieve, "active=") != NULL ||
					  is_dir(location.path)
				  ? location.active
				  : location.path);
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

	if (sieve->log_path == NULL)
		return;
	if (!sieve->log_begun)
		rotate(sieve->log_path);
	fd = open(sieve->log_path,
		  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		log_warning("sieve: open(%s): %s", sieve->log_path,
			    strerror(errno));
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
	(void)ctx;
	log_line(level, "sieve: %s: %s", where, text);
}

/* programs */

/* From an earlier delivery, if the script is still the same. */
static struct sieve_program *known_program(struct lda_sieve *sieve,
					   const struct lda_script *script)
{
	struct lda_script *at;

	LL_FOREACH (sieve->programs, at) {
		if (strcmp(at->path, script->path) != 0)
			continue;
		if (sieve_program_current(at->program))
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

int lda_script_open(struct lda_sieve *sieve, struct lda_script *script,
		    struct err *err)
{
	const struct sieve_log log = {
		.line = script->global ? lda_sieve_server_log
				       : lda_sieve_user_log,
		.ctx = sieve,
	};

	script->program = known_program(sieve, script);
	if (script->program != NULL)
		return 0;
	if (sieve_script_open(sieve, sieve->engine, script->path,
			      script->global, &log, &script->program,
			      err) == 0) {
		keep_program(sieve, script);
		return 0;
	}
	script->program = NULL;
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

int lda_sieve_new(const void *ctx, struct user *user,
		  const struct lda_settings *set, struct lda_sieve **out,
		  struct err *err)
{
	struct lda_sieve *sieve = mem_new(ctx, struct lda_sieve);
	const struct sieve_engine_options options = {
		.setting = get_setting,
		.script = include,
		.ctx = sieve,
	};
	struct location location;
	const char *global;

	sieve->user = user;
	sieve->lda = set;
	if (config_read_named(sieve, get_setting, sieve, lda_sieve_settings,
			      &sieve->set, err) < 0 ||
	    sieve_engine_new(sieve, &options, &sieve->engine, err) < 0 ||
	    parse_location(sieve, sieve, &location, err) < 0) {
		mem_free(sieve);
		return -1;
	}
	sieve->dir = is_dir(location.path)
			     ? location.path
			     : expand(sieve, sieve, sieve->set.sieve_dir);
	global = sieve->set.sieve_global[0] != '\0'
			 ? sieve->set.sieve_global
			 : sieve->set.sieve_global_dir;
	sieve->global_dir = expand(sieve, sieve, global);
	sieve->log_path = log_path(sieve);
	if (user_home(user) != NULL)
		sieve->dupes_path =
			expand(sieve, sieve, "~/.dovetail.lda-dupes");
	*out = sieve;
	return 0;
}

bool lda_sieve_wanted(const struct user *user)
{
	struct str rest = str_of(user_settings(user)->mail_plugins), word;

	while (str_word(&rest, &word)) {
		if (str_is(word, "sieve"))
			return true;
	}
	return false;
}
