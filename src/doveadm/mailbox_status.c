/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mailbox_status.c - `doveadm mailbox status`.
 */
#include <string.h>

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

enum field {
	FIELD_MESSAGES = 1 << 0,
	FIELD_RECENT = 1 << 1,
	FIELD_UIDNEXT = 1 << 2,
	FIELD_UIDVALIDITY = 1 << 3,
	FIELD_UNSEEN = 1 << 4,
	FIELD_HIGHESTMODSEQ = 1 << 5,
	FIELD_VSIZE = 1 << 6,
	FIELD_GUID = 1 << 7,
	FIELD_FIRSTSAVED = 1 << 8,
	FIELDS_ALL = (1 << 9) - 1,
	/* Those that can be added up. */
	FIELDS_TOTAL =
		FIELD_MESSAGES | FIELD_RECENT | FIELD_UNSEEN | FIELD_VSIZE,
};

/* In the order in which they are shown, whatever the order asked for. */
static const struct {
	const char *name;
	enum field field;
} field_names[] = {
	{"messages", FIELD_MESSAGES},
	{"recent", FIELD_RECENT},
	{"uidnext", FIELD_UIDNEXT},
	{"uidvalidity", FIELD_UIDVALIDITY},
	{"unseen", FIELD_UNSEEN},
	{"highestmodseq", FIELD_HIGHESTMODSEQ},
	{"vsize", FIELD_VSIZE},
	{"guid", FIELD_GUID},
	{"firstsaved", FIELD_FIRSTSAVED},
};
enum { FIELD_COUNT = sizeof(field_names) / sizeof(field_names[0]) };

struct report {
	struct printer *printer;
	unsigned fields;
	bool total; /* -t */
	struct mailbox_status sum;
	char **names;
	int count;
};

static bool fields_parse(const char *text, bool total, unsigned *out)
{
	struct str rest = str_of(text), word;

	*out = 0;
	while (str_word(&rest, &word)) {
		unsigned found = 0;

		if (str_is(word, "all"))
			found = total ? FIELDS_TOTAL : FIELDS_ALL;
		for (size_t i = 0; i < FIELD_COUNT; i++) {
			if (str_is(word, field_names[i].name))
				found = field_names[i].field;
		}
		if (found == 0) {
			give_up("Unknown status field: %.*s", STR_FMT(word));
			return false;
		}
		if (total && (found & ~(unsigned)FIELDS_TOTAL) != 0) {
			give_up("Status field %.*s can't be used with -t",
				STR_FMT(word));
			return false;
		}
		*out |= found;
	}
	if (*out == 0)
		give_up("No status fields");
	return *out != 0;
}

static void print_guid(struct printer *printer, const unsigned char guid[16])
{
	CLEANUP(buf_free) struct buf hex = buf_init(64);

	hex_encode(str_n(guid, 16), &hex);
	print_value(printer, hex.data);
}

/* Seconds at which the first mail was saved; 0 if there is none. */
static int first_saved(struct user *user, const char *name, int64_t *out,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "first");
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	CLEANUP(mail_reader_end) struct mail_reader *reader = NULL;
	struct range_set first = range_set_init(ctx);
	const struct mail *mail;
	int64_t received;
	int found;

	*out = 0;
	if (mailbox_open(user, name, MAILBOX_READONLY | MAILBOX_KEEP_RECENT,
			 &box, err) < 0)
		return -1;
	if (mailbox_messages(box) == 0)
		return 0;
	range_set_add(&first, 1, 1);
	reader = mail_reader_begin(ctx, box, &first);
	found = mail_reader_next(reader, &mail, err);
	if (found <= 0)
		return found;
	return mail_times(mail, &received, out, err);
}

static void print_first_saved(struct printer *printer, int64_t seconds)
{
	if (seconds == 0)
		print_value(printer, "never");
	else
		print_number(printer, (unsigned long long)seconds);
}

static void print_fields(const struct report *report,
			 const struct mailbox_status *status, int64_t saved)
{
	struct printer *printer = report->printer;

	for (size_t i = 0; i < FIELD_COUNT; i++) {
		switch (report->fields & field_names[i].field) {
		case FIELD_MESSAGES:
			print_number(printer, status->messages);
			break;
		case FIELD_RECENT:
			print_number(printer, status->recent);
			break;
		case FIELD_UIDNEXT:
			print_number(printer, status->uid_next);
			break;
		case FIELD_UIDVALIDITY:
			print_number(printer, status->uid_validity);
			break;
		case FIELD_UNSEEN:
			print_number(printer, status->unseen);
			break;
		case FIELD_HIGHESTMODSEQ:
			print_number(printer, status->highest_modseq);
			break;
		case FIELD_VSIZE:
			print_number(printer, status->size);
			break;
		case FIELD_GUID:
			print_guid(printer, status->guid);
			break;
		case FIELD_FIRSTSAVED:
			print_first_saved(printer, saved);
			break;
		}
	}
}

static void add_up(struct mailbox_status *total,
		   const struct mailbox_status *status)
{
	total->messages += status->messages;
	total->recent += status->recent;
	total->unseen += status->unseen;
	total->size += status->size;
}

/* One mailbox: a row, or its part of the sum. */
static int report_one(void *ctx, struct user *user, const char *name)
{
	struct report *report = ctx;
	struct mailbox_status status;
	int64_t saved = 0;
	struct err err;

	if (mailbox_status(user, name, &status, &err) < 0 ||
	    ((report->fields & FIELD_VSIZE) != 0 &&
	     mailbox_status_size(user, name, &status, &err) < 0) ||
	    ((report->fields & FIELD_FIRSTSAVED) != 0 &&
	     first_saved(user, name, &saved, &err) < 0))
		return log_failure(
			&err, "Mailbox %s: Failed to lookup mailbox status",
			name);
	if (report->total) {
		add_up(&report->sum, &status);
		return EX_OK;
	}
	print_value(report->printer, name);
	print_fields(report, &status, saved);
	return EX_OK;
}

static int report_user(void *ctx, struct user *user)
{
	struct report *report = ctx;
	int status = EX_OK;

	report->sum = (struct mailbox_status){0};
	for (int i = 0; i < report->count; i++) {
		const char *name = report->names[i];
		const char *const patterns[] = {name, NULL};
		int result = strpbrk(name, "*%") != NULL
				     ? mail_each_box(user, patterns, report_one,
						     report)
				     : report_one(report, user, name);

		if (status == EX_OK)
			status = result;
	}
	if (report->total)
		print_fields(report, &report->sum, 0);
	return status;
}

static void columns(const struct report *report)
{
	if (!report->total)
		print_column(report->printer, "mailbox", "mailbox",
			     PRINT_HIDE_TITLE);
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		const char *name = field_names[i].name;

		if ((report->fields & field_names[i].field) != 0)
			print_column(report->printer, name, name, 0);
	}
}

int cmd_mailbox_status(struct doveadm *adm, int argc, char **argv)
{
	struct report report = {
		.total = doveadm_value(adm, 't') != NULL,
		.names = argv + 1,
		.count = argc - 1,
	};

	if (!fields_parse(argv[0], report.total, &report.fields))
		return EX_USAGE;
	report.printer = mail_printer(adm, "flow");
	if (report.printer == NULL)
		return EX_TEMPFAIL;
	columns(&report);
	return mail_run(adm, report.printer, report_user, &report);
}
