/* SPDX-License-Identifier: MIT */
/*
 * doveadm/quota.c - `doveadm quota get|recalc`.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/print.h"
#include "storage/storage.h"

static int not_enabled(void)
{
	log_error("Quota not enabled");
	return EX_NOHOST;
}

static void print_resource(struct printer *printer, const char *root,
			   const char *type, uint64_t used, uint64_t limit)
{
	print_value(printer, root);
	print_value(printer, type);
	print_number(printer, used);
	if (limit == 0)
		print_value(printer, "-");
	else
		print_number(printer, limit);
	print_number(printer, limit == 0 ? 0 : used * 100 / limit);
}

static int get_user(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "quota");
	struct printer *printer = ctx;
	struct quota_state *states;
	struct err err;
	size_t count;

	if (!quota_wanted(user))
		return not_enabled();
	if (quota_states(memory, user, NULL, &states, &count, &err) < 0) {
		log_error("Failed to get quota: %s", err.text);
		return status_of(&err);
	}
	for (size_t i = 0; i < count; i++) {
		const struct quota_state *at = &states[i];

		print_resource(printer, at->name, "STORAGE",
			       quota_kilo(at->bytes),
			       quota_kilo(at->bytes_limit));
		print_resource(printer, at->name, "MESSAGE", at->messages,
			       at->messages_limit);
	}
	return EX_OK;
}

int cmd_quota_get(struct doveadm *adm, int argc, char **argv)
{
	struct printer *printer = mail_printer(adm, "table");

	(void)argc;
	(void)argv;
	if (printer == NULL)
		return EX_TEMPFAIL;
	print_column(printer, "root", "Quota name", 0);
	print_column(printer, "type", "Type", 0);
	print_column(printer, "value", "Value", PRINT_RIGHT);
	print_column(printer, "limit", "Limit", PRINT_RIGHT);
	print_column(printer, "percent", "%", PRINT_RIGHT);
	return mail_run(adm, printer, get_user, printer);
}

static int recalc_user(void *ctx, struct user *user)
{
	struct err err;

	(void)ctx;
	if (!quota_wanted(user))
		return not_enabled();
	if (quota_recalc(user, &err) == 0)
		return EX_OK;
	log_error("Recalculating quota failed: %s", err.text);
	return status_of(&err);
}

int cmd_quota_recalc(struct doveadm *adm, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return mail_run(adm, NULL, recalc_user, NULL);
}
