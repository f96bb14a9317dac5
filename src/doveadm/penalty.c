/* SPDX-License-Identifier: MIT */
/*
 * doveadm/penalty.c - `doveadm penalty`: addresses whose logins anvil slows
 * down.
 */
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/ip.h"
#include "doveadm/client.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/print.h"

static void print_time(struct printer *printer, const char *word, bool date)
{
	char text[32] = "";
	uint64_t seconds;
	struct tm tm;
	time_t when;

	if (str_to_u64(str_of(word), &seconds)) {
		when = (time_t)seconds;
		if (localtime_r(&when, &tm) == NULL)
			text[0] = '\0';
		else if (date)
			strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
		else
			strftime(text, sizeof(text), "%H:%M:%S", &tm);
	}
	print_value(printer, text);
}

/* "ip <tab> penalty <tab> last penalty <tab> last update" */
static void print_line(struct printer *printer, struct str line,
		       const char *network)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "line");
	const char *address = line_word(ctx, line, 0);
	struct ip ip;

	if (network != NULL &&
	    (!ip_parse(address, &ip) || !ip_in_network(&ip, network)))
		return;
	print_value(printer, address);
	print_value(printer, line_word(ctx, line, 1));
	print_time(printer, line_word(ctx, line, 2), true);
	print_time(printer, line_word(ctx, line, 3), false);
}

static int show(struct doveadm *adm, struct printer *printer, const char *path,
		const char *network, struct err *err)
{
	struct client *client;
	struct str line;

	if (client_open(adm->ctx, path, &client, err) < 0)
		return -1;
	if (client_send(client, "VERSION\tanvil\t1\t0\nPENALTY-DUMP\n") < 0)
		return err_sys(err, "write(anvil)");
	for (;;) {
		if (client_line(client, &line, err) < 0)
			return -1;
		if (line.len == 0)
			return 0;
		print_line(printer, line, network);
	}
}

int cmd_penalty(struct doveadm *adm, int argc, char **argv)
{
	const char *path = doveadm_value(adm, 'a'), *network = NULL;
	struct printer *printer;
	struct err err;

	if (argc > 0) {
		network = argv[0];
		if (!ip_network_valid(network) || argc > 1) {
			complain(argc > 1 ? "Extraneous arguments found: %s"
					  : "Invalid netmask '%s' given",
				 argv[argc - 1]);
			return EX_USAGE;
		}
	}
	printer = doveadm_printer(adm, "table");
	if (printer == NULL || !doveadm_need_config(adm))
		return EX_TEMPFAIL;
	print_columns(printer, 0, "IP", "penalty", "last_penalty",
		      "last_update", NULL);
	path = doveadm_socket(adm, path, "anvil-auth-penalty");
	if (show(adm, printer, path, network, &err) < 0)
		return give_up("%s", err.text);
	print_end(&printer);
	return EX_OK;
}
