/* SPDX-License-Identifier: MIT */
/*
 * doveadm/user.c - `doveadm user`: what userdbs know of users.
 */
#include "doveadm/user.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mask.h"
#include "config/config.h"
#include "config/vars.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/print.h"
#include "service/privs.h"
#include "storage/user.h"

enum { VARS_USER = 3, AUTH_INFO_MAX = 32 };

struct lookup {
	struct doveadm *adm;
	const char *socket;
	struct auth_request_info info;
	const char *field, *expand;
	bool userdb_only;
	struct printer *printer; /* NULL: not in this form */
};

static bool info_valid(const char *assignment)
{
	static const char *const names[] = {
		"lip",   "rip",   "real_lip",   "real_rip",
		"lport", "rport", "real_lport", "real_rport",
	};
	enum { NAMES = sizeof(names) / sizeof(names[0]), IPS = NAMES / 2 };
	size_t len = strcspn(assignment, "="), n = 0;
	const char *value = assignment + len + (assignment[len] == '=');
	unsigned port;
	struct ip ip;

	while (n < NAMES && !str_is(str_n(assignment, len), names[n]))
		n++;
	if (n < IPS && !ip_parse(value, &ip)) {
		give_up("%s: Invalid ip", names[n]);
		return false;
	}
	if (n >= IPS && n < NAMES &&
	    (!str_to_unsigned(str_of(value), &port) || port > UINT16_MAX)) {
		give_up("%s: Invalid port number", names[n]);
		return false;
	}
	return true;
}

bool auth_info_take(const struct doveadm *adm, struct auth_request_info *info)
{
	const char **list =
		mem_array(adm->ctx, const char *, adm->given_count + 1);
	unsigned count = 0;

	info->service = "doveadm";
	for (unsigned i = 0; i < adm->given_count; i++) {
		const char *value = adm->given[i].value;

		if (adm->given[i].option != 'x')
			continue;
		if (!info_valid(value))
			return false;
		if (count == AUTH_INFO_MAX) {
			give_up("More than %d -x options", AUTH_INFO_MAX);
			return false;
		}
		if (str_starts(str_of(value), "service="))
			info->service = value + 8;
		else if (strcmp(value, "service") != 0)
			list[count++] = value;
	}
	list[count] = NULL;
	info->more = list;
	return true;
}

bool user_is_mask(const char *name)
{
	return strpbrk(name, "*?") != NULL;
}

/* one user */

static const char *number(const void *ctx, unsigned long value)
{
	return mem_printf(ctx, "%lu", value);
}

/* An address that was given with -x. */
static struct ip given_ip(const struct lookup *lookup, const char *name)
{
	const char *const *more = lookup->info.more;
	size_t len = strlen(name);
	struct ip ip = {0};

	for (; more != NULL && *more != NULL; more++) {
		if (str_starts(str_of(*more), name) && (*more)[len] == '=')
			ip_parse(*more + len + 1, &ip);
	}
	return ip;
}

/* Where the home and the mail are. */
static int find_places(struct lookup *lookup, const void *ctx,
		       const struct account *account, uid_t uid, gid_t gid,
		       const char **home_out, const char **mail_out,
		       struct err *err)
{
	const struct user_context context = {
		.service = "doveadm",
		.local = given_ip(lookup, "lip"),
		.remote = given_ip(lookup, "rip"),
	};
	struct account whole = *account;

	whole.uid = uid;
	whole.gid = gid;
	return user_places(ctx, lookup->adm->config, &whole, &context, home_out,
			   mail_out, err);
}

/* Put in front what the configuration says where the userdb does not. Gives
 * "key=value" with NULL at the end. */
static int complete(struct lookup *lookup, const void *ctx,
		    const struct account *account, const char *asked,
		    const char *const **fields_out, struct err *err)
{
	const char *home, *mail, **fields;
	struct err why;
	size_t count = 0;
	uid_t uid = account->uid;
	gid_t gid = account->gid;

	while (account->fields[count] != NULL)
		count++;
	fields = mem_array(ctx, const char *, count + 6);
	count = 0;
	/* A user without has none shown: that may be what is looked for. */
	if (privs_ids(account, lookup->adm->config, &uid, &gid, &why) < 0 &&
	    lookup->adm->debug)
		complain("%s", why.text);
	if (find_places(lookup, ctx, account, uid, gid, &home, &mail, err) < 0)
		return -1;
	if (strcmp(account->name, asked) != 0)
		fields[count++] = mem_printf(ctx, "user=%s", account->name);
	fields[count++] = mem_printf(
		ctx, "uid=%s",
		uid == (uid_t)-1 ? "" : number(ctx, (unsigned long)uid));
	fields[count++] = mem_printf(
		ctx, "gid=%s",
		gid == (gid_t)-1 ? "" : number(ctx, (unsigned long)gid));
	/* Not without what chroot leaves out of it. */
	if (account->home != NULL)
		home = account->home;
	fields[count++] = mem_printf(ctx, "home=%s", home != NULL ? home : "");
	fields[count++] = mem_printf(ctx, "mail=%s", mail);
	for (size_t i = 0; account->fields[i] != NULL; i++) {
		struct str field = str_of(account->fields[i]);

		if (!str_starts(field, "uid=") && !str_starts(field, "gid=") &&
		    !str_starts(field, "home=") && !str_starts(field, "mail="))
			fields[count++] = account->fields[i];
	}
	*fields_out = fields;
	return 0;
}

/* Cut "key=value"; a key alone has an empty value. */
static const char *field_cut(const void *ctx, const char *field,
			     const char **value_out)
{
	size_t len = strcspn(field, "=");

	*value_out = field[len] == '=' ? field + len + 1 : NULL;
	return mem_strndup(ctx, field, len);
}

static void show_field(const char *const *fields, const char *name,
		       const void *ctx)
{
	for (; *fields != NULL; fields++) {
		const char *value;
		const char *key = field_cut(ctx, *fields, &value);

		if (strcmp(key, name) == 0)
			puts(value != NULL ? value : "");
	}
}

static int show_expanded(struct lookup *lookup, const void *ctx,
			 const struct account *account,
			 const char *const *fields)
{
	struct var *vars = vars_user(ctx, account->name);
	size_t count = VARS_USER, more = 0;
	struct err err;
	char *text;

	while (fields[more] != NULL)
		more++;
	vars = mem_resize(ctx, vars, struct var, VARS_USER + 2 * more + 2);
	/* Of a field that the user does not have. */
	vars[count++] = (struct var){0, "userdb:", ""};
	for (; *fields != NULL; fields++) {
		const char *value, *key = field_cut(ctx, *fields, &value);
		char letter = '\0';

		if (strcmp(key, "home") == 0)
			letter = 'h';
		else if (strcmp(key, "uid") == 0)
			letter = 'i';
		vars[count++] = (struct var){letter, key, value};
		vars[count++] = (struct var){
			0, mem_printf(ctx, "userdb:%s", key), value};
	}
	vars[count] = (struct var){0};
	if (vars_expand(ctx, lookup->expand, vars, &text, &err) < 0) {
		complain("Failed to expand %s: %s", lookup->expand, err.text);
		return EX_USAGE;
	}
	puts(text);
	return EX_OK;
}

/* The form of -u. */
static void show_userdb(const void *ctx, const struct account *account)
{
	printf("userdb: %s\n  %-10s: %s\n", account->name, "user",
	       account->name);
	for (size_t i = 0; account->fields[i] != NULL; i++) {
		const char *value;
		const char *key = field_cut(ctx, account->fields[i], &value);

		if (value == NULL || value[0] == '\0')
			printf("  %-10s\n", key);
		else
			printf("  %-10s: %s\n", key, value);
	}
}

static int failed(const void *ctx, const char *name, const struct err *err)
{
	log_prefix_set(mem_printf(ctx, "doveadm(%s)", name));
	log_error("%s", err->text);
	log_prefix_set(NULL);
	return EX_TEMPFAIL;
}

static int show(struct lookup *lookup, const void *ctx, const char *asked,
		const struct account *account)
{
	const char *const *fields = account->fields;
	struct err err;

	if (!lookup->userdb_only &&
	    complete(lookup, ctx, account, asked, &fields, &err) < 0)
		return failed(ctx, account->name, &err);
	if (lookup->field != NULL) {
		show_field(fields, lookup->field, ctx);
		return EX_OK;
	}
	if (lookup->expand != NULL)
		return show_expanded(lookup, ctx, account, fields);
	if (lookup->userdb_only) {
		show_userdb(ctx, account);
		return EX_OK;
	}
	for (; *fields != NULL; fields++) {
		const char *value, *key = field_cut(ctx, *fields, &value);

		print_value(lookup->printer, key);
		print_value(lookup->printer, value != NULL ? value : "");
	}
	return EX_OK;
}

static int look_up(struct lookup *lookup, const char *name)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(lookup->adm->ctx, "user");
	bool value_only = lookup->field != NULL || lookup->expand != NULL;
	struct account *account;
	struct err err;

	if (auth_user_lookup(ctx, lookup->socket, name, &lookup->info, &account,
			     &err) == 0)
		return show(lookup, ctx, name, account);
	if (err.code == ERR_NOT_FOUND) {
		fflush(stdout);
		fprintf(value_only ? stderr : stdout,
			"%suserdb lookup: user %s doesn't exist\n",
			lookup->userdb_only ? "" : "\n", name);
		return EX_NOUSER;
	}
	return failed(ctx, name, &err);
}

static int look_up_all(struct lookup *lookup, int count, char **names)
{
	int status = EX_OK;

	if (lookup->field == NULL && lookup->expand == NULL &&
	    !lookup->userdb_only) {
		lookup->printer = doveadm_printer(lookup->adm, "tab");
		if (lookup->printer == NULL)
			return EX_TEMPFAIL;
		print_columns(lookup->printer, 0, "field", "value", NULL);
		print_begin(lookup->printer);
	}
	for (int i = 0; i < count; i++) {
		int result;

		if (i > 0 && lookup->printer == NULL)
			putchar('\n');
		result = look_up(lookup, names[i]);
		if (result != EX_OK && status != EX_NOUSER)
			status = result;
	}
	print_end(&lookup->printer);
	return status;
}

/* masks */

static bool matches_any(const char *name, int count, char **masks)
{
	for (int i = 0; i < count; i++) {
		if (mask_match(masks[i], name))
			return true;
	}
	return false;
}

static int list_matching(struct lookup *lookup, int count, char **masks)
{
	const char *const *names;
	size_t name_count;
	struct err err;

	if (auth_user_list(lookup->adm->ctx, lookup->socket,
			   count == 1 ? masks[0] : NULL, &names, &name_count,
			   &err) < 0) {
		complain("%s", err.text);
		return EX_TEMPFAIL;
	}
	for (size_t i = 0; i < name_count; i++) {
		if (matches_any(names[i], count, masks))
			puts(names[i]);
	}
	return EX_OK;
}

int cmd_user(struct doveadm *adm, int argc, char **argv)
{
	struct lookup lookup = {
		.adm = adm,
		.expand = doveadm_value(adm, 'e'),
		.field = doveadm_value(adm, 'f'),
		.userdb_only = doveadm_value(adm, 'u') != NULL,
	};
	bool masks = false;

	if (!auth_info_take(adm, &lookup.info))
		return EX_TEMPFAIL;
	if (lookup.expand != NULL &&
	    (lookup.field != NULL || lookup.userdb_only)) {
		complain("-e can't be used with %s",
			 lookup.field != NULL ? "-f" : "-u");
		return EX_USAGE;
	}
	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	lookup.socket = doveadm_socket(adm, doveadm_value(adm, 'a'),
				       adm->settings.auth_socket_path);
	for (int i = 0; i < argc; i++)
		masks |= user_is_mask(argv[i]);
	return masks ? list_matching(&lookup, argc, argv)
		     : look_up_all(&lookup, argc, argv);
}
