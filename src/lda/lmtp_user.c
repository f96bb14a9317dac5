/* SPDX-License-Identifier: MIT */
/*
 * lda/lmtp_user.c - users of the last deliveries, kept open: the next mail for
 * them needs no settings, namespaces or index to be opened.
 */
#include <string.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "delivery/sieve.h"
#include "lda/lmtp.h"
#include "service/account.h"
#include "service/service.h"
#include "storage/quota.h"

enum { ACCOUNT_MAX = 64 * 1024 };

struct lmtp_user {
	struct user *user;
	struct lda_sieve *sieve; /* NULL until it is asked for */
	struct account *account;
	struct str packed; /* the account, to see whether it changed */
	UT_hash_handle hh;
};

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

static void drop(struct lmtp_process *process, struct lmtp_user *user)
{
	HASH_DEL(process->users, user);
	process->user_count--;
	mem_free(user);
}

static void add(struct lmtp_process *process, struct lmtp_user *user)
{
	HASH_ADD_KEYPTR(hh, process->users, user->packed.data, user->packed.len,
			user);
	process->user = user;
}

/* Moves it to the end. */
static struct lmtp_user *find(struct lmtp_process *process, struct str packed)
{
	struct lmtp_user *user;

	HASH_FIND(hh, process->users, packed.data, packed.len, user);
	if (user == NULL)
		return NULL;
	HASH_DEL(process->users, user);
	add(process, user);
	return user;
}

void lmtp_users_prune(struct lmtp_process *process)
{
	while (process->user_count > process->set.lmtp_user_cache_size)
		drop(process, process->users); /* the oldest */
}

int lmtp_user_get(struct lmtp_process *process, const struct account *account,
		  struct user **out, struct err *err)
{
	struct str packed = pack(account);
	struct lmtp_user *user = find(process, packed);
	const struct user_context context = {.service = "lmtp",
					     .session_id = ""};

	if (user != NULL) {
		*out = user->user;
		quota_check_flag(user->user);
		return 0;
	}
	user = mem_new(process, struct lmtp_user);
	user->packed = str_n(str_dup(user, packed), packed.len);
	user->account = account_copy(user, account);
	if (user_open(user, service_config(process->env), user->account,
		      &context, &user->user, err) < 0) {
		mem_free(user);
		return -1;
	}
	add(process, user);
	process->user_count++;
	*out = user->user;
	return 0;
}

int lmtp_user_sieve(struct lmtp_process *process, struct lda_sieve **out,
		    struct err *err)
{
	struct lmtp_user *user = process->user;

	*out = NULL;
	if (!lda_sieve_wanted(user->user))
		return 0;
	if (user->sieve == NULL &&
	    lda_sieve_new(user, user->user, &process->lda, NULL, &user->sieve,
			  err) < 0)
		return -1;
	*out = user->sieve;
	return 0;
}
