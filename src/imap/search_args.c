/* SPDX-License-Identifier: MIT */
/*
 * imap/search_args.c - the keys of SEARCH (RFC 3501 section 6.4.4), WITHIN
 * (RFC 5032), SAVEDATE's of RFC 8514, $ (RFC 5182), MODSEQ (RFC 7162).
 */
#include "imap/search.h"

#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "mime/charset.h"
#include "proto/imap.h"
#include "storage/storage.h"

enum value_kind {
	VALUE_NONE,
	VALUE_TEXT,
	VALUE_HEADER, /* field and text */
	VALUE_KEYWORD,
	VALUE_DATE,
	VALUE_SIZE,
	VALUE_INTERVAL,
	VALUE_UIDS,
	VALUE_MAILBOX,
	VALUE_MODSEQ, /* perhaps with the name of an entry */
};

struct key {
	const char *name;
	enum search_kind kind;
	enum value_kind value;
	bool negate;
	uint8_t flags;
	const char *field;
};

static const struct key keys[] = {
	{"ALL", SEARCH_ALL, VALUE_NONE, false, 0, NULL},
	{"ANSWERED", SEARCH_FLAG, VALUE_NONE, false, MAIL_ANSWERED, NULL},
	{"BCC", SEARCH_ADDRESS, VALUE_TEXT, false, 0, "Bcc"},
	{"BEFORE", SEARCH_BEFORE, VALUE_DATE, false, 0, NULL},
	{"BODY", SEARCH_BODY, VALUE_TEXT, false, 0, NULL},
	{"CC", SEARCH_ADDRESS, VALUE_TEXT, false, 0, "Cc"},
	{"DELETED", SEARCH_FLAG, VALUE_NONE, false, MAIL_DELETED, NULL},
	{"DRAFT", SEARCH_FLAG, VALUE_NONE, false, MAIL_DRAFT, NULL},
	{"EMAILID", SEARCH_EMAIL_ID, VALUE_TEXT, false, 0, NULL},
	{"FLAGGED", SEARCH_FLAG, VALUE_NONE, false, MAIL_FLAGGED, NULL},
	{"FROM", SEARCH_ADDRESS, VALUE_TEXT, false, 0, "From"},
	{"HEADER", SEARCH_HEADER, VALUE_HEADER, false, 0, NULL},
	{"KEYWORD", SEARCH_KEYWORD, VALUE_KEYWORD, false, 0, NULL},
	{"LARGER", SEARCH_LARGER, VALUE_SIZE, false, 0, NULL},
	{"MODSEQ", SEARCH_MODSEQ, VALUE_MODSEQ, false, 0, NULL},
	{"OLD", SEARCH_FLAG, VALUE_NONE, true, MAIL_RECENT, NULL},
	{"OLDER", SEARCH_OLDER, VALUE_INTERVAL, false, 0, NULL},
	{"ON", SEARCH_ON, VALUE_DATE, false, 0, NULL},
	{"RECENT", SEARCH_FLAG, VALUE_NONE, false, MAIL_RECENT, NULL},
	/* By all of our mailboxes (RFC 8514 section 4.3). */
	{"SAVEDATESUPPORTED", SEARCH_ALL, VALUE_NONE, false, 0, NULL},
	{"SAVEDBEFORE", SEARCH_SAVED_BEFORE, VALUE_DATE, false, 0, NULL},
	{"SAVEDON", SEARCH_SAVED_ON, VALUE_DATE, false, 0, NULL},
	{"SAVEDSINCE", SEARCH_SAVED_SINCE, VALUE_DATE, false, 0, NULL},
	{"SEEN", SEARCH_FLAG, VALUE_NONE, false, MAIL_SEEN, NULL},
	{"SENTBEFORE", SEARCH_SENT_BEFORE, VALUE_DATE, false, 0, NULL},
	{"SENTON", SEARCH_SENT_ON, VALUE_DATE, false, 0, NULL},
	{"SENTSINCE", SEARCH_SENT_SINCE, VALUE_DATE, false, 0, NULL},
	{"SINCE", SEARCH_SINCE, VALUE_DATE, false, 0, NULL},
	{"SMALLER", SEARCH_SMALLER, VALUE_SIZE, false, 0, NULL},
	{"SUBJECT", SEARCH_HEADER, VALUE_TEXT, false, 0, "Subject"},
	{"TEXT", SEARCH_TEXT, VALUE_TEXT, false, 0, NULL},
	{"THREADID", SEARCH_THREAD_ID, VALUE_TEXT, false, 0, NULL},
	{"TO", SEARCH_ADDRESS, VALUE_TEXT, false, 0, "To"},
	{"UID", SEARCH_UIDS, VALUE_UIDS, false, 0, NULL},
	{"UNANSWERED", SEARCH_FLAG, VALUE_NONE, true, MAIL_ANSWERED, NULL},
	{"UNDELETED", SEARCH_FLAG, VALUE_NONE, true, MAIL_DELETED, NULL},
	{"UNDRAFT", SEARCH_FLAG, VALUE_NONE, true, MAIL_DRAFT, NULL},
	{"UNFLAGGED", SEARCH_FLAG, VALUE_NONE, true, MAIL_FLAGGED, NULL},
	{"UNKEYWORD", SEARCH_KEYWORD, VALUE_KEYWORD, true, 0, NULL},
	{"UNSEEN", SEARCH_FLAG, VALUE_NONE, true, MAIL_SEEN, NULL},
	{"X-GUID", SEARCH_GUID, VALUE_TEXT, false, 0, NULL},
	{"X-MAILBOX", SEARCH_ALL, VALUE_MAILBOX, false, 0, NULL},
	{"X-REAL-UID", SEARCH_UIDS, VALUE_UIDS, false, 0, NULL},
	{"YOUNGER", SEARCH_YOUNGER, VALUE_INTERVAL, false, 0, NULL},
};

static struct search_node *new_node(struct search_args *args,
				    enum search_kind kind)
{
	struct search_node *node = mem_new(args->ctx, struct search_node);

	node->kind = kind;
	node->set = range_set_init(args->ctx);
	return node;
}

void search_args_init(struct cmd *cmd, struct search_args *args_out)
{
	struct session *session = cmd->session;

	*args_out = (struct search_args){
		.ctx = mem_ctx(cmd, "search"),
		.box = session->box,
		.saved = &session->saved,
		.max_depth = session->set->imap_max_nesting,
		.now = time(NULL),
	};
}

/* values */

static const char *to_utf8(struct search_args *args, struct str text)
{
	CLEANUP(buf_free) struct buf out = buf_init(SIZE_MAX);

	if (args->charset.data == NULL)
		return str_dup(args->ctx, text);
	charset_to_utf8(args->charset, text, &out);
	return buf_steal(args->ctx, &out);
}

static const char *no_value(struct search_args *args, const struct key *key,
			    const struct imap_arg *arg)
{
	return mem_printf(args->ctx, "%s (for search key: %s)",
			  arg->kind == IMAP_ARG_LIST
				  ? "Unexpected ("
				  : "Missing parameter for search key",
			  key->name);
}

static const char *parse_value(struct search_args *args, const struct key *key,
			       const struct imap_arg **arg,
			       struct search_node *node)
{
	uint32_t star, messages;
	struct str text;

	if (!arg_string(*arg, &text))
		return no_value(args, key, *arg);
	*arg += 1;
	switch (key->value) {
	case VALUE_NONE:
	case VALUE_HEADER:
	case VALUE_MODSEQ:
		break;
	case VALUE_TEXT:
		node->text = to_utf8(args, text);
		break;
	case VALUE_KEYWORD:
		node->text = str_dup(args->ctx, text);
		break;
	case VALUE_DATE:
		if (!imap_date(text, &node->time))
			return "Invalid search date parameter";
		break;
	case VALUE_SIZE:
		if (!str_to_u64(text, &node->number))
			return "Invalid search size parameter";
		break;
	case VALUE_INTERVAL:
		if (!str_to_u64(text, &node->number) || node->number == 0 ||
		    node->number > INT32_MAX)
			return "Invalid search interval parameter";
		node->time = args->now - (int64_t)node->number;
		break;
	case VALUE_UIDS:
		messages = mailbox_messages(args->box);
		star = messages == 0 ? 1 : mailbox_uid_of(args->box, messages);
		if (str_is(text, "$"))
			range_set_merge(&node->set, args->saved);
		else if (!imap_sequence_set(text, star, &node->set))
			return "Invalid UID messageset";
		break;
	case VALUE_MAILBOX: /* all are in the one that is selected */
		node->negate = !str_is(text, mailbox_name(args->box));
		break;
	}
	return NULL;
}

static const char *parse_header(struct search_args *args, const struct key *key,
				const struct imap_arg **arg,
				struct search_node *node)
{
	struct str field, text;

	if (!arg_string(&(*arg)[0], &field))
		return no_value(args, key, &(*arg)[0]);
	if (!arg_string(&(*arg)[1], &text))
		return no_value(args, key, &(*arg)[1]);
	*arg += 2;
	node->field = str_dup(args->ctx, field);
	node->text = to_utf8(args, text);
	return NULL;
}

/* "123", or "/flags/\\seen" all 123: a mail has one modseq for all its flags,
 * so that the name makes no difference (RFC 7162 section 3.1.5). */
static const char *parse_modseq(struct search_args *args, const struct key *key,
				const struct imap_arg **arg,
				struct search_node *node)
{
	struct str text;

	if (!arg_string(*arg, &text))
		return no_value(args, key, *arg);
	if (str_starts(text, "/flags/")) {
		*arg += 1;
		if (!arg_string(*arg, &text))
			return no_value(args, key, *arg);
		if (!str_case_is(text, "all") && !str_case_is(text, "priv") &&
		    !str_case_is(text, "shared"))
			return "Invalid MODSEQ type";
		*arg += 1;
		if (!arg_string(*arg, &text))
			return no_value(args, key, *arg);
	}
	if (!str_to_u64(text, &node->number))
		return "Invalid MODSEQ value";
	*arg += 1;
	args->modseq = true;
	return NULL;
}

static bool is_set(struct str text)
{
	return text.len > 0 && (text.data[0] == '*' ||
				(text.data[0] >= '0' && text.data[0] <= '9'));
}

static const char *parse_set(struct search_args *args, struct str text,
			     struct search_node *node)
{
	uint32_t messages = mailbox_messages(args->box);

	node->kind = SEARCH_SEQS;
	if (!imap_sequence_set(text, messages == 0 ? 1 : messages, &node->set))
		return "Invalid messageset";
	return NULL;
}

/* keys */

static const char *parse_key(struct search_args *args,
			     const struct imap_arg **arg, unsigned depth,
			     struct search_node **out);

static const char *parse_list(struct search_args *args,
			      const struct imap_arg *arg, unsigned depth,
			      struct search_node **out)
{
	struct search_node *list = new_node(args, SEARCH_AND);
	struct search_node **end = &list->children;
	const char *problem;

	if (depth > args->max_depth)
		return "Too deeply nested";
	while (arg->kind != IMAP_ARG_END) {
		problem = parse_key(args, &arg, depth, end);
		if (problem != NULL)
			return problem;
		end = &(*end)->next;
	}
	*out = list;
	return NULL;
}

static const char *parse_or(struct search_args *args,
			    const struct imap_arg **arg, unsigned depth,
			    struct search_node **out)
{
	struct search_node *node = new_node(args, SEARCH_OR);
	const char *problem;

	problem = parse_key(args, arg, depth + 1, &node->children);
	if (problem == NULL)
		problem =
			parse_key(args, arg, depth + 1, &node->children->next);
	*out = node;
	return problem;
}

static const char *parse_new(struct search_args *args, struct search_node **out)
{
	struct search_node *node = new_node(args, SEARCH_AND);

	node->children = new_node(args, SEARCH_FLAG);
	node->children->flags = MAIL_RECENT;
	node->children->next = new_node(args, SEARCH_FLAG);
	node->children->next->flags = MAIL_SEEN;
	node->children->next->negate = true;
	*out = node;
	return NULL;
}

static const char *parse_word(struct search_args *args,
			      const struct imap_arg **arg, struct str word,
			      struct search_node **out)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct key *key = &keys[i];
		struct search_node *node;

		if (!str_case_is(word, key->name))
			continue;
		node = *out = new_node(args, key->kind);
		node->negate = key->negate;
		node->flags = key->flags;
		node->field = key->field;
		if (key->value == VALUE_HEADER)
			return parse_header(args, key, arg, node);
		if (key->value == VALUE_MODSEQ)
			return parse_modseq(args, key, arg, node);
		return key->value == VALUE_NONE
			       ? NULL
			       : parse_value(args, key, arg, node);
	}
	if (is_set(word)) {
		*out = new_node(args, SEARCH_SEQS);
		return parse_set(args, word, *out);
	}
	return mem_printf(args->ctx, "Unknown argument %s",
			  str_upper(args->ctx, word));
}

static const char *parse_key(struct search_args *args,
			     const struct imap_arg **arg, unsigned depth,
			     struct search_node **out)
{
	const struct imap_arg *at = *arg;
	const char *problem;
	struct str word;

	if (depth > args->max_depth)
		return "Too deeply nested";
	if (at->kind == IMAP_ARG_END)
		return "Missing argument";
	*arg += 1;
	if (at->kind == IMAP_ARG_LIST) {
		if (at->list[0].kind == IMAP_ARG_END)
			return "No search parameters inside list";
		return parse_list(args, at->list, depth + 1, out);
	}
	word = at->text;
	if (at->kind != IMAP_ARG_ATOM && at->kind != IMAP_ARG_NIL)
		return mem_printf(args->ctx,
				  "Unexpected string as search key: %s",
				  str_sanitize(args->ctx, word, 100));
	if (str_is(word, "$")) {
		*out = new_node(args, SEARCH_UIDS);
		range_set_merge(&(*out)->set, args->saved);
		return NULL;
	}
	if (str_case_is(word, "OR"))
		return parse_or(args, arg, depth, out);
	if (str_case_is(word, "NEW"))
		return parse_new(args, out);
	if (str_case_is(word, "NOT")) {
		problem = parse_key(args, arg, depth + 1, out);
		if (problem == NULL)
			(*out)->negate = !(*out)->negate;
		return problem;
	}
	return parse_word(args, arg, word, out);
}

/* The charset of all texts, and that it is known. */
static const char *parse_charset(struct search_args *args,
				 const struct imap_arg *arg)
{
	struct str charset;

	if (!arg_string(arg, &charset))
		return "Invalid charset argument";
	if (!str_case_is(charset, "UTF-8") &&
	    !str_case_is(charset, "US-ASCII")) {
		args->charset = charset;
		args->bad_charset = !charset_known(charset);
	}
	return args->bad_charset ? "Unknown charset" : NULL;
}

const char *search_parse(struct search_args *args, const struct imap_arg *arg,
			 struct search_node **out)
{
	const char *problem;

	if (imap_arg_atom_is(arg, "CHARSET")) {
		problem = parse_charset(args, &arg[1]);
		if (problem != NULL)
			return problem;
		arg += 2;
	}
	if (arg->kind == IMAP_ARG_END)
		return "Missing search parameters";
	return parse_list(args, arg, 0, out);
}

const char *search_parse_charset(struct cmd *cmd, const struct imap_arg *arg,
				 struct search_args *args_out,
				 struct search_node **out)
{
	const char *problem;

	search_args_init(cmd, args_out);
	problem = parse_charset(args_out, arg);
	if (problem != NULL)
		return problem;
	if (arg[1].kind == IMAP_ARG_END)
		return "Missing search parameters";
	return parse_list(args_out, &arg[1], 0, out);
}
