/* SPDX-License-Identifier: MIT */
/*
 * doveadm/query_bind.c - what a query means for one mailbox, and which ones it
 * is about.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "doveadm/query.h"
#include "storage/list.h"

static bool is_pattern(const char *name)
{
	return name[strcspn(name, "*%")] != '\0';
}

/* guards */

static bool names_box(const struct query *query)
{
	return query->kind == QUERY_MAILBOX ||
	       query->kind == QUERY_MAILBOX_GUID;
}

/* Whether each branch has a key that is, or is not, a mailbox. */
static bool each_branch(const struct query *query, bool box)
{
	bool any = query->kind == QUERY_AND;

	if (query->kind != QUERY_AND && query->kind != QUERY_OR)
		return names_box(query) == box;
	for (const struct query *child = query->children; child != NULL;
	     child = child->next) {
		if (each_branch(child, box) == any)
			return any;
	}
	return !any;
}

int query_guard(const struct query *query, const char *command, struct err *err)
{
	if (!each_branch(query, true))
		return err_set(err, ERR_INVALID,
			       "%s: To avoid accidents, search query must "
			       "contain MAILBOX in all search branches",
			       command);
	if (!each_branch(query, false))
		return err_set(err, ERR_INVALID,
			       "%s: To avoid accidents, each branch in search "
			       "query must contain something else besides "
			       "MAILBOX (e.g. just add \"all\" if you want "
			       "everything)",
			       command);
	return 0;
}

/* which mailboxes */

const char *query_mailbox(const struct query *query)
{
	if (query->negate)
		return NULL;
	if (query->kind == QUERY_MAILBOX)
		return is_pattern(query->text) ? NULL : query->text;
	if (query->kind != QUERY_AND)
		return NULL;
	for (const struct query *child = query->children; child != NULL;
	     child = child->next) {
		const char *name = query_mailbox(child);

		if (name != NULL)
			return name;
	}
	return NULL;
}

struct patterns {
	const void *ctx;
	const char **list;
	size_t count;
};

/* Add the patterns one of which a mailbox must match; false, and nothing is
 * added, if there are no such. */
static bool add_patterns(struct patterns *patterns, const struct query *query)
{
	bool all = query->kind == QUERY_OR;
	size_t before = patterns->count;

	if (query->negate)
		return false;
	if (query->kind == QUERY_MAILBOX) {
		patterns->list = mem_resize(patterns->ctx, patterns->list,
					    const char *, before + 1);
		patterns->list[patterns->count++] = query->text;
		return true;
	}
	if (query->kind != QUERY_AND && query->kind != QUERY_OR)
		return false;
	for (const struct query *child = query->children; child != NULL;
	     child = child->next) {
		if (add_patterns(patterns, child) == all)
			continue;
		if (all)
			patterns->count = before;
		return !all;
	}
	return all;
}

const char *const *query_patterns(const void *ctx, const struct query *query)
{
	struct patterns patterns = {.ctx = ctx};
	bool found = add_patterns(&patterns, query);

	patterns.list = mem_resize(ctx, patterns.list, const char *,
				   patterns.count + 2);
	if (!found)
		patterns.list[patterns.count++] = "*";
	patterns.list[patterns.count] = NULL;
	return patterns.list;
}

/* one mailbox */

enum answer { NEVER, ALWAYS, DEPENDS };

static enum answer bind(const void *ctx, const struct query *query,
			const struct query_box *box, struct search_node **out);

static bool has_guid(const char *text, const unsigned char guid[16])
{
	CLEANUP(buf_free) struct buf hex = buf_init(64);

	hex_encode(str_n(guid, 16), &hex);
	return str_case_is(str_n(hex.data, hex.len), text);
}

static enum answer yes_no(bool yes)
{
	return yes ? ALWAYS : NEVER;
}

/* Numbers as they are here. */
static void bind_set(const struct query *query, const struct query_box *box,
		     struct search_node *node)
{
	bool by_uid = node->kind == SEARCH_UIDS;
	uint32_t last = by_uid ? box->last_uid : box->messages;

	node->set = range_set_init(node);
	range_set_merge(&node->set, &query->key.set);
	if (last > 0 &&
	    (by_uid ? query->last : range_set_has(&node->set, UINT32_MAX)))
		range_set_add(&node->set, last, last);
	range_set_remove(&node->set, UINT32_MAX, UINT32_MAX);
}

static enum answer bind_key(const void *ctx, const struct query *query,
			    const struct query_box *box,
			    struct search_node **out)
{
	struct search_node *node;

	if (query->key.kind == SEARCH_ALL)
		return ALWAYS;
	node = mem_new(ctx, struct search_node);
	*node = query->key;
	node->negate = false;
	if (node->kind == SEARCH_UIDS || node->kind == SEARCH_SEQS)
		bind_set(query, box, node);
	*out = node;
	return DEPENDS;
}

/* Children that are decided fall out, or decide for all. */
static enum answer bind_list(const void *ctx, const struct query *query,
			     const struct query_box *box,
			     struct search_node **out)
{
	bool all = query->kind == QUERY_AND;
	struct search_node *list = mem_new(ctx, struct search_node);
	struct search_node **end = &list->children;

	list->kind = all ? SEARCH_AND : SEARCH_OR;
	for (const struct query *child = query->children; child != NULL;
	     child = child->next) {
		enum answer answer = bind(list, child, box, end);

		if (answer == (all ? NEVER : ALWAYS))
			return answer;
		if (answer == DEPENDS)
			end = &(*end)->next;
	}
	if (list->children == NULL)
		return yes_no(all);
	*out = list;
	return DEPENDS;
}

static enum answer bind(const void *ctx, const struct query *query,
			const struct query_box *box, struct search_node **out)
{
	enum answer answer = NEVER;

	switch (query->kind) {
	case QUERY_KEY:
		answer = bind_key(ctx, query, box, out);
		break;
	case QUERY_AND:
	case QUERY_OR:
		answer = bind_list(ctx, query, box, out);
		break;
	case QUERY_MAILBOX:
		answer = yes_no(mailbox_name_match(query->text, box->name,
						   box->separator));
		break;
	case QUERY_MAILBOX_GUID:
		answer = yes_no(has_guid(query->text, box->guid));
		break;
	}
	if (!query->negate)
		return answer;
	if (answer == DEPENDS) {
		(*out)->negate = true;
		return DEPENDS;
	}
	return yes_no(answer == NEVER);
}

struct search_node *query_bind(const void *ctx, const struct query *query,
			       const struct query_box *box)
{
	struct search_node *node = NULL;

	switch (bind(ctx, query, box, &node)) {
	case NEVER:
		return NULL;
	case ALWAYS:
		node = mem_new(ctx, struct search_node);
		node->kind = SEARCH_ALL;
		break;
	case DEPENDS:
		break;
	}
	return node;
}
