/* SPDX-License-Identifier: MIT */
/*
 * lda/workers.h - who does jobs (lda/job.h) for lmtp and quota-status.
 *
 * LMDB is as dangerous as its file is, and the file is the user's: no process
 * that could become root again opens it. As root, processes of the service
 * lmtp-worker do the jobs, one for each user's rights, which it takes for good;
 * each is kept for the next jobs. Where all users have the same rights, this
 * process takes them for good with the first job, and does all jobs itself; as
 * it does where it is not root.
 */
#ifndef LDA_WORKERS_H
#define LDA_WORKERS_H
#include "lda/job.h"

struct config;
struct service_env;
struct workers;

/* For init() of a service. `log_prefix` is that of deliverer.h. Child of ctx.
 */
int workers_new(const void *ctx, struct service_env *env,
		const char *log_prefix, struct workers **out, struct err *err);
/* Whether mails are parsed here; where not, it would be for nothing. */
bool workers_parse(const struct workers *workers);
/* Does it and waits. What goes wrong is logged, and told in *out, whose texts
 * become children of ctx. After an outcome that is not ok, the job may still
 * have been done, if its process was killed meanwhile. */
void workers_do(struct workers *workers, enum job_type type,
		const struct job *job, const void *ctx, struct outcome *out);
/* JOB_DELIVER, of which nobody shall wait for long because of another: false if
 * that takes its time. It goes on, or has yet to begin. Then workers_end()
 * waits for it, with the same `job`, after all others were tried, in their
 * order; a process that needs longer than lmtp_delivery_timeout is killed. */
bool workers_try(struct workers *workers, const struct job *job,
		 const void *ctx, struct outcome *out);
void workers_end(struct workers *workers, const struct job *job,
		 const void *ctx, struct outcome *out);

/* same_user.c */

/* Whether the userdb is one that gives all users the same rights. */
bool users_are_same(const struct config *config);

#endif
