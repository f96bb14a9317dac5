/* SPDX-License-Identifier: MIT */
#include "doveadm/mail_walk.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/range.h"
#include "doveadm/doveadm.h"
#include "doveadm/query.h"
#include "storage/storage.h"

int mail_query(struct doveadm *adm, int argc, char **argv, struct query **out)
{
	struct err err;

	if (query_parse(adm->ctx, argc, argv, time(NULL), out, &err) < 0)
		return give_up("%s", err.text);
	return EX_OK;
}

int mail_query_guarded(struct doveadm *adm, int argc, char **argv,
		       struct query **out)
{
	int status = mail_query(adm, argc, argv, out);
	struct err err;

	if (status != EX_OK)
		return status;
	if (query_guard(*out, adm->command->name, &err) == 0)
		return EX_OK;
	give_up("%s", err.text);
	return EX_USAGE;
}

char mail_separator(struct user *user, const char *name)
{
	const struct namespace *space = namespace_find(user, name);

	return space != NULL ? space->separator : '/';
}

static int search_box(struct user *user, const struct mail_walk *walk,
		      struct mailbox *box, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "search");
	const struct range_set none = range_set_init(ctx);
	const struct range_set *seqs = &none;
	struct mailbox_status status;
	struct query_box about = {.name = mailbox_name(box)};
	struct search_node *root;
	struct search *search;
	int done;

	if (mailbox_get_status(box, &status, err) < 0)
		return -1;
	about.separator = mail_separator(user, about.name);
	memcpy(about.guid, status.guid, sizeof(about.guid));
	about.messages = status.messages;
	about.last_uid = mailbox_uid_of(box, status.messages);
	root = query_bind(ctx, walk->query, &about);
	if (root == NULL)
		return EX_OK;
	if (status.messages > 0) {
		search = search_begin(ctx, box, root);
		do {
			done = search_run(search, UINT_MAX, err);
		} while (done == 0);
		if (done < 0)
			return -1;
		seqs = search_result(search);
	}
	if (seqs->count == 0 && !walk->unmatched_too)
		return EX_OK;
	return walk->fn(walk->ctx, box, seqs);
}

static int failed(const struct mail_walk *walk, const char *name,
		  const struct err *err)
{
	if (err->code != ERR_NOT_FOUND)
		log_error("Syncing mailbox %s failed: %s", name, err->text);
	else if (walk->missing_ok)
		return EX_OK;
	else if (walk->before == NULL)
		log_error("Mailbox %s: Mailbox sync failed: %s", name,
			  err->text);
	else
		log_error("%s%s%s%s", walk->before, name, walk->after,
			  err->text);
	return status_of(err);
}

static int one_box(void *ctx, struct user *user, const char *name)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	const struct mail_walk *walk = ctx;
	struct err err;
	int status;

	if (mailbox_open(user, name,
			 MAILBOX_KEEP_RECENT |
				 (walk->readonly ? MAILBOX_READONLY : 0U),
			 &box, &err) < 0)
		return failed(walk, name, &err);
	status = search_box(user, walk, box, &err);
	if (status >= 0)
		return status;
	return log_failure(&err, "Searching mailbox %s failed", name);
}

int mail_each_box(struct user *user, const char *const *patterns,
		  int (*fn)(void *ctx, struct user *user, const char *name),
		  void *fn_ctx)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "mailboxes");
	struct list_entry *entries;
	int status = EX_OK;
	size_t count;
	struct err err;

	if (mailbox_list(ctx, user, patterns, 0, &entries, &count, &err) < 0)
		return log_failure(&err, "Listing mailboxes failed");
	for (size_t i = 0; i < count; i++) {
		int result;

		if ((entries[i].flags & (ENTRY_NOSELECT | ENTRY_NONEXISTENT)) !=
		    0)
			continue;
		result = fn(fn_ctx, user, entries[i].name);
		if (status == EX_OK)
			status = result;
	}
	return status;
}

int mail_walk(struct user *user, const struct mail_walk *walk)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "walk");
	const char *only = query_mailbox(walk->query);

	if (only != NULL)
		return one_box((void *)walk, user, only);
	return mail_each_box(user, query_patterns(ctx, walk->query), one_box,
			     (void *)walk);
}

int mail_walk_query(struct user *user, const struct query *query,
		    int (*fn)(void *ctx, struct mailbox *box,
			      const struct range_set *seqs),
		    void *ctx)
{
	const struct mail_walk walk = {.query = query, .fn = fn, .ctx = ctx};

	return mail_walk(user, &walk);
}
