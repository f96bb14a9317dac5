/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mailbox_cache.c - `doveadm mailbox cache` and `mailbox path`.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/mail_walk.h"
#include "doveadm/print.h"
#include "storage/storage.h"

/* cache remove */

struct removal {
	struct mail_targets targets;
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
	if (mailbox_cache_remove(box, &uids, &err) < 0) {
		log_error("Mailbox %s: %s", mailbox_name(box), err.text);
		return status_of(&err);
	}
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
	const struct mail_walk walk = {
		.query = removal->query,
		.open_flags = MAILBOX_KEEP_RECENT,
		.before = "Mailbox ",
		.after = ": Mailbox sync failed: ",
		.fn = remove_box,
		.ctx = ctx,
	};

	return mail_walk(user, &walk);
}

int cmd_mailbox_cache_remove(struct doveadm *adm, int argc, char **argv)
{
	struct removal removal = {.printer = NULL};
	int status = mail_options(adm, &removal.targets, &argc, &argv);

	if (status == EX_OK)
		status = mail_query(adm, argc, argv, &removal.query);
	if (status != EX_OK)
		return status;
	removal.printer = mail_printer(adm, &removal.targets, "table");
	if (removal.printer == NULL)
		return EX_TEMPFAIL;
	print_column(removal.printer, "mailbox", "mailbox", 0);
	print_column(removal.printer, "uid", "uid", 0);
	print_column(removal.printer, "result", "result", 0);
	status = mail_run(adm, &removal.targets, removal.printer, remove_user,
			  &removal);
	print_end(&removal.printer);
	return status;
}

/* cache purge */

struct names {
	struct mail_targets targets;
	char **list;
	int count;
	enum mailbox_place place;
};

static int purge_one(struct user *user, const char *name)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct err err;

	if (mailbox_open(user, name, MAILBOX_KEEP_RECENT, &box, &err) < 0) {
		log_error("Cannot open mailbox %s: %s", name, err.text);
		return status_of(&err);
	}
	if (mailbox_cache_purge(box, &err) == 0)
		return EX_OK;
	log_error("Cannot purge cache of mailbox %s: %s", name, err.text);
	return status_of(&err);
}

static int purge_user(void *ctx, struct user *user)
{
	const struct names *names = ctx;
	int status = EX_OK;

	for (int i = 0; i < names->count; i++) {
		int result = purge_one(user, names->list[i]);

		if (status == EX_OK)
			status = result;
	}
	return status;
}

int cmd_mailbox_cache_purge(struct doveadm *adm, int argc, char **argv)
{
	struct names names = {.list = NULL};
	int status = mail_options(adm, &names.targets, &argc, &argv);

	if (status != EX_OK)
		return status;
	names.list = argv;
	names.count = argc;
	return mail_run(adm, &names.targets, NULL, purge_user, &names);
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
	struct names names;
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
	if (mailbox_cache_decide(box, &use, &err) < 0) {
		log_error("Mailbox %s: %s", mailbox_name(box), err.text);
		return status_of(&err);
	}
	show_use(deciding, mailbox_name(box), name, &use);
	return EX_OK;
}

static int decide_box(const struct deciding *deciding, struct mailbox *box)
{
	const struct cache_use *uses;
	struct str rest, field;
	size_t count;
	int status = EX_OK;
	struct err err;

	if (mailbox_cache_uses(box, &uses, &count, &err) < 0) {
		log_error("Mailbox %s: %s", mailbox_name(box), err.text);
		return status_of(&err);
	}
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
		status = decide_one(deciding, box,
				    known == NULL ? field
						  : str_of(known->field),
				    known);
	}
	return status;
}

static int decide_user(void *ctx, struct user *user)
{
	const struct deciding *deciding = ctx;
	int status = EX_OK;
	struct err err;

	for (int i = 0; i < deciding->names.count; i++) {
		CLEANUP(mailbox_close) struct mailbox *box = NULL;
		const char *name = deciding->names.list[i];
		int result;

		if (mailbox_open(user, name, MAILBOX_KEEP_RECENT, &box, &err) <
		    0) {
			log_error("Cannot open mailbox %s: %s", name, err.text);
			result = status_of(&err);
		} else {
			result = decide_box(deciding, box);
		}
		if (status == EX_OK)
			status = result;
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
	return mail_target_option(&deciding->names.targets, option, value);
}

int cmd_mailbox_cache_decision(struct doveadm *adm, int argc, char **argv)
{
	struct deciding deciding = {
		.ctx = adm->ctx,
		.decision = -1,
		.last_used = -1,
	};
	int option, status;

	while ((option = doveadm_option(adm, argc, argv)) != -1) {
		if (!take_decision(&deciding, option, optarg))
			return EX_TEMPFAIL;
	}
	status = mail_targets_check(&deciding.names.targets);
	if (status != EX_OK)
		return status;
	if (!deciding.all && deciding.fields == NULL)
		return give_up("Missing fields parameter");
	deciding.names.list = argv + optind;
	deciding.names.count = argc - optind;
	deciding.printer = mail_printer(adm, &deciding.names.targets, "table");
	if (deciding.printer == NULL)
		return EX_TEMPFAIL;
	print_column(deciding.printer, "mailbox", "mailbox", 0);
	print_column(deciding.printer, "field", "field", 0);
	print_column(deciding.printer, "decision", "decision", 0);
	print_column(deciding.printer, "last-used", "last-used", 0);
	status = mail_run(adm, &deciding.names.targets, deciding.printer,
			  decide_user, &deciding);
	print_end(&deciding.printer);
	return status;
}

/* path */

static int show_path(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "path");
	const struct names *names = ctx;
	char *path;
	struct err err;

	if (mailbox_path(memory, user, names->list[0], names->place, &path,
			 &err) < 0) {
		log_error("Failed to lookup mailbox %s path: %s",
			  names->list[0], err.text);
		return status_of(&err);
	}
	if (path != NULL)
		puts(path);
	return EX_OK;
}

static bool place_parse(const char *text, enum mailbox_place *out)
{
	static const char *const places[] = {
		[PLACE_MAILBOX] = "mailbox",
		[PLACE_CONTROL] = "control",
		[PLACE_INDEX] = "index",
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (strcmp(text, places[i]) == 0) {
			*out = (enum mailbox_place)i;
			return true;
		}
	}
	return false;
}

int cmd_mailbox_path(struct doveadm *adm, int argc, char **argv)
{
	struct names names = {.place = PLACE_MAILBOX};
	int option, status;

	while ((option = doveadm_option(adm, argc, argv)) != -1) {
		if (!mail_target_option(&names.targets, option, optarg) &&
		    !place_parse(optarg, &names.place))
			return usage_command(adm->command);
	}
	status = mail_targets_check(&names.targets);
	if (status != EX_OK)
		return status;
	if (argc - optind != 1)
		return usage_command(adm->command);
	names.list = argv + optind;
	return mail_run(adm, &names.targets, NULL, show_path, &names);
}
