/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mailbox.c - `doveadm mailbox create|delete|rename|subscribe|
 * unsubscribe|mutf7`: what changes the tree of mailboxes.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/log.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "storage/storage.h"

enum { NAME_MAX_LEN = 64 * 1024 };

struct change {
	struct doveadm *adm;
	unsigned char guid[16]; /* create -g */
	char **names;
	int count;
};

static bool has(const struct change *change, int option)
{
	return doveadm_value(change->adm, option) != NULL;
}

/* Tell why not, and keep the first status. */
static void failed(int *status, const char *what, const char *name,
		   const struct err *err)
{
	log_error("Can't %s mailbox %s: %s", what, name, err->text);
	if (*status == EX_OK)
		*status = status_of(err);
}

/* create */

static int create(void *ctx, struct user *user)
{
	const struct change *change = ctx;
	const struct mailbox_update update = {.guid = change->guid};
	int status = EX_OK;
	struct err err;

	for (int i = 0; i < change->count; i++) {
		const char *name = change->names[i];

		if (mailbox_create(user, name, NULL, &err) < 0 ||
		    (has(change, 'g') &&
		     mailbox_update(user, name, &update, &err) < 0))
			failed(&status, "create", name, &err);
		else if (has(change, 's') &&
			 mailbox_subscribe(user, name, true, &err) < 0)
			failed(&status, "subscribe to", name, &err);
	}
	return status;
}

int cmd_mailbox_create(struct doveadm *adm, int argc, char **argv)
{
	struct change change = {.adm = adm, .names = argv, .count = argc};
	const char *guid = doveadm_value(adm, 'g');

	if (guid != NULL && !mailbox_guid_parse(guid, change.guid))
		return usage_command(adm->command);
	return mail_run(adm, NULL, create, &change);
}

/* delete */

static bool is_empty(struct user *user, const char *name, struct err *err)
{
	struct mailbox_status status;

	if (mailbox_status(user, name, &status, err) < 0)
		return false;
	if (status.messages == 0)
		return true;
	err_set(err, ERR_EXISTS, "Mailbox isn't empty");
	return false;
}

static void delete_one(const struct change *change, struct user *user,
		       const char *name, int *status)
{
	struct err err;

	if (has(change, 'e') && !is_empty(user, name, &err)) {
		failed(status, "delete", name, &err);
		return;
	}
	if (mailbox_delete(user, name, &err) < 0) {
		/* INBOX, which no other name would make possible. */
		if (err.code == ERR_INVALID)
			err.code = ERR_EXISTS;
		failed(status, "delete", name, &err);
		return;
	}
	if (has(change, 's') && mailbox_subscribe(user, name, false, &err) < 0)
		failed(status, "unsubscribe", name, &err);
}

/* Those below `name`, the deepest first. Returns how many there were. */
static size_t delete_children(const struct change *change, struct user *user,
			      const char *name, int *status)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "children");
	const struct namespace *space = namespace_find(user, name);
	const char *patterns[2] = {NULL, NULL};
	struct list_entry *entries;
	size_t count, found = 0;
	struct err err;

	if (space == NULL)
		return 0;
	patterns[0] = mem_printf(ctx, "%s%c*", name, space->separator);
	if (mailbox_list(ctx, user, patterns, 0, &entries, &count, &err) < 0) {
		failed(status, "list children of", name, &err);
		return 0;
	}
	while (count-- > 0) {
		if ((entries[count].flags &
		     (ENTRY_NOSELECT | ENTRY_NONEXISTENT)) != 0)
			continue;
		delete_one(change, user, entries[count].name, status);
		found++;
	}
	return found;
}

static int delete (void *ctx, struct user *user)
{
	const struct change *change = ctx;
	int status = EX_OK;

	for (int i = 0; i < change->count; i++) {
		const char *name = change->names[i];
		size_t below = 0;
		struct err err;

		if (has(change, 'r'))
			below = delete_children(change, user, name, &status);
		/* A parent that was only a name may be gone with them. */
		if (below == 0 || mailbox_exists(user, name, &err) == 0)
			delete_one(change, user, name, &status);
	}
	return status;
}

/* -Z allows to leave things inconsistent for speed; here there is nothing to
 * gain by that. */
int cmd_mailbox_delete(struct doveadm *adm, int argc, char **argv)
{
	struct change change = {.adm = adm, .names = argv, .count = argc};

	return mail_run(adm, NULL, delete, &change);
}

/* rename */

static int rename_one(void *ctx, struct user *user)
{
	const struct change *change = ctx;
	const char *from = change->names[0], *to = change->names[1];
	struct err err;
	int status = EX_OK;

	if (mailbox_rename(user, from, to, &err) < 0)
		return log_failure(&err, "Can't rename mailbox %s to %s", from,
				   to);
	if (!has(change, 's'))
		return EX_OK;
	if (mailbox_subscribe(user, to, true, &err) < 0)
		failed(&status, "subscribe to", to, &err);
	if (mailbox_subscribe(user, from, false, &err) < 0)
		failed(&status, "unsubscribe", from, &err);
	return status;
}

int cmd_mailbox_rename(struct doveadm *adm, int argc, char **argv)
{
	struct change change = {.adm = adm, .names = argv, .count = argc};

	return mail_run(adm, NULL, rename_one, &change);
}

/* subscriptions */

static int subscribe(void *ctx, struct user *user)
{
	const struct change *change = ctx;
	bool on = change->adm->command->mode;
	int status = EX_OK;
	struct err err;

	for (int i = 0; i < change->count; i++) {
		if (mailbox_subscribe(user, change->names[i], on, &err) < 0)
			failed(&status, on ? "subscribe to" : "unsubscribe",
			       change->names[i], &err);
	}
	return status;
}

int cmd_mailbox_subscribe(struct doveadm *adm, int argc, char **argv)
{
	struct change change = {.adm = adm, .names = argv, .count = argc};

	return mail_run(adm, NULL, subscribe, &change);
}

/* mutf7 */

int cmd_mailbox_mutf7(struct doveadm *adm, int argc, char **argv)
{
	bool decode = adm->given_count > 0 &&
		      adm->given[adm->given_count - 1].option == '7';
	int status = EX_OK;

	for (int i = 0; i < argc; i++) {
		CLEANUP(buf_free) struct buf out = buf_init(NAME_MAX_LEN);
		struct str name = str_of(argv[i]);

		if (decode ? utf7_decode(name, &out)
			   : utf7_encode(name, &out)) {
			puts(out.data);
			continue;
		}
		complain("Mailbox name not valid %s: %s",
			 decode ? "mUTF-7" : "UTF-8", argv[i]);
		status = EX_DATAERR;
	}
	return status;
}
