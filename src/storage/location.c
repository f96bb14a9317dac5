/* SPDX-License-Identifier: MIT */
/*
 * storage/location.c - mail_location taken apart:
 * "maildir:~/Maildir:INDEX=...:LAYOUT=fs".
 */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
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
#include "storage/guid_names.h"
#include "storage/layout.h"

/* Neither separators nor wildcards, nor what names are full of. */
#define BROKEN_CHARS "!#$'+,;=?@^_`|~"

enum { LOCATION_MAX = 4096, LOCATION_OPTIONS_MAX = 16 };

static const struct driver *const drivers[] = {&maildir_driver, &mbox_driver};

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

/* "~bob/mail": below the home of a user of the system. */
static int expand_system_home(const void *ctx, const char *path,
			      const char *text, const char **out,
			      struct err *err)
{
	const char *end = strchrnul(path, '/');
	char *name = mem_strndup(ctx, path + 1, (size_t)(end - path) - 1);
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return err_set(err, errno == 0 ? ERR_INVALID : ERR_TEMPORARY,
			       "No home directory for system user. Can't "
			       "expand ~%s for %s",
			       name, text);
	*out = path_expand(ctx, end[0] == '\0' ? "" : end + 1, pw->pw_dir);
	return 0;
}

/* Variables and "~/" of one path in it. */
static int expand_path(const void *ctx, const struct user *user,
		       const char *text, const char **out, struct err *err)
{
	char *path;

	if (vars_expand(ctx, text, user->vars, &path, err) < 0)
		return -1;
	if (path[0] == '~' && path[1] != '/' && path[1] != '\0')
		return expand_system_home(ctx, path, text, out, err);
	if (user->home == NULL &&
	    (path[0] != '/' || vars_has(text, 'h', "home")))
		return err_set(err, ERR_INVALID,
			       "Home directory not set for user. Can't expand "
			       "%s",
			       text);
	*out = path_expand(ctx, path, user->home);
	return 0;
}

/* options */

/* A directory without a name is none, as in Dovecot. */
static int set_index(const void *ctx, const struct user *user,
		     const char *value, struct location *out, struct err *err)
{
	out->index_memory = value[0] == '\0' || strcmp(value, "MEMORY") == 0;
	if (out->index_memory)
		return 0;
	return expand_path(ctx, user, value, &out->index, err);
}

static int set_control(const void *ctx, const struct user *user,
		       const char *value, struct location *out, struct err *err)
{
	return expand_path(ctx, user, value, &out->control, err);
}

static int set_volatile(const void *ctx, const struct user *user,
			const char *value, struct location *out,
			struct err *err)
{
	return expand_path(ctx, user, value, &out->volatile_dir, err);
}

static int set_inbox(const void *ctx, const struct user *user,
		     const char *value, struct location *out, struct err *err)
{
	return expand_path(ctx, user, value, &out->inbox, err);
}

static int set_layout(const void *ctx, const struct user *user,
		      const char *value, struct location *out, struct err *err)
{
	struct str layout = str_of(value);

	(void)user;
	if (!str_case_is(layout, "maildir++") && !str_case_is(layout, "fs") &&
	    !str_case_is(layout, "index"))
		return err_set(err, ERR_INVALID,
			       "LAYOUT=%s is not known (maildir++, fs, index)",
			       value);
	out->layout = str_lower(ctx, layout);
	return 0;
}

/* One file or directory below a mailbox or the root. */
static int file_name(const void *ctx, const char *option, const char *value,
		     const char **out, struct err *err)
{
	if (strchr(value, '/') != NULL || strcmp(value, ".") == 0 ||
	    strcmp(value, "..") == 0 || strlen(value) > LAYOUT_COMPONENT_MAX)
		return err_set(err, ERR_INVALID,
			       "%s=%s must be the name of a file, not a path",
			       option, value);
	*out = mem_strdup(ctx, value);
	return 0;
}

static int set_subscriptions(const void *ctx, const struct user *user,
			     const char *value, struct location *out,
			     struct err *err)
{
	(void)user;
	return file_name(ctx, "SUBSCRIPTIONS", value, &out->subscriptions, err);
}

static int set_dirname(const void *ctx, const struct user *user,
		       const char *value, struct location *out, struct err *err)
{
	(void)user;
	return file_name(ctx, "DIRNAME", value, &out->dirname, err);
}

static int set_full_dirname(const void *ctx, const struct user *user,
			    const char *value, struct location *out,
			    struct err *err)
{
	(void)user;
	out->full_dirname = true;
	return file_name(ctx, "FULLDIRNAME", value, &out->dirname, err);
}

static int set_utf8(const void *ctx, const struct user *user, const char *value,
		    struct location *out, struct err *err)
{
	(void)ctx, (void)user, (void)value, (void)err;
	out->utf8 = true;
	return 0;
}

static int set_broken_char(const void *ctx, const struct user *user,
			   const char *value, struct location *out,
			   struct err *err)
{
	(void)ctx, (void)user;
	if (strlen(value) != 1 || strchr(BROKEN_CHARS, value[0]) == NULL)
		return err_set(err, ERR_INVALID,
			       "BROKENCHAR value must be a single character, "
			       "one of " BROKEN_CHARS);
	out->broken_char = value[0];
	return 0;
}

static int set_no_noselect(const void *ctx, const struct user *user,
			   const char *value, struct location *out,
			   struct err *err)
{
	(void)ctx, (void)user, (void)value, (void)err;
	out->no_noselect = true;
	return 0;
}

/* Names and the cache are in the one index, wherever that lies. */
static int set_nothing(const void *ctx, const struct user *user,
		       const char *value, struct location *out, struct err *err)
{
	(void)ctx, (void)user, (void)value, (void)out, (void)err;
	return 0;
}

static const struct option {
	const char *name;
	bool flag;  /* has no value */
	bool empty; /* the value may be empty */
	int (*set)(const void *ctx, const struct user *user, const char *value,
		   struct location *out, struct err *err);
	const char *refused; /* why, instead */
} options[] = {
	{"INDEX", false, true, set_index, NULL},
	{"CONTROL", false, false, set_control, NULL},
	{"VOLATILEDIR", false, false, set_volatile, NULL},
	{"INBOX", false, false, set_inbox, NULL},
	{"LAYOUT", false, false, set_layout, NULL},
	{"SUBSCRIPTIONS", false, false, set_subscriptions, NULL},
	{"DIRNAME", false, false, set_dirname, NULL},
	{"FULLDIRNAME", false, false, set_full_dirname, NULL},
	{"UTF-8", true, false, set_utf8, NULL},
	{"BROKENCHAR", false, false, set_broken_char, NULL},
	{"NO-NOSELECT", true, false, set_no_noselect, NULL},
	{"ITERINDEX", true, false, set_nothing, NULL},
	{"LISTINDEX", false, true, set_nothing, NULL},
	{"INDEXCACHE", false, false, set_nothing, NULL},
	{"ALT", false, false, NULL,
	 "a second place for old mail is for dbox; maildir and mbox have one"},
	{"MAILBOXDIR", false, false, NULL,
	 "it is for dbox; give the namespace a location of its own"},
	{"INDEXPVT", false, false, NULL,
	 "flags of one's own in shared mailboxes are not to be had here"},
	{"NO-FS-VALIDATION", true, false, NULL,
	 "names are what the file system can have, whatever the layout"},
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static const struct option *option_find(struct str key)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		if (str_is(key, options[i].name))
			return &options[i];
	}
	return NULL;
}

static int option_unknown(const void *ctx, const char *option, struct str key,
			  struct err *err)
{
	const char *best = NULL, *word = str_upper(ctx, key);
	unsigned distance, best_distance = UINT_MAX;

	for (size_t i = 0; i < OPTIONS; i++) {
		if (str_is_near(word, options[i].name, &distance) &&
		    distance < best_distance) {
			best = options[i].name;
			best_distance = distance;
		}
	}
	if (best != NULL)
		return err_set(err, ERR_INVALID,
			       "option %s is not known (did you mean %s?)",
			       option, best);
	return err_set(err, ERR_INVALID, "option %s is not known", option);
}

static int option_set(const void *ctx, const struct user *user,
		      const char *text, struct location *out, struct err *err)
{
	const char *equal = strchr(text, '=');
	struct str key = equal == NULL ? str_of(text)
				       : str_n(text, (size_t)(equal - text));
	const struct option *option = option_find(key);

	if (option == NULL)
		return option_unknown(ctx, text, key, err);
	if (option->refused != NULL)
		return err_set(err, ERR_INVALID, "option %s: %s", text,
			       option->refused);
	if (option->flag && equal != NULL)
		return err_set(err, ERR_INVALID, "option %s takes no value",
			       option->name);
	if (!option->flag &&
	    (equal == NULL || (equal[1] == '\0' && !option->empty)))
		return err_set(err, ERR_INVALID, "option %s has no value",
			       option->name);
	return option->set(ctx, user, equal == NULL ? "" : equal + 1, out, err);
}

static int driver_of(const char *name, struct location *out, struct err *err)
{
	out->driver = driver_find(str_of(name));
	if (out->driver != NULL)
		return 0;
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
			piece = mem_strdup(ctx, out->driver == &mbox_driver
							? "~/mail"
							: "~/Maildir");
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

/* What an option means depends on others. */
static int check(const struct location *location, struct err *err)
{
	if (location->dirname != NULL && strcmp(location->layout, "fs") != 0)
		return err_set(err, ERR_INVALID,
			       "DIRNAME= needs LAYOUT=fs, not %s",
			       location->layout);
	if (strcmp(location->layout, "index") == 0 &&
	    !location->driver->by_guid)
		return err_set(err, ERR_INVALID, "LAYOUT=index is not for %s",
			       location->driver->name);
	return 0;
}

static const char *hidden_dir(const void *ctx, const struct location *location)
{
	if (location->driver->hidden_dir == NULL)
		return location->root;
	return mem_printf(ctx, "%s/%s", location->root,
			  location->driver->hidden_dir);
}

/* Dovecot lists every directory in the root of layout fs, but for those that
 * belong to INBOX. */
static const char *environment(const void *ctx, const struct location *location,
			       bool has_index)
{
	const char *level =
		location->dirname != NULL ? location->dirname : "tmp";

	if (has_index || location->driver->hidden_dir != NULL ||
	    !layout_is_fs(location))
		return mem_printf(ctx, "%s/dovetail.index", location->index);
	return mem_printf(ctx, "%s/%s/.dovetail.index", location->root, level);
}

int location_parse(const void *ctx, const char *text, const struct user *user,
		   struct location *out, struct err *err)
{
	struct location location = {.settings = &user->settings};
	bool has_index;

	if (parse(ctx, text, user, &location, err) < 0)
		return err_wrap(err, "mail_location %s", text);
	has_index = location.index != NULL;
	if (!has_index)
		location.index = hidden_dir(ctx, &location);
	if (location.layout == NULL)
		location.layout = location.driver->default_layout;
	if (location.subscriptions == NULL)
		location.subscriptions = location.driver->subscriptions;
	if (check(&location, err) < 0)
		return err_wrap(err, "mail_location %s", text);
	if (strcmp(location.layout, "index") == 0)
		location.names = guid_names_new(ctx);
	location.environment = environment(ctx, &location, has_index);
	rights_read(location.root, &location.rights);
	*out = location;
	return 0;
}

/* Where an empty mail_location looks, in this order (Dovecot's wiki,
 * MailLocation). */
static const struct place {
	const char *path;
	bool dir;
	const char *text; /* NULL: what is there can't be read */
} places[] = {
	{"mdbox", true, NULL},
	{"sdbox", true, NULL},
	{"Maildir", true, "maildir:~/Maildir"},
	{"mail/.imap", true, "mbox:~/mail"},
	{"mail/inbox", false, "mbox:~/mail"},
	{"mail/mbox", false, "mbox:~/mail"},
	{"Mail/.imap", true, "mbox:~/Mail"},
	{"Mail/inbox", false, "mbox:~/Mail"},
	{"Mail/mbox", false, "mbox:~/Mail"},
};

static bool is_there(const struct user *user, const struct place *place)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "detect");
	struct stat st;

	return stat(mem_printf(ctx, "%s/%s", user->home, place->path), &st) ==
		       0 &&
	       (place->dir ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode));
}

/* Mail of system users comes to the spool. */
static char *with_spool(const void *ctx, const struct user *user,
			const char *text)
{
	struct stat st;
	char *spool;

	if (strncmp(text, "mbox:", 5) != 0 || strchr(user->name, '/') != NULL)
		return mem_strdup(ctx, text);
	spool = mem_printf(ctx, "/var/mail/%s", user->name);
	if (stat(spool, &st) < 0 || !S_ISREG(st.st_mode))
		return mem_strdup(ctx, text);
	return mem_printf(ctx, "%s:INBOX=/var/mail/%%u", text);
}

int location_detect(const void *ctx, const struct user *user, char **text_out,
		    struct err *err)
{
	if (user->home == NULL)
		return err_set(err, ERR_INVALID,
			       "mail_location not set and autodetection "
			       "failed: the user has no home directory");
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!is_there(user, &places[i]))
			continue;
		if (places[i].text == NULL)
			return err_set(err, ERR_UNSUPPORTED,
				       "mail_location not set, and %s/%s is "
				       "in a format that this server does not "
				       "read; convert it, or set mail_location",
				       user->home, places[i].path);
		*text_out = with_spool(ctx, user, places[i].text);
		return 0;
	}
	return err_set(err, ERR_INVALID,
		       "mail_location not set and autodetection failed: Mail "
		       "storage autodetection failed with home=%s",
		       user->home);
}
