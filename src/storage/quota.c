/* SPDX-License-Identifier: MIT */
#include "storage/quota.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/program.h"
#include "storage/core.h"
#include "storage/list.h"
#include "storage/list_core.h"
#include "storage/mailbox.h"
#include "storage/quota_core.h"
#include "storage/save_core.h"

bool quota_wanted(const struct user *user)
{
	return str_has_item(user->settings.mail_plugins, STR("quota"));
}

const char *quota_told(const struct err *err)
{
	return err->system ? "Quota exceeded (mailbox for user is full)"
			   : err->text;
}

/* scripts behind sockets */

static void run(struct user *user, const char *socket, const char *args)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "warning");
	struct program program = {.no_reply = true};
	struct str rest = str_of(args), word;
	const char **words = NULL;
	struct err err;
	size_t count = 0;
	int status;

	while (str_word(&rest, &word)) {
		words = mem_resize(ctx, words, const char *, count + 2);
		words[count++] = str_dup(ctx, word);
	}
	if (count > 0)
		words[count] = NULL;
	program.path =
		socket[0] == '/'
			? socket
			: mem_printf(ctx, "%s/%s", user_base_dir(user), socket);
	program.args = words;
	if (program_script(&program, NULL, &status, &err) < 0)
		log_error("quota: %s", err.text);
}

static bool crossed(const struct quota_warning *warning, int64_t limit,
		    int64_t before, int64_t now)
{
	limit = quota_limit_value(&warning->limit, limit);
	if (limit <= 0)
		return false;
	return warning->reverse ? before >= limit && now < limit
				: before < limit && now >= limit;
}

/* Only the first one, so that the highest limit is what stands first. */
static void warn(struct user *user, const struct quota_root *root,
		 const struct quota_usage *before,
		 const struct quota_usage *now)
{
	for (size_t i = 0; i < root->warning_count; i++) {
		const struct quota_warning *warning = &root->warnings[i];

		if (warning->messages ? crossed(warning, root->messages,
						before->messages, now->messages)
				      : crossed(warning, root->bytes,
						before->bytes, now->bytes)) {
			run(user, warning->socket, warning->args);
			return;
		}
	}
}

/* A flag that userdb has for MTAs, which somebody should set right. */
static void check_flag(struct user *user, const struct quota_root *root,
		       const struct quota_usage *used)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "flag");
	const char *flag = root->over_flag == NULL ? "" : root->over_flag;
	bool flagged =
		flag[0] != '\0' && wildcard_match(root->over_value, flag);
	bool over = (root->bytes != 0 && used->bytes >= root->bytes) ||
		    (root->messages != 0 && used->messages >= root->messages);
	struct str args = str_of(root->over_script), socket;

	if (flagged != over && str_word(&args, &socket))
		run(user, str_dup(ctx, socket),
		    mem_printf(ctx, "%.*s %s", STR_FMT(args), flag));
}

/* Not in a transaction. */
static int used_now(struct user *user, struct quota_root *root,
		    struct quota_usage *out, struct err *err)
{
	if (quota_used(root, NULL, NULL, out, err) < 0)
		return -1;
	if (root->flag_due)
		check_flag(user, root, out);
	root->flag_due = false;
	return 0;
}

void quota_check_flag(struct user *user)
{
	struct quota *quota = user->quota;

	for (size_t i = 0; quota != NULL && i < quota->count; i++) {
		struct quota_root *root = &quota->roots[i];
		struct quota_usage used;
		struct err err;

		root->flag_due =
			root->over_script != NULL && root->over_value != NULL;
		if (root->flag_due && !root->over_lazy &&
		    used_now(user, root, &used, &err) < 0)
			log_error("quota: Quota lookup failed - can't verify "
				  "quota_over_flag: %s",
				  err.text);
	}
}

/* limits */

/* Where nothing is left of a limit, it is still one. */
static int64_t more(int64_t limit, const struct quota_limit *by)
{
	if (limit == 0 || !by->given)
		return limit;
	limit += quota_limit_value(by, limit);
	return limit > 0 ? limit : 1;
}

/* Of a mailbox: the root's, and what its rule adds. */
static struct quota_usage limits_of(const struct quota_root *root,
				    const char *mailbox)
{
	const struct quota_rule *rule = quota_rule_of(root, mailbox);
	struct quota_usage limits = {root->bytes, root->messages};

	if (rule != NULL) {
		limits.bytes = more(limits.bytes, &rule->bytes);
		limits.messages = more(limits.messages, &rule->messages);
	}
	return limits;
}

/* A delivery may be the one that fills it. */
static bool has_room(const struct quota_root *root, bool grace,
		     const struct quota_usage *limits,
		     const struct quota_usage *used,
		     const struct quota_usage *wanted)
{
	int64_t most = limits->bytes;

	if (limits->messages != 0 &&
	    used->messages + wanted->messages > limits->messages)
		return false;
	if (grace && used->bytes < limits->bytes)
		most += root->grace;
	return limits->bytes == 0 || used->bytes + wanted->bytes <= most;
}

static struct quota_usage wanted_of(const struct user *user,
				    const struct quota_root *root,
				    const struct quota_demand *demand)
{
	uint64_t bytes = demand->bytes;
	uint32_t messages = demand->messages;

	for (const struct mailbox *box = user->boxes; box != NULL;
	     box = box->next) {
		if (box->saves != NULL &&
		    quota_counts(root, box->ns, box->name))
			saves_pending(box, &bytes, &messages);
	}
	return (struct quota_usage){(int64_t)bytes, messages};
}

/* `txn` is of the namespace's store, or NULL. */
static int check_roots(struct user *user, const struct ns *ns,
		       const char *mailbox, const struct quota_demand *demand,
		       struct index_txn *txn, struct err *err)
{
	struct quota *quota = user->quota;

	for (size_t i = 0; i < quota->count; i++) {
		struct quota_root *root = &quota->roots[i];
		struct quota_usage limits = limits_of(root, mailbox);
		struct quota_usage used, wanted;

		/* Moved, there is nothing more in it than before. */
		bool enforced = !root->backend.noenforcing &&
				(demand->from == NULL ||
				 !quota_covers(root, demand->from->ns));

		/* What warnings need is looked at before anything is locked. */
		if (!quota_counts(root, ns, mailbox) ||
		    (limits.bytes == 0 && limits.messages == 0) ||
		    (!enforced && root->warning_count == 0))
			continue;
		if ((txn == NULL ? used_now(user, root, &used, err)
				 : quota_used(root, ns->store, txn, &used,
					      err)) < 0)
			return -1;
		wanted = wanted_of(user, root, demand);
		if (enforced &&
		    !has_room(root, quota->grace, &limits, &used, &wanted))
			return err_set(err, ERR_QUOTA, "%s",
				       quota->set.quota_exceeded_message);
	}
	return 0;
}

static int check_size(const struct quota *quota, uint64_t octets,
		      struct err *err)
{
	if (quota->set.quota_max_mail_size == 0 ||
	    octets <= quota->set.quota_max_mail_size)
		return 0;
	return err_set(err, ERR_LIMIT,
		       "Mail size is larger than the maximum size allowed by "
		       "server configuration");
}

void quota_ready(const struct mailbox *box)
{
	struct quota *quota = box->user->quota;

	for (size_t i = 0; quota != NULL && i < quota->count; i++) {
		struct quota_root *root = &quota->roots[i];
		struct quota_usage used;
		struct err ignored;

		if (root->warning_count > 0 &&
		    quota_counts(root, box->ns, box->name))
			used_now(box->user, root, &used, &ignored);
	}
}

/* quota_mailbox_message_count; `txn` as above. */
static int check_mailbox(const struct quota_demand *demand,
			 struct index_txn *txn, struct err *err)
{
	struct mailbox *box = demand->box;
	unsigned most = box->user->quota->set.quota_mailbox_message_count;
	struct index_txn *own = NULL;
	uint64_t bytes = 0;
	uint32_t messages = demand->messages;
	struct index_box row;
	int ret;

	if (most == 0)
		return 0;
	saves_pending(box, &bytes, &messages);
	ret = txn != NULL ? box_get(box->disk, txn, &row, err)
			  : mailbox_begin(box, INDEX_READ, &own, &row, err);
	index_rollback(&own);
	if (ret == 0 && row.counts.messages + messages > most)
		return err_set(err, ERR_QUOTA,
			       "Too many messages in the mailbox");
	return ret;
}

int quota_check(const struct quota_demand *demand, struct index_txn *txn,
		struct err *err)
{
	struct mailbox *box = demand->box;

	if (box->user->quota == NULL)
		return 0;
	if (check_size(box->user->quota, demand->largest, err) < 0 ||
	    check_mailbox(demand, txn, err) < 0)
		return -1;
	return check_roots(box->user, box->ns, box->name, demand, txn, err);
}

static bool is_mailbox(const struct list_entry *entry)
{
	return (entry->flags & (ENTRY_NOSELECT | ENTRY_NONEXISTENT)) == 0;
}

int quota_check_create(struct user *user, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	static const char *const all[] = {"*", NULL};
	struct list_entry *entries;
	size_t count, boxes = 0;

	if (user->quota == NULL || user->quota->set.quota_mailbox_count == 0)
		return 0;
	ctx = mem_ctx(NULL, "mailboxes");
	if (mailbox_list(ctx, user, all, 0, &entries, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		boxes += is_mailbox(&entries[i]);
	if (boxes < user->quota->set.quota_mailbox_count)
		return 0;
	return err_set(err, ERR_LIMIT, "Maximum number of mailboxes reached");
}

int quota_test(struct user *user, const char *mailbox, uint64_t octets,
	       struct err *err)
{
	const struct quota_demand demand = {.bytes = octets, .messages = 1};
	const struct namespace *ns;

	if (user->quota == NULL)
		return 0;
	if (check_size(user->quota, octets, err) < 0)
		return -1;
	ns = namespace_find(user, mailbox);
	return ns == NULL ? 0
			  : check_roots(user, (const struct ns *)ns, mailbox,
					&demand, NULL, err);
}

/* telling */

static int state_of(struct user *user, struct quota_root *root,
		    struct quota_state *out, struct err *err)
{
	struct quota_usage used;

	if (used_now(user, root, &used, err) < 0)
		return -1;
	*out = (struct quota_state){
		.name = root->backend.name,
		.hidden = root->backend.hidden,
		.bytes = (uint64_t)used.bytes,
		.bytes_limit = (uint64_t)root->bytes,
		.messages = (uint64_t)used.messages,
		.messages_limit = (uint64_t)root->messages,
	};
	return 0;
}

int quota_states(const void *ctx, struct user *user, const char *mailbox,
		 struct quota_state **out, size_t *count_out, struct err *err)
{
	struct quota *quota = user->quota;
	size_t most = quota == NULL ? 0 : quota->count, count = 0;
	struct quota_state *states = mem_array(ctx, struct quota_state, most);
	const struct namespace *ns = NULL;

	if (mailbox != NULL)
		ns = namespace_find(user, mailbox);
	if (most > 0 && quota_look(user, err) < 0)
		return -1;
	for (size_t i = 0; i < most; i++) {
		struct quota_root *root = &quota->roots[i];

		if (mailbox != NULL &&
		    (ns == NULL || !quota_covers(root, (const struct ns *)ns)))
			continue;
		if (state_of(user, root, &states[count], err) < 0)
			return -1;
		count++;
	}
	*out = states;
	*count_out = count;
	return 0;
}

static int recount(struct user *user, const char *name, struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;

	if (mailbox_open(user, name, MAILBOX_KEEP_RECENT, &box, err) < 0)
		return -1;
	return mailbox_resync(box, NULL, err);
}

int quota_recalc(struct user *user, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "recalc");
	static const char *const all[] = {"*", NULL};
	struct quota_state *states;
	struct list_entry *entries;
	size_t count;

	if (mailbox_list(ctx, user, all, 0, &entries, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (is_mailbox(&entries[i]) &&
		    recount(user, entries[i].name, err) < 0 &&
		    err->code != ERR_NOT_FOUND)
			return err_wrap(err, "%s", entries[i].name);
	}
	return quota_states(ctx, user, NULL, &states, &count, err);
}

/* after a transaction */

struct quota_usage quota_difference(const struct index_counts *from,
				    const struct index_counts *to)
{
	return (struct quota_usage){
		.bytes = (int64_t)(to->size - from->size),
		.messages = (int64_t)to->messages - (int64_t)from->messages,
	};
}

static void add(struct quota_usage *to, const struct quota_root *root,
		const struct mailbox *box, const struct quota_usage *change)
{
	if (box == NULL || !quota_counts(root, box->ns, box->name))
		return;
	to->bytes += change->bytes;
	to->messages += change->messages;
}

/* The sums go with it, unless somebody else changed them too. */
static void follow(struct quota_root *root, const struct storage *store,
		   const struct quota_usage *by, bool unknown)
{
	for (size_t i = 0; i < root->part_count; i++) {
		struct quota_part *part = &root->parts[i];

		if (part->store != store || !part->exact)
			continue;
		part->exact = false;
		part->known = !unknown;
		part->generation++;
		part->used.bytes += by->bytes;
		part->used.messages += by->messages;
	}
}

void quota_changed(const struct quota_change *change)
{
	const struct mailbox *box =
		change->to != NULL ? change->to : change->from;
	struct quota *quota = box->user->quota;

	for (size_t i = 0; quota != NULL && i < quota->count; i++) {
		struct quota_root *root = &quota->roots[i];
		struct quota_usage by = {0, 0}, before, now;
		struct err err;

		add(&by, root, change->to, &change->added);
		add(&by, root, change->from, &change->removed);
		follow(root, box->store, &by, change->unknown);
		if (root->warning_count == 0 ||
		    (by.bytes == 0 && by.messages == 0) ||
		    quota_used(root, NULL, NULL, &now, &err) < 0)
			continue;
		before = (struct quota_usage){now.bytes - by.bytes,
					      now.messages - by.messages};
		warn(box->user, root, &before, &now);
	}
}
