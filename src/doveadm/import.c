/* SPDX-License-Identifier: MIT */
/*
 * doveadm/import.c - `doveadm import`: mails of another location, below a
 * mailbox.
 */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/mail_walk.h"
#include "doveadm/progress.h"
#include "storage/storage.h"

/* So many mails appear at once. */
enum { TOGETHER = 1000 };

struct import {
	struct query *query;
	const char *location, *parent;
	const char *as; /* -U; NULL: the user that the mails are for */
	bool subscribe; /* -s */
	struct user *from, *to;
	struct progress progress;
};

/* Levels stay levels; a separator of ours inside one becomes "_". */
static char *name_here(const void *ctx, const struct import *import,
		       const char *name)
{
	char from = mail_separator(import->from, name);
	char to = mail_separator(import->to, import->parent);
	char *copy = mem_strdup(ctx, name);

	for (char *p = copy; *p != '\0' && from != to; p++) {
		if (*p == to)
			*p = '_';
		else if (*p == from)
			*p = to;
	}
	if (import->parent[0] == '\0')
		return copy;
	return mem_printf(ctx, "%s%c%s", import->parent, to, copy);
}

static int make(const struct import *import, const char *name, struct err *err)
{
	if (mailbox_exists(import->to, name, err) < 0 &&
	    (err->code != ERR_NOT_FOUND ||
	     (mailbox_create(import->to, name, NULL, err) < 0 &&
	      err->code != ERR_EXISTS)))
		return -1;
	return import->subscribe
		       ? mailbox_subscribe(import->to, name, true, err)
		       : 0;
}

/* The next of them, from *at on; false when there are no more. */
static bool take(const struct range_set *seqs, uint64_t *at,
		 struct range_set *out)
{
	uint32_t seq;

	range_set_clear(out);
	for (unsigned i = 0; i < TOGETHER && range_set_next(seqs, at, &seq);
	     i++)
		range_set_add(out, seq, seq);
	return out->count > 0;
}

static int copy_all(struct import *import, struct mailbox *box,
		    const struct range_set *seqs, const char *to,
		    struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "import");
	struct range_set some = range_set_init(ctx);
	uint64_t at = 0;

	while (take(seqs, &at, &some)) {
		struct copy_result result;

		if (mailbox_copy_to(ctx, box, &some, import->to, to, false,
				    &result, err) < 0)
			return -1;
		for (uint64_t n = range_set_size(&some); n > 0; n--)
			progress_step(&import->progress);
	}
	return 0;
}

static int import_box(void *ctx, struct mailbox *box,
		      const struct range_set *seqs)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "import");
	struct import *import = ctx;
	char *to = name_here(memory, import, mailbox_name(box));
	struct err err;

	if (make(import, to, &err) == 0 &&
	    copy_all(import, box, seqs, to, &err) == 0)
		return EX_OK;
	return log_failure(&err, "Importing mailbox '%s' to '%s' failed",
			   mailbox_name(box), to);
}

static int import_user(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "source");
	struct import *import = ctx;
	struct err err;
	int status;

	import->to = user;
	if (user_open_location(memory, user, import->as, import->location,
			       &import->from, &err) < 0) {
		log_error("Import namespace initialization failed: %s",
			  err.text);
		return EX_TEMPFAIL;
	}
	progress_begin(&import->progress, "Importing", 0);
	status = mail_walk_query(import->from, import->query, import_box, ctx);
	progress_end(&import->progress);
	return status;
}

int cmd_import(struct doveadm *adm, int argc, char **argv)
{
	struct import import = {
		.as = doveadm_value(adm, 'U'),
		.subscribe = doveadm_value(adm, 's') != NULL,
		.location = argv[0],
		.parent = argv[1],
	};
	int status = mail_query(adm, argc - 2, argv + 2, &import.query);

	return status != EX_OK ? status
			       : mail_run(adm, NULL, import_user, &import);
}
