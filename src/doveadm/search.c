/* SPDX-License-Identifier: MIT */
/*
 * doveadm/search.c - `doveadm search`: where mails are, by GUID and UID.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/mail_walk.h"
#include "doveadm/print.h"
#include "storage/storage.h"

struct finder {
	struct printer *printer;
	struct query *query;
};

static int tell(void *ctx, struct mailbox *box, const struct range_set *seqs)
{
	CLEANUP(buf_free) struct buf guid = buf_init(64);
	const struct finder *finder = ctx;
	struct mailbox_status status;
	uint64_t at = 0;
	uint32_t seq;
	struct err err;

	if (mailbox_get_status(box, &status, &err) < 0)
		return log_failure(&err, "Couldn't get mailbox '%s' GUID",
				   mailbox_name(box));
	hex_encode(str_n(status.guid, sizeof(status.guid)), &guid);
	while (range_set_next(seqs, &at, &seq)) {
		print_value(finder->printer, guid.data);
		print_number(finder->printer, mailbox_uid_of(box, seq));
	}
	return EX_OK;
}

static int find(void *ctx, struct user *user)
{
	const struct finder *finder = ctx;
	const struct mail_walk walk = {
		.query = finder->query,
		.readonly = true,
		.before = "Couldn't get mailbox '",
		.after = "' GUID: ",
		.fn = tell,
		.ctx = ctx,
	};

	return mail_walk(user, &walk);
}

int cmd_search(struct doveadm *adm, int argc, char **argv)
{
	struct finder finder = {.printer = NULL};
	int status = mail_query(adm, argc, argv, &finder.query);

	if (status != EX_OK)
		return status;
	finder.printer = mail_printer(adm, "flow");
	if (finder.printer == NULL)
		return EX_TEMPFAIL;
	print_columns(finder.printer, PRINT_HIDE_TITLE, "mailbox-guid", "uid",
		      NULL);
	return mail_run(adm, finder.printer, find, &finder);
}
