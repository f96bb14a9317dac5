/* SPDX-License-Identifier: MIT */
/*
 * doveadm/auth.c - `doveadm auth`: try passwords, look at passdbs, empty the
 * cache. Test and login speak auth's client protocol, as a login process does.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "doveadm/client.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/user.h"
#include "proto/auth.h"

enum { PASSWORD_MAX = 1024, HANDSHAKE_LINES_MAX = 100 };

struct attempt {
	struct doveadm *adm;
	const char *user, *master_user; /* -M */
	struct auth_request_info info;  /* -x */
	char password[PASSWORD_MAX];
	bool login;       /* go on to ask for the userdb's fields */
	char cookie[128]; /* of the connection */
};

/* the client protocol */

static int handshake(struct attempt *attempt, struct client *client,
		     struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "handshake");
	struct str line;

	if (client_send(client, "VERSION\t%d\t%d\nCPID\t%d\n",
			AUTH_PROTOCOL_MAJOR, AUTH_PROTOCOL_MINOR,
			(int)getpid()) < 0)
		return err_sys(err, "write(auth)");
	for (int i = 0; i < HANDSHAKE_LINES_MAX; i++) {
		if (client_line(client, &line, err) < 0)
			return -1;
		if (str_is(line, "DONE"))
			return 0;
		if (str_starts(line, "COOKIE\t"))
			snprintf(attempt->cookie, sizeof(attempt->cookie), "%s",
				 line_word(ctx, line, 1));
	}
	return err_set(err, ERR_INVALID, "auth's greeting does not end");
}

/* "master user\0user\0password" (RFC 4616). */
static void plain_response(const struct attempt *attempt, struct buf *out)
{
	CLEANUP(buf_free) struct buf plain = buf_init(AUTH_LINE_MAX);

	if (attempt->master_user != NULL) {
		buf_add(&plain, attempt->user);
		buf_putc(&plain, '\0');
		buf_add(&plain, attempt->master_user);
	} else {
		buf_putc(&plain, '\0');
		buf_add(&plain, attempt->user);
	}
	buf_putc(&plain, '\0');
	buf_add(&plain, attempt->password);
	base64_encode(str_n(plain.data, plain.len), out);
	mem_wipe(plain.data, plain.len);
}

static int send_request(const struct attempt *attempt, struct client *client,
			struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "request");
	CLEANUP(buf_free) struct buf out = buf_init(AUTH_LINE_MAX);
	int result;

	buf_add(&out, "AUTH\t1\tPLAIN");
	for (size_t i = 0; attempt->info.more[i] != NULL; i++)
		buf_printf(&out, "\t%s",
			   str_tab_escape(ctx, str_of(attempt->info.more[i])));
	auth_write_value(&out, "service", attempt->info.service);
	buf_add(&out, "\tsecured\tresp=");
	plain_response(attempt, &out);
	if (out.overflow)
		result = err_set(err, ERR_LIMIT, "The request is too long");
	else if (client_send(client, "%s\n", out.data) < 0)
		result = err_sys(err, "write(auth)");
	else
		result = 0;
	mem_wipe(out.data, out.len);
	return result;
}

static void show_fields(struct str line, unsigned first)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fields");
	struct str rest = line, word;

	for (unsigned n = 0; str_split(&rest, '\t', &word); n++) {
		/* The answer to the client's mechanism is none of them. */
		if (n >= first && !str_starts(word, "resp="))
			printf("  %s\n", str_tab_unescape(ctx, word));
	}
}

/* What a session would be told, by the token that the login earned. */
static int show_userdb(struct attempt *attempt, struct err *err)
{
	struct str line;
	struct client *client;

	if (client_open(attempt->adm->ctx,
			doveadm_socket(attempt->adm,
				       doveadm_value(attempt->adm, 'm'),
				       "auth-master"),
			&client, err) < 0)
		return -1;
	if (client_send(client, "VERSION\t1\t1\nREQUEST\t1\t%d\t1\t%s\n",
			(int)getpid(), attempt->cookie) < 0)
		return err_sys(err, "write(auth-master)");
	for (int i = 0; i < HANDSHAKE_LINES_MAX; i++) {
		if (client_line(client, &line, err) < 0)
			return -1;
		if (str_starts(line, "USER\t")) {
			puts("userdb extra fields:");
			show_fields(line, 2);
			return 0;
		}
		if (str_starts(line, "FAIL\t") ||
		    str_starts(line, "NOTFOUND\t"))
			return err_set(err, ERR_NOT_FOUND,
				       "userdb lookup failed");
	}
	return err_set(err, ERR_INVALID, "auth-master does not answer");
}

/* 1: right, 0: wrong. */
static int show_answer(const struct attempt *attempt, struct client *client,
		       struct err *err)
{
	struct str line;
	bool ok;

	do {
		if (client_line(client, &line, err) < 0)
			return -1;
		ok = str_starts(line, "OK\t");
	} while (!ok && !str_starts(line, "FAIL\t"));
	printf("passdb: %s auth %s\nextra fields:\n", attempt->user,
	       ok ? "succeeded" : "failed");
	show_fields(line, 2);
	return ok;
}

static int try_password(struct attempt *attempt, struct err *err)
{
	const char *path =
		doveadm_socket(attempt->adm, doveadm_value(attempt->adm, 'a'),
			       attempt->login ? "auth-login" : "auth-client");
	struct client *client;
	int right;

	if (client_open(attempt->adm->ctx, path, &client, err) < 0 ||
	    handshake(attempt, client, err) < 0 ||
	    send_request(attempt, client, err) < 0)
		return -1;
	right = show_answer(attempt, client, err);
	if (right == 1 && attempt->login && show_userdb(attempt, err) < 0)
		return -1;
	return right;
}

static bool take_password(struct attempt *attempt, char *given)
{
	size_t len;

	if (given == NULL)
		return ask_password("Password: ", attempt->password,
				    PASSWORD_MAX);
	len = strlen(given);
	if (len >= PASSWORD_MAX)
		return false;
	memcpy(attempt->password, given, len + 1);
	mem_wipe(given, len); /* ps(1) shows it until here */
	return true;
}

int cmd_auth_test(struct doveadm *adm, int argc, char **argv)
{
	struct attempt attempt = {
		.adm = adm,
		.login = adm->command->mode,
		.user = argv[0],
		.master_user = doveadm_value(adm, 'M'),
	};
	struct err err;
	int right;

	if (argc > 2) {
		complain("Extraneous arguments found: %s", argv[2]);
		return EX_USAGE;
	}
	if (!auth_info_take(adm, &attempt.info))
		return EX_TEMPFAIL;
	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	if (!take_password(&attempt, argv[1]))
		return give_up("No password");
	right = try_password(&attempt, &err);
	mem_wipe(attempt.password, sizeof(attempt.password));
	if (right == 1)
		return EX_OK;
	if (right < 0)
		complain("%s", err.text);
	return EX_NOPERM;
}

/* passdb and cache */

static void show_passdb(const char *user, const char *field,
			const char *const *fields)
{
	if (field == NULL)
		printf("passdb: %s\n", user);
	for (; *fields != NULL; fields++) {
		size_t len = strcspn(*fields, "=");
		const char *value = *fields + len + ((*fields)[len] == '=');

		if (field == NULL && *value == '\0')
			printf("  %-10.*s\n", (int)len, *fields);
		else if (field == NULL)
			printf("  %-10.*s: %s\n", (int)len, *fields, value);
		else if (strlen(field) == len &&
			 strncmp(field, *fields, len) == 0)
			puts(value);
	}
}

int cmd_auth_lookup(struct doveadm *adm, int argc, char **argv)
{
	const char *field = doveadm_value(adm, 'f'), *path;
	struct auth_request_info info = {.service = NULL};
	int status = EX_OK;
	struct err err;

	if (!auth_info_take(adm, &info))
		return EX_TEMPFAIL;
	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	path = doveadm_socket(adm, doveadm_value(adm, 'a'),
			      adm->settings.auth_socket_path);
	for (int i = 0; i < argc; i++) {
		const char *const *fields;

		if (i > 0)
			putchar('\n');
		if (auth_pass_lookup(adm->ctx, path, argv[i], &info, &fields,
				     &err) == 0) {
			show_passdb(argv[i], field, fields);
		} else if (err.code == ERR_NOT_FOUND) {
			fflush(stdout);
			fprintf(field != NULL ? stderr : stdout,
				"passdb lookup: user %s doesn't exist\n",
				argv[i]);
			status = EX_NOUSER;
		} else {
			complain("passdb lookup failed for %s: %s", argv[i],
				 err.text);
			status = EX_TEMPFAIL;
		}
	}
	return status;
}

int cmd_auth_cache_flush(struct doveadm *adm, int argc, char **argv)
{
	const char *path, **users = NULL;
	unsigned flushed = 0;
	struct err err;

	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	path = doveadm_socket(adm, doveadm_value(adm, 'a'), "auth-master");
	if (argc > 0) {
		users = mem_array(adm->ctx, const char *, (size_t)argc + 1);
		for (int i = 0; i < argc; i++)
			users[i] = argv[i];
	}
	if (auth_cache_flush(path, users, &flushed, &err) < 0) {
		complain("%s", err.text);
		return EX_TEMPFAIL;
	}
	printf("%u cache entries flushed\n", flushed);
	return EX_OK;
}
