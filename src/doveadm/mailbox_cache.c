/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mailbox_cache.c - `doveadm mailbox cache` and `mailbox path`.
 */
#include <stdio.h>
#include <string.h>
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
