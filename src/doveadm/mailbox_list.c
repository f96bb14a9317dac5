/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mailbox_list.c - `doveadm mailbox list`.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/print.h"
#include "storage/storage.h"

enum { NAME_MAX_LEN = 64 * 1024 };

struct listing {
	struct printer *printer;
	const char *const *patterns;
	bool subscribed, utf7;
};

static void print_name(const struct listing *listing, const char *name)
{
	CLEANUP(buf_free) struct buf utf7 = buf_init(NAME_MAX_LEN);

	if (listing->utf7 && utf7_encode(str_of(name), &utf7))
		name = utf7.data;
	print_value(listing->printer, name);
}

static int list(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "list");
	const struct listing *listing = ctx;
	struct list_entry *entries;
	size_t count;
	struct err err;

	if (mailbox_list(memory, user, listing->patterns,
			 listing->subscribed ? LIST_SELECT_SUBSCRIBED : 0,
			 &entries, &count, &err) < 0)
		return log_failure(&err, "Listing mailboxes failed");
	for (size_t i = 0; i < count; i++)
		print_name(listing, entries[i].name);
	return EX_OK;
}

static const char *const *patterns_take(const void *ctx, int count,
					char **words)
{
	const char **patterns = mem_array(ctx, const char *, (size_t)count + 2);

	patterns[0] = "*";
	for (int i = 0; i < count; i++)
		patterns[i] = words[i];
	return patterns;
}

int cmd_mailbox_list(struct doveadm *adm, int argc, char **argv)
{
	struct listing listing = {
		.patterns = patterns_take(adm->ctx, argc, argv),
		.subscribed = doveadm_value(adm, 's') != NULL,
		.printer = mail_printer(adm, "flow"),
	};

	for (unsigned i = 0; i < adm->given_count; i++) {
		if (strchr("78", adm->given[i].option) != NULL)
			listing.utf7 = adm->given[i].option == '7';
	}
	if (listing.printer == NULL)
		return EX_TEMPFAIL;
	print_columns(listing.printer, PRINT_HIDE_TITLE, "mailbox", NULL);
	return mail_run(adm, listing.printer, list, &listing);
}
