/* SPDX-License-Identifier: MIT */
/*
 * storage/location.c - mail_location taken apart:
 * "maildir:~/Maildir:INDEX=...:LAYOUT=fs".
 */
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/vars.h"
#include "storage/core.h"

enum { LOCATION_MAX = 4096, LOCATION_OPTIONS_MAX = 16 };

static const struct driver *const drivers[] = {&maildir_driver};

static const struct driver *driver_find(struct str name)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (str_is(name, drivers[i]->name))
			return drivers[i];
	}
	return NULL;
}

/* The next piece up to a colon; "::" is one that belongs to the text, and those
 * inside %{...} do too. */
static bool next_piece(const void *ctx, const char **at, char **out)
{
	CLEANUP(buf_free) struct buf piece = buf_init(LOCATION_MAX);
	const char *p = *at;
	bool inside = false;

	if (p == NULL)
		return false;
	for (; *p != '\0'; p++) {
		if (p[0] == '%' && p[1] == '{')
			inside = true;
		else if (*p == '}')
			inside = false;
		if (*p == ':' && !inside) {
			if (p[1] != ':')
				break;
			p++;
		}
		buf_putc(&piece, *p);
	}
	*at = *p == ':' ? p + 1 : NULL;
	*out = buf_steal(ctx, &piece);
	return true;
}

/* Variables and "~/" of one path in it. */
static int expand_path(const void *ctx, const struct user *user,
		       const char *text, const char **out, struct err *err)
{
	char *path;

	if (vars_expand(ctx, text, user->vars, &path, err) < 0)
		return -1;
	if (user->home == NULL &&
	    (path[0] != '/' || vars_has(text, 'h', "home")))
		return err_set(err, ERR_INVALID,
			       "Home directory not set for user. Can't expand "
			       "%s",
			       text);
	*out = path_expand(ctx, path, user->home);
	return 0;
}

static int layout_set(const void *ctx, const char *value, struct location *out,
		      struct err *err)
{
	struct str layout = str_of(value);

	if (!str_case_is(layout, "maildir++") && !str_case_is(layout, "fs"))
		return err_set(err, ERR_INVALID,
			       "LAYOUT=%s is not known here (maildir++, fs)",
			       value);
	out->layout = str_lower(ctx, layout);
	return 0;
}

/* Where Dovecot keeps files that do not exist here. */
static bool option_without_use(struct str key)
{
	return str_is(key, "VOLATILEDIR") || str_is(key, "INDEXCACHE") ||
	       str_is(key, "LISTINDEX") || str_is(key, "ITERINDEX");
}

static int option_set(const void *ctx, const struct user *user,
		      const char *option, struct location *out, struct err *err)
{
	const char *equal = strchr(option, '=');
	const char *value = equal == NULL ? "" : equal + 1;
	struct str key = equal == NULL
				 ? str_of(option)
				 : str_n(option, (size_t)(equal - option));

	if (str_is(key, "INDEX") && strcmp(value, "MEMORY") == 0) {
		out->index_memory = true;
		return 0;
	}
	if (str_is(key, "INDEX"))
		return expand_path(ctx, user, value, &out->index, err);
	if (str_is(key, "CONTROL"))
		return expand_path(ctx, user, value, &out->control, err);
	if (str_is(key, "INBOX"))
		return expand_path(ctx, user, value, &out->inbox, err);
	if (str_is(key, "LAYOUT"))
		return layout_set(ctx, value, out, err);
	if (str_is(key, "SUBSCRIPTIONS") && value[0] != '\0' &&
	    strchr(value, '/') == NULL) {
		out->subscriptions = mem_strdup(ctx, value);
		return 0;
	}
	if (str_is(key, "DIRNAME") && value[0] != '\0' &&
	    strchr(value, '/') == NULL) {
		out->dirname = mem_strdup(ctx, value);
		return 0;
	}
	if (str_is(key, "UTF-8") && equal == NULL) {
		out->utf8 = true;
		return 0;
	}
	if (option_without_use(key))
		return 0;
	return err_set(err, ERR_INVALID, "option %s is not known", option);
}

/* Files get the rights of the directory that all of it lies in. */
static void read_modes(struct location *location)
{
	struct stat st;

	location->dir_mode = 0700;
	location->file_mode = 0600;
	if (stat(location->root, &st) < 0)
		return;
	location->dir_mode = st.st_mode & 0777;
	location->file_mode = st.st_mode & 0666;
}

static int driver_of(const char *name, struct location *out, struct err *err)
{
	out->driver = driver_find(str_of(name));
	if (out->driver != NULL)
		return 0;
	if (strcmp(name, "mbox") == 0)
		return err_set(err, ERR_INVALID,
			       "this version has no mbox driver, only maildir");
	return err_set(err, ERR_INVALID, "Unknown mail storage driver %s",
		       name);
}

/* "maildir:path", or a path of which the format is to be found out. */
static int parse_head(const void *ctx, const struct user *user, const char **at,
		      struct location *out, struct err *err)
{
	char *piece;

	if (!next_piece(ctx, at, &piece) || piece[0] == '\0')
		return err_set(err, ERR_INVALID, "it is empty");
	if (piece[0] != '/' && piece[0] != '~' && piece[0] != '%') {
		if (driver_of(piece, out, err) < 0)
			return -1;
		if (!next_piece(ctx, at, &piece) || piece[0] == '\0')
			piece = mem_strdup(ctx, "~/Maildir");
		return expand_path(ctx, user, piece, &out->root, err);
	}
	if (expand_path(ctx, user, piece, &out->root, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (drivers[i]->detect(out->root)) {
			out->driver = drivers[i];
			return 0;
		}
	}
	return err_set(err, ERR_INVALID,
		       "can't tell the format of the mail in %s; write "
		       "maildir:%s",
		       out->root, out->root);
}

static int parse(const void *ctx, const char *text, const struct user *user,
		 struct location *out, struct err *err)
{
	const char *at = text;
	char *option;

	if (strlen(text) >= LOCATION_MAX)
		return err_set(err, ERR_INVALID, "it is too long");
	if (parse_head(ctx, user, &at, out, err) < 0)
		return -1;
	for (unsigned n = 0; next_piece(ctx, &at, &option); n++) {
		if (n == LOCATION_OPTIONS_MAX)
			return err_set(err, ERR_INVALID, "too many options");
		if (option[0] != '\0' &&
		    option_set(ctx, user, option, out, err) < 0)
			return -1;
	}
	return 0;
}

int location_parse(const void *ctx, const char *text, const struct user *user,
		   struct location *out, struct err *err)
{
	struct location location = {.settings = &user->settings};

	if (parse(ctx, text, user, &location, err) < 0)
		return err_wrap(err, "mail_location %s", text);
	if (location.index == NULL)
		location.index = location.root;
	if (location.layout == NULL)
		location.layout = location.driver->default_layout;
	if (location.subscriptions == NULL)
		location.subscriptions = "subscriptions";
	read_modes(&location);
	*out = location;
	return 0;
}

int location_detect(const void *ctx, const struct user *user, char **text_out,
		    struct err *err)
{
	char *path;

	if (user->home == NULL)
		return err_set(err, ERR_INVALID,
			       "mail_location not set and autodetection "
			       "failed: the user has no home directory");
	path = mem_printf(ctx, "%s/Maildir", user->home);
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (!drivers[i]->detect(path))
			continue;
		*text_out = mem_printf(ctx, "%s:~/Maildir", drivers[i]->name);
		return 0;
	}
	return err_set(err, ERR_INVALID,
		       "mail_location not set and autodetection failed: Mail "
		       "storage autodetection failed with home=%s (only "
		       "Maildir is looked for)",
		       user->home);
}
