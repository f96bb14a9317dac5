/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "delivery/deliver.h"
#include "lda/lmtp.h"
#include "lda/lmtp_proxy.h"
#include "lda/workers.h"
#include "net/conn.h"
#include "service/account.h"
#include "service/anvil.h"
#include "service/auth_master.h"
#include "service/service.h"
#include "storage/quota.h"

enum {
	ORIGINAL_MAX = 1000,
	KNOWN_MS = 1000,
	KNOWN_MAX = 128,
};

/* Who asked auth or anvil; outlives a session that ends meanwhile. */
struct lookup {
	struct lmtp_session *session; /* NULL: gone */
	struct lmtp_rcpt *rcpt;
	struct lookup **link; /* the recipient's way to tell that */
};

static int lookup_forget(struct lookup **link)
{
	(*link)->session = NULL;
	return 0;
}

static struct lookup *lookup_new(struct lmtp_session *session,
				 struct lmtp_rcpt *rcpt)
{
	struct lookup *lookup = mem_new(session->process, struct lookup);

	lookup->session = session;
	lookup->rcpt = rcpt;
	lookup->link = mem_new(rcpt, struct lookup *);
	*lookup->link = lookup;
	talloc_set_destructor(lookup->link, lookup_forget);
	return lookup;
}

/* The answer came: its session and recipient; NULL if they are gone. */
static struct lmtp_session *lookup_end(struct lookup *lookup,
				       struct lmtp_rcpt **rcpt_out)
{
	struct lmtp_session *session = lookup->session;

	*rcpt_out = lookup->rcpt;
	if (session != NULL) {
		talloc_set_destructor(lookup->link, NULL);
		mem_free(lookup->link);
	}
	mem_free(lookup);
	return session;
}

/* the end of a RCPT */

static void answer(struct lmtp_session *session, const char *reply)
{
	bool waited = session->looking_up;

	session->looking_up = false;
	session->command = NULL;
	lmtp_reply(session, "%s", reply);
	if (waited)
		lmtp_resume(session);
}

/* Its input waits for the answer. */
static void wait_for_answer(struct lmtp_session *session)
{
	if (!session->looking_up)
		conn_pause(session->conn);
	session->looking_up = true;
}

static void append(struct lmtp_session *session, struct lmtp_rcpt *rcpt)
{
	if (session->last_rcpt == NULL)
		session->rcpts = rcpt;
	else
		session->last_rcpt->next = rcpt;
	session->last_rcpt = rcpt;
	rcpt->index = ++session->rcpt_count;
}

void lmtp_rcpt_accept(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
		      const char *reply)
{
	append(session, rcpt);
	session->state = LMTP_RCPT;
	answer(session, reply);
}

void lmtp_rcpt_refuse(struct lmtp_session *session, const char *reply)
{
	answer(session, reply);
}

static void refuse(struct lmtp_session *session, const struct lmtp_rcpt *rcpt,
		   const struct err *err)
{
	const char *text = "Temporary user lookup failure";

	if (err->code == ERR_NOT_FOUND) {
		answer(session,
		       mem_printf(rcpt, "550 5.1.1 <%s> User doesn't exist: %s",
				  rcpt->address, rcpt->user));
		return;
	}
	if (err->code != ERR_DENIED)
		log_error("lookup of %s failed: %s", rcpt->user, err->text);
	if (session->process->set.lmtp_verbose_replies ||
	    err->code == ERR_DENIED)
		text = str_sanitize(rcpt, str_of(err->text), 300);
	answer(session,
	       mem_printf(rcpt, "451 4.3.0 <%s> %s", rcpt->address, text));
}

/* lmtp_rcpt_check_quota */

char *lmtp_over_quota(const struct lmtp_session *session,
		      const struct lmtp_rcpt *rcpt, const struct err *err)
{
	return mem_printf(rcpt, "%s <%s> %s",
			  session->process->lda.quota_full_tempfail
				  ? "452 4.2.2"
				  : "552 5.2.2",
			  rcpt->address,
			  str_sanitize(rcpt, str_of(quota_told(err)), 400));
}

/* Any mail at all. What else goes wrong does so again with the mail. */
static bool has_room(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
		     struct err *err)
{
	const struct job job = {
		.account = rcpt->account,
		.session_id = rcpt->session_id,
		.from = "",
		.to = rcpt->address,
		.mailbox = lmtp_mailbox_of(session, rcpt),
	};
	struct outcome outcome;

	if (!session->process->lda.lmtp_rcpt_check_quota)
		return true;
	workers_do(session->process->workers, JOB_ROOM, &job, rcpt, &outcome);
	*err = outcome.err;
	return outcome.ok || outcome.err.code != ERR_QUOTA;
}

/* lmtp_user_concurrency_limit */

static const struct ip nowhere;

struct counted {
	struct anvil *anvil;
	const char *user;
};

static int uncount(struct counted *counted)
{
	anvil_disconnect(counted->anvil, getpid(), "lmtp", counted->user,
			 &nowhere);
	return 0;
}

/* Tell anvil of a delivery for as long as the recipient is there. */
static void count(struct lmtp_session *session, struct lmtp_rcpt *rcpt)
{
	struct counted *counted = mem_new(rcpt, struct counted);

	counted->anvil = session->process->anvil;
	counted->user = mem_strdup(counted, rcpt->account->name);
	anvil_connect(counted->anvil, getpid(), "lmtp", counted->user,
		      &nowhere);
	talloc_set_destructor(counted, uncount);
}

static void counted_others(void *ctx, unsigned others)
{
	struct lmtp_rcpt *rcpt;
	struct lmtp_session *session = lookup_end(ctx, &rcpt);

	if (session == NULL)
		return;
	if (others >= session->process->set.lmtp_user_concurrency_limit) {
		answer(session, mem_printf(rcpt,
					   "451 4.3.0 <%s> Too many concurrent "
					   "deliveries for user",
					   rcpt->address));
		return;
	}
	count(session, rcpt);
	lmtp_rcpt_accept(session, rcpt, "250 2.1.5 OK");
}

/* who is it? */

static bool known_are_fresh(const struct lmtp_session *session)
{
	return clock_monotonic_ms() - session->known_ms < KNOWN_MS;
}

void lmtp_known_forget(struct lmtp_session *session, bool all)
{
	struct lmtp_known *known, *next;

	if (!all && session->known_count < KNOWN_MAX &&
	    known_are_fresh(session))
		return;
	LL_FOREACH_SAFE(session->known, known, next)
		mem_free(known);
	session->known = NULL;
	session->known_count = 0;
}

static const struct account *known_get(const struct lmtp_session *session,
				       const char *user)
{
	const struct lmtp_known *known;

	LL_FOREACH (session->known, known) {
		if (strcmp(known->user, user) == 0)
			return known_are_fresh(session) ? known->account : NULL;
	}
	return NULL;
}

static const struct account *known_add(struct lmtp_session *session,
				       const char *user,
				       const struct account *account)
{
	struct lmtp_known *known = mem_new(session, struct lmtp_known);

	known->user = mem_strdup(known, user);
	known->account = account_copy(known, account);
	if (session->known_count++ == 0)
		session->known_ms = clock_monotonic_ms();
	LL_PREPEND(session->known, known);
	return known->account;
}

static void take_account(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
			 const struct account *account)
{
	struct err over;

	rcpt->account = account;
	if (!session->ended && !has_room(session, rcpt, &over)) {
		answer(session, lmtp_over_quota(session, rcpt, &over));
		return;
	}
	if (session->process->anvil == NULL || session->ended) {
		lmtp_rcpt_accept(session, rcpt, "250 2.1.5 OK");
		return;
	}
	wait_for_answer(session);
	anvil_count(session->process->anvil, "lmtp", rcpt->account->name,
		    &nowhere, counted_others, lookup_new(session, rcpt));
}

static void looked_up(void *ctx, const struct account *account,
		      const struct err *err)
{
	struct lmtp_rcpt *rcpt;
	struct lmtp_session *session = lookup_end(ctx, &rcpt);

	if (session == NULL)
		return;
	if (account == NULL)
		refuse(session, rcpt, err);
	else if (rcpt->forward != NULL) /* of this mail alone */
		take_account(session, rcpt, account_copy(rcpt, account));
	else
		take_account(session, rcpt,
			     known_add(session, rcpt->user, account));
}

static void look_up(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
		    void (*ask)(struct auth_master *auth, const char *user,
				const struct auth_request_info *info,
				auth_master_fn *fn, void *fn_ctx),
		    auth_master_fn *answered)
{
	const char *forward[] = {NULL, NULL};
	const struct auth_request_info info = {
		.service = "lmtp",
		.session_id = session->session_id,
		.local = session->local,
		.remote = session->remote,
		.more = forward,
	};

	if (rcpt->forward != NULL)
		forward[0] =
			mem_printf(rcpt, "forward_fields=%s", rcpt->forward);

	wait_for_answer(session);
	ask(session->process->auth, rcpt->user, &info, answered,
	    lookup_new(session, rcpt));
}

static void look_up_user(struct lmtp_session *session, struct lmtp_rcpt *rcpt)
{
	const struct account *known =
		rcpt->forward == NULL ? known_get(session, rcpt->user) : NULL;

	if (known != NULL)
		take_account(session, rcpt, known);
	else
		look_up(session, rcpt, auth_master_user, looked_up);
}

/* lmtp_proxy: who is not passed on may still be a user here. */
static void passed(void *ctx, const struct account *pass, const struct err *err)
{
	struct lmtp_rcpt *rcpt;
	struct lmtp_session *session = lookup_end(ctx, &rcpt);

	if (session == NULL)
		return;
	if (pass == NULL && err->code != ERR_NOT_FOUND)
		refuse(session, rcpt, err);
	else if (session->ended || pass == NULL ||
		 !lmtp_proxy_rcpt(session, rcpt, pass))
		look_up_user(session, rcpt);
}

/* Two that an MTA's aliases made one have each his own mail, as Dovecot has it.
 */
static bool is_same(const struct lmtp_rcpt *a, const struct lmtp_rcpt *b)
{
	return strcmp(a->address, b->address) == 0 &&
	       (a->orcpt == NULL) == (b->orcpt == NULL) &&
	       (a->orcpt == NULL || strcmp(a->orcpt, b->orcpt) == 0);
}

/* Replies of several recipients are told apart by ":R2". */
static void begin(struct lmtp_session *session, struct lmtp_rcpt *rcpt)
{
	rcpt->session_id =
		++session->rcpt_tries == 1
			? mem_strdup(rcpt, session->session_id)
			: mem_printf(rcpt, "%s:R%u", session->session_id,
				     session->rcpt_tries);
	for (const struct lmtp_rcpt *at = session->rcpts;
	     at != NULL && rcpt->same == NULL; at = at->next) {
		if (at->same == NULL && is_same(at, rcpt))
			rcpt->same = at;
	}
	if (rcpt->same != NULL) {
		append(session, rcpt);
		lmtp_reply(session, "250 2.1.5 OK");
		return;
	}
	if (session->process->proxy != NULL)
		look_up(session, rcpt, auth_master_pass, passed);
	else
		look_up_user(session, rcpt);
}

/* parameters */

/* XRCPTFORWARD, in xtext: fields for auth, and for the next server. NULL, or
 * what to answer. */
static const char *take_forward(struct lmtp_rcpt *rcpt, const char *value)
{
	const char *problem;
	char *text;

	if (value == NULL || value[0] == '\0')
		return NULL;
	problem = smtp_xtext_decode(rcpt, str_of(value), &text);
	if (problem == NULL && strpbrk(text, "\r\n") != NULL)
		problem = "Encountered line end in xtext";
	if (problem != NULL)
		return mem_printf(rcpt,
				  "501 5.5.4 Invalid XRCPTFORWARD= parameter: "
				  "%s",
				  problem);
	rcpt->forward = text;
	return NULL;
}

static const char *take_orcpt(struct lmtp_rcpt *rcpt, const char *value)
{
	char *address;
	const char *problem = rcpt->orcpt == NULL
				      ? smtp_orcpt_parse(rcpt, value, &address)
				      : "Duplicate ORCPT= parameter";

	if (problem != NULL)
		return mem_printf(rcpt, "501 5.5.4 %s", problem);
	rcpt->orcpt = value;
	if (address != NULL)
		rcpt->original =
			str_sanitize(rcpt, str_of(address), ORIGINAL_MAX);
	return NULL;
}

/* NULL, or what to answer. */
static const char *rcpt_params(struct lmtp_session *session,
			       struct lmtp_rcpt *rcpt,
			       const struct smtp_param *params)
{
	const char *problem = NULL;

	for (; params->name != NULL && problem == NULL; params++) {
		if (strcmp(params->name, "ORCPT") == 0)
			problem = take_orcpt(rcpt, params->value);
		else if (strcmp(params->name, "XRCPTFORWARD") != 0)
			problem = "555 5.5.4 Unsupported parameters";
		else if (session->trusted)
			problem = take_forward(rcpt, params->value);
		else
			problem = "550 5.7.14 Unacceptable XRCPTFORWARD= "
				  "parameter: You are not from trusted IP";
	}
	return problem;
}

/* False: it was answered. */
static bool parse(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
		  struct str args)
{
	struct smtp_path path;
	const char *problem;

	if (!smtp_path_parse(rcpt, args, "TO", &path, &problem)) {
		lmtp_bad(session, "501 5.5.4 %s", problem);
		return false;
	}
	if (path.local == NULL || path.local[0] == '\0') {
		lmtp_bad(session,
			 "501 5.5.4 Invalid TO: Null path not allowed");
		return false;
	}
	/* Those that were refused keep their memory, too. */
	if (session->rcpt_tries >= session->process->set.lmtp_max_recipients) {
		lmtp_reply(session, "452 4.5.3 Too many recipients");
		return false;
	}
	rcpt->address = path.address;
	problem = rcpt_params(session, rcpt, path.params);
	if (problem != NULL) {
		lmtp_reply(session, "%s", problem);
		return false;
	}
	address_split(rcpt,
		      path.domain == NULL ? path.local
					  : mem_printf(rcpt, "%s@%s",
						       path.local, path.domain),
		      session->process->lda.recipient_delimiter, &rcpt->user,
		      &rcpt->detail);
	return true;
}

void lmtp_rcpt(struct lmtp_session *session, struct str args)
{
	struct lmtp_rcpt *rcpt = mem_new(session->ctx, struct lmtp_rcpt);

	if (parse(session, rcpt, args))
		begin(session, rcpt);
	else
		mem_free(rcpt);
}
