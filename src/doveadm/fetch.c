/* SPDX-License-Identifier: MIT */
/*
 * doveadm/fetch.c - `doveadm fetch`: parts of mails, and what is known of them.
 */
#include "doveadm/fetch.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/log.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/mail_walk.h"
#include "doveadm/print.h"
#include "storage/storage.h"

enum { FIELDS_MAX = PRINT_COLUMNS_MAX - 1 };

struct fetching {
	struct query *query;
	struct fetch_field fields[FIELDS_MAX];
	unsigned count;
	struct fetch fetch;
};

static int fields_parse(struct doveadm *adm, const char *text,
			struct fetching *fetching)
{
	struct str rest = str_of(text), word;
	struct err err;

	while (str_word(&rest, &word)) {
		struct fetch_field *field = &fetching->fields[fetching->count];

		if (fetching->count == FIELDS_MAX)
			return give_up("More than %d fields", FIELDS_MAX);
		if (fetch_field_parse(adm->ctx, str_lower(adm->ctx, word),
				      field, &err) < 0)
			return give_up("%s", err.text);
		fetching->count++;
	}
	return EX_OK;
}

/* A mail that went meanwhile has no values; a row is whole all the same. */
static int print_mail(struct fetching *fetching)
{
	struct fetch *fetch = &fetching->fetch;
	int status = EX_OK;
	struct err err;

	for (unsigned i = 0; i < fetching->count; i++) {
		const struct fetch_field *field = &fetching->fields[i];
		int result = field->print(fetch, field, &err);

		if (field->pieces)
			print_piece_end(fetch->printer);
		else if (result < 0)
			print_value(fetch->printer, "");
		if (result == 0 || err.code == ERR_EXPUNGED)
			continue;
		log_error("fetch(%s) failed for box=%s uid=%u: %s", field->name,
			  mailbox_name(fetch->box), (unsigned)fetch->mail->uid,
			  err.text);
		if (status == EX_OK)
			status = status_of(&err);
	}
	return status;
}

static int fetch_mails(void *ctx, struct mailbox *box,
		       const struct range_set *seqs)
{
	CLEANUP(mail_reader_end) struct mail_reader *reader = NULL;
	CLEANUP(buf_free) struct buf guid = buf_init(64);
	struct fetching *fetching = ctx;
	struct mailbox_status about;
	int status = EX_OK, found;
	struct err err;

	if (mailbox_get_status(box, &about, &err) < 0)
		return log_failure(&err, "Mailbox %s", mailbox_name(box));
	hex_encode(str_n(about.guid, sizeof(about.guid)), &guid);
	fetching->fetch.box = box;
	fetching->fetch.mailbox_guid = guid.data;
	reader = mail_reader_begin(NULL, box, seqs);
	while ((found = mail_reader_next(reader, &fetching->fetch.mail, &err)) >
	       0) {
		int result = print_mail(fetching);

		if (status == EX_OK)
			status = result;
	}
	if (found == 0)
		return status;
	return log_failure(&err, "Mailbox %s", mailbox_name(box));
}

static int fetch_user(void *ctx, struct user *user)
{
	struct fetching *fetching = ctx;
	const struct mail_walk walk = {
		.query = fetching->query,
		.readonly = true,
		.missing_ok = true,
		.fn = fetch_mails,
		.ctx = ctx,
	};

	fetching->fetch.user = user;
	return mail_walk(user, &walk);
}

static int columns_set(struct fetching *fetching)
{
	struct printer *printer = fetching->fetch.printer;

	for (unsigned i = 0; i < fetching->count; i++) {
		const struct fetch_field *field = &fetching->fields[i];

		if (field->pieces && !print_takes_pieces(printer))
			return give_up("table formatter doesn't support "
				       "multi-line values");
		print_column(printer, field->name, field->name, 0);
	}
	return EX_OK;
}

int cmd_fetch(struct doveadm *adm, int argc, char **argv)
{
	struct fetching *fetching = mem_new(adm->ctx, struct fetching);
	int status = fields_parse(adm, argv[0], fetching);

	if (status == EX_OK)
		status = mail_query(adm, argc - 1, argv + 1, &fetching->query);
	if (status != EX_OK)
		return status;
	fetching->fetch.printer = mail_printer(adm, "pager");
	if (fetching->fetch.printer == NULL)
		return EX_TEMPFAIL;
	status = columns_set(fetching);
	if (status != EX_OK)
		return status;
	return mail_run(adm, fetching->fetch.printer, fetch_user, fetching);
}
