/* SPDX-License-Identifier: MIT */
/*
 * lda/deliverer.h - does jobs (lda/job.h) with the rights that this process
 * has, and keeps the users of the last deliveries open for the next ones.
 */
#ifndef LDA_DELIVERER_H
#define LDA_DELIVERER_H
#include "lda/job.h"

struct config;
struct deliverer;
struct err;
struct service_env;
struct user;

/* Settings are those of protocol lmtp; its log lines beside deliveries have
 * `log_prefix`, which must outlive it. For init() of a service: where scripts
 * run programs, it may more (service_may()). Child of ctx. */
int deliverer_new(const void *ctx, struct service_env *env,
		  const char *log_prefix, struct deliverer **out,
		  struct err *err);
/* `type` is one of JOB_DELIVER to JOB_EXPUNGE. Texts become children of ctx.
 * What goes wrong is logged, and told in *out. */
void deliverer_do(struct deliverer *deliverer, enum job_type type,
		  const struct job *job, const void *ctx, struct outcome *out);
/* A place for the next mail, without prefix if that is "". Child of ctx. */
struct spool *deliverer_spool(const void *ctx,
			      const struct deliverer *deliverer,
			      struct str prefix);

/* quota_judge.c */

/* What to tell Postfix of a mail of that size for the user whose rights this
 * process has; NULL after an error, which is logged. Child of ctx. */
char *quota_judge(const void *ctx, const struct config *config,
		  const struct account *account, uint64_t octets);
/* A setting of what to tell; `user` is NULL for who is none. */
const char *quota_judge_action(const void *ctx, const struct config *config,
			       const struct user *user, const char *name,
			       const char *preset);

#endif
