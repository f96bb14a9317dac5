/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mailbox_cache.c - `doveadm mailbox cache` and `mailbox path`.
 */
#include <getopt.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/mail_walk.h"
#include "doveadm/print.h"
#include "storage/storage.h"

/* cache remove */

struct removal {
	struct query *query;
	struct printer *printer;
};

static int remove_box(void *ctx, struct mailbox *box,
		      const struct range_set *seqs)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "uids");
	struct range_set uids = range_set_init(memory);
	const struct removal *removal = ctx;
	uint64_t at = 0;
	uint32_t uid;
	struct err err;

	mailbox_uids_of(box, seqs, &uids);
	if (mailbox_cache_remove(box, &uids, &err) < 0)
		return log_failure(&err, "Mailbox %s", mailbox_name(box));
	while (range_set_next(&uids, &at, &uid)) {
		print_value(removal->printer, mailbox_name(box));
		print_number(removal->printer, uid);
		print_value(removal->printer, "ok");
	}
	return EX_OK;
}

static int remove_user(void *ctx, struct user *user)
{
	const struct removal *removal = ctx;

	return mail_walk_query(user, removal->query, remove_box, ctx);
}

int cmd_mailbox_cache_remove(struct doveadm *adm, int argc, char **argv)
{
	struct removal removal = {.printer = NULL};
	int status = mail_query(adm, argc, argv, &removal.query);

	if (status != EX_OK)
		return status;
	removal.printer = mail_printer(adm, "table");
	if (removal.printer == NULL)
		return EX_TEMPFAIL;
	print_columns(removal.printer, 0, "mailbox", "uid", "result", NULL);
	return mail_run(adm, removal.printer, remove_user, &removal);
}

/* cache purge */

/* The mailboxes of the command line. */
struct names {
	char **list;
	int count;
	int (*fn)(void *ctx, struct mailbox *box);
	void *ctx;
};

static int each_box(void *ctx, struct user *user)
{
	const struct names *names = ctx;
	int status = EX_OK;
	struct err err;

	for (int i = 0; i < names->count; i++) {
		CLEANUP(mailbox_close) struct mailbox *box = NULL;
		const char *name = names->list[i];
		int result;

		if (mailbox_open(user, name, MAILBOX_KEEP_RECENT, &box, &err) <
		    0) {
			result = log_failure(&err, "Cannot open mailbox %s",
					     name);
		} else {
			result = names->fn(names->ctx, box);
		}
		if (status == EX_OK)
			status = result;
	}
	return status;
}

static int purge(void *, struct mailbox *box)
{
	struct err err;

	if (mailbox_cache_purge(box, &err) == 0)
		return EX_OK;
	return log_failure(&err, "Cannot purge cache of mailbox %s",
			   mailbox_name(box));
}

int cmd_mailbox_cache_purge(struct doveadm *adm, int argc, char **argv)
{
	struct names names = {argv, argc, purge, NULL};

	return mail_run(adm, NULL, each_box, &names);
}

/* cache decision */

enum { ALL, FIELDS, LAST_USED, DECISION };

const struct option mailbox_cache_options[] = {
	{"all", no_argument, NULL, ALL},
	{"fields", required_argument, NULL, FIELDS},
	{"last-used", required_argument, NULL, LAST_USED},
	{"decision", required_argument, NULL, DECISION},
	{NULL, 0, NULL, 0},
};

struct deciding {
	const void *ctx;
	struct printer *printer;
	bool all;
	char *fields;
	int decision;      /* -1: as it is */
	int64_t last_used; /* likewise */
};

static void show_use(const struct deciding *deciding, const char *name,
		     const char *field, const struct cache_use *use)
{
	char when[64] = "";
	time_t last_used = use == NULL ? 0 : (time_t)use->last_used;
	struct tm tm;

	if (use != NULL && gmtime_r(&last_used, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	print_value(deciding->printer, name);
	print_value(deciding->printer, field);
	print_value(deciding->printer,
		    use == NULL ? "<not found>"
				: cache_decision_name(use->decision));
	print_value(deciding->printer, when);
}

static int decide_one(const struct deciding *deciding, struct mailbox *box,
		      struct str field, const struct cache_use *known)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "field");
	char *name = str_dup(ctx, field);
	struct cache_use use;
	struct err err;

	if (known == NULL ||
	    (deciding->decision < 0 && deciding->last_used < 0)) {
		show_use(deciding, mailbox_name(box), name, known);
		return EX_OK;
	}
	use = *known;
	use.field = name;
	if (deciding->decision >= 0)
		use.decision = (enum cache_decision)deciding->decision;
	if (deciding->last_used >= 0)
		use.last_used = deciding->last_used;
	if (mailbox_cache_decide(box, &use, &err) < 0)
		return log_failure(&err, "Mailbox %s", mailbox_name(box));
	show_use(deciding, mailbox_name(box), name, &use);
	return EX_OK;
}

static int decide_box(void *ctx, struct mailbox *box)
{
	const struct deciding *deciding = ctx;
	const struct cache_use *uses;
	struct str rest, field;
	size_t count;
	int status = EX_OK;
	struct err err;

	if (mailbox_cache_uses(box, &uses, &count, &err) < 0)
		return log_failure(&err, "Mailbox %s", mailbox_name(box));
	if (deciding->all) {
		for (size_t i = 0; i < count && status == EX_OK; i++)
			status = decide_one(deciding, box,
					    str_of(uses[i].field), &uses[i]);
		return status;
	}
	rest = str_of(deciding->fields);
	while (status == EX_OK && str_word(&rest, &field)) {
		const struct cache_use *known = NULL;

		for (size_t i = 0; i < count; i++) {
			if (str_case_is(field, uses[i].field))
				known = &uses[i];
		}
		status = decide_one(
			deciding, box,
			known == NULL ? field : str_of(known->field), known);
	}
	return status;
}

static bool take_decision(struct deciding *deciding, int option,
			  const char *value)
{
	uint64_t when;

	switch (option) {
	case ALL:
		deciding->all = true;
		return true;
	case FIELDS:
		deciding->fields = mem_strdup(deciding->ctx, value);
		for (char *at = deciding->fields; *at != '\0'; at++) {
			if (*at == ',')
				*at = ' ';
		}
		return true;
	case LAST_USED:
		if (!str_to_u64(str_of(value), &when) || when > INT64_MAX)
			return give_up("Invalid timestamp '%s'", value) == 0;
		deciding->last_used = (int64_t)when;
		return true;
	case DECISION:
		for (int i = CACHE_NO; i <= CACHE_YES; i++) {
			if (strcmp(value, cache_decision_name(i)) == 0)
				deciding->decision = i;
		}
		if (deciding->decision < 0)
			complain("Invalid decision '%s': must be one of yes, "
				 "temp, no",
				 value);
		return deciding->decision >= 0;
	}
	return true;
}

int cmd_mailbox_cache_decision(struct doveadm *adm, int argc, char **argv)
{
	struct deciding deciding = {
		.ctx = adm->ctx,
		.decision = -1,
		.last_used = -1,
	};
	struct names names = {argv, argc, decide_box, &deciding};

	for (unsigned i = 0; i < adm->given_count; i++) {
		if (!take_decision(&deciding, adm->given[i].option,
				   adm->given[i].value))
			return EX_TEMPFAIL;
	}
	if (!deciding.all && deciding.fields == NULL)
		return give_up("Missing fields parameter");
	deciding.printer = mail_printer(adm, "table");
	if (deciding.printer == NULL)
		return EX_TEMPFAIL;
	print_columns(deciding.printer, 0, "mailbox", "field", "decision",
		      "last-used", NULL);
	return mail_run(adm, deciding.printer, each_box, &names);
}

/* path */

struct path {
	struct printer *printer;
	const char *name;
	enum mailbox_place place;
};

static int show_path(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "path");
	const struct path *wanted = ctx;
	char *path;
	struct err err;

	if (mailbox_path(memory, user, wanted->name, wanted->place, &path,
			 &err) < 0)
		return log_failure(&err, "Failed to lookup mailbox %s path",
				   wanted->name);
	if (path != NULL)
		print_value(wanted->printer, path);
	return EX_OK;
}

int cmd_mailbox_path(struct doveadm *adm, int argc, char **argv)
{
	static const char *const places[] = {
		[PLACE_MAILBOX] = "mailbox",
		[PLACE_CONTROL] = "control",
		[PLACE_INDEX] = "index",
	};
	const char *type = doveadm_value(adm, 't');
	size_t place = PLACE_MAILBOX, count = sizeof(places) / sizeof(*places);
	struct path path = {.name = argv[0]};

	/* What holds it, for us the mailbox itself. */
	if (type != NULL && strcmp(type, "dir") != 0) {
		place = 0;
		while (place < count && strcmp(type, places[place]) != 0)
			place++;
	}
	if (place == count || argc > 1)
		return usage_command(adm->command);
	path.place = (enum mailbox_place)place;
	path.printer = mail_printer(adm, "flow");
	if (path.printer == NULL)
		return EX_TEMPFAIL;
	print_columns(path.printer, PRINT_HIDE_TITLE, "path", NULL);
	return mail_run(adm, path.printer, show_path, &path);
}
