/* SPDX-License-Identifier: MIT */
#include "lda/workers.h"

#include <unistd.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "delivery/spool.h"
#include "lda/deliverer.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/account.h"
#include "service/privs.h"
#include "service/service.h"

enum {
	WORKERS_MAX = 16, /* that are kept */
	CHUNK = 64 * 1024,
	SMALL = 48 * 1024, /* goes with the job */
	/* An MTA does not wait longer. */
	ANSWER_WAIT_MS = 10 * 60 * 1000,
};

struct worker {
	struct workers *workers;
	char *key; /* privs_key() */
	int fd;
	struct watch *watch;
	struct buf in;
	uint64_t mail; /* the one it has; 0: none */
	bool leaving;
	struct worker *prev, *next;
};

struct workers {
	struct service_env *env;
	struct deliverer *own; /* NULL: there are processes for it */
	bool was_root;         /* took rights, or will */
	char *own_key;         /* which; NULL: none yet */
	char *socket;
	struct buf frame;
	struct worker *list; /* latest first */
	unsigned count;
};

static int workers_free(struct workers *workers)
{
	buf_free(&workers->frame);
	return 0;
}

int workers_new(const void *ctx, struct service_env *env,
		const char *log_prefix, struct workers **out, struct err *err)
{
	struct workers *workers = mem_new(ctx, struct workers);

	workers->env = env;
	workers->frame = buf_init(FRAME_MAX);
	workers->socket = service_socket_path(workers, env, "lmtp-worker");
	talloc_set_destructor(workers, workers_free);
	workers->was_root = geteuid() == 0;
	if (workers->was_root && !users_are_same(service_config(env))) {
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
	watch_free(&worker->watch);
	fd_close(&worker->fd);
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

static int add_octets(struct buf *frame, struct spool *spool, uint64_t *at,
		      struct err *err)
{
	uint64_t left = spool_size(spool) - *at;
	size_t size = left < CHUNK ? (size_t)left : CHUNK;
	ssize_t got;

	if (*at == 0)
		pack_u32(frame, (uint32_t)spool_prefix(spool));
	got = spool_read(spool, *at, buf_space(frame, size), size);
	if (got < 0)
		return err_set(err, ERR_TEMPORARY,
			       "Can't read the temporary file");
	buf_grew(frame, (size_t)got);
	*at += (size_t)got;
	return 0;
}

static int send_large(struct worker *worker, const struct job *job,
		      struct err *err)
{
	struct buf *frame = &worker->workers->frame;
	uint64_t at = 0;

	while (at < spool_size(job->spool)) {
		buf_reset(frame);
		pack_u8(frame, at == 0 ? JOB_MAIL : JOB_MORE);
		if (add_octets(frame, job->spool, &at, err) < 0 ||
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
	if (add_octets(frame, job->spool, &at, err) < 0)
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

/* 1: *out is filled. 0: that was none. */
static int take_frame(struct worker *worker, struct str frame, const void *ctx,
		      struct outcome *out, struct err *err)
{
	if (frame.len == 1 && frame.data[0] == JOB_LEAVING) {
		worker->leaving = true;
		return 0;
	}
	if (frame.len > 0 && frame.data[0] == JOB_OUTCOME &&
	    outcome_unpack(ctx, str_from(frame, 1), out))
		return 1;
	return err_set(err, ERR_INVALID, "Malformed answer");
}

static int hear(struct worker *worker, const void *ctx, struct outcome *out,
		struct err *err)
{
	int ret;

	do {
		size_t len;
		int fd = -1;

		ret = frame_wait(worker->fd, &worker->in, &fd, &len,
				 ANSWER_WAIT_MS, err);
		fd_close(&fd);
		if (ret < 0)
			return -1;
		ret = take_frame(worker, str_n(worker->in.data + 4, len), ctx,
				 out, err);
		frame_done(&worker->in, len);
	} while (ret == 0);
	return ret < 0 ? -1 : 0;
}

/* Between jobs it only says that it goes, or is gone. */
static void idle_readable(void *ctx, unsigned)
{
	struct worker *worker = ctx;

	mem_free(worker);
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
		if (strcmp(one->key, key) != 0)
			continue;
		DL_DELETE(workers->list, one);
		DL_PREPEND(workers->list, one);
		return one;
	}
	return NULL;
}

static void prune(struct workers *workers)
{
	if (workers->count > WORKERS_MAX)
		mem_free(workers->list->prev);
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

static int do_there(struct workers *workers, enum job_type type,
		    const struct job *job, const char *key, const void *ctx,
		    struct outcome *out, struct err *err)
{
	struct worker *worker;

	if (find_and_request(workers, type, job, key, &worker, err) < 0)
		return err_wrap(err, "lmtp-worker");
	if (type == JOB_EXPUNGE) {
		*out = (struct outcome){.ok = true};
	} else if (hear(worker, ctx, out, err) < 0) {
		mem_free(worker);
		return err_wrap(err, "lmtp-worker");
	}
	if (worker->leaving)
		mem_free(worker);
	prune(workers);
	return 0;
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

static int do_it(struct workers *workers, enum job_type type,
		 const struct job *job, const void *ctx, struct outcome *out,
		 struct err *err)
{
	char *key = privs_key(workers, job->account,
			      service_config(workers->env), err);
	int ret;

	if (key == NULL)
		return -1;
	if (workers->own == NULL)
		ret = do_there(workers, type, job, key, ctx, out, err);
	else if ((ret = take_rights(workers, job, key, err)) == 0)
		deliverer_do(workers->own, type, job, ctx, out);
	mem_free(key);
	return ret;
}

void workers_do(struct workers *workers, enum job_type type,
		const struct job *job, const void *ctx, struct outcome *out)
{
	struct err err;

	if (do_it(workers, type, job, ctx, out, &err) == 0)
		return;
	log_error("user %s: %s", job->account->name, err.text);
	/* "It is closed" is no reason for a client. */
	if (err.code != ERR_DENIED)
		err.code = ERR_TEMPORARY;
	*out = (struct outcome){.err = err};
}
