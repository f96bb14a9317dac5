/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mailbox_metadata.c - `doveadm mailbox metadata`.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/print.h"
#include "storage/storage.h"

struct metadata {
	struct printer *printer;
	bool prefix; /* -p */
	const char *mailbox;
	struct attribute attribute;
	const char *failed; /* "Failed to set attribute" */
};

static int complain_about(const struct metadata *meta, const struct err *err)
{
	return log_failure(err, "%s", meta->failed);
}

static int set(void *ctx, struct user *user)
{
	const struct metadata *meta = ctx;
	struct err err;

	if (attribute_set(user, meta->mailbox, &meta->attribute, 1, &err) < 0)
		return complain_about(meta, &err);
	return EX_OK;
}

static int get(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "get");
	const struct metadata *meta = ctx;
	const char *value;
	struct err err;

	if (attribute_get(memory, user, meta->mailbox, meta->attribute.entry,
			  &value, &err) < 0)
		return complain_about(meta, &err);
	print_value(meta->printer, value == NULL ? "" : value);
	return EX_OK;
}

/* Without -p, an entry begins behind what was asked for. */
static const char *shown(const struct metadata *meta, const char *entry)
{
	const char *asked = meta->attribute.entry;

	if (meta->prefix)
		return entry;
	if (strchr(asked + (asked[0] == '/'), '/') != NULL)
		return entry + strlen(asked);
	return strchr(entry + 1, '/') + 1;
}

static int list(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "list");
	const struct metadata *meta = ctx;
	struct attribute *found;
	struct err err;
	size_t count;

	if (attribute_list(memory, user, meta->mailbox, meta->attribute.entry,
			   &found, &count, &err) < 0)
		return complain_about(meta, &err);
	for (size_t i = 0; i < count; i++)
		print_value(meta->printer, shown(meta, found[i].entry));
	return EX_OK;
}

/* All arguments but the value. */
static int parse(const struct doveadm *adm, struct metadata *meta, int argc,
		 char **argv)
{
	struct err err;

	meta->prefix = doveadm_value(adm, 'p') != NULL;
	meta->mailbox = argv[0];
	meta->attribute.entry = argc < 2 ? "" : argv[1];
	if (meta->mailbox[0] == '\0' && doveadm_value(adm, 's') == NULL) {
		complain("%s: mailbox name cannot be empty", meta->failed);
		return EX_USAGE;
	}
	if (argc > 1 && attribute_check(meta->attribute.entry, &err) < 0) {
		complain("Invalid metadata key '%s': %s", meta->attribute.entry,
			 err.text);
		return EX_USAGE;
	}
	return EX_OK;
}

int cmd_mailbox_metadata_set(struct doveadm *adm, int argc, char **argv)
{
	bool on = adm->command->mode;
	struct metadata meta = {
		.failed = on ? "Failed to set attribute"
			     : "Failed to unset attribute",
		.attribute.value = on ? argv[2] : NULL,
	};
	int status = parse(adm, &meta, argc, argv);

	return status != EX_OK ? status : mail_run(adm, NULL, set, &meta);
}

int cmd_mailbox_metadata_get(struct doveadm *adm, int argc, char **argv)
{
	bool one = adm->command->mode;
	struct metadata meta = {
		.failed = one ? "Failed to get attribute"
			      : "Failed to list attributes",
	};
	int status = parse(adm, &meta, argc, argv);

	if (status != EX_OK)
		return status;
	meta.printer = mail_printer(adm, "flow");
	if (meta.printer == NULL)
		return EX_TEMPFAIL;
	print_columns(meta.printer, PRINT_HIDE_TITLE, one ? "value" : "key",
		      NULL);
	return mail_run(adm, meta.printer, one ? get : list, &meta);
}
