/* SPDX-License-Identifier: MIT */
#include "storage/user.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"
#include "config/vars.h"
#include "service/account.h"
#include "storage/core.h"
#include "storage/layout.h"
#include "storage/mailbox.h"
#include "storage/quota.h"
#include "storage/quota_core.h"

static const struct setting *find_row(const struct setting *rows,
				      const char *key)
{
	for (; rows->name != NULL; rows++) {
		if ((rows->flags & SETTING_FOREIGN) == 0 &&
		    strcmp(rows->name, key) == 0)
			return rows;
	}
	return NULL;
}

int setting_override(const void *ctx, const struct setting *rows,
		     const char *key, const char *value, void *out,
		     struct err *err)
{
	const struct setting *row = find_row(rows, key);
	void *field;

	if (row == NULL)
		return 0;
	if (setting_check(row, value, err) < 0)
		return err_wrap(err, "userdb: %s", key);
	field = (char *)out + row->offset;
	switch (row->kind) {
	case SETTING_BOOL:
		return setting_parse_bool(value, field, err);
	case SETTING_UNSIGNED:
		return setting_parse_unsigned(value, field, err);
	case SETTING_SIZE:
		return setting_parse_size(value, field, err);
	case SETTING_DURATION:
		return setting_parse_duration(value, field, err);
	case SETTING_MODE:
		return setting_parse_mode(value, field, err);
	case SETTING_TEXT:
	case SETTING_ENUM:
	case SETTING_FILE:
	case SETTING_NETWORKS:
		*(const char **)field = mem_strdup(ctx, value);
		break;
	}
	return 0;
}

static const struct setting *row_of(const void *ctx, const char *field,
				    const struct setting *rows,
				    const char **value_out)
{
	const char *equal = strchr(field, '=');

	if (equal == NULL ||
	    memchr(field, '/', (size_t)(equal - field)) != NULL)
		return NULL;
	*value_out = equal + 1;
	return find_row(rows, mem_strndup(ctx, field, (size_t)(equal - field)));
}

bool account_has_settings(const struct account *account,
			  const struct setting *rows)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fields");
	const char *const *field = account->fields;
	const char *value;

	for (; field != NULL && *field != NULL; field++) {
		if (row_of(ctx, *field, rows, &value) != NULL)
			return true;
	}
	return false;
}

int account_settings(const void *ctx, const struct account *account,
		     const struct setting *rows, void *out, struct err *err)
{
	const char *const *field = account->fields;

	for (; field != NULL && *field != NULL; field++) {
		const char *value;
		const struct setting *row = row_of(ctx, *field, rows, &value);

		if (row != NULL &&
		    setting_override(ctx, rows, row->name, value, out, err) < 0)
			return -1;
	}
	return 0;
}

static int read_settings(struct user *user, struct err *err)
{
	if (config_read(user, user->config, &user->filter, mail_settings,
			&user->settings, err) < 0 ||
	    account_settings(user, user->account, mail_settings,
			     &user->settings, err) < 0)
		return -1;
	if (user->account->mail != NULL && user->account->mail[0] != '\0')
		user->settings.mail_location =
			mem_strdup(user, user->account->mail);
	return 0;
}

static struct var *add_var(struct var *at, char key, const char *name,
			   const char *value)
{
	*at = (struct var){key, name, value};
	return at + 1;
}

static const char *ip_dup(const void *ctx, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	return mem_strdup(ctx, ip_text(ip, text));
}

enum { EXTRA_VARS = 16 };

static void make_vars(struct user *user, const struct user_context *context)
{
	const struct account *account = user->account;
	struct var *base = vars_user(user, user->name);
	const char *name = account_field(account, "auth_user");
	const struct var *names;
	size_t count = 0, fields = 0;
	struct var *at;

	while (base[count].key != 0 || base[count].name != NULL)
		count++;
	while (account->fields[fields] != NULL)
		fields++;
	user->vars = mem_array(user, struct var, count + fields + EXTRA_VARS);
	memcpy(user->vars, base, count * sizeof(*base));
	at = user->vars + count;
	at = add_var(at, 's', "service", mem_strdup(user, context->service));
	at = add_var(at, 'l', "lip", ip_dup(user, &context->local));
	at = add_var(at, 'r', "rip", ip_dup(user, &context->remote));
	at = add_var(at, 0, "local_ip", ip_dup(user, &context->local));
	at = add_var(at, 0, "remote_ip", ip_dup(user, &context->remote));
	at = add_var(at, 'p', "pid", mem_printf(user, "%ld", (long)getpid()));
	at = add_var(at, 0, "session",
		     mem_strdup(user, context->session_id == NULL
					      ? ""
					      : context->session_id));
	if (account->uid != (uid_t)-1)
		at = add_var(at, 'i', "uid",
			     mem_printf(user, "%lu", (long)account->uid));
	else
		at = add_var(at, 'i', "uid",
			     mem_printf(user, "%lu", (long)geteuid()));
	at = add_var(at, 0, "gid",
		     mem_printf(user, "%lu",
				account->gid != (gid_t)-1 ? (long)account->gid
							  : (long)getegid()));
	at = add_var(at, 'h', "home", user->home);
	names = vars_user(user, name != NULL ? name : user->name);
	at = add_var(at, 0, "auth_user", names[0].value);
	at = add_var(at, 0, "auth_username", names[1].value);
	at = add_var(at, 0, "auth_domain", names[2].value);
	for (size_t i = 0; i < fields; i++) {
		size_t len = strcspn(account->fields[i], "=");

		at = add_var(at, 0,
			     mem_printf(user, "userdb:%.*s", (int)len,
					account->fields[i]),
			     account->fields[i] + len +
				     (account->fields[i][len] == '='));
	}
	add_var(at, 0, "userdb:", "");
}

static int set_home(struct user *user, const char *home, struct err *err)
{
	if (home[0] != '/')
		return err_set(err, ERR_INVALID,
			       "Relative home directory paths not supported: "
			       "%s",
			       home);
	user->home = path_expand(user, home, NULL);
	return 0;
}

/* Home directories and the log prefix are known only after the variables
 * without them. */
static int find_home(struct user *user, struct err *err)
{
	const char *mail_home = user->settings.mail_home;
	char *home;

	if (user->account->home != NULL && user->account->home[0] != '\0')
		return set_home(user, user->account->home, err);
	if (mail_home[0] == '\0')
		return 0;
	if (vars_expand(user, mail_home, user->vars, &home, err) < 0)
		return err_wrap(err, "mail_home");
	return home[0] == '\0' ? 0 : set_home(user, home, err);
}

static void set_home_var(struct user *user)
{
	struct var *var = user->vars;

	while (var->name == NULL || strcmp(var->name, "home") != 0)
		var++;
	var->value = user->home;
}

static int user_setup(struct user *user, const struct user_context *context,
		      struct err *err)
{
	char *prefix;

	user->filter = (struct config_filter){
		.protocol = mem_strdup(user, context->protocol != NULL
						     ? context->protocol
						     : context->service),
		.local = context->local,
		.remote = context->remote,
	};
	if (read_settings(user, err) < 0)
		return -1;
	/* Mail that arrives is no session's doing. */
	if (strcmp(context->service, "imap") != 0 &&
	    strcmp(context->service, "pop3") != 0)
		user->settings.mail_read_only = false;
	make_vars(user, context);
	if (find_home(user, err) < 0)
		return -1;
	set_home_var(user);
	if (vars_expand_anyway(user, user->settings.mail_log_prefix, user->vars,
			       &prefix, err) < 0)
		log_error("Failed to expand mail_log_prefix=%s: %s",
			  user->settings.mail_log_prefix, err->text);
	user->log_prefix = prefix;
	lazy_setup(user);
	return 0;
}

static int user_destroy(struct user *user)
{
	while (user->boxes != NULL) {
		struct mailbox *box = user->boxes;

		mailbox_close(&box);
	}
	stores_close(user);
	return 0;
}

int user_open(const void *ctx, const struct config *config,
	      const struct account *account, const struct user_context *context,
	      struct user **out, struct err *err)
{
	struct user *user = mem_new(ctx, struct user);

	talloc_set_destructor(user, user_destroy);
	user->name = mem_strdup(user, account->name);
	user->config = config;
	user->account = account;
	if (user_setup(user, context, err) < 0 ||
	    namespaces_open(user, err) < 0 || quota_setup(user, err) < 0) {
		mem_free(user);
		return err_wrap(err, "user %s", account->name);
	}
	quota_check_flag(user);
	*out = user;
	return 0;
}

int user_places(const void *ctx, const struct config *config,
		const struct account *account,
		const struct user_context *context, const char **home_out,
		const char **mail_out, struct err *err)
{
	struct user *user = mem_new(ctx, struct user);
	char *mail;

	user->name = mem_strdup(user, account->name);
	user->config = config;
	user->account = account;
	if (user_setup(user, context, err) < 0)
		return -1;
	*home_out = user->home;
	*mail_out = account->mail;
	if (account->mail != NULL)
		return 0;
	if (vars_expand(user, user->settings.mail_location, user->vars, &mail,
			err) < 0)
		return err_wrap(err, "mail_location");
	*mail_out = mail;
	return 0;
}

/* Opening mailboxes would make what is missing. */
static int check_root(const struct user *user, struct err *err)
{
	const struct location *location = &user->stores->location;
	struct stat st;

	if (stat(location->root, &st) == 0 ||
	    (location->inbox != NULL && stat(location->inbox, &st) == 0))
		return 0;
	return err_sys(err, "stat(%s)", location->root);
}

int user_open_location(const void *ctx, const struct user *like,
		       const char *name, const char *location,
		       struct user **out, struct err *err)
{
	struct user_context context = {
		.service = like->filter.protocol,
		.local = like->filter.local,
		.remote = like->filter.remote,
	};
	struct user *user = mem_new(ctx, struct user);
	struct account *account = mem_new(user, struct account);

	talloc_set_destructor(user, user_destroy);
	*account = *like->account;
	account->name = mem_strdup(user, name != NULL ? name : like->name);
	account->mail = mem_strdup(user, location);
	user->name = account->name;
	user->config = like->config;
	user->account = account;
	if (user_setup(user, &context, err) < 0 ||
	    namespace_open_default(user, err) < 0 ||
	    check_root(user, err) < 0) {
		mem_free(user);
		return -1;
	}
	*out = user;
	return 0;
}

const char *user_name(const struct user *user)
{
	return user->name;
}

const char *user_home(const struct user *user)
{
	return user->home;
}

const char *user_state_dir(const struct user *user)
{
	return user->home != NULL ? user->home
				  : layout_control_root(inbox_location(user));
}

const struct var *user_vars(const struct user *user)
{
	return user->vars;
}

const struct mail_settings *user_settings(const struct user *user)
{
	return &user->settings;
}

const char *user_expand(const void *ctx, const struct user *user,
			const char *text)
{
	struct err err;
	char *out;

	if (strchr(text, '%') == NULL ||
	    vars_expand(ctx, text, user->vars, &out, &err) < 0)
		return text;
	return out;
}

const char *user_plugin(const void *ctx, const struct user *user,
			const char *name)
{
	const char *value = account_field(user->account, name);

	if (value == NULL)
		value = config_plugin(user->config, &user->filter, name);
	return value == NULL ? NULL : user_expand(ctx, user, value);
}

const char *user_base_dir(const struct user *user)
{
	return config_value(user->config, &user->filter, "base_dir");
}

const char *user_log_prefix(const struct user *user)
{
	return user->log_prefix;
}
