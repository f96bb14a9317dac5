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

struct listing {
	struct printer *printer;
	const char *network; /* NULL is all */
};

/* "ip <tab> penalty <tab> last penalty <tab> last update" */
static int print_line(void *ctx, struct str line, struct err *)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "line");
	const struct listing *listing = ctx;
	const char *address = line_word(memory, line, 0);
	struct ip ip;

	if (listing->network != NULL &&
	    (!ip_parse(address, &ip) || !ip_in_network(&ip, listing->network)))
		return 0;
	print_value(listing->printer, address);
	print_value(listing->printer, line_word(memory, line, 1));
	print_time(listing->printer, line_word(memory, line, 2), true);
	print_time(listing->printer, line_word(memory, line, 3), false);
	return 0;
}

int cmd_penalty(struct doveadm *adm, int argc, char **argv)
{
	const char *path = doveadm_value(adm, 'a');
	struct listing listing = {.network = argv[0]};
	struct client *client;
	struct err err;

	if (argc > 0 && (!ip_network_valid(argv[0]) || argc > 1)) {
		complain(argc > 1 ? "Extraneous arguments found: %s"
				  : "Invalid netmask '%s' given",
			 argv[argc - 1]);
		return EX_USAGE;
	}
	listing.printer = doveadm_printer(adm, "table");
	if (listing.printer == NULL || !doveadm_need_config(adm))
		return EX_TEMPFAIL;
	print_columns(listing.printer, 0, "IP", "penalty", "last_penalty",
		      "last_update", NULL);
	path = doveadm_socket(adm, path, "anvil");
	if (client_open(adm->ctx, path, &client, &err) < 0 ||
	    client_ask_anvil(client, "PENALTY-DUMP", print_line, &listing,
			     &err) < 0)
		return give_up("%s", err.text);
	print_end(&listing.printer);
	return EX_OK;
}
