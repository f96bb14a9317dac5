/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve_carry.c - what scripts decided, as a whole.
 *
 * All stores are written first, and seen by nobody; then mails are sent; then
 * the stores appear, one mailbox after the other. What fails for now before
 * that has done nothing but sending, which is remembered (dupes.h). If one of
 * several mailboxes fails at the end, those before it are remembered too: the
 * next try does not do it again.
 */
#include <stdarg.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "delivery/dupes.h"
#include "delivery/reject.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "mime/header.h"
#include "mime/parse.h"
#include "storage/mailbox.h"
#include "storage/quota.h"
#include "storage/save.h"

enum { STORED_SECONDS = 7 * 24 * 60 * 60, MAX_KEYWORDS = 100 };

struct carry_store {
	const char *mailbox;
	bool keep;     /* not by fileinto */
	bool implicit; /* nor by keep */
	unsigned script;
	struct mailbox *box;
	struct save *save;
	struct carry_store *next;
};

static bool is_by_uid(const struct carry *carry)
{
	return carry->stored != NULL && carry->stored->uid != 0;
}

/* A line of the log, by deliver_log_format or with the UID. */
static const char *of_mail(const void *ctx, const struct carry *carry,
			   const char *text)
{
	if (is_by_uid(carry))
		return mem_printf(ctx, "uid=%u: %s", carry->stored->uid, text);
	return delivery_text(ctx, carry->delivery, carry->lda, text);
}

void carry_log(const struct carry *carry, enum log_level level, const char *fmt,
	       ...)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "line");
	const char *text;
	va_list args;

	if (is_by_uid(carry) && level == LOG_LEVEL_INFO)
		level = LOG_LEVEL_DEBUG;
	if (level == LOG_LEVEL_DEBUG && !log_debug_on())
		return;
	va_start(args, fmt);
	text = mem_vprintf(ctx, fmt, args);
	va_end(args);
	log_line(level, "sieve: %s", of_mail(ctx, carry, text));
}

void carry_user_log(const struct carry *carry, const char *text)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "line");

	lda_sieve_user_log(carry->sieve, LOG_LEVEL_ERROR, "",
			   of_mail(ctx, carry, text));
}

bool carry_is_global(const struct carry *carry,
		     const struct sieve_action *action)
{
	const struct lda_script *script = carry_script(carry, action->script);

	return script != NULL && script->global;
}

int carry_hold(const struct carry *carry, enum dupe_kind kind, struct str id,
	       struct err *err)
{
	/* A session that stores a mail does not wait. */
	if (carry->hold == NULL || carry->stored != NULL)
		return 0;
	return dupes_hold(carry->hold, kind, id, err);
}

/* flags */

static uint8_t flag_of(const char *name)
{
	static const struct {
		const char *name;
		uint8_t flag;
	} all[] = {{"\\seen", MAIL_SEEN},
		   {"\\answered", MAIL_ANSWERED},
		   {"\\flagged", MAIL_FLAGGED},
		   {"\\deleted", MAIL_DELETED},
		   {"\\draft", MAIL_DRAFT}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (str_case_is(str_of(name), all[i].name))
			return all[i].flag;
	}
	return 0;
}

void carry_flags(const void *ctx, const char *const *flags,
		 struct save_options *options)
{
	const char **keywords = mem_array(ctx, const char *, MAX_KEYWORDS + 1);
	size_t count = 0;

	for (; flags != NULL && *flags != NULL; flags++) {
		if ((*flags)[0] == '\\')
			options->flags |= flag_of(*flags);
		else if (count < MAX_KEYWORDS)
			keywords[count++] = *flags;
	}
	options->keywords = keywords;
	options->some_keywords = true; /* the mail matters more */
}

static const char *const *copy_flags(const void *ctx, const char *const *flags)
{
	const char **out = mem_array(ctx, const char *, MAX_KEYWORDS + 1);

	for (size_t i = 0; i < MAX_KEYWORDS && flags != NULL && flags[i]; i++)
		out[i] = mem_strdup(out, flags[i]);
	return out;
}

/* What is kept because something failed is the mail that came, without what
 * scripts did to it; nor to its flags, unless it would have been kept anyway.
 */
static const struct sieve_text *text_of(const struct carry *carry,
					const struct sieve_action *action)
{
	if (action != NULL)
		return action->text;
	if (carry->failed)
		return NULL;
	return carry->result->keep_deferred ? carry->result->keep_text
					    : sieve_message_now(carry->message);
}

/* stores: written, not yet seen */

static int store_free(struct carry_store *store)
{
	save_rollback(&store->save);
	mailbox_close(&store->box);
	return 0;
}

static int write_mail(const struct carry *carry, const struct sieve_text *text,
		      struct carry_store *store,
		      const struct save_options *options, struct err *err)
{
	if (save_mail_begin(store->save, options, err) < 0)
		return -1;
	if (text == NULL) {
		if (spool_save(carry->delivery->spool, store->save, err) < 0)
			return -1;
	} else if (save_mail_write(store->save, text->header.data,
				   text->header.len, err) < 0 ||
		   save_mail_write(store->save, text->body.data, text->body.len,
				   err) < 0) {
		return -1;
	}
	return save_mail_finish(store->save, err);
}

static int prepare_in(const void *ctx, struct carry *carry,
		      const struct sieve_action *action,
		      const char *const *flags, struct carry_store *store,
		      struct err *err)
{
	unsigned open_flags = carry->stored != NULL
				      ? MAILBOX_SAVE_ONLY
				      : delivery_open_flags(carry->lda);
	struct save_options options = {0};
	const struct sieve_text *text = text_of(carry, action);

	if (text == NULL)
		options.parsed = spool_message(carry->delivery->spool);
	if (action != NULL && action->store.create)
		open_flags |= MAILBOX_CREATE;
	if (mailbox_open(carry->delivery->user, store->mailbox, open_flags,
			 &store->box, err) < 0)
		return -1;
	store->save = save_begin(store, store->box);
	if (carry->stored != NULL) {
		options.received = carry->stored->received;
		options.dated = true;
		if (flags == NULL) /* nobody had changed them */
			flags = carry->stored->flags;
	}
	carry_flags(ctx, flags, &options);
	return write_mail(carry, text, store, &options, err);
}

static bool is_temporary(const struct err *err)
{
	switch (err->code) {
	case ERR_NOT_FOUND:
	case ERR_INVALID:
	case ERR_DENIED:
	case ERR_EXISTS:
	case ERR_UNSUPPORTED:
	case ERR_LIMIT:
	case ERR_QUOTA:
		return false;
	default:
		return true;
	}
}

/* Of the mail as it came, but for what an LMTP proxy (Received) and Exim
 * (Delivery-date) write with each try. */
static struct str mail_hash(struct carry *carry)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	struct str rest = spool_original(carry->delivery->spool);
	struct digest *digest;
	struct header_field field;

	if (carry->mail_hash.len == 0) {
		ctx = mem_ctx(NULL, "hash");
		digest = digest_new(ctx, "sha256");
		while (header_next(&rest, &field)) {
			if (!str_case_is(field.name, "Received") &&
			    !str_case_is(field.name, "Delivery-date"))
				digest_add(digest, field.full);
		}
		digest_add(digest, rest);
		carry->mail_hash.len =
			digest_end(digest, carry->mail_hash.octets);
	}
	return str_n((const char *)carry->mail_hash.octets,
		     carry->mail_hash.len);
}

/* Of this mail in that mailbox, whoever tries to deliver it how often. */
static struct str stored_id(const void *ctx, struct carry *carry,
			    const char *mailbox)
{
	CLEANUP(buf_free) struct buf id = buf_init(64 * 1024);
	size_t len;

	buf_add_str(&id, mail_hash(carry));
	buf_printf(&id, "%s%c%s", carry->delivery->to, '\0', mailbox);
	if (carry->delivery->original_to != NULL)
		buf_printf(&id, "%c%s", '\0', carry->delivery->original_to);
	len = id.len;
	return str_n(buf_steal(ctx, &id), len);
}

/* Only a mail with which several things are done can have got half of them; and
 * only a delivery is tried again, not an event. */
static bool may_come_again(const struct carry *carry)
{
	const struct sieve_result *result = carry->result;

	return carry->sieve->dupes_path != NULL && carry->stored == NULL &&
	       result->count + (result->keep_cancelled ? 0 : 1) > 1;
}

/* Whether an earlier try got so far. If that can't be known, it did not: rather
 * twice than never. */
static bool stored_before(const void *ctx, struct carry *carry,
			  const char *mailbox)
{
	const char *path = carry->sieve->dupes_path;
	bool stored = false;
	struct err err;

	if (may_come_again(carry) &&
	    dupes_has(path, DUPE_STORED, stored_id(ctx, carry, mailbox),
		      &stored, &err) < 0)
		log_error("sieve: %s", err.text);
	return stored;
}

/* A mail that is in that mailbox already: true if there is nothing to store. */
static bool stays(struct carry *carry, const struct sieve_action *action,
		  const char *mailbox, const char *const *flags)
{
	struct carry_stored *stored = carry->stored;

	if (stored == NULL || !sieve_same_mailbox(stored->mailbox, mailbox))
		return false;
	if (!stored->readonly && text_of(carry, action) != NULL) {
		stored->replaced = true;
		return false;
	}
	stored->kept = true;
	if (flags != NULL)
		stored->new_flags = copy_flags(stored->ctx, flags);
	return true;
}

static void log_failure(const void *ctx, const struct carry *carry,
			const struct carry_store *store, const struct err *err)
{
	bool limits = err->code == ERR_QUOTA || err->code == ERR_LIMIT;
	const struct lda_script *script;
	const char *what = store->keep ? "" : "fileinto action: ";
	char *text = mem_printf(ctx, "%sfailed to store into mailbox '%s': %s",
				what, store->mailbox,
				err->code == ERR_QUOTA ? quota_told(err)
						       : err->text);

	/* Their limits are the user's matter, a keep that fails ours. */
	if (store->keep || limits || is_temporary(err))
		carry_log(carry, limits ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
			  "%s", text);
	if (!limits && (store->keep || is_temporary(err)))
		return;
	script = store->keep ? NULL : carry_script(carry, store->script);
	if (script != NULL && script->global)
		carry_log(carry, LOG_LEVEL_ERROR, "%s", text);
	else
		carry_user_log(carry, text);
}

static const char *const *flags_of(const struct carry *carry,
				   const struct sieve_action *action)
{
	const struct sieve_result *result = carry->result;

	if (action != NULL)
		return action->store.flags;
	if (carry->failed && !carry->flags_hold)
		return NULL;
	return result->keep_deferred ? result->keep_flags : result->flags;
}

/* RFC 5228 section 2.10.3: not twice into the same mailbox. */
static bool is_prepared(const struct carry *carry, const char *mailbox)
{
	const struct carry_store *at;

	LL_FOREACH (carry->stores, at) {
		if (sieve_same_mailbox(at->mailbox, mailbox))
			return true;
	}
	return false;
}

/* `action` is NULL for the implicit keep. */
static int prepare(const void *ctx, struct carry *carry,
		   const struct sieve_action *action, struct err *err)
{
	bool keep = action == NULL || action->kind == SIEVE_ACTION_KEEP;
	const struct sieve_store *wanted =
		action == NULL ? NULL : &action->store;
	const char *const *flags = flags_of(carry, action);
	struct carry_store *store = mem_new(ctx, struct carry_store);
	int ret;

	store->keep = keep;
	store->implicit = action == NULL;
	store->script = action == NULL ? 0 : action->script;
	store->mailbox = mem_strdup(store, carry_mailbox(ctx, carry, wanted));
	talloc_set_destructor(store, store_free);
	if (stays(carry, action, store->mailbox, flags))
		return 0;
	if (is_prepared(carry, store->mailbox) ||
	    stored_before(ctx, carry, store->mailbox)) {
		carry->kept_elsewhere |= keep;
		carry->delivered |= action == NULL || !action->copy;
		return 0;
	}
	ret = prepare_in(store, carry, action, flags, store, err);
	/* Where a keep goes by the address, say, need not be there; a mail that
	 * is stored stays where it is. */
	if (ret < 0 && keep && !is_temporary(err) && carry->stored == NULL &&
	    err->code != ERR_QUOTA &&
	    !sieve_same_mailbox(store->mailbox, "INBOX")) {
		carry_log(carry, LOG_LEVEL_INFO,
			  "failed to store into mailbox '%s': %s",
			  store->mailbox, err->text);
		store_free(store);
		store->mailbox = "INBOX";
		ret = prepare_in(store, carry, action, flags, store, err);
	}
	if (ret == 0) {
		LL_APPEND(carry->stores, store);
		carry->kept_elsewhere |= keep;
		carry->acted = true;
		carry->delivered |= action == NULL || !action->copy;
		return 0;
	}
	log_failure(ctx, carry, store, err);
	if (is_temporary(err) || keep)
		return -1;
	carry->failed = true;
	carry->broken = action;
	return 0;
}

/* For the next try. */
static void remember(const void *ctx, struct carry *carry, const char *where)
{
	struct err err;

	if (may_come_again(carry) &&
	    dupes_mark(carry->sieve->dupes_path, DUPE_STORED,
		       stored_id(ctx, carry, where), STORED_SECONDS, &err) < 0)
		log_error("sieve: %s", err.text);
}

static int commit_all(const void *ctx, struct carry *carry, struct err *err)
{
	struct carry_store *store;
	uint32_t uid_validity;

	LL_FOREACH (carry->stores, store) {
		if (save_commit(&store->save, &uid_validity, NULL, err) < 0) {
			log_failure(ctx, carry, store, err);
			break;
		}
		carry_log(
			carry, LOG_LEVEL_INFO,
			"%sstored mail into mailbox '%s'",
			store->keep ? "" : "fileinto action: ", store->mailbox);
	}
	if (store == NULL)
		return 0;
	for (struct carry_store *at = carry->stores; at != store; at = at->next)
		remember(ctx, carry, at->mailbox);
	return -1;
}

/* the other actions */

static int reject(struct carry *carry, struct sieve_action *action,
		  struct err *err)
{
	const struct delivery *delivery = carry->delivery;
	const char *name = action->reject.refuse ? "ereject" : "reject";

	carry->delivered = true;
	if (action->reject.refuse && delivery->refusal != NULL) {
		*delivery->refusal = mem_strdup(delivery->refusal_ctx,
						action->reject.reason);
		carry_log(carry, LOG_LEVEL_INFO,
			  "%s action: rejected message from <%s> (%s)", name,
			  delivery->from, name);
		return 0;
	}
	if (action->done)
		return 0;
	if (delivery->from[0] == '\0') {
		carry_log(carry, LOG_LEVEL_INFO,
			  "%s action: not sending reject message to <>", name);
		return 0;
	}
	if (reject_send(delivery, carry->lda, delivery->sender, NULL,
			action->reject.reason, err) < 0) {
		if (err->code != ERR_DENIED && err->code != ERR_UNSUPPORTED) {
			carry_log(carry, LOG_LEVEL_ERROR,
				  "%s action: failed to reject message from "
				  "<%s>: %s",
				  name, delivery->from, err->text);
			return -1;
		}
		delivery_log(delivery, carry->lda, LOG_LEVEL_INFO, "",
			     mem_printf(carry->result,
					"Permanently failed to send rejection: "
					"%s",
					err->text));
	}
	carry_log(carry, LOG_LEVEL_INFO,
		  "%s action: rejected message from <%s> (%s)", name,
		  delivery->from, name);
	action->done = true;
	return 0;
}

static void mark(struct carry *carry, const struct sieve_action *action)
{
	struct err err;

	if (carry->sieve->dupes_path != NULL &&
	    dupes_mark(carry->sieve->dupes_path, DUPE_SCRIPT, action->mark.id,
		       action->mark.seconds, &err) < 0)
		log_error("sieve: %s", err.text);
}

/* No name of a mailbox. */
static const char *sent_id(const void *ctx, const struct carry *carry,
			   const struct sieve_action *action)
{
	const struct sieve_action *at;
	const char *what = "";
	unsigned number = 0;

	LL_FOREACH (carry->result->actions, at) {
		if (at == action)
			break;
		number++;
	}
	switch (action->kind) {
	case SIEVE_ACTION_PIPE:
		what = action->pipe.program;
		break;
	case SIEVE_ACTION_NOTIFY:
		what = action->notify.method;
		break;
	case SIEVE_ACTION_REPORT:
		what = action->report.address;
		break;
	case SIEVE_ACTION_REDIRECT:
		what = action->redirect.list != NULL ? action->redirect.list
						     : action->redirect.address;
		break;
	default:
		break;
	}
	return mem_printf(ctx, "/%u %s %s", number,
			  sieve_action_name(action->kind), what);
}

/* action->done is set if it was sent, now or by an earlier try. */
static int send_once(const void *ctx, struct carry *carry,
		     struct sieve_action *action, struct err *err)
{
	action->done = stored_before(ctx, carry, sent_id(ctx, carry, action));
	switch (action->kind) {
	case SIEVE_ACTION_REJECT:
		return reject(carry, action, err);
	case SIEVE_ACTION_REDIRECT:
		if (!action->done)
			return carry_redirect(ctx, carry, action, err);
		carry->delivered |= !action->copy;
		break;
	case SIEVE_ACTION_PIPE:
		if (action->done)
			carry->delivered |= !action->copy;
		else
			action->done = carry_pipe(ctx, carry, action);
		break;
	default:
		if (!action->done)
			action->done = carry_answer(ctx, carry, action);
	}
	return 0;
}

static void remember_sent(const void *ctx, struct carry *carry)
{
	const struct sieve_action *at;

	LL_FOREACH (carry->result->actions, at) {
		if (at->done)
			remember(ctx, carry, sent_id(ctx, carry, at));
	}
}

/* What nobody sends. A mail that is stored already is answered no more. */
static bool is_mute(const struct carry *carry,
		    const struct sieve_action *action)
{
	switch (action->kind) {
	case SIEVE_ACTION_REJECT:
	case SIEVE_ACTION_VACATION:
		return carry->stored != NULL;
	case SIEVE_ACTION_REDIRECT:
	case SIEVE_ACTION_NOTIFY:
	case SIEVE_ACTION_REPORT:
		return carry->stored != NULL && carry->delivery->sender == NULL;
	default:
		return false;
	}
}

static int send_one(const void *ctx, struct carry *carry,
		    struct sieve_action *action, struct err *err)
{
	if (is_mute(carry, action)) {
		if (action->kind == SIEVE_ACTION_REDIRECT) {
			carry_log(carry, LOG_LEVEL_WARNING,
				  "redirect action: no means to send mail");
			carry->failed = true;
		}
		return 0;
	}
	switch (action->kind) {
	case SIEVE_ACTION_DISCARD:
		carry->delivered = true;
		carry_log(carry, LOG_LEVEL_INFO,
			  "discard action: Marked message to be discarded if "
			  "not explicitly delivered (discard action)");
		return 0;
	case SIEVE_ACTION_REDIRECT:
	case SIEVE_ACTION_REJECT:
	case SIEVE_ACTION_VACATION:
	case SIEVE_ACTION_NOTIFY:
	case SIEVE_ACTION_REPORT:
	case SIEVE_ACTION_PIPE:
		return send_once(ctx, carry, action, err);
	case SIEVE_ACTION_CALENDAR:
		return carry_calendar(ctx, carry, &action->calendar, err);
	case SIEVE_ACTION_KEEP:
	case SIEVE_ACTION_FILEINTO:
	case SIEVE_ACTION_DUPLICATE_MARK:
	case SIEVE_ACTION_COUNT:
		break;
	}
	return 0;
}

static bool is_kept(const struct carry *carry)
{
	return carry->stored != NULL && carry->stored->kept;
}

/* Not what is left of a script of which something could not be stored. */
static bool is_wanted(const struct carry *carry,
		      const struct sieve_action *action)
{
	return carry->broken == NULL || action->script < carry->broken->script;
}

/* What was to be kept as scripts changed it, before something failed. */
static void drop_implicit_keep(struct carry *carry)
{
	struct carry_store *store, *next;

	LL_FOREACH_SAFE(carry->stores, store, next)
	{
		if (!store->implicit)
			continue;
		if (carry->stored != NULL &&
		    sieve_same_mailbox(carry->stored->mailbox, store->mailbox))
			carry->stored->replaced = false;
		LL_DELETE(carry->stores, store);
		mem_free(store);
		carry->kept_elsewhere = false;
	}
}

static int send_all(const void *ctx, struct carry *carry, struct err *err)
{
	struct sieve_action *at;

	LL_FOREACH (carry->result->actions, at) {
		if (is_wanted(carry, at) && send_one(ctx, carry, at, err) < 0)
			return err_set(err, ERR_TEMPORARY,
				       "Execution of Sieve filters was aborted "
				       "due to temporary failure");
	}
	if (carry->failed)
		drop_implicit_keep(carry);
	/* What should have taken its place did not come to be, or not all. */
	if ((!carry->delivered || carry->failed) && !carry->kept_elsewhere &&
	    !is_kept(carry) && prepare(ctx, carry, NULL, err) < 0)
		return -1;
	return commit_all(ctx, carry, err);
}

static void log_aborted(const void *ctx, struct carry *carry)
{
	const struct sieve_action *at;

	LL_FOREACH (carry->result->actions, at) {
		if (at->kind == SIEVE_ACTION_FILEINTO && at != carry->broken &&
		    !is_wanted(carry, at))
			carry_log(carry, LOG_LEVEL_INFO,
				  "fileinto action: store into mailbox '%s' "
				  "aborted",
				  carry_mailbox(ctx, carry, &at->store));
	}
}

/* One of several mailboxes can't be had: of that script, nothing is stored but
 * in INBOX, by the implicit keep. */
static void abort_stores(const void *ctx, struct carry *carry)
{
	struct carry_store *store, *next;

	log_aborted(ctx, carry);
	carry->acted = false;
	LL_FOREACH_SAFE(carry->stores, store, next)
	{
		if (store->script < carry->broken->script) {
			carry->acted = true;
			continue;
		}
		LL_DELETE(carry->stores, store);
		mem_free(store);
	}
	carry->delivered = carry->kept_elsewhere = carry->flags_hold = false;
	if (carry->stored != NULL)
		carry->stored->new_flags = NULL;
}

int sieve_carry_out(const void *ctx, struct carry *carry, struct err *err)
{
	const struct sieve_action *at;
	bool implicit = !carry->result->keep_cancelled;

	carry->flags_hold = implicit && !carry->failed;
	LL_FOREACH (carry->result->actions, at) {
		if ((at->kind == SIEVE_ACTION_KEEP ||
		     at->kind == SIEVE_ACTION_FILEINTO) &&
		    carry->broken == NULL && prepare(ctx, carry, at, err) < 0)
			return -1;
	}
	if (carry->broken != NULL)
		abort_stores(ctx, carry);
	if ((implicit || carry->broken != NULL) &&
	    prepare(ctx, carry, NULL, err) < 0)
		return -1;
	if (send_all(ctx, carry, err) < 0) {
		remember_sent(ctx, carry);
		return -1;
	}
	if (is_kept(carry))
		carry_log(carry, LOG_LEVEL_INFO, "left message in mailbox '%s'",
			  carry->stored->mailbox);
	LL_FOREACH (carry->result->actions, at) {
		if (at->kind == SIEVE_ACTION_DUPLICATE_MARK &&
		    is_wanted(carry, at))
			mark(carry, at);
	}
	return 0;
}
