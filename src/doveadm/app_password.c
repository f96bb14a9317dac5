/* SPDX-License-Identifier: MIT */
/*
 * doveadm/app_password.c - `doveadm app-password`: passwords for one program
 * each, and TOTP. auth has it done by a worker, who may touch what they are
 * kept in.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/encode.h"
#include "base/err.h"
#include "config/config.h"
#include "config/setting.h"
#include "doveadm/client.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/print.h"
#include "proto/auth.h"

/* A command with its options. */
struct order {
	struct doveadm *adm;
	const char *what;
	const char *user, *name, *scopes, *expiry, *issuer;
	void (*show)(struct order *order, struct str row);
	struct printer *printer;
	const char *revoked; /* its id */
};

enum { LINES_MAX = 1000 };

/* the row: "key=value TAB key=value" */

static const char *value_of(const void *ctx, struct str row, const char *key)
{
	struct str word;

	while (str_split(&row, '\t', &word)) {
		ptrdiff_t at = str_find_char(word, '=');

		if (at >= 0 && str_is(str_n(word.data, (size_t)at), key))
			return str_tab_unescape(ctx,
						str_from(word, (size_t)at + 1));
	}
	return "";
}

static const char *time_text(const void *ctx, struct str row, const char *key,
			     const char *none)
{
	uint64_t seconds;
	char text[32];
	struct tm tm;
	time_t when;

	if (!str_to_u64(str_of(value_of(ctx, row, key)), &seconds) ||
	    seconds == 0)
		return none;
	when = (time_t)seconds;
	if (localtime_r(&when, &tm) == NULL)
		return none;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	return mem_strdup(ctx, text);
}

static const char *status(const void *ctx, struct str row)
{
	const char *expires = value_of(ctx, row, "expires");
	uint64_t seconds;

	if (*expires == '-')
		return "revoked";
	if (str_to_u64(str_of(expires), &seconds) && seconds != 0 &&
	    seconds <= (uint64_t)time(NULL))
		return "expired";
	return "active";
}

static void show_row(struct order *order, struct str row)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "row");

	print_value(order->printer, value_of(ctx, row, "id"));
	print_value(order->printer, value_of(ctx, row, "name"));
	print_value(order->printer, value_of(ctx, row, "scopes"));
	print_value(order->printer, status(ctx, row));
	print_value(order->printer, time_text(ctx, row, "created", "-"));
	print_value(order->printer, time_text(ctx, row, "expires", "-"));
	print_value(order->printer, time_text(ctx, row, "last_used", "-"));
}

static void show_new(struct order *order, struct str row)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "row");

	print_value(order->printer, value_of(ctx, row, "id"));
	print_value(order->printer, value_of(ctx, row, "name"));
	print_value(order->printer, value_of(ctx, row, "scopes"));
	print_value(order->printer, time_text(ctx, row, "expires", "-"));
	print_value(order->printer, value_of(ctx, row, "secret"));
}

static void put_escaped(const char *text)
{
	CLEANUP(buf_free) struct buf out = buf_init(SIZE_MAX);

	url_encode(str_of(text), "@", &out);
	if (out.len > 0)
		fputs(out.data, stdout);
}

/* What authenticators read, as Google's documentation has it. */
static void show_uri(struct order *order, struct str row)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "row");

	fputs("otpauth://totp/", stdout);
	put_escaped(order->issuer);
	putchar(':');
	put_escaped(order->user);
	printf("?secret=%s&issuer=", value_of(ctx, row, "secret"));
	put_escaped(order->issuer);
	puts("&algorithm=SHA1&digits=6&period=30");
}

static void note_revoked(struct order *order, struct str row)
{
	order->revoked = value_of(order->adm->ctx, row, "id");
}

/* asking */

static void add_arg(struct buf *out, const char *key, const char *value)
{
	if (value != NULL)
		auth_write_value(out, key, value);
}

static int send_order(const struct order *order, struct client *client,
		      struct err *err)
{
	CLEANUP(buf_free) struct buf line = buf_init(AUTH_LINE_MAX / 2);
	CLEANUP(ctx_free)
	TALLOC_CTX *user = str_tab_escape(NULL, str_of(order->user));

	buf_printf(&line, "APP-PASSWORD\t1\t%s\t%s\tservice=doveadm",
		   (char *)user, order->what);
	add_arg(&line, "name", order->name);
	add_arg(&line, "scopes", order->scopes);
	add_arg(&line, "expires", order->expiry);
	if (line.overflow)
		return err_set(err, ERR_LIMIT, "The request is too long");
	if (client_send(client, "VERSION\t1\t1\n%s\n", line.data) < 0)
		return err_sys(err, "write(auth-master)");
	return 0;
}

static int take_answer(struct order *order, struct client *client,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "answer");
	char error[256] = "";
	struct str line;

	for (int i = 0; i < LINES_MAX; i++) {
		if (client_line(client, &line, err) < 0)
			return -1;
		if (str_starts(line, "LIST\t1\t")) {
			char *row = line_word(ctx, line, 2);

			if (str_starts(str_of(row), "error="))
				snprintf(error, sizeof(error), "%s",
					 value_of(ctx, str_of(row), "error"));
			else if (order->show != NULL)
				order->show(order, str_of(row));
			mem_wipe(row, strlen(row));
		} else if (str_starts(line, "DONE\t1\tfail") ||
			   str_starts(line, "NOTFOUND\t1")) {
			return err_set(err, ERR_INVALID, "%s",
				       *error != '\0' ? error
						      : "auth cannot do it");
		} else if (str_starts(line, "DONE\t1")) {
			return 0;
		}
	}
	return err_set(err, ERR_INVALID, "auth's answer does not end");
}

/* A slip of the pen should make no passwords. */
static bool user_exists(struct order *order)
{
	struct doveadm *adm = order->adm;
	struct account *account;
	struct err err;

	if (mail_account(adm->ctx, adm, order->user, &account, &err) == 0)
		return true;
	if (err.code == ERR_NOT_FOUND)
		complain("User doesn't exist: %s", order->user);
	else
		complain("userdb lookup failed for %s: %s", order->user,
			 err.text);
	return false;
}

static int end_all(struct doveadm *adm, const char *revoked)
{
	int here = doveadm_end_sessions(adm, revoked);
	int proxied = doveadm_end_proxied(adm, revoked);

	return here != EX_OK ? here : proxied;
}

static int ask(struct order *order, bool makes)
{
	struct doveadm *adm = order->adm;
	struct client *client;
	struct err err;
	const char *path;

	if (order->user == NULL) {
		complain("-u <user> is missing");
		return usage_command(adm->command);
	}
	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	if (makes && !user_exists(order))
		return EX_NOUSER;
	if (order->issuer == NULL)
		order->issuer = config_value(adm->config, NULL, "hostname");
	if (order->issuer == NULL || *order->issuer == '\0')
		order->issuer = "mail";
	path = doveadm_socket(adm, doveadm_value(adm, 'a'), "auth-master");
	if (client_open(adm->ctx, path, &client, &err) == 0 &&
	    send_order(order, client, &err) == 0 &&
	    take_answer(order, client, &err) == 0) {
		if (order->printer != NULL)
			print_end(&order->printer);
		return order->revoked == NULL ? EX_OK
					      : end_all(adm, order->revoked);
	}
	complain("%s", err.text);
	return err.code == ERR_INVALID ? EX_DATAERR : EX_TEMPFAIL;
}

/* options */

/* "2027-01-31", "2027-01-31 18:00": local time; else an interval from now. In
 * seconds since 1970; NULL after a complaint. */
static const char *read_expiry(struct doveadm *adm, const char *text)
{
	struct tm tm = {.tm_isdst = -1}, wanted;
	const char *rest = strptime(text, "%Y-%m-%d", &tm);
	struct duration duration;
	struct err err;
	time_t when = time(NULL);

	if (rest != NULL && (*rest == 'T' || *rest == ' '))
		rest = strptime(rest + 1, "%H:%M", &tm);
	if (rest != NULL && *rest == '\0') {
		wanted = tm;
		when = mktime(&tm);
		if (tm.tm_mday != wanted.tm_mday) {
			complain("Invalid date: %s", text);
			return NULL;
		}
	} else if (setting_parse_duration(text, &duration, &err) < 0) {
		complain("-e takes a date (2027-01-31) or an interval (90d): "
			 "%s",
			 text);
		return NULL;
	} else {
		when += (time_t)(duration.ms / 1000);
	}
	return mem_printf(adm->ctx, "%lld", (long long)when);
}

/* the commands */

static const struct {
	const char *command, *what;
	bool makes; /* the user must exist */
	void (*show)(struct order *order, struct str row);
} commands[] = {
	{"add", "add", true, show_new},
	{"list", "list", false, show_row},
	{"revoke", "revoke", false, note_revoked},
	{"totp disable", "totp-disable", false, NULL},
	{"totp enable", "totp-enable", true, show_uri},
};

static bool begin_table(struct order *order)
{
	bool list = order->show == show_row;

	if (!list && order->show != show_new)
		return true;
	order->printer = doveadm_printer(order->adm, list ? "table" : "pager");
	if (order->printer == NULL)
		return false;
	print_columns(order->printer, 0, "id", "name", "scopes", NULL);
	if (list)
		print_columns(order->printer, 0, "status", "created", "expires",
			      "last_used", NULL);
	else
		print_columns(order->printer, 0, "expires", "password", NULL);
	return true;
}

int cmd_app_password(struct doveadm *adm, int argc, char **argv)
{
	const char *name = strchr(adm->command->name, ' ') + 1;
	const char *expiry = doveadm_value(adm, 'e');
	struct order order = {
		.adm = adm,
		.name = argc > 0 ? argv[0] : NULL,
		.user = doveadm_value(adm, 'u'),
		.scopes = doveadm_value(adm, 's'),
		.issuer = doveadm_value(adm, 'i'),
	};
	size_t i = 0;

	while (strcmp(commands[i].command, name) != 0)
		i++;
	order.what = commands[i].what;
	order.show = commands[i].show;
	if (expiry != NULL) {
		order.expiry = read_expiry(adm, expiry);
		if (order.expiry == NULL)
			return EX_USAGE;
	}
	return begin_table(&order) ? ask(&order, commands[i].makes)
				   : EX_TEMPFAIL;
}
