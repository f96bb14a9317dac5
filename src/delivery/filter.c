/* SPDX-License-Identifier: MIT */
#include "delivery/filter.h"

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/send.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "mime/header.h"
#include "mime/parse.h"
#include "storage/mail.h"
#include "storage/mailbox.h"
#include "storage/save.h"
#include "storage/user.h"

enum { PIECE = 32 * 1024, MAX_FLAGS = 512 };

struct filter {
	struct user *user;
	struct filter_options options;
	struct lda_settings set;
	struct lda_sieve *sieve;
	struct sender *sender; /* NULL: nothing is sent */
};

int filter_new(const void *ctx, struct user *user,
	       const struct filter_options *options, struct filter **out,
	       struct err *err)
{
	struct filter *filter = mem_new(ctx, struct filter);

	filter->user = user;
	filter->options = *options;
	filter->options.session_id = mem_strdup(
		filter, options->session_id != NULL ? options->session_id : "");
	if (config_read(filter, options->config, options->filter, lda_settings,
			&filter->set, err) < 0 ||
	    lda_sieve_new(filter, user, &filter->set, &filter->options.scripts,
			  &filter->sieve, err) < 0 ||
	    (options->send && options->sender == NULL &&
	     sender_new(filter, options->config, options->filter, &filter->set,
			&filter->sender, err) < 0)) {
		mem_free(filter);
		return -1;
	}
	if (options->send && options->sender != NULL)
		filter->sender = options->sender;
	*out = filter;
	return 0;
}

struct lda_sieve *filter_sieve(struct filter *filter)
{
	return filter->sieve;
}

void filter_listen(struct filter *filter, const struct sieve_log *log)
{
	filter->sieve->listener = log;
}

/* the mail */

const char *const *filter_flag_names(const void *ctx, struct mailbox *box,
				     uint8_t flags,
				     const struct keywords *keywords)
{
	static const struct {
		uint8_t flag;
		const char *name;
	} all[] = {{MAIL_ANSWERED, "\\Answered"},
		   {MAIL_FLAGGED, "\\Flagged"},
		   {MAIL_DELETED, "\\Deleted"},
		   {MAIL_SEEN, "\\Seen"},
		   {MAIL_DRAFT, "\\Draft"}};
	const char **out = mem_array(ctx, const char *, MAX_FLAGS + 1);
	unsigned count, n = 0;
	const char *const *names = mailbox_keywords(box, &count);

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if ((flags & all[i].flag) != 0)
			out[n++] = all[i].name;
	}
	for (unsigned i = 0; i < count && n < MAX_FLAGS; i++) {
		if ((keywords->bits[i / 64] >> (i % 64) & 1) != 0 &&
		    names[i] != NULL)
			out[n++] = mem_strdup(out, names[i]);
	}
	return out;
}

struct stored {
	struct spool *spool;
	const char *const *flags;
	int64_t received;
};

static int read_text(const void *ctx, struct filter *filter,
		     const struct mail *mail, struct spool **out,
		     struct err *err)
{
	struct mime_limits limits;
	struct spool *spool;
	uint64_t at = 0;
	struct str piece;

	mail_mime_limits(user_settings(filter->user), &limits);
	spool = spool_new(ctx, STR(""), filter->set.mail_temp_dir, 0, &limits);
	do {
		if (mail_text(mail, at, PIECE, &piece, err) < 0 ||
		    spool_write(spool, piece.data, piece.len, err) < 0)
			return -1;
		at += piece.len;
	} while (piece.len > 0);
	if (spool_end(spool, err) < 0)
		return -1;
	*out = spool;
	return 0;
}

static int read_mail(const void *ctx, struct filter *filter,
		     struct mailbox *box, uint32_t uid, struct stored *out,
		     struct err *err)
{
	CLEANUP(mail_reader_end) struct mail_reader *reader = NULL;
	struct range_set seqs = range_set_init(ctx);
	uint32_t seq = mailbox_seq_of(box, uid);
	const struct mail *mail;
	int64_t saved;
	int ret = 0;

	if (seq != 0) {
		range_set_add(&seqs, seq, seq);
		reader = mail_reader_begin(ctx, box, &seqs);
		ret = mail_reader_next(reader, &mail, err);
	}
	if (ret == 0)
		return err_set(err, ERR_EXPUNGED, "the message is gone");
	if (ret < 0 || mail_times(mail, &out->received, &saved, err) < 0)
		return -1;
	out->flags = filter_flag_names(ctx, box, mail->flags, &mail->keywords);
	return read_text(ctx, filter, mail, &out->spool, err);
}

/* running */

static const char *own_email(const struct filter *filter)
{
	return sieve_engine_settings(filter->sieve->engine)->sieve_user_email;
}

const char *filter_owner(const void *ctx, const struct filter *filter)
{
	const char *email = own_email(filter);
	const char *name = user_name(filter->user);
	struct sieve_address address;

	if (email[0] != '\0' &&
	    sieve_address_parse(ctx, str_of(email), false, &address))
		return str_dup(ctx, address.all);
	return strchr(name, '@') != NULL
		       ? name
		       : mem_printf(ctx, "%s@%s", name,
				    lda_hostname(ctx, &filter->set));
}

/* Who sent it, as far as the mail tells. */
static const char *sender_of(const void *ctx, const struct filter *filter,
			     const struct stored *mail)
{
	static const char *const fields[] = {"Return-Path", "Sender", "From"};
	size_t count =
		filter->options.sender_of == FILTER_SENDER_HEADER ? 3 : 1;
	struct sieve_address address;
	struct header_field field;

	if (filter->options.sender_of == FILTER_SENDER_NONE)
		return own_email(filter);
	for (size_t i = 0; i < count; i++) {
		if (header_find(spool_header(mail->spool), fields[i], &field) &&
		    (i == 0 ? sieve_address_parse(ctx, str_trim(field.value),
						  true, &address)
			    : sieve_address_read(ctx, field.value, &address)))
			return address.all.len > 0 ? str_dup(ctx, address.all)
						   : "";
	}
	return "";
}

static int environment(void *ctx, const void *mem, const char *name,
		       struct str *value_out, struct err *err)
{
	const struct carry *carry = ctx;
	const struct filter_options *options = &carry->stored->filter->options;

	if (options->environment == NULL) {
		*value_out = (struct str){0};
		return 0;
	}
	return options->environment(options->ctx, mem, name, value_out, err);
}

/* As they would be done. */
static void fill_flags(struct carry *carry)
{
	struct sieve_action *at = carry->result->actions;

	if (!carry->result->flags_set)
		sieve_result_set_flags(carry->result, carry->stored->flags);
	for (; at != NULL; at = at->next) {
		if ((at->kind == SIEVE_ACTION_KEEP ||
		     at->kind == SIEVE_ACTION_FILEINTO) &&
		    at->store.flags == NULL)
			at->store.flags = carry->stored->flags;
	}
}

/* For the administrator, while the user's log tells why. Whoever listens knows.
 */
static void log_failure(const struct carry *carry,
			const struct lda_script *last)
{
	const struct lda_sieve *sieve = carry->sieve;

	if (carry->broken != NULL)
		last = carry_script(carry, carry->broken->script);
	if (!carry->failed || last == NULL || sieve->listener != NULL ||
	    carry->stored->uid == 0)
		return;
	if (last->global || sieve->log_path == NULL)
		log_error("sieve: Execution of script %s failed", last->path);
	else
		log_info("sieve: Execution of script %s failed (user logfile "
			 "%s may reveal additional details)",
			 last->path, sieve->log_path);
}

static int run(const void *ctx, struct carry *carry, struct lda_script *scripts,
	       void (*simulate)(void *ctx, const struct sieve_result *result),
	       struct err *err)
{
	struct lda_script *last = NULL;

	carry->host.location = "MS";
	carry->host.phase = "post";
	carry->host.flags = carry->stored->flags;
	carry->host.environment = environment;
	if (sieve_run_scripts(carry, scripts, &last, err) < 0)
		return -1;
	if (simulate == NULL) {
		if (sieve_carry_out(ctx, carry, err) < 0)
			return -1;
		log_failure(carry, last);
		return 0;
	}
	carry->stored->kept = true;
	fill_flags(carry);
	simulate(carry->stored->filter->options.ctx, carry->result);
	return 0;
}

int filter_mail(const void *ctx, struct filter *filter, struct mailbox *box,
		uint32_t uid, struct lda_script *scripts, const char *keep,
		void (*simulate)(void *ctx, const struct sieve_result *result),
		struct filter_outcome *out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "filter");
	struct carry_stored stored = {
		.filter = filter,
		.mailbox = mailbox_name(box),
		.uid = filter->options.log_uids ? uid : 0,
		.readonly = mailbox_readonly(box),
		.ctx = ctx,
	};
	struct delivery delivery = {
		.user = filter->user,
		.service = filter->options.service,
		.session_id = filter->options.session_id,
		.to = filter_owner(tmp, filter),
		.no_envelope = filter->options.sender_of == FILTER_SENDER_NONE,
		.mailbox = keep != NULL ? keep : mailbox_name(box),
		.session_started_ms = clock_monotonic_ms(),
		.started_ms = clock_monotonic_ms(),
		.sieve = filter->sieve,
		.sender = filter->sender,
	};
	struct stored mail;
	struct carry carry;

	if (read_mail(tmp, filter, box, uid, &mail, err) < 0)
		return -1;
	stored.flags = mail.flags;
	stored.received = mail.received;
	delivery.spool = mail.spool;
	delivery.from = sender_of(tmp, filter, &mail);
	if (carry_begin(tmp, &carry, filter->sieve, &delivery, err) < 0)
		return -1;
	carry.stored = &stored;
	carry_trace(tmp, &carry);
	if (run(tmp, &carry, scripts, simulate, err) < 0)
		return -1;
	*out = (struct filter_outcome){
		.kept = (stored.kept || carry.failed) && !stored.replaced &&
			!(carry.failed && carry.kept_elsewhere),
		.replaced = stored.replaced,
		.taken = carry.acted,
		.failed = carry.failed,
		.flags = stored.new_flags,
	};
	return 0;
}

/* what becomes of it */

static int set_flags(const void *ctx, struct mailbox *box,
		     const struct range_set *seqs, enum store_mode mode,
		     uint8_t flags, const char *const *keywords,
		     bool *changed_out, struct err *err)
{
	const struct store store = {.mode = mode,
				    .flags = flags,
				    .keywords = keywords,
				    .unchanged_since = UINT64_MAX};
	struct store_result result;

	if (mailbox_store(ctx, box, seqs, &store, &result, err) < 0)
		return -1;
	*changed_out = result.changed.count > 0;
	return 0;
}

int filter_settle(const void *ctx, struct mailbox *box, uint32_t uid,
		  const struct filter_outcome *outcome, bool expunge,
		  bool *changed_out, struct err *err)
{
	struct range_set seqs = range_set_init(ctx);
	struct range_set uids = range_set_init(ctx);
	uint32_t seq = mailbox_seq_of(box, uid);
	bool changed = false;
	int ret = 0;

	if (changed_out == NULL)
		changed_out = &changed;
	*changed_out = false;
	if (seq == 0 || mailbox_readonly(box))
		return 0;
	range_set_add(&seqs, seq, seq);
	range_set_add(&uids, uid, uid);
	if (outcome->replaced || (!outcome->kept && expunge)) {
		*changed_out = true;
		ret = mailbox_remove(box, &uids, err);
	} else if (!outcome->kept) {
		ret = set_flags(ctx, box, &seqs, STORE_ADD, MAIL_DELETED, NULL,
				changed_out, err);
	} else if (outcome->flags != NULL) {
		struct save_options options = {0};

		carry_flags(ctx, outcome->flags, &options);
		ret = set_flags(ctx, box, &seqs, STORE_REPLACE, options.flags,
				options.keywords, changed_out, err);
	}
	return ret;
}
