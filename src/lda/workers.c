/* SPDX-License-Identifier: MIT */
#include "lda/workers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "config/config.h"
#include "delivery/settings.h"
#include "delivery/spool.h"
#include "lda/deliverer.h"
#include "lda/parting.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/account.h"
#include "service/privs.h"
#include "service/service.h"

enum {
	WORKERS_MAX = 16, /* that are kept */
	CHUNK = 64 * 1024,
	SMALL = 48 * 1024, /* goes with the job */
	LARGE_RATE = 1024, /* octets that must be taken in a millisecond */
	LATE_MAX = 16,     /* that work at the same time */
	PLACE_MS = 300,    /* for a process to begin */
	/* Of a delivery: then others come first. */
	PATIENCE_MS = 3000,
	/* To know something. */
	ANSWER_MS = 60 * 1000,
};

struct worker {
	struct workers *workers;
	char *key; /* privs_key() */
	int fd, pidfd;
	struct watch *watch;
	struct buf in;
	uint64_t mail;          /* the one it has; 0: none */
	const struct job *late; /* that it is still at work for; NULL: none */
	bool begun;             /* a process has taken it */
	bool leaving;
	struct worker *prev, *next;
};

struct workers {
	struct service_env *env;
	struct deliverer *own; /* NULL: there are processes for it */
	bool was_root;         /* took rights, or will */
	char *own_key;         /* which; NULL: none yet */
	char *socket;
	uint64_t delivery_ms; /* lmtp_delivery_timeout */
	struct buf frame;
	struct worker *list; /* latest first */
	unsigned count, late;
	uint64_t until; /* what is done now is given up then */
	struct partings *partings;
};

/* Of this process, which has no other, for its end. */
static struct workers *own_workers;

static int workers_free(struct workers *workers)
{
	while (workers->list != NULL)
		mem_free(workers->list);
	own_workers = NULL;
	buf_free(&workers->frame);
	return 0;
}

static void let_all_go(void)
{
	if (own_workers == NULL)
		return;
	while (own_workers->list != NULL)
		mem_free(own_workers->list);
	partings_end(own_workers->partings);
}

int workers_new(const void *ctx, struct service_env *env,
		const char *log_prefix, struct workers **out, struct err *err)
{
	struct workers *workers = mem_new(ctx, struct workers);
	const struct config_filter filter = {.protocol = "lmtp"};
	struct lmtp_settings set;

	if (config_read(workers, service_config(env), &filter, lmtp_settings,
			&set, err) < 0)
		return -1;
	workers->delivery_ms = set.lmtp_delivery_timeout.ms;
	workers->env = env;
	workers->frame = buf_init(FRAME_MAX);
	workers->socket = service_socket_path(workers, env, "lmtp-worker");
	talloc_set_destructor(workers, workers_free);
	workers->was_root = geteuid() == 0;
	if (workers->was_root && !users_are_same(service_config(env))) {
		workers->partings = partings_new(workers, service_loop(env));
		own_workers = workers;
		atexit(let_all_go);
		*out = workers;
		return 0;
	}
	if (workers->was_root)
		service_may(env, SANDBOX_IDS);
	if (deliverer_new(workers, env, log_prefix, &workers->own, err) < 0) {
		mem_free(workers);
		return -1;
	}
	*out = workers;
	return 0;
}

bool workers_parse(const struct workers *workers)
{
	return workers->own != NULL;
}

/* one process */

static int worker_free(struct worker *worker)
{
	DL_DELETE(worker->workers->list, worker);
	worker->workers->count--;
	worker->workers->late -= worker->late != NULL;
	watch_free(&worker->watch);
	fd_close(&worker->fd);
	if (worker->pidfd >= 0)
		partings_add(worker->workers->partings, worker->pidfd);
	buf_free(&worker->in);
	return 0;
}

static int send_frame(struct worker *worker, const struct buf *frame,
		      struct err *err)
{
	if (frame->overflow)
		return err_set(err, ERR_LIMIT, "The job is too long");
	return frame_send(worker->fd, frame->data, frame->len, -1, err);
}

static int send_job(struct worker *worker, enum job_type type,
		    const struct job *job, struct err *err)
{
	struct buf *frame = &worker->workers->frame;

	buf_reset(frame);
	job_pack(type, job, frame);
	return send_frame(worker, frame, err);
}

static int add_octets(struct buf *frame, const struct job *job, uint64_t *at,
		      struct err *err)
{
	struct spool *spool = job->spool;
	uint64_t left = spool_size(spool) - *at;
	size_t size = left < CHUNK ? (size_t)left : CHUNK;
	ssize_t got;

	if (*at == 0) {
		pack_u8(frame, job->binary);
		pack_u32(frame, (uint32_t)spool_prefix(spool));
	}
	got = spool_read(spool, *at, buf_space(frame, size), size);
	if (got < 0)
		return err_set(err, ERR_TEMPORARY,
			       "Can't read the temporary file");
	buf_grew(frame, (size_t)got);
	*at += (size_t)got;
	return 0;
}

/* answers */

/* 1: *out is filled. 0: that was none. */
static int take_frame(struct worker *worker, struct str frame, int *fd,
		      const void *ctx, struct outcome *out, struct err *err)
{
	switch (frame.len > 0 ? (enum job_type)frame.data[0] : JOB_USER) {
	case JOB_SELF:
		/* The first one was said before it had a user's rights. */
		if (worker->begun)
			break;
		worker->begun = true;
		worker->pidfd = *fd;
		*fd = -1;
		return 0;
	case JOB_LEAVING:
		/* Nothing is said twice, or this would never end. */
		if (worker->leaving)
			break;
		worker->leaving = true;
		return 0;
	case JOB_OUTCOME:
		if (outcome_unpack(ctx, str_from(frame, 1), out))
			return 1;
		break;
	default:
		break;
	}
	return err_set(err, ERR_INVALID, "Malformed answer");
}

/* What the worker has said so far: 1, 0, -1. */
static int take_frames(struct worker *worker, const void *ctx,
		       struct outcome *out, struct err *err)
{
	size_t len;
	int fd = -1, ret;

	while ((ret = frame_recv(worker->fd, &worker->in, &fd, &len, err)) >
	       0) {
		ret = take_frame(worker, str_n(worker->in.data + 4, len), &fd,
				 ctx, out, err);
		fd_close(&fd);
		frame_done(&worker->in, len);
		if (ret != 0)
			break;
	}
	fd_close(&fd);
	return ret;
}

/* Between jobs it only says that it goes, or is gone. */
static void idle_readable(void *ctx, unsigned)
{
	struct worker *worker = ctx;

	mem_free(worker);
}

/* Until that worker has something to say. Idle ones that say that they go, go:
 * it may be waiting for their place. So they do if it is not there soon. */
static int wait_for(struct worker *worker, struct err *err)
{
	uint64_t until = worker->workers->until;

	for (;;) {
		struct worker *all[WORKERS_MAX + 1] = {worker}, *at;
		int fds[WORKERS_MAX + 1] = {worker->fd}, ready;
		uint64_t soon = clock_monotonic_ms() + PLACE_MS;
		size_t count = 1;

		DL_FOREACH (worker->workers->list, at) {
			if (at == worker || at->late != NULL ||
			    count > WORKERS_MAX)
				continue;
			all[count] = at;
			fds[count++] = at->fd;
		}
		if (worker->begun || count == 1 || soon > until)
			soon = until;
		ready = sock_wait_any(fds, count, soon, err);
		if (ready < 0 && err->code == ERR_TIMEOUT && soon < until)
			ready = (int)count - 1; /* the oldest */
		if (ready <= 0)
			return ready;
		mem_free(all[ready]);
	}
}

static int hear(struct worker *worker, const void *ctx, struct outcome *out,
		struct err *err)
{
	int ret;

	while ((ret = take_frames(worker, ctx, out, err)) == 0) {
		if (wait_for(worker, err) < 0)
			return -1;
	}
	return ret < 0 ? -1 : 0;
}

/* Until a process has taken it: before that, nobody reads what does not fit
 * into the socket. */
static int await_process(struct worker *worker, struct err *err)
{
	struct outcome none;

	while (!worker->begun) {
		int ret = take_frames(worker, worker, &none, err);

		if (ret > 0)
			return err_set(err, ERR_INVALID, "Malformed answer");
		if (ret < 0 || (!worker->begun && wait_for(worker, err) < 0))
			return -1;
	}
	return 0;
}

/* mails */

static int send_large(struct worker *worker, const struct job *job,
		      struct err *err)
{
	struct buf *frame = &worker->workers->frame;
	uint64_t size = spool_size(job->spool), at = 0, until;

	if (await_process(worker, err) < 0)
		return -1;
	until = clock_monotonic_ms() + PATIENCE_MS + size / LARGE_RATE;
	while (at < size) {
		if (clock_monotonic_ms() > until)
			return err_set(err, ERR_TIMEOUT,
				       "The mail is taken too slowly");
		buf_reset(frame);
		pack_u8(frame, at == 0 ? JOB_MAIL : JOB_MORE);
		if (add_octets(frame, job, &at, err) < 0 ||
		    send_frame(worker, frame, err) < 0)
			return -1;
	}
	return send_job(worker, JOB_DELIVER, job, err);
}

static int send_small(struct worker *worker, const struct job *job,
		      struct err *err)
{
	struct buf *frame = &worker->workers->frame;
	uint64_t at = 0;

	buf_reset(frame);
	job_pack(JOB_DELIVER, job, frame);
	if (add_octets(frame, job, &at, err) < 0)
		return -1;
	return send_frame(worker, frame, err);
}

static int send_delivery(struct worker *worker, const struct job *job,
			 struct err *err)
{
	int ret;

	if (worker->mail == job->mail)
		return send_job(worker, JOB_DELIVER, job, err);
	worker->mail = 0;
	ret = spool_size(job->spool) > SMALL ? send_large(worker, job, err)
					     : send_small(worker, job, err);
	if (ret == 0)
		worker->mail = job->mail;
	return ret;
}

/* the end */

/* Lest it do later what we say was not done; and nobody can keep others from
 * getting a process by stopping his. */
static int give_up(struct worker *worker, struct err *err)
{
	bool killed = worker->pidfd >= 0;

	if (killed)
		parting_kill(worker->pidfd);
	mem_free(worker);
	return err_set(err, ERR_TEMPORARY, "No answer in time%s",
		       killed ? ": killed" : "");
}

static int worker_open(struct workers *workers, const struct job *job,
		       const char *key, struct worker **out, struct err *err)
{
	int fd = sock_connect_unix(workers->socket, err);
	struct worker *worker;

	if (fd < 0)
		return -1;
	worker = mem_new(workers, struct worker);
	worker->workers = workers;
	worker->key = mem_strdup(worker, key);
	worker->fd = fd;
	worker->pidfd = -1;
	worker->in = buf_init(FRAME_MAX + 4);
	worker->watch = watch_new(service_loop(workers->env), fd, WATCH_READ,
				  idle_readable, worker);
	DL_PREPEND(workers->list, worker);
	workers->count++;
	talloc_set_destructor(worker, worker_free);
	if (send_job(worker, JOB_USER, job, err) < 0) {
		mem_free(worker);
		return -1;
	}
	*out = worker;
	return 0;
}

/* all of them */

static struct worker *find(struct workers *workers, const char *key)
{
	struct worker *one;

	DL_FOREACH (workers->list, one) {
		if (one->late != NULL || strcmp(one->key, key) != 0)
			continue;
		DL_DELETE(workers->list, one);
		DL_PREPEND(workers->list, one);
		return one;
	}
	return NULL;
}

static void prune(struct workers *workers)
{
	struct worker *oldest = workers->list;

	if (workers->count - workers->late <= WORKERS_MAX)
		return;
	do
		oldest = oldest->prev;
	while (oldest->late != NULL);
	mem_free(oldest);
}

static int request(struct worker *worker, enum job_type type,
		   const struct job *job, struct err *err)
{
	return type == JOB_DELIVER ? send_delivery(worker, job, err)
				   : send_job(worker, type, job, err);
}

/* A worker that is gone before it had the whole job has done nothing of it. */
static int find_and_request(struct workers *workers, enum job_type type,
			    const struct job *job, const char *key,
			    struct worker **out, struct err *err)
{
	struct worker *worker = find(workers, key);

	if (worker != NULL) {
		*out = worker;
		if (request(worker, type, job, err) == 0)
			return 0;
		mem_free(worker);
		if (err->code != ERR_CLOSED)
			return -1;
	}
	if (worker_open(workers, job, key, &worker, err) < 0)
		return -1;
	*out = worker;
	if (request(worker, type, job, err) == 0)
		return 0;
	mem_free(worker);
	return -1;
}

/* It answered, or something is wrong with it. */
static int after(struct workers *workers, struct worker *worker, int ret,
		 struct err *err)
{
	if (ret < 0 && err->code == ERR_TIMEOUT)
		ret = give_up(worker, err);
	else if (ret < 0 || worker->leaving)
		mem_free(worker);
	prune(workers);
	return ret;
}

/* Ways to do a job in another process. */
typedef int there_fn(struct workers *workers, enum job_type type,
		     const struct job *job, const char *key, const void *ctx,
		     struct outcome *out, struct err *err);

static int do_there(struct workers *workers, enum job_type type,
		    const struct job *job, const char *key, const void *ctx,
		    struct outcome *out, struct err *err)
{
	struct worker *worker;
	int ret = 0;

	workers->until = clock_monotonic_ms() + ANSWER_MS;
	if (find_and_request(workers, type, job, key, &worker, err) < 0)
		return -1;
	if (type == JOB_EXPUNGE)
		*out = (struct outcome){.ok = true};
	else
		ret = hear(worker, ctx, out, err);
	return after(workers, worker, ret, err);
}

static int take_rights(struct workers *workers, const struct job *job,
		       const char *key, struct err *err)
{
	const struct config *config = service_config(workers->env);

	if (workers->own_key != NULL)
		return strcmp(workers->own_key, key) == 0
			       ? 0
			       : err_set(err, ERR_DENIED,
					 "User has other rights than those "
					 "before");
	if (privs_drop_for_exec(job->account, config, err) < 0)
		return -1;
	if (workers->was_root)
		workers->own_key = mem_strdup(workers, key);
	return 0;
}

static int do_here(struct workers *workers, enum job_type type,
		   const struct job *job, const char *key, const void *ctx,
		   struct outcome *out, struct err *err)
{
	if (take_rights(workers, job, key, err) < 0)
		return -1;
	deliverer_do(workers->own, type, job, ctx, out);
	return 0;
}

/* 1: it is under way, or may begin when others are done. */
static int try_there(struct workers *workers, enum job_type type,
		     const struct job *job, const char *key, const void *ctx,
		     struct outcome *out, struct err *err)
{
	struct worker *worker;
	int ret;

	if (workers->late >= LATE_MAX)
		return 1;
	workers->until = clock_monotonic_ms() + PATIENCE_MS;
	/* A job that it has not heard to the end is none. */
	if (find_and_request(workers, type, job, key, &worker, err) < 0)
		return err->code == ERR_TIMEOUT ? 1 : -1;
	ret = hear(worker, ctx, out, err);
	if (ret < 0 && err->code == ERR_TIMEOUT) {
		worker->late = job;
		workers->late++;
		return 1;
	}
	return after(workers, worker, ret, err);
}

static struct worker *late_for(const struct workers *workers,
			       const struct job *job)
{
	struct worker *one;

	DL_FOREACH (workers->list, one) {
		if (one->late == job)
			return one;
	}
	return NULL;
}

static int end_there(struct workers *workers, enum job_type type,
		     const struct job *job, const char *key, const void *ctx,
		     struct outcome *out, struct err *err)
{
	uint64_t soon = clock_monotonic_ms() + PATIENCE_MS;
	struct worker *worker = late_for(workers, job);

	workers->until = job->started_ms + workers->delivery_ms;
	if (worker != NULL) {
		worker->late = NULL;
		workers->late--;
	} else {
		/* Those before it may have used its time up. */
		if (workers->until < soon)
			workers->until = soon;
		if (find_and_request(workers, type, job, key, &worker, err) < 0)
			return -1;
	}
	return after(workers, worker, hear(worker, ctx, out, err), err);
}

/* all jobs */

static void failed(const struct job *job, struct err *err, struct outcome *out)
{
	log_error("user %s: %s", job->account->name, err->text);
	/* "It is closed" is no reason for a client. */
	if (err->code != ERR_DENIED)
		err->code = ERR_TEMPORARY;
	*out = (struct outcome){.err = *err};
}

/* 0; 1 as that way has it; -1: it failed, and *out says so. */
static int run(struct workers *workers, there_fn *there, enum job_type type,
	       const struct job *job, const void *ctx, struct outcome *out)
{
	struct err err;
	char *key = privs_key(workers, job->account,
			      service_config(workers->env), &err);
	int ret = -1;

	if (key != NULL && workers->own != NULL)
		ret = do_here(workers, type, job, key, ctx, out, &err);
	else if (key != NULL && (ret = there(workers, type, job, key, ctx, out,
					     &err)) < 0)
		err_wrap(&err, "lmtp-worker");
	mem_free(key);
	if (ret < 0)
		failed(job, &err, out);
	return ret;
}

void workers_do(struct workers *workers, enum job_type type,
		const struct job *job, const void *ctx, struct outcome *out)
{
	(void)run(workers, do_there, type, job, ctx, out);
}

bool workers_try(struct workers *workers, const struct job *job,
		 const void *ctx, struct outcome *out)
{
	return run(workers, try_there, JOB_DELIVER, job, ctx, out) <= 0;
}

void workers_end(struct workers *workers, const struct job *job,
		 const void *ctx, struct outcome *out)
{
	(void)run(workers, end_there, JOB_DELIVER, job, ctx, out);
}
