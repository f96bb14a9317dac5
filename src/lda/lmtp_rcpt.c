/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "lda/deliver.h"
#include "lda/lmtp.h"
#include "net/conn.h"
#include "service/auth_master.h"
#include "service/service.h"

/* Who asked auth; outlives a session that ends meanwhile. */
struct lookup {
	struct lmtp_session *session; /* NULL: gone */
	struct lmtp_rcpt *rcpt;
};

static int lookup_forget(struct lookup **link)
{
	(*link)->session = NULL;
	return 0;
}

static struct lmtp_rcpt *find_same(struct lmtp_session *session,
				   const char *address)
{
	for (struct lmtp_rcpt *rcpt = session->rcpts; rcpt != NULL;
	     rcpt = rcpt->next) {
		if (strcmp(rcpt->address, address) == 0)
			return rcpt->same_as != NULL ? rcpt->same_as : rcpt;
	}
	return NULL;
}

/* Replies of several recipients are told apart by ":R2". */
static void accept_rcpt(struct lmtp_session *session, struct lmtp_rcpt *rcpt)
{
	if (session->last_rcpt == NULL)
		session->rcpts = rcpt;
	else
		session->last_rcpt->next = rcpt;
	session->last_rcpt = rcpt;
	session->rcpt_count++;
	session->state = LMTP_RCPT;
	rcpt->session_id =
		session->rcpt_count == 1
			? mem_strdup(rcpt, session->session_id)
			: mem_printf(rcpt, "%s:R%u", session->session_id,
				     session->rcpt_count);
	lmtp_reply(session, "250 2.1.5 OK");
}

static void refuse(struct lmtp_session *session, const struct lmtp_rcpt *rcpt,
		   const struct err *err)
{
	if (err->code == ERR_NOT_FOUND) {
		lmtp_reply(session, "550 5.1.1 <%s> User doesn't exist: %s",
			   rcpt->address, rcpt->user);
		return;
	}
	if (err->code != ERR_DENIED)
		log_error("lookup of %s failed: %s", rcpt->user, err->text);
	if (session->process->set.lmtp_verbose_replies ||
	    err->code == ERR_DENIED)
		lmtp_reply(session, "451 4.3.0 <%s> %s", rcpt->address,
			   str_sanitize(session->ctx, str_of(err->text), 300));
	else
		lmtp_reply(session,
			   "451 4.3.0 <%s> Temporary user lookup failure",
			   rcpt->address);
}

static void looked_up(void *ctx, const struct account *account,
		      const struct err *err)
{
	struct lookup *lookup = ctx;
	struct lmtp_session *session = lookup->session;
	struct lmtp_rcpt *rcpt = lookup->rcpt;

	if (session != NULL) {
		session->looking_up = false;
		session->command = NULL;
		if (account == NULL) {
			refuse(session, rcpt, err);
		} else {
			rcpt->account = account_copy(rcpt, account);
			accept_rcpt(session, rcpt);
		}
	}
	mem_free(lookup);
	if (session != NULL)
		lmtp_resume(session);
}

static void look_up(struct lmtp_session *session, struct lmtp_rcpt *rcpt)
{
	struct lookup *lookup = mem_new(session->process, struct lookup);
	struct lookup **link = mem_new(rcpt, struct lookup *);
	const struct auth_request_info info = {
		.service = "lmtp",
		.session_id = session->session_id,
		.local = session->local,
		.remote = session->remote,
	};

	lookup->session = session;
	lookup->rcpt = rcpt;
	*link = lookup;
	talloc_set_destructor(link, lookup_forget);
	session->looking_up = true;
	conn_pause(session->conn);
	auth_master_user(session->process->auth, rcpt->user, &info, looked_up,
			 lookup);
}

void lmtp_rcpt(struct lmtp_session *session, struct str args)
{
	struct lmtp_rcpt *rcpt;
	struct smtp_path path;
	const char *problem;

	if (!smtp_path_parse(session->ctx, args, "TO", &path, &problem)) {
		lmtp_reply(session, "501 5.5.4 Invalid TO: %s", problem);
		lmtp_bad(session);
		return;
	}
	if (path.local == NULL || path.local[0] == '\0') {
		lmtp_reply(session, "550 5.1.3 Invalid TO: Empty address");
		return;
	}
	if (path.params->name != NULL) {
		lmtp_reply(session, "555 5.5.4 Unsupported parameters");
		return;
	}
	if (session->rcpt_count >= session->process->set.lmtp_max_recipients) {
		lmtp_reply(session, "452 4.5.3 Too many recipients");
		return;
	}
	rcpt = mem_new(session->ctx, struct lmtp_rcpt);
	rcpt->address = mem_strdup(rcpt, path.address);
	address_split(rcpt,
		      path.domain == NULL ? path.local
					  : mem_printf(rcpt, "%s@%s",
						       path.local, path.domain),
		      session->process->lda.recipient_delimiter, &rcpt->user,
		      &rcpt->detail);
	rcpt->same_as = find_same(session, rcpt->address);
	if (rcpt->same_as != NULL)
		accept_rcpt(session, rcpt);
	else
		look_up(session, rcpt);
}
