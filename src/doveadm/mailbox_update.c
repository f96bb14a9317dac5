/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mailbox_update.c - `doveadm mailbox update`.
 */
#include <getopt.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "storage/storage.h"

enum { GUID, UID_VALIDITY, NEXT_UID, RECENT_UID, MODSEQ, PRIVATE_MODSEQ };

const struct option mailbox_update_options[] = {
	{"mailbox-guid", required_argument, NULL, GUID},
	{"uid-validity", required_argument, NULL, UID_VALIDITY},
	{"min-next-uid", required_argument, NULL, NEXT_UID},
	{"min-first-recent-uid", required_argument, NULL, RECENT_UID},
	{"min-highest-modseq", required_argument, NULL, MODSEQ},
	{"min-highest-pvt-modseq", required_argument, NULL, PRIVATE_MODSEQ},
	{NULL, 0, NULL, 0},
};

struct updating {
	struct mailbox_update update;
	unsigned char guid[16];
	const char *name;
};

bool mailbox_guid_parse(const char *text, unsigned char guid[16])
{
	CLEANUP(buf_free) struct buf octets = buf_init(64);

	if (strlen(text) != 32 || !hex_decode(str_of(text), &octets) ||
	    octets.len != 16)
		return false;
	memcpy(guid, octets.data, 16);
	return true;
}

static bool take(struct updating *updating, int option, const char *value)
{
	struct mailbox_update *update = &updating->update;
	struct str text = str_of(value);
	uint64_t unused;

	switch (option) {
	case GUID:
		update->guid = updating->guid;
		return mailbox_guid_parse(value, updating->guid);
	case UID_VALIDITY:
		return str_to_u32(text, &update->uid_validity);
	case NEXT_UID:
		return str_to_u32(text, &update->min_next_uid);
	case RECENT_UID:
		return str_to_u32(text, &update->min_first_recent_uid);
	case MODSEQ:
		return str_to_u64(text, &update->min_highest_modseq) &&
		       update->min_highest_modseq <= INT64_MAX;
	case PRIVATE_MODSEQ:
		/* Nobody has flags of his own in others' mailboxes: there is
		 * nothing that could be below it. */
		return str_to_u64(text, &unused);
	}
	return true;
}

static int update_user(void *ctx, struct user *user)
{
	const struct updating *updating = ctx;
	struct err err;

	if (mailbox_update(user, updating->name, &updating->update, &err) == 0)
		return EX_OK;
	return log_failure(&err, "Cannot update %s", updating->name);
}

int cmd_mailbox_update(struct doveadm *adm, int argc, char **argv)
{
	struct updating updating = {.name = argv[0]};

	for (unsigned i = 0; i < adm->given_count; i++) {
		if (!take(&updating, adm->given[i].option, adm->given[i].value))
			return usage_command(adm->command);
	}
	if (argc > 1)
		return usage_command(adm->command);
	return mail_run(adm, NULL, update_user, &updating);
}
