/* SPDX-License-Identifier: MIT */
/*
 * doveadm/proxy.c - `doveadm proxy list` and `kick`: users whom login processes
 * pass on to other servers.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mask.h"
#include "base/mem.h"
#include "doveadm/client.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/print.h"

/* Of anvil's lines, "serial user service ip ip port [user_NAME=value ...]". */
enum { SERIAL, USER, SERVICE, SOURCE, DEST, PORT, FIELDS };
enum { KICKS_MAX = 16 << 20, NAMES_MAX = 32 };

struct row {
	const char *fields[FIELDS];
	const char *names[NAMES_MAX]; /* "user_NAME=value" */
	unsigned count;
};

/* What is done with each proxied user. */
struct rows {
	void (*fn)(void *ctx, const struct row *row);
	void *ctx;
};

static int take_row(void *ctx, struct str line, struct err *)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "line");
	const struct rows *rows = ctx;
	struct row row = {.count = 0};
	struct str word;

	for (unsigned i = 0; i < FIELDS; i++)
		row.fields[i] = line_word(tmp, line, i);
	for (unsigned i = 0; str_split(&line, '\t', &word); i++) {
		if (i >= FIELDS && row.count < NAMES_MAX)
			row.names[row.count++] = str_tab_unescape(tmp, word);
	}
	rows->fn(rows->ctx, &row);
	return 0;
}

static int each(struct client *client,
		void (*fn)(void *ctx, const struct row *row), void *ctx,
		struct err *err)
{
	struct rows rows = {.fn = fn, .ctx = ctx};

	return client_ask_anvil(client, "PROXY-DUMP", take_row, &rows, err);
}

static int proxies_open(struct doveadm *adm, const char *socket,
			struct client **out, struct err *err)
{
	return client_open(adm->ctx, doveadm_socket(adm, socket, "anvil"), out,
			   err);
}

/* NULL: this session has no such name. */
static const char *other_name(const struct row *row, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < row->count; i++) {
		if (strncmp(row->names[i], name, len) == 0 &&
		    row->names[i][len] == '=')
			return row->names[i] + len + 1;
	}
	return NULL;
}

/* list */

struct list {
	struct doveadm *adm;
	struct printer *printer;
	const char *names[NAMES_MAX]; /* a column for each */
	unsigned count;
};

static void collect(void *ctx, const struct row *row)
{
	struct list *list = ctx;

	for (unsigned i = 0; i < row->count; i++) {
		size_t len = strcspn(row->names[i], "=");
		char *name = mem_strndup(list->adm->ctx, row->names[i], len);
		unsigned at = 0;

		while (at < list->count && strcmp(list->names[at], name) != 0)
			at++;
		if (at == list->count && at < NAMES_MAX)
			list->names[list->count++] = name;
	}
}

static void show(void *ctx, const struct row *row)
{
	struct list *list = ctx;

	print_value(list->printer, row->fields[USER]);
	for (unsigned i = 0; i < list->count; i++) {
		const char *value = other_name(row, list->names[i]);

		print_value(list->printer, value != NULL ? value : "");
	}
	for (unsigned i = SERVICE; i < FIELDS; i++)
		print_value(list->printer, row->fields[i]);
}

int cmd_proxy_list(struct doveadm *adm, int, char **)
{
	struct list list = {.adm = adm};
	struct printer *printer;
	struct client *client;
	struct err err;

	list.printer = printer = doveadm_printer(adm, "table");
	if (printer == NULL || !doveadm_need_config(adm))
		return EX_TEMPFAIL;
	if (proxies_open(adm, doveadm_value(adm, 'a'), &client, &err) < 0 ||
	    each(client, collect, &list, &err) < 0)
		return give_up("%s", err.text);
	print_column(printer, "username", "username", PRINT_EXPAND);
	for (unsigned i = 0; i < list.count; i++)
		print_column(printer, list.names[i], list.names[i], 0);
	print_column(printer, "service", "proto", 0);
	print_column(printer, "src-ip", "src ip", 0);
	print_column(printer, "dest-ip", "dest ip", 0);
	print_column(printer, "dest-port", "port", 0);
	if (each(client, show, &list, &err) < 0)
		return give_up("%s", err.text);
	print_end(&printer);
	return EX_OK;
}

/* kick */

struct kick {
	char **words; /* users' masks, or hosts */
	int count;
	bool hosts;
	const char *field; /* words are those of another name; else NULL */
	unsigned kicked;
	struct buf commands;
};

static bool is_meant(const struct kick *kick, const struct row *row,
		     const char *word)
{
	const char *name;

	if (kick->hosts)
		return strcmp(word, row->fields[DEST]) == 0;
	if (kick->field == NULL)
		return mask_match(word, row->fields[USER]);
	name = other_name(row, kick->field);
	return name != NULL && strcmp(word, name) == 0;
}

static void choose(void *ctx, const struct row *row)
{
	struct kick *kick = ctx;

	for (int i = 0; i < kick->count; i++) {
		if (is_meant(kick, row, kick->words[i])) {
			buf_printf(&kick->commands, "PROXY-KICK\t%s\n",
				   row->fields[SERIAL]);
			kick->kicked++;
			return;
		}
	}
}

static int send_kicks(struct client *client, const struct kick *kick,
		      struct err *err)
{
	struct str rest = str_n(kick->commands.data, kick->commands.len), line;

	while (str_split(&rest, '\n', &line)) {
		if (line.len > 0 &&
		    client_send(client, "%.*s\n", STR_FMT(line)) < 0)
			return err_sys(err, "write(anvil)");
	}
	/* An answer, so that all was heard before we go. */
	if (client_send(client, "LOOKUP\tx\n") < 0)
		return err_sys(err, "write(anvil)");
	return client_line(client, &line, err);
}

static int kick_all(struct doveadm *adm, const char *socket, struct kick *kick,
		    struct err *err)
{
	struct client *client;
	int ret = proxies_open(adm, socket, &client, err);

	if (ret == 0)
		ret = each(client, choose, kick, err);
	if (ret == 0 && kick->kicked > 0)
		ret = send_kicks(client, kick, err);
	buf_free(&kick->commands);
	return ret;
}

static int tell_kicked(struct doveadm *adm, unsigned kicked)
{
	struct printer *printer;

	if (adm->formatter == NULL) {
		printf("%u connections kicked\n", kicked);
		return EX_OK;
	}
	printer = doveadm_printer(adm, NULL);
	if (printer == NULL)
		return EX_TEMPFAIL;
	print_column(printer, "count", "count", 0);
	print_number(printer, kicked);
	print_end(&printer);
	return EX_OK;
}

int cmd_proxy_kick(struct doveadm *adm, int argc, char **argv)
{
	struct kick kick = {
		.words = argv,
		.count = argc,
		.hosts = doveadm_value(adm, 'h') != NULL,
		.field = doveadm_value(adm, 'f'),
		.commands = buf_init(KICKS_MAX),
	};
	struct err err;

	if (kick.count == 0)
		return usage_command(adm->command);
	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	if (kick_all(adm, doveadm_value(adm, 'a'), &kick, &err) < 0)
		return give_up("%s", err.text);
	return tell_kicked(adm, kick.kicked);
}

int doveadm_end_proxied(struct doveadm *adm, const char *app_password)
{
	char *word = mem_strdup(adm->ctx, app_password);
	struct kick kick = {
		.words = &word,
		.count = 1,
		.field = "user_app_password",
		.commands = buf_init(KICKS_MAX),
	};
	struct err err;

	return kick_all(adm, NULL, &kick, &err) < 0 ? give_up("%s", err.text)
						    : EX_OK;
}
