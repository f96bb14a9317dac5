/* SPDX-License-Identifier: MIT */
/*
 * lda/main_lmtp_worker.c - lmtp-worker: delivers for lmtp with one user's
 * rights (lda/workers.h). A process has one connection, becomes the user that
 * comes first on it, for good, and ends with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "delivery/settings.h"
#include "delivery/spool.h"
#include "lda/deliverer.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/privs.h"
#include "service/service.h"

enum { LEAVE_MS = 60 * 1000 }; /* when nothing more came */

static struct lmtp_worker {
	struct service_env *env;
	struct deliverer *deliverer;
	char *log_prefix;
	int fd, pidfd;
	struct watch *watch;
	struct timer *quiet;
	struct buf in;
	bool has_user, leaving;
	bool refused; /* the user's rights could not be taken */
	struct err why;
	struct spool *spool; /* of the mail that came last; NULL: none */
	bool binary;         /* it came as BODY=BINARYMIME */
	bool ended;          /* it is whole */
	struct err spool_err;
	bool spool_failed;
} worker;

static void end(void)
{
	watch_free(&worker.watch);
	timer_free(&worker.quiet);
	fd_close(&worker.fd);
	buf_free(&worker.in);
	mem_free(worker.spool);
	worker.spool = NULL;
	service_client_end(worker.env);
}

/* lmtp closes, lest a job be on its way. */
static void leave(void)
{
	static const char type = JOB_LEAVING;
	struct err err;

	if (!worker.leaving)
		frame_send(worker.fd, &type, 1, -1, &err);
	worker.leaving = true;
}

/* The mail is kept: lmtp may be at work for another recipient of it, however
 * long that takes, and does not send it again. */
static void quiet(void *)
{
	leave();
}

/* mails */

static bool take_mail(struct str octets)
{
	struct unpack in = {.in = octets};
	bool binary = unpack_u8(&in) != 0;
	uint32_t prefix = unpack_u32(&in);
	struct err err;

	if (in.bad || prefix > in.in.len)
		return false;
	if (worker.refused)
		return true;
	mem_free(worker.spool);
	worker.spool = deliverer_spool(NULL, worker.deliverer,
				       str_n(in.in.data, prefix));
	worker.binary = binary;
	worker.ended = false;
	in.in = str_from(in.in, prefix);
	spool_write(worker.spool, in.in.data, in.in.len, &err);
	return true;
}

static bool take_more(struct str octets)
{
	struct err err;

	if (worker.refused)
		return true;
	if (worker.spool == NULL || worker.ended)
		return false;
	/* What goes wrong is said at the end. */
	spool_write(worker.spool, octets.data, octets.len, &err);
	return true;
}

static int end_binary(struct err *err)
{
	struct spool *spool;

	if (spool_unbinary(NULL, worker.spool, true, &spool, err) < 0)
		return -1;
	mem_free(worker.spool);
	worker.spool = spool;
	return 0;
}

static int end_mail(void)
{
	struct err *err = &worker.spool_err;

	if (worker.ended)
		return worker.spool_failed ? -1 : 0;
	worker.ended = true;
	worker.spool_failed =
		(worker.binary ? end_binary(err)
			       : spool_end(worker.spool, err)) < 0;
	if (!worker.spool_failed)
		return 0;
	log_error("%s", worker.spool_err.text);
	return -1;
}

/* jobs */

static void answer(const struct outcome *outcome)
{
	CLEANUP(buf_free) struct buf frame = buf_init(FRAME_MAX);
	struct err err;

	outcome_pack(outcome, &frame);
	if (frame_send(worker.fd, frame.data, frame.len, -1, &err) < 0)
		log_error("Can't answer lmtp: %s", err.text);
}

static bool take_user(const struct job *job)
{
	static const char self = JOB_SELF;
	struct err err;

	if (worker.has_user)
		return false;
	worker.has_user = true;
	frame_send(worker.fd, &self, 1, worker.pidfd, &err);
	fd_close(&worker.pidfd);
	if (privs_drop_for_exec(job->account, service_config(worker.env),
				&worker.why) < 0) {
		worker.refused = true;
		log_error("user %s: %s", job->account->name, worker.why.text);
	}
	return true;
}

static bool do_job(enum job_type type, struct job *job, struct str rest)
{
	struct outcome outcome = {.ok = false};

	/* It was told that nothing was done, while this waited for a process.
	 */
	if (type == JOB_DELIVER && sock_is_left(worker.fd))
		return true;
	if (rest.len > 0 && (!worker.has_user || !take_mail(rest)))
		return false;
	if (!worker.has_user ||
	    (type == JOB_DELIVER && worker.spool == NULL && !worker.refused))
		return false;
	if (worker.refused) {
		outcome.err = worker.why;
	} else if (type == JOB_DELIVER && end_mail() < 0) {
		outcome.err = worker.spool_err;
	} else {
		job->spool = worker.spool;
		deliverer_do(worker.deliverer, type, job, job, &outcome);
	}
	if (type != JOB_EXPUNGE)
		answer(&outcome);
	timer_reset(worker.quiet, (struct duration){LEAVE_MS});
	return true;
}

static bool take_job(enum job_type type, struct str frame)
{
	struct job *job = job_unpack(NULL, &frame);
	bool taken =
		job != NULL &&
		(type == JOB_USER ? take_user(job) : do_job(type, job, frame));

	mem_free(job);
	return taken;
}

/* False: lmtp does not know the protocol. */
static bool take_frame(struct str frame)
{
	struct str rest = str_from(frame, 1);

	switch (frame.len > 0 ? (enum job_type)frame.data[0] : JOB_OUTCOME) {
	case JOB_USER:
	case JOB_DELIVER:
	case JOB_ROOM:
	case JOB_JUDGE:
	case JOB_EXPUNGE:
		return take_job((enum job_type)frame.data[0], rest);
	case JOB_MAIL:
		return worker.has_user && take_mail(rest);
	case JOB_MORE:
		return take_more(rest);
	case JOB_SELF:
	case JOB_OUTCOME:
	case JOB_LEAVING:
		break;
	}
	return false;
}

static void readable(void *, unsigned)
{
	struct err err;
	size_t len;
	int fd = -1, ret;

	while ((ret = frame_recv(worker.fd, &worker.in, &fd, &len, &err)) > 0) {
		fd_close(&fd);
		if (!take_frame(str_n(worker.in.data + 4, len))) {
			log_error("Malformed job");
			end();
			return;
		}
		frame_done(&worker.in, len);
	}
	fd_close(&fd);
	if (ret < 0)
		end();
}

/* the service */

static int init(struct service_env *env, struct err *err)
{
	worker.env = env;
	worker.log_prefix = mem_printf(NULL, "lmtp-worker(%d)", (int)getpid());
	log_prefix_set(worker.log_prefix);
	worker.pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (worker.pidfd < 0)
		log_warning("pidfd_open(): %s", strerror(errno));
	return deliverer_new(NULL, env, worker.log_prefix, &worker.deliverer,
			     err);
}

static void take_client(struct service_env *env,
			const struct service_client *client)
{
	/* Whoever takes this process over must not take the next client. */
	service_take_no_more(env);
	worker.fd = client->fd;
	worker.in = buf_init(FRAME_MAX + 4);
	worker.quiet = timer_new(service_loop(env), (struct duration){LEAVE_MS},
				 quiet, NULL);
	worker.watch = watch_new(service_loop(env), client->fd, WATCH_READ,
				 readable, NULL);
}

static bool make_room(struct service_env *)
{
	leave();
	return true;
}

static void stop(struct service_env *, const char *)
{
	leave();
}

static const struct service lmtp_worker_service = {
	.name = "lmtp-worker",
	.settings = lmtp_settings,
	.sandbox = SANDBOX_FILES | SANDBOX_UNIX | SANDBOX_INET | SANDBOX_IDS,
	.init = init,
	.accept = take_client,
	.make_room = make_room,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return service_run(&lmtp_worker_service, argc, argv);
}
