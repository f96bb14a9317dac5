/* SPDX-License-Identifier: MIT */
/*
 * sievetools/suite_store.c - the mail store of a test case, in memory, and
 * carrying out actions on it.
 */
#include <strings.h>

#include "base/cleanup.h"
#include "sievetools/suite.h"
#include "sievetools/tool.h"

void suite_select(struct suite *suite, struct str text,
		  const char *const *flags)
{
	suite->message = sieve_message_new(
		suite->ctx, str_n(str_dup(suite->ctx, text), text.len),
		sieve_engine_settings(suite->engine)->sieve_max_header_fields);
	tool_envelope(suite->ctx, suite->message, suite->host.user,
		      &suite->envelope);
	memset(suite->extra, 0, sizeof(suite->extra));
	suite->extra_count = 0;
	suite->flags = flags;
	suite->host.flags = suite->script_host.flags = flags;
}

static bool is_inbox(const char *name)
{
	return strcasecmp(name, "INBOX") == 0;
}

struct suite_mailbox *suite_mailbox(struct suite *suite, const char *name)
{
	struct suite_mailbox *box = suite->mailboxes;

	while (box != NULL && strcmp(box->name, name) != 0 &&
	       !(is_inbox(name) && is_inbox(box->name)))
		box = box->next;
	return box;
}

struct suite_mailbox *suite_mailbox_create(struct suite *suite,
					   const char *name)
{
	struct suite_mailbox *box = mem_new(suite->ctx, struct suite_mailbox);

	box->name = mem_strdup(box, name);
	box->next = suite->mailboxes;
	suite->mailboxes = box;
	return box;
}

static void append(struct suite_mail **list, struct suite_mail *mail)
{
	while (*list != NULL)
		list = &(*list)->next;
	*list = mail;
}

static const char *const *copy_flags(const void *ctx, const char *const *flags)
{
	const char **out = mem_array(ctx, const char *, SUITE_MAX_FLAGS + 1);
	size_t count = 0;

	for (; flags != NULL && flags[count] != NULL && count < SUITE_MAX_FLAGS;
	     count++)
		out[count] = mem_strdup(out, flags[count]);
	return out;
}

static bool can_be(const char *name)
{
	return name[0] != '\0' && name[0] != '/' &&
	       strstr(name, "//") == NULL && strlen(name) < 250;
}

/* `text` is the message at that time, NULL for as it is. */
static bool store(struct suite *suite, const struct sieve_store *to,
		  struct sieve_message *message, const struct sieve_text *text)
{
	const char *name = to->mailbox == NULL ? "INBOX" : to->mailbox;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "store");
	struct suite_mailbox *box = NULL;
	struct suite_mail *mail;

	if (to->mailbox_id != NULL)
		box = suite_mailbox_by_id(suite, to->mailbox_id);
	if (box == NULL && to->special_use != NULL)
		box = suite_special_use(suite, NULL, to->special_use);
	if (box == NULL)
		box = suite_mailbox(suite, name);
	if (box == NULL && can_be(name) && (to->create || is_inbox(name)))
		box = suite_mailbox_create(suite, name);
	if (box == NULL) {
		suite_error(suite,
			    mem_printf(ctx,
				       "failed to store into mailbox '%s': "
				       "Mailbox doesn't exist: %s",
				       name, name));
		return false;
	}
	mail = mem_new(suite->ctx, struct suite_mail);
	mail->text = sieve_message_whole(mail, message, text);
	mail->text.data = str_dup(mail, mail->text); /* it outlives others */
	mail->flags = copy_flags(mail, to->flags);
	append(&box->mails, mail);
	return true;
}

static void store_copy(struct suite *suite, const struct sieve_store *to,
		       struct str text)
{
	struct sieve_message *copy = sieve_message_new(suite->ctx, text, 1);

	if (to != NULL && to->mailbox != NULL)
		(void)store(suite, to, copy, NULL);
}

static bool submit(struct suite *suite, const struct sieve_action *action,
		   struct sieve_message *message)
{
	const struct sieve_store *fcc =
		action->kind == SIEVE_ACTION_VACATION ? action->vacation.fcc
		: action->kind == SIEVE_ACTION_NOTIFY ? action->notify.fcc
						      : NULL;
	struct sieve_mail *mails = NULL;
	unsigned count;
	struct err err;

	if (sieve_outgoing(suite->ctx, suite->engine, message, &suite->envelope,
			   &suite->script_host, action, &mails, &count,
			   &err) < 0) {
		suite_error(suite, err.text);
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		struct suite_mail *mail =
			mem_new(suite->ctx, struct suite_mail);

		mail->text = mails[i].text;
		mail->from = mails[i].from;
		mail->to = mails[i].to;
		append(&suite->smtp, mail);
	}
	if (count > 0)
		store_copy(suite, fcc, mails[0].text);
	return true;
}

/* RFC 6134 section 2.5: to each member. */
static bool submit_list(struct suite *suite, const struct sieve_action *action,
			struct sieve_message *message)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "list");
	struct sieve_action one = *action;
	struct str members, member;
	struct err err;
	bool good = true;

	if (suite_list(suite, ctx, action->redirect.list, &members, &err) < 0) {
		suite_error(suite, err.text);
		return false;
	}
	one.redirect.list = NULL;
	while (good && suite_list_next(&members, &member)) {
		one.redirect.address = str_dup(suite->ctx, member);
		good = submit(suite, &one, message);
	}
	return good;
}

static bool execute(struct suite *suite, struct sieve_action *action,
		    struct sieve_message *message, bool *stored)
{
	action->done = true;
	switch (action->kind) {
	case SIEVE_ACTION_KEEP:
	case SIEVE_ACTION_FILEINTO:
		*stored |= action->store.mailbox == NULL ||
			   is_inbox(action->store.mailbox);
		return store(suite, &action->store, message, action->text);
	case SIEVE_ACTION_PIPE:
		return suite_pipe(
			suite, &action->pipe,
			sieve_message_whole(suite->ctx, message, action->text));
	case SIEVE_ACTION_CALENDAR:
		suite_calendar(suite, &action->calendar);
		return true;
	case SIEVE_ACTION_REDIRECT:
		if (action->redirect.list != NULL)
			return submit_list(suite, action, message);
		return submit(suite, action, message);
	default:
		return submit(suite, action, message);
	}
}

bool suite_execute(struct suite *suite, struct sieve_result *result,
		   struct sieve_message *message, bool *keep_done)
{
	struct sieve_store inbox = {.flags = result->flags_set ? result->flags
							       : suite->flags};
	bool good = true;

	for (struct sieve_action *a = result->actions; a && good; a = a->next) {
		if (!a->done)
			good = execute(suite, a, message, keep_done);
	}
	if ((!good || !result->keep_cancelled) && !*keep_done) {
		*keep_done = true;
		good &= store(suite, &inbox, message,
			      sieve_message_now(message));
	}
	return good;
}
