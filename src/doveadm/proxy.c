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
#include "doveadm/client.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/print.h"

/* Of anvil's lines, "serial user service ip ip port". */
enum { SERIAL, USER, SERVICE, SOURCE, DEST, PORT, FIELDS };
enum { KICKS_MAX = 16 << 20 };

static int show(void *printer, struct str line, struct err *)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "line");

	for (unsigned i = USER; i < FIELDS; i++)
		print_value(printer, line_word(tmp, line, i));
	return 0;
}

int cmd_proxy_list(struct doveadm *adm, int, char **)
{
	const char *path = doveadm_value(adm, 'a');
	struct printer *printer;
	struct client *client;
	struct err err;

	printer = doveadm_printer(adm, "table");
	if (printer == NULL || !doveadm_need_config(adm))
		return EX_TEMPFAIL;
	print_column(printer, "username", "username", PRINT_EXPAND);
	print_column(printer, "service", "proto", 0);
	print_column(printer, "src-ip", "src ip", 0);
	print_column(printer, "dest-ip", "dest ip", 0);
	print_column(printer, "dest-port", "port", 0);
	if (client_open(adm->ctx, doveadm_socket(adm, path, "anvil"), &client,
			&err) < 0 ||
	    client_ask_anvil(client, "PROXY-DUMP", show, printer, &err) < 0)
		return give_up("%s", err.text);
	print_end(&printer);
	return EX_OK;
}

/* kick */

struct kick {
	char **words; /* users' masks, or hosts */
	int count;
	bool hosts;
	unsigned kicked;
	struct buf commands;
};

static int choose(void *ctx, struct str line, struct err *)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "line");
	struct kick *kick = ctx;
	const char *user = line_word(tmp, line, USER);
	const char *host = line_word(tmp, line, DEST);

	for (int i = 0; i < kick->count; i++) {
		if (kick->hosts ? strcmp(kick->words[i], host) != 0
				: !mask_match(kick->words[i], user))
			continue;
		buf_printf(&kick->commands, "PROXY-KICK\t%s\n",
			   line_word(tmp, line, SERIAL));
		kick->kicked++;
		break;
	}
	return 0;
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
		.commands = buf_init(KICKS_MAX),
	};
	const char *path = doveadm_value(adm, 'a');
	struct client *client;
	struct err err;
	int ret;

	if (kick.count == 0)
		return usage_command(adm->command);
	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	ret = client_open(adm->ctx, doveadm_socket(adm, path, "anvil"), &client,
			  &err);
	if (ret == 0)
		ret = client_ask_anvil(client, "PROXY-DUMP", choose, &kick,
				       &err);
	if (ret == 0 && kick.kicked > 0)
		ret = send_kicks(client, &kick, &err);
	buf_free(&kick.commands);
	if (ret < 0)
		return give_up("%s", err.text);
	return tell_kicked(adm, kick.kicked);
}
