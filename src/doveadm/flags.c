/* SPDX-License-Identifier: MIT */
/*
 * doveadm/flags.c - `doveadm flags add|remove|replace`.
 */
#include "base/err.h"
#include "base/log.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/mail_walk.h"
#include "storage/storage.h"

struct change {
	struct query *query;
	struct store store;
};

static const struct {
	const char *name;
	uint8_t flag;
} system_flags[] = {
	{"\\Answered", MAIL_ANSWERED}, {"\\Deleted", MAIL_DELETED},
	{"\\Draft", MAIL_DRAFT},       {"\\Flagged", MAIL_FLAGGED},
	{"\\Seen", MAIL_SEEN},         {"\\Recent", 0 /* not for us to set */},
};

enum { FLAG_COUNT = sizeof(system_flags) / sizeof(system_flags[0]) };

static bool system_flag(struct str word, uint8_t *flags)
{
	for (size_t i = 0; i < FLAG_COUNT; i++) {
		if (str_case_is(word, system_flags[i].name)) {
			*flags |= system_flags[i].flag;
			return true;
		}
	}
	return false;
}

/* "\Seen work": flags and keywords. */
static int store_parse(const void *ctx, const char *text, struct store *out)
{
	const char **keywords = mem_array(ctx, const char *, 1);
	struct str rest = str_of(text), word;
	size_t count = 0;

	while (str_word(&rest, &word)) {
		if (word.data[0] == '\\') {
			if (system_flag(word, &out->flags))
				continue;
			return give_up("Invalid system flag: %.*s",
				       STR_FMT(word));
		}
		keywords = mem_resize(ctx, keywords, const char *, count + 2);
		keywords[count++] = str_dup(ctx, word);
		keywords[count] = NULL;
	}
	out->keywords = keywords;
	out->unchanged_since = UINT64_MAX;
	return EX_OK;
}

static int change_box(void *ctx, struct mailbox *box,
		      const struct range_set *seqs)
{
	const struct change *change = ctx;
	struct err err;

	if (mailbox_store(NULL, box, seqs, &change->store, NULL, &err) == 0)
		return EX_OK;
	if (err.code == ERR_INVALID) {
		log_error("Invalid keywords: %s", err.text);
		return EX_DATAERR;
	}
	return log_failure(&err, "Mailbox %s", mailbox_name(box));
}

static int change_user(void *ctx, struct user *user)
{
	const struct change *change = ctx;

	return mail_walk_query(user, change->query, change_box, ctx);
}

int cmd_flags(struct doveadm *adm, int argc, char **argv)
{
	struct change change = {
		.store.mode = (enum store_mode)adm->command->mode,
	};
	int status = store_parse(adm->ctx, argv[0], &change.store);

	if (status == EX_OK)
		status = mail_query(adm, argc - 1, argv + 1, &change.query);
	return status != EX_OK ? status
			       : mail_run(adm, NULL, change_user, &change);
}
