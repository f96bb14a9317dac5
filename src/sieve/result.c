/* SPDX-License-Identifier: MIT */
#include "sieve/result.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "sieve/engine.h"

const char *sieve_action_name(enum sieve_action_kind kind)
{
	static const char *const names[SIEVE_ACTION_COUNT] = {
		"keep",   "store",    "redirect",       "discard",
		"reject", "vacation", "notify",         "report",
		"pipe",   "calendar", "duplicate_mark",
	};

	return names[kind];
}

struct sieve_result *sieve_result_new(const void *ctx)
{
	return mem_new(ctx, struct sieve_result);
}

/* copies */

static const char *dup(const void *ctx, const char *text)
{
	return text == NULL ? NULL : mem_strdup(ctx, text);
}

static const char *const *dup_list(const void *ctx, const char *const *list)
{
	const char **out;
	size_t count = 0;

	if (list == NULL)
		return NULL;
	while (list[count] != NULL)
		count++;
	out = mem_array(ctx, const char *, count + 1);
	for (size_t i = 0; i < count; i++)
		out[i] = mem_strdup(out, list[i]);
	return out;
}

static void dup_store(const void *ctx, struct sieve_store *store)
{
	store->mailbox = dup(ctx, store->mailbox);
	store->flags = dup_list(ctx, store->flags);
	store->special_use = dup(ctx, store->special_use);
	store->mailbox_id = dup(ctx, store->mailbox_id);
}

static struct sieve_store *dup_fcc(const void *ctx,
				   const struct sieve_store *fcc)
{
	struct sieve_store *out;

	if (fcc == NULL)
		return NULL;
	out = mem_memdup(ctx, fcc, sizeof(*fcc));
	dup_store(out, out);
	return out;
}

static void dup_redirect(const void *ctx, struct sieve_redirect *to)
{
	to->address = dup(ctx, to->address);
	to->list = dup(ctx, to->list);
	to->notify = dup(ctx, to->notify);
	to->ret = dup(ctx, to->ret);
	to->by_mode = dup(ctx, to->by_mode);
}

static void dup_vacation(const void *ctx, struct sieve_vacation *to)
{
	to->reason = dup(ctx, to->reason);
	to->subject = dup(ctx, to->subject);
	to->from = dup(ctx, to->from);
	to->handle = dup(ctx, to->handle);
	to->addresses = dup_list(ctx, to->addresses);
	to->fcc = dup_fcc(ctx, to->fcc);
}

static void dup_notify(const void *ctx, struct sieve_notify *to)
{
	to->method = dup(ctx, to->method);
	to->from = dup(ctx, to->from);
	to->message = dup(ctx, to->message);
	to->importance = dup(ctx, to->importance);
	to->options = dup_list(ctx, to->options);
	to->told = dup_list(ctx, to->told);
	to->id = dup(ctx, to->id);
	to->fcc = dup_fcc(ctx, to->fcc);
}

static void dup_text(const void *ctx, struct str *text)
{
	if (text->data != NULL)
		text->data = str_dup(ctx, *text);
}

static void dup_calendar(const void *ctx, struct sieve_calendar *calendar)
{
	calendar->calendar = dup(ctx, calendar->calendar);
	calendar->uid = dup(ctx, calendar->uid);
	dup_text(ctx, &calendar->before);
	dup_text(ctx, &calendar->after);
}

static struct sieve_action *dup_action(const void *ctx,
				       const struct sieve_action *action)
{
	struct sieve_action *out = mem_memdup(ctx, action, sizeof(*action));

	out->next = NULL;
	switch (out->kind) {
	case SIEVE_ACTION_KEEP:
	case SIEVE_ACTION_FILEINTO:
		dup_store(out, &out->store);
		break;
	case SIEVE_ACTION_REDIRECT:
		dup_redirect(out, &out->redirect);
		break;
	case SIEVE_ACTION_REJECT:
		out->reject.reason = dup(out, out->reject.reason);
		break;
	case SIEVE_ACTION_VACATION:
		dup_vacation(out, &out->vacation);
		break;
	case SIEVE_ACTION_NOTIFY:
		dup_notify(out, &out->notify);
		break;
	case SIEVE_ACTION_REPORT:
		out->report.type = dup(out, out->report.type);
		out->report.message = dup(out, out->report.message);
		out->report.address = dup(out, out->report.address);
		break;
	case SIEVE_ACTION_PIPE:
		out->pipe.program = dup(out, out->pipe.program);
		out->pipe.args = dup_list(out, out->pipe.args);
		break;
	case SIEVE_ACTION_CALENDAR:
		dup_calendar(out, &out->calendar);
		break;
	case SIEVE_ACTION_DUPLICATE_MARK:
		out->mark.id.data = str_dup(out, out->mark.id);
		break;
	case SIEVE_ACTION_DISCARD:
	case SIEVE_ACTION_COUNT:
		break;
	}
	return out;
}

/* duplicates */

static bool is_store(const struct sieve_action *action)
{
	return action->kind == SIEVE_ACTION_KEEP ||
	       action->kind == SIEVE_ACTION_FILEINTO;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_inbox(const char *mailbox)
{
	return strcasecmp(mailbox, "INBOX") == 0;
}

bool sieve_same_mailbox(const char *a, const char *b)
{
	return strcmp(a, b) == 0 || (is_inbox(a) && is_inbox(b));
}

static const char *mailbox_of(const struct sieve_result *result,
			      const struct sieve_store *store)
{
	if (store->mailbox != NULL)
		return store->mailbox;
	return result->keep_mailbox != NULL ? result->keep_mailbox : "INBOX";
}

static bool same_store(const struct sieve_result *result,
		       const struct sieve_store *a, const struct sieve_store *b)
{
	const char *in_a = mailbox_of(result, a), *in_b = mailbox_of(result, b);

	return same_text(a->special_use, b->special_use) &&
	       same_text(a->mailbox_id, b->mailbox_id) &&
	       sieve_same_mailbox(in_a, in_b);
}

static bool same_mark(const struct sieve_action *a,
		      const struct sieve_action *b)
{
	return str_equal(a->mark.id, b->mark.id);
}

/* vnd.dovecot.report, section 3: the first one's words are sent. */
static bool same_report(const struct sieve_report *a,
			const struct sieve_report *b)
{
	return strcasecmp(a->type, b->type) == 0 &&
	       strcasecmp(a->address, b->address) == 0;
}

/* vnd.dovecot.extprograms, section 5: a program gets the message once. */
static bool same_pipe(const struct sieve_action *a,
		      const struct sieve_action *b)
{
	return a->kind == SIEVE_ACTION_PIPE && b->kind == SIEVE_ACTION_PIPE &&
	       same_text(a->pipe.program, b->pipe.program);
}

static bool is_same(const struct sieve_result *result,
		    const struct sieve_action *a, const struct sieve_action *b)
{
	if (is_store(a) && is_store(b))
		return same_store(result, &a->store, &b->store);
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case SIEVE_ACTION_REDIRECT:
		return same_text(a->redirect.address, b->redirect.address) &&
		       same_text(a->redirect.list, b->redirect.list);
	case SIEVE_ACTION_DISCARD:
		return true;
	case SIEVE_ACTION_REPORT:
		return same_report(&a->report, &b->report);
	case SIEVE_ACTION_DUPLICATE_MARK:
		return same_mark(a, b);
	default:
		return false;
	}
}

/* The later one's flags hold, if they are none, too, but not over an earlier
 * script; and a keep stays one. */
static void merge(struct sieve_result *result, struct sieve_action *old,
		  const struct sieve_action *new)
{
	const struct sieve_action *file = old;

	if (!is_store(old))
		return;
	if (new->kind == SIEVE_ACTION_FILEINTO)
		file = new;
	if (old->kind != new->kind || old->store.filed) {
		old->store.filed = true;
		if (file->kind == SIEVE_ACTION_FILEINTO)
			old->store.filed_flags =
				dup_list(result, file->store.flags);
		old->kind = SIEVE_ACTION_KEEP;
	}
	if (!old->done && old->script == result->script)
		old->store.flags = dup_list(result, new->store.flags);
	old->store.create |= new->store.create;
	old->copy &= new->copy;
}

/* conflicts */

/* RFC 5230 section 4.7, RFC 9671 section 4.9: one, and not beside a reject. */
static bool is_single(const struct sieve_action *action)
{
	return action->kind == SIEVE_ACTION_VACATION ||
	       action->kind == SIEVE_ACTION_CALENDAR;
}

/* RFC 5429 section 2.2: somebody gets the message. */
static bool delivers(const struct sieve_action *action)
{
	return is_store(action) || action->kind == SIEVE_ACTION_REDIRECT ||
	       action->kind == SIEVE_ACTION_PIPE;
}

/* A reject does so with what delivers, and with answers. What was carried out
 * in an earlier round is no conflict, nor is what an earlier script did, but
 * for a pipe. */
static bool conflicts(const struct sieve_result *result,
		      const struct sieve_action *old,
		      const struct sieve_action *new)
{
	if (old->done)
		return false;
	if (same_pipe(old, new))
		return true;
	if (old->script != result->script)
		return false;
	if (new->kind == SIEVE_ACTION_REJECT)
		return delivers(old) || old->kind == SIEVE_ACTION_REJECT ||
		       is_single(old);
	if (old->kind == SIEVE_ACTION_REJECT)
		return delivers(new) || is_single(new);
	return is_single(new) && old->kind == new->kind;
}

/* The sender has got an answer by an earlier script. */
static bool is_answered(const struct sieve_result *result,
			const struct sieve_action *old,
			const struct sieve_action *new)
{
	bool answers = is_single(new) || new->kind == SIEVE_ACTION_REJECT;

	if (old->done)
		return old->kind == SIEVE_ACTION_REJECT &&
		       new->kind == SIEVE_ACTION_REJECT;
	if (old->script == result->script || !answers)
		return false;
	return old->kind == new->kind ||
	       (old->kind == SIEVE_ACTION_REJECT && is_single(new)) ||
	       (new->kind == SIEVE_ACTION_REJECT && is_single(old));
}

static int conflict(const struct sieve_action *old,
		    const struct sieve_action *new, struct err *err)
{
	const char *name = sieve_action_name(new->kind);

	if (old->kind == new->kind)
		return err_set(err, ERR_INVALID,
			       "duplicate %s action not allowed (previously "
			       "triggered one was here: line %u)",
			       name, old->line);
	return err_set(err, ERR_INVALID,
		       "%s action conflicts with other action: the %s action "
		       "(line %u)",
		       name, sieve_action_name(old->kind), old->line);
}

static bool cancels_keep(const struct sieve_action *action)
{
	switch (action->kind) {
	case SIEVE_ACTION_VACATION:
	case SIEVE_ACTION_NOTIFY:
	case SIEVE_ACTION_REPORT:
	case SIEVE_ACTION_CALENDAR:
	case SIEVE_ACTION_DUPLICATE_MARK:
		return false;
	default:
		return !action->copy;
	}
}

static int hold_limits(const struct sieve_result *result,
		       const struct sieve_settings *set,
		       enum sieve_action_kind kind, struct err *err)
{
	unsigned redirects = 0;

	if (set->sieve_max_actions > 0 &&
	    result->count >= set->sieve_max_actions)
		return err_set(err, ERR_LIMIT,
			       "total number of actions exceeds policy limit "
			       "(> %u)",
			       set->sieve_max_actions);
	if (kind != SIEVE_ACTION_REDIRECT)
		return 0;
	for (const struct sieve_action *a = result->actions; a; a = a->next)
		redirects += a->kind == kind;
	if (redirects >= set->sieve_max_redirects)
		return err_set(err, ERR_LIMIT,
			       "number of redirect actions exceeds policy "
			       "limit (> %u)",
			       set->sieve_max_redirects);
	return 0;
}

int sieve_result_add(struct sieve_result *result,
		     const struct sieve_settings *set,
		     const struct sieve_action *action, struct err *err)
{
	struct sieve_action **end = &result->actions;

	for (; *end != NULL; end = &(*end)->next) {
		if (conflicts(result, *end, action))
			return conflict(*end, action, err);
		if (is_answered(result, *end, action))
			return 0;
	}
	if (cancels_keep(action))
		result->keep_cancelled = true;
	for (struct sieve_action *a = result->actions; a; a = a->next) {
		if (is_same(result, a, action)) {
			merge(result, a, action);
			return 0;
		}
	}
	if (hold_limits(result, set, action->kind, err) < 0)
		return -1;
	*end = dup_action(result, action);
	(*end)->script = result->script;
	result->count++;
	return 0;
}

void sieve_result_remove(struct sieve_result *result,
			 const struct sieve_action *action)
{
	struct sieve_action **at = &result->actions;

	while (*at != action)
		at = &(*at)->next;
	*at = action->next;
	result->count--;
}

void sieve_result_next(struct sieve_result *result)
{
	result->script++;
}

bool sieve_result_defer_keep(struct sieve_result *result)
{
	struct sieve_action *keep = result->actions;

	while (keep != NULL && keep->kind != SIEVE_ACTION_KEEP)
		keep = keep->next;
	if (keep == NULL)
		return !result->keep_cancelled;
	result->keep_cancelled = false;
	result->keep_deferred = true;
	result->keep_flags = keep->store.flags;
	result->keep_text = keep->text;
	if (keep->store.filed) {
		keep->kind = SIEVE_ACTION_FILEINTO;
		keep->store.filed = false;
		keep->store.flags = keep->store.filed_flags;
		return true;
	}
	sieve_result_remove(result, keep);
	return true;
}

bool sieve_result_keeps(const struct sieve_result *result)
{
	if (!result->keep_cancelled)
		return true;
	for (const struct sieve_action *a = result->actions; a; a = a->next) {
		if (a->kind == SIEVE_ACTION_KEEP)
			return true;
	}
	return false;
}

void sieve_result_set_flags(struct sieve_result *result,
			    const char *const *flags)
{
	const char *const *old = result->flags;

	result->flags = dup_list(result, flags);
	result->flags_set = true;
	mem_free((void *)(uintptr_t)old); /* actions have their own */
}
