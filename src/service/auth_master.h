/* SPDX-License-Identifier: MIT */
/*
 * service/auth_master.h - a client of auth's master protocol (Dovecot's
 * "Authentication Protocol", sockets auth-master and auth-userdb): what is
 * behind a login token, who is a user, who are all.
 */
#ifndef SERVICE_AUTH_MASTER_H
#define SERVICE_AUTH_MASTER_H
#include <stdint.h>

#include "base/ip.h"
#include "service/account.h"

struct auth_master;
struct err;
struct loop;

struct auth_request_info {
	const char *service; /* "imap", "lmtp" */
	const char *session_id;
	struct ip local, remote;
	pid_t pid; /* of the process that will serve it */
	const char *const *more; /* "key=value", NULL at the end; or NULL */
};

/* The token that login got from auth with OK: which request of which login
 * process, and the cookie that proves it. */
struct auth_token {
	uint32_t client_pid, request_id;
	char cookie[33]; /* 32 hex digits */
};

/* `account` is NULL if there is none: then err says why: ERR_NOT_FOUND for an
 * unknown user, ERR_TEMPORARY when auth cannot tell, ERR_DENIED with the text
 * for the user ("Account is temporarily disabled."). */
typedef void auth_master_fn(void *ctx, const struct account *account,
			    const struct err *err);

/* Connects when first asked and again when auth was restarted; requests under
 * way are then sent again. Child of ctx. */
struct auth_master *auth_master_new(const void *ctx, struct loop *loop,
				    const char *socket_path);
/* Ask; `fn` is called once, with an account that lives until it returns. */
void auth_master_token(struct auth_master *auth, const struct auth_token *token,
		       const struct auth_request_info *info, auth_master_fn *fn,
		       void *fn_ctx);
void auth_master_user(struct auth_master *auth, const char *user,
		      const struct auth_request_info *info, auth_master_fn *fn,
		      void *fn_ctx);

/* The passdb's view: where to pass the user on to. Fields of the account are
 * those of the passdb; no password is asked for. */
void auth_master_pass(struct auth_master *auth, const char *user,
		      const struct auth_request_info *info, auth_master_fn *fn,
		      void *fn_ctx);

/* The same for programs that wait: lda, doveadm. */
int auth_user_lookup(const void *ctx, const char *socket_path, const char *user,
		     const struct auth_request_info *info, struct account **out,
		     struct err *err);
/* The passdb's view (doveadm auth lookup): fields as "key=value". */
int auth_pass_lookup(const void *ctx, const char *socket_path, const char *user,
		     const struct auth_request_info *info,
		     const char *const **fields_out, struct err *err);
/* All users (doveadm -A, user '*'); `mask` NULL for all. */
int auth_user_list(const void *ctx, const char *socket_path, const char *mask,
		   const char *const **names_out, size_t *count_out,
		   struct err *err);
/* Forget cached results of the users, all if NULL. */
int auth_cache_flush(const char *socket_path, const char *const *users,
		     unsigned *flushed_out, struct err *err);

#endif
