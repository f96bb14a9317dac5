/* SPDX-License-Identifier: MIT */
/*
 * imap/context.c - CONTEXT=SEARCH (RFC 5267) as Dovecot has it: the order of a
 * sorted result is not followed, so that positions are always 0.
 */
#include "imap/context.h"

#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/search.h"
#include "imap/session.h"
#include "imap/settings.h"
#include "proto/imap.h"
#include "storage/storage.h"

struct search_context {
	struct search_context *prev, *next;
	char *tag;
	bool uid;
	struct search_node root, changed; /* both of them: changed AND what */
	struct range_set uids;            /* the result */
	uint32_t last_uid;                /* that was looked at */
};

static struct search_context *find(struct session *session, struct str tag)
{
	struct search_context *context;

	DL_FOREACH (session->contexts, context) {
		if (str_is(tag, context->tag))
			return context;
	}
	return NULL;
}

static void end(struct session *session, struct search_context *context)
{
	DL_DELETE(session->contexts, context);
	mem_free(context);
}

void contexts_end(struct session *session)
{
	while (session->contexts != NULL)
		end(session, session->contexts);
	range_set_clear(&session->changed_uids);
}

const char *context_refused(struct cmd *cmd)
{
	struct search_context *context;
	unsigned count = 0;

	DL_COUNT(cmd->session->contexts, context, count);
	if (find(cmd->session, str_of(cmd->tag)) != NULL)
		return "Duplicate search update tag";
	if (count >= cmd->session->set->imap_max_search_updates)
		return "Too many search updates";
	return NULL;
}

/* Numbers mean the mails that they mean now. */
static void freeze(const void *ctx, struct mailbox *box,
		   struct search_node *node)
{
	struct range_set uids = range_set_init(ctx);

	for (struct search_node *child = node->children; child != NULL;
	     child = child->next)
		freeze(ctx, box, child);
	if (node->kind != SEARCH_SEQS)
		return;
	mailbox_uids_of(box, &node->set, &uids);
	node->kind = SEARCH_UIDS;
	node->set = uids;
}

static uint32_t last_uid(struct mailbox *box)
{
	uint32_t messages = mailbox_messages(box);

	return messages == 0 ? 0 : mailbox_uid_of(box, messages);
}

void context_begin(struct cmd *cmd, struct search_args *args,
		   struct search_node *root, const struct range_set *seqs)
{
	struct session *session = cmd->session;
	struct search_context *context =
		mem_new(session, struct search_context);

	context->tag = mem_strdup(context, cmd->tag);
	context->uid = cmd->uid;
	context->uids = range_set_init(context);
	context->last_uid = last_uid(session->box);
	mailbox_uids_of(session->box, seqs, &context->uids);
	talloc_steal(context, args->ctx);
	freeze(context, session->box, root);
	context->changed.kind = SEARCH_UIDS;
	context->changed.set = range_set_init(context);
	context->changed.next = root;
	context->root.kind = SEARCH_AND;
	context->root.children = &context->changed;
	DL_APPEND(session->contexts, context);
}

void context_changed(struct session *session, const struct range_set *seqs)
{
	if (session->contexts != NULL)
		mailbox_uids_of(session->box, seqs, &session->changed_uids);
}

/* telling */

static void tell(struct session *session, const struct search_context *context,
		 const char *word, const struct range_set *numbers)
{
	struct buf *line = &session->line;

	if (numbers->count == 0)
		return;
	buf_add(line, "* ESEARCH (TAG ");
	imap_write_nstring(line, str_of(context->tag));
	buf_printf(line, ") %s%s (0 ", context->uid ? "UID " : "", word);
	range_set_write(numbers, line);
	buf_add(line, ")\r\n");
}

static void tell_uids(struct session *session,
		      const struct search_context *context, const char *word,
		      const struct range_set *uids)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "context");
	struct range_set seqs = range_set_init(ctx);

	if (!context->uid)
		mailbox_seqs_of(session->box, uids, &seqs);
	tell(session, context, word, context->uid ? uids : &seqs);
}

/* Both sets of `changes` have the same mails. */
static void tell_gone(struct session *session, struct search_context *context,
		      const struct mailbox_changes *changes)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "context");
	struct range_set gone = range_set_init(ctx);
	uint64_t seq_at = 0, uid_at = 0;
	uint32_t seq, uid;

	while (range_set_next(&changes->expunged, &seq_at, &seq) &&
	       range_set_next(&changes->expunged_uids, &uid_at, &uid)) {
		uint32_t number = context->uid ? uid : seq;

		if (!range_set_has(&context->uids, uid))
			continue;
		range_set_add(&gone, number, number);
		range_set_remove(&context->uids, uid, uid);
	}
	tell(session, context, "REMOVEFROM", &gone);
}

void contexts_tell_expunged(struct session *session,
			    const struct mailbox_changes *changes)
{
	struct search_context *context;

	if (changes->expunged.count == 0)
		return;
	DL_FOREACH (session->contexts, context)
		tell_gone(session, context, changes);
}

static void merge(const void *ctx, struct session *session,
		  struct search_context *context,
		  const struct range_set *found)
{
	struct range_set now = range_set_init(ctx);
	struct range_set left = range_set_init(ctx);

	mailbox_uids_of(session->box, found, &now);
	range_set_merge(&left, &context->changed.set);
	range_set_intersect(&left, &context->uids);
	range_set_subtract(&left, &now);
	range_set_subtract(&now, &context->uids);
	tell_uids(session, context, "REMOVEFROM", &left);
	tell_uids(session, context, "ADDTO", &now);
	range_set_subtract(&context->uids, &left);
	range_set_merge(&context->uids, &now);
}

/* Where contexts_tell() is. Nothing else happens in the session meanwhile. */
struct context_look {
	struct search_context *context; /* NULL: that was the last */
	struct search *search;          /* in it; NULL: none yet */
};

/* Whether there is something to look at. */
static bool gather_changed(const struct session *session,
			   struct search_context *context)
{
	uint32_t last = last_uid(session->box);

	range_set_clear(&context->changed.set);
	range_set_merge(&context->changed.set, &session->changed_uids);
	if (last > context->last_uid)
		range_set_add(&context->changed.set, context->last_uid + 1,
			      last);
	context->last_uid = last;
	return context->changed.set.count > 0;
}

/* As contexts_tell(), of one. */
static int look_at(struct session *session, struct context_look *look,
		   struct err *err)
{
	struct search_context *context = look->context;
	int done;

	if (look->search == NULL) {
		if (!gather_changed(session, context))
			return 1;
		look->search = search_begin(look, session->box, &context->root);
	}
	done = search_run(look->search, TURN_MS, err);
	if (done > 0)
		merge(look, session, context, search_result(look->search));
	if (done != 0) {
		mem_free(look->search);
		look->search = NULL;
	}
	return done;
}

int contexts_tell(const void *ctx, struct session *session,
		  struct context_look **look, struct err *err)
{
	if (*look == NULL) {
		*look = mem_new(ctx, struct context_look);
		(*look)->context = session->contexts;
	}
	while ((*look)->context != NULL) {
		int done = look_at(session, *look, err);

		if (done <= 0)
			return done;
		(*look)->context = (*look)->context->next;
	}
	range_set_clear(&session->changed_uids);
	return 1;
}

/* CANCELUPDATE "tag" ... */
enum cmd_result cmd_cancelupdate(struct cmd *cmd)
{
	const struct imap_arg *arg = cmd->args;

	if (arg->kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Invalid parameters");
	for (; arg->kind != IMAP_ARG_END; arg++) {
		struct search_context *context;

		if (arg->kind != IMAP_ARG_STRING)
			return cmd_bad(cmd, "Invalid parameters");
		context = find(cmd->session, arg->text);
		if (context == NULL)
			return cmd_reply(cmd, "NO Unknown tag");
		end(cmd->session, context);
	}
	return cmd_reply(cmd, "OK Updates cancelled");
}
