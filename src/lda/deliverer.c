/* SPDX-License-Identifier: MIT */
#include "lda/deliverer.h"

#include <uthash.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/deliver.h"
#include "delivery/send.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "mime/parse.h"
#include "service/account.h"
#include "service/service.h"
#include "storage/quota.h"
#include "storage/storage.h"

enum { ACCOUNT_MAX = 64 * 1024 };

/* Its next mail needs no settings, namespaces or index to be opened. */
struct known_user {
	struct user *user;
	struct lda_settings lda; /* with what userdb says */
	struct lda_sieve *sieve; /* NULL until it is asked for */
	struct account *account;
	struct str packed; /* the account, to see whether it changed */
	UT_hash_handle hh;
};

struct deliverer {
	struct service_env *env;
	const char *log_prefix;
	struct lda_settings lda;
	struct lmtp_settings lmtp;
	struct mail_settings mail;
	struct sender *sender;
	struct known_user *users; /* by account, latest last */
	unsigned count;
};

static const struct config_filter filter = {.protocol = "lmtp"};

int deliverer_new(const void *ctx, struct service_env *env,
		  const char *log_prefix, struct deliverer **out,
		  struct err *err)
{
	struct deliverer *deliverer = mem_new(ctx, struct deliverer);
	const struct config *config = service_config(env);

	deliverer->env = env;
	deliverer->log_prefix = log_prefix;
	if (config_read(deliverer, config, &filter, lda_settings,
			&deliverer->lda, err) < 0 ||
	    config_read(deliverer, config, &filter, lmtp_settings,
			&deliverer->lmtp, err) < 0 ||
	    config_read(deliverer, config, &filter, mail_settings,
			&deliverer->mail, err) < 0 ||
	    sender_new(deliverer, config, &filter, &deliverer->lda,
		       &deliverer->sender, err) < 0) {
		mem_free(deliverer);
		return -1;
	}
	/* A sandbox is for life, and the programs' too. */
	if (str_has_item(deliverer->mail.mail_plugins, STR("sieve")) &&
	    lda_sieve_runs_programs(config, &filter))
		service_may(env, SANDBOX_NONE);
	lda_sieve_load_calendars(config, &filter);
	*out = deliverer;
	return 0;
}

struct spool *deliverer_spool(const void *ctx,
			      const struct deliverer *deliverer,
			      struct str prefix)
{
	struct mime_limits limits;

	mail_mime_limits(&deliverer->mail, &limits);
	/* lmtp has held it against lmtp_max_message_size. */
	return spool_new(ctx, prefix, deliverer->mail.mail_temp_dir, 0,
			 &limits);
}

/* users */

/* Holds until the next call. */
static struct str pack(const struct account *account)
{
	static struct buf out;

	if (out.max == 0)
		out = buf_init(ACCOUNT_MAX);
	buf_reset(&out);
	account_pack(account, &out);
	return str_n(out.data, out.len);
}

static void add(struct deliverer *deliverer, struct known_user *user)
{
	HASH_ADD_KEYPTR(hh, deliverer->users, user->packed.data,
			user->packed.len, user);
}

/* Moves it to the end. */
static struct known_user *find(struct deliverer *deliverer, struct str packed)
{
	struct known_user *user;

	HASH_FIND(hh, deliverer->users, packed.data, packed.len, user);
	if (user == NULL)
		return NULL;
	HASH_DEL(deliverer->users, user);
	add(deliverer, user);
	return user;
}

/* Give up what is kept beyond the limit. */
static void prune(struct deliverer *deliverer)
{
	while (deliverer->count > deliverer->lmtp.lmtp_user_cache_size) {
		struct known_user *oldest = deliverer->users;

		HASH_DEL(deliverer->users, oldest);
		deliverer->count--;
		mem_free(oldest);
	}
}

static int get_user(struct deliverer *deliverer, const struct account *account,
		    struct known_user **out, struct err *err)
{
	struct str packed = pack(account);
	struct known_user *user = find(deliverer, packed);
	const struct user_context context = {.service = "lmtp",
					     .session_id = ""};

	if (user != NULL) {
		quota_check_flag(user->user);
		*out = user;
		return 0;
	}
	user = mem_new(deliverer, struct known_user);
	user->packed = str_n(str_dup(user, packed), packed.len);
	user->account = account_copy(user, account);
	user->lda = deliverer->lda;
	if (account_settings(user, user->account, lda_settings, &user->lda,
			     err) < 0 ||
	    user_open(user, service_config(deliverer->env), user->account,
		      &context, &user->user, err) < 0) {
		mem_free(user);
		return -1;
	}
	add(deliverer, user);
	deliverer->count++;
	*out = user;
	return 0;
}

/* The user's scripts; *out is NULL where mail_plugins has no sieve. */
static int get_sieve(struct deliverer *deliverer, struct known_user *user,
		     struct lda_sieve **out, struct err *err)
{
	*out = NULL;
	if (!lda_sieve_wanted(user->user, &deliverer->mail))
		return 0;
	if (user->sieve == NULL && lda_sieve_new(user, user->user, &user->lda,
						 NULL, &user->sieve, err) < 0)
		return -1;
	*out = user->sieve;
	return 0;
}

/* jobs */

static int do_delivery(struct deliverer *deliverer, const struct job *job,
		       const void *ctx, struct outcome *out)
{
	struct delivery delivery = {
		.service = "lmtp",
		.pid = job->pid,
		.session_id = job->session_id,
		.from = job->from,
		.to = job->to,
		.original_to = job->original_to,
		.sender = deliverer->sender,
		.refusal = &out->refusal,
		.refusal_ctx = ctx,
		.mailbox = job->mailbox,
		.spool = job->spool,
		.session_started_ms = job->session_started_ms,
		.started_ms = job->started_ms,
		.log_prefix = deliverer->log_prefix,
	};
	struct known_user *user;
	int ret;

	if (get_user(deliverer, job->account, &user, &out->err) < 0 ||
	    get_sieve(deliverer, user, &delivery.sieve, &out->err) < 0) {
		log_error("user %s: %s", job->account->name, out->err.text);
		/* How the account is made is no client's business. */
		out->err.code = ERR_TEMPORARY;
		return -1;
	}
	delivery.user = user->user;
	out->scripted = delivery.sieve != NULL;
	ret = deliver(&delivery, &user->lda, &out->err);
	out->autoexpunge = ret == 0 && user_has_autoexpunge(delivery.user);
	storage_settle_later(service_loop(deliverer->env));
	return ret;
}

/* What else goes wrong than the quota does so again with the mail. */
static int check_room(struct deliverer *deliverer, const struct job *job,
		      struct outcome *out)
{
	struct known_user *user;

	if (get_user(deliverer, job->account, &user, &out->err) < 0 ||
	    quota_test(user->user, job->mailbox, 0, &out->err) == 0)
		return 0;
	return out->err.code == ERR_QUOTA ? -1 : 0;
}

static void expunge(struct deliverer *deliverer, const struct job *job)
{
	struct known_user *user;
	struct err err;

	if (get_user(deliverer, job->account, &user, &err) == 0)
		user_autoexpunge(user->user);
}

void deliverer_do(struct deliverer *deliverer, enum job_type type,
		  const struct job *job, const void *ctx, struct outcome *out)
{
	*out = (struct outcome){.ok = true};
	switch (type) {
	case JOB_DELIVER:
		out->ok = do_delivery(deliverer, job, ctx, out) == 0;
		break;
	case JOB_ROOM:
		out->ok = check_room(deliverer, job, out) == 0;
		break;
	case JOB_JUDGE:
		out->action = quota_judge(ctx, service_config(deliverer->env),
					  job->account, job->octets);
		break;
	case JOB_EXPUNGE:
		expunge(deliverer, job);
		break;
	default:
		break;
	}
	prune(deliverer);
}
