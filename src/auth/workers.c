/* SPDX-License-Identifier: MIT */
#include "auth/workers.h"

#include <utlist.h>

#include "auth/auth.h"
#include "auth/db.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "proto/auth.h"

enum { IDLE_MS = 60 * 1000, TRIES = 2 };

/* Something to be done. Belongs to its owner: freed with it. */
struct job {
	struct job *prev, *next; /* in the queue, if no worker has it */
	struct workers *workers;
	struct worker_conn *worker;
	uint64_t since_ms;
	unsigned tries;
	char *line;
	struct request *request;
	workers_pass_fn *pass;
	workers_user_fn *user;
	workers_list_fn *list;
	void (*done)(void *ctx, bool ok);
	void *ctx;
};

struct worker_conn {
	struct worker_conn *prev, *next;
	struct workers *workers;
	struct conn *conn;
	struct job *job; /* NULL: idle, or the owner of its job has gone */
	bool busy;
	bool listing;      /* a list, whether its owner is here or not */
	bool paused;       /* who gets its names takes no more */
	uint64_t since_ms; /* idle, busy without a word, or paused */
};

struct workers {
	struct auth *auth;
	char *path;
	unsigned max, count;
	size_t queued;
	struct worker_conn *conns;
	struct job *queue;
	struct timer *timer;
	bool failing; /* could not connect; logged once */
};

static void run_queue(struct workers *workers);

static int workers_destroy(struct workers *workers)
{
	timer_free(&workers->timer);
	return 0;
}

static void dequeue(struct job *job)
{
	DL_DELETE(job->workers->queue, job);
	job->workers->queued--;
}

static void go_on(struct worker_conn *worker)
{
	if (!worker->paused)
		return;
	worker->paused = false;
	worker->since_ms = clock_monotonic_ms();
	conn_resume(worker->conn);
}

static int job_destroy(struct job *job)
{
	if (job->worker != NULL) {
		job->worker->job = NULL;
		go_on(job->worker); /* what it says now is for nobody */
	} else {
		dequeue(job);
	}
	if (job->line != NULL)
		mem_wipe(job->line, strlen(job->line));
	return 0;
}

static void job_finish(struct job *job, enum pass_result result,
		       struct str fields_text)
{
	struct pass_answer answer = {result, fields_init(job->request), NULL};
	struct job copy = *job;

	fields_parse(&answer.fields, fields_text);
	if (job->request->want_scheme != NULL) {
		answer.credentials = fields_get(&answer.fields, "password");
		fields_remove(&answer.fields, "password");
	}
	mem_free(job);
	if (copy.pass != NULL)
		copy.pass(copy.ctx, &answer);
	else if (copy.user != NULL)
		copy.user(copy.ctx,
			  result == PASS_OK             ? USER_OK
			  : result == PASS_UNKNOWN_USER ? USER_NOT_FOUND
							: USER_FAILURE,
			  &answer.fields);
	else
		copy.done(copy.ctx, result == PASS_OK);
}

static void job_fail(struct job *job, const char *why)
{
	request_log(job->request, LOG_LEVEL_ERROR, "auth-worker: %s", why);
	job_finish(job, PASS_FAILURE, STR(""));
}

static void conn_end(struct worker_conn *worker)
{
	struct workers *workers = worker->workers;

	DL_DELETE(workers->conns, worker);
	workers->count--;
	conn_free(&worker->conn);
	if (worker->job != NULL)
		worker->job->worker = NULL;
	mem_free(worker);
}

/* A worker died, or retired as we wrote to it: another one may do it. */
static void on_closed(void *ctx, const char *why)
{
	struct worker_conn *worker = ctx;
	struct workers *workers = worker->workers;
	struct job *job = worker->job;

	conn_end(worker);
	if (job != NULL) {
		DL_PREPEND(workers->queue, job);
		workers->queued++;
		if (job->tries >= TRIES)
			job_fail(job, *why == '\0' ? "it went away" : why);
	}
	run_queue(workers);
}

static enum pass_result result_named(struct str name)
{
	if (str_is(name, "mismatch"))
		return PASS_MISMATCH;
	if (str_is(name, "unknown"))
		return PASS_UNKNOWN_USER;
	if (str_is(name, "disabled"))
		return PASS_DISABLED;
	if (str_is(name, "expired"))
		return PASS_EXPIRED;
	if (str_is(name, "other"))
		return PASS_NOT_FOR_USER;
	return PASS_FAILURE;
}

/* True if the request is done with. */
static bool take_line(struct worker_conn *worker, struct str line)
{
	struct job *job = worker->job;
	struct str rest = line, command, id, word;
	enum pass_result result = PASS_OK;

	if (!str_split(&rest, '\t', &command) || !str_split(&rest, '\t', &id))
		return false;
	if (str_is(command, "NAME")) {
		if (job != NULL && job->list != NULL && rest.data != NULL) {
			char *name = str_tab_unescape(NULL, rest);

			worker->since_ms = clock_monotonic_ms();
			job->tries = TRIES; /* no name is told twice */
			worker->paused = !job->list(job->ctx, name);
			mem_free(name);
		}
		return false;
	}
	if (str_is(command, "FAIL")) {
		if (!str_split(&rest, '\t', &word))
			word = STR("");
		result = result_named(word);
	} else if (!str_is(command, "OK")) {
		return false;
	}
	worker->busy = worker->listing = false;
	worker->since_ms = clock_monotonic_ms();
	if (job != NULL) {
		job->worker = NULL;
		worker->job = NULL;
		/* Destructors expect a job without worker in the queue. */
		DL_APPEND(worker->workers->queue, job);
		worker->workers->queued++;
		job_finish(job, result, rest.data == NULL ? STR("") : rest);
	}
	return true;
}

static void on_input(void *ctx)
{
	struct worker_conn *worker = ctx;
	struct workers *workers = worker->workers;
	struct str line;
	size_t used;
	bool done = false;

	while (!done && !worker->paused &&
	       auth_line_next(conn_input(worker->conn), &line, &used)) {
		char *copy = str_dup(NULL, line);

		conn_consume(worker->conn, used);
		done = take_line(worker, str_of(copy));
		mem_free(copy);
	}
	if (worker->paused)
		conn_pause(worker->conn);
	else if (conn_input(worker->conn).len >= WORKER_LINE_MAX)
		on_closed(worker, "its line is too long");
	else if (done)
		run_queue(workers);
}

static const struct conn_events worker_events = {
	.input = on_input,
	.closed = on_closed,
};

static struct worker_conn *idle_worker(struct workers *workers)
{
	struct worker_conn *worker;
	struct err err;
	int fd;

	DL_FOREACH (workers->conns, worker) {
		if (!worker->busy)
			return worker;
	}
	if (workers->count >= workers->max)
		return NULL;
	fd = sock_connect_unix(workers->path, &err);
	if (fd < 0) {
		if (!workers->failing)
			log_error("auth-worker: %s", err.text);
		workers->failing = true;
		return NULL;
	}
	workers->failing = false;
	worker = mem_new(workers, struct worker_conn);
	worker->workers = workers;
	worker->conn = conn_new(worker, workers->auth->loop, fd,
				WORKER_LINE_MAX, &worker_events, worker);
	conn_printf(worker->conn, "VERSION\t%d\n", WORKER_VERSION);
	DL_APPEND(workers->conns, worker);
	workers->count++;
	return worker;
}

static void give(struct worker_conn *worker, struct job *job)
{
	dequeue(job);
	job->worker = worker;
	job->tries++;
	worker->job = job;
	worker->busy = true;
	worker->listing = job->list != NULL;
	worker->since_ms = clock_monotonic_ms();
	conn_write(worker->conn, job->line, strlen(job->line));
}

static bool may_list(const struct workers *workers)
{
	const struct worker_conn *worker;
	unsigned lists = 0;

	DL_FOREACH (workers->conns, worker)
		lists += worker->listing;
	return lists < (workers->max + 1) / 2;
}

/* The first of the queue whose turn it is. */
static struct job *next_job(const struct workers *workers)
{
	struct job *job = workers->queue;

	if (job != NULL && job->list != NULL && !may_list(workers)) {
		while (job != NULL && job->list != NULL)
			job = job->next;
	}
	return job;
}

static void run_queue(struct workers *workers)
{
	struct job *job;

	while ((job = next_job(workers)) != NULL) {
		struct worker_conn *worker = idle_worker(workers);

		if (worker == NULL)
			return;
		give(worker, job);
	}
}

static uint64_t most_ms(const struct worker_conn *worker)
{
	return !worker->busy    ? IDLE_MS
	       : worker->paused ? WORKER_PAUSE_MS
				: WORKER_TIMEOUT_MS;
}

/* Once a second while there is work: what takes too long, and workers that
 * have nothing to do. */
static void on_timer(void *ctx)
{
	struct workers *workers = ctx;
	uint64_t now = clock_monotonic_ms();
	struct worker_conn *worker, *next;

	while (workers->queue != NULL &&
	       now - workers->queue->since_ms > WORKER_TIMEOUT_MS)
		job_fail(workers->queue, "all are busy");
	DL_FOREACH_SAFE(workers->conns, worker, next)
	{
		uint64_t age = now - worker->since_ms;

		if (age <= most_ms(worker))
			continue;
		if (worker->busy) {
			struct job *job = worker->job;

			if (job != NULL)
				job->tries = TRIES;
			on_closed(worker,
				  worker->paused
					  ? "nobody has read for 30 seconds"
					  : "no answer in 60 seconds");
			break;
		}
		conn_end(worker);
	}
	run_queue(workers);
	if (workers->conns != NULL || workers->queue != NULL)
		timer_reset(workers->timer, (struct duration){1000});
	else
		timer_free(&workers->timer);
}

struct workers *workers_new(const void *ctx, struct auth *auth,
			    const char *socket_path, unsigned max)
{
	struct workers *workers = mem_new(ctx, struct workers);

	workers->auth = auth;
	workers->path = mem_strdup(workers, socket_path);
	workers->max = max == 0 ? 1 : max;
	talloc_set_destructor(workers, workers_destroy);
	return workers;
}

static struct job *job_new(struct workers *workers, const void *owner,
			   const struct request *request, struct buf *line,
			   void *ctx)
{
	struct job *job = mem_new(owner, struct job);

	request_write(request, line);
	buf_putc(line, '\n');
	job->workers = workers;
	job->since_ms = clock_monotonic_ms();
	job->request = (struct request *)request;
	job->ctx = ctx;
	DL_APPEND(workers->queue, job);
	workers->queued++;
	talloc_set_destructor(job, job_destroy);
	if (!line->overflow)
		job->line = buf_steal(job, line);
	if (workers->timer == NULL)
		workers->timer =
			timer_new(workers->auth->loop, (struct duration){1000},
				  on_timer, workers);
	return job;
}

static void job_start(struct job *job)
{
	if (job->line == NULL)
		job_fail(job, "the request is too long");
	else if (job->workers->queued > WORKER_QUEUE_MAX)
		job_fail(job, "too many requests wait");
	else
		run_queue(job->workers);
}

void workers_pass(struct workers *workers, const void *owner,
		  const struct passdb *db, const struct request *request,
		  workers_pass_fn *fn, void *ctx)
{
	CLEANUP(buf_free) struct buf line = buf_init(WORKER_LINE_MAX);
	const char *given = request->password == NULL ? "" : request->password;
	char *password = str_tab_escape(NULL, str_of(given));
	struct job *job;

	buf_printf(&line, "PASS\t1\t%u\t%s\t", db->index, db->mark);
	buf_add(&line, password);
	if (request->want_scheme != NULL)
		buf_printf(&line, "\t%s", request->want_scheme);
	else
		buf_add(&line, request->lookup_only      ? "\t1"
			       : request->password_known ? "\t2"
							 : "\t0");
	mem_wipe(password, strlen(password));
	mem_free(password);
	job = job_new(workers, owner, request, &line, ctx);
	job->pass = fn;
	job_start(job);
}

void workers_user(struct workers *workers, const void *owner,
		  const struct userdb *db, const struct request *request,
		  workers_user_fn *fn, void *ctx)
{
	CLEANUP(buf_free) struct buf line = buf_init(WORKER_LINE_MAX);
	struct job *job;

	buf_printf(&line, "USER\t1\t%u\t%s", db->index, db->mark);
	job = job_new(workers, owner, request, &line, ctx);
	job->user = fn;
	job_start(job);
}

static void send_text(struct workers *workers, const void *owner,
		      const struct request *request, const char *what,
		      const char *text, workers_pass_fn *fn, void *ctx)
{
	CLEANUP(buf_free) struct buf line = buf_init(WORKER_LINE_MAX);
	char *escaped = str_tab_escape(NULL, str_of(text));
	struct job *job;

	buf_printf(&line, "%s\t%s", what, escaped);
	mem_wipe(escaped, strlen(escaped)); /* it may be a password */
	mem_free(escaped);
	job = job_new(workers, owner, request, &line, ctx);
	job->pass = fn;
	job_start(job);
}

void workers_policy(struct workers *workers, const void *owner,
		    const struct request *request, const char *command,
		    const char *body, workers_pass_fn *fn, void *ctx)
{
	char *what = mem_printf(NULL, "POLICY\t1\t0\t%s", command);

	send_text(workers, owner, request, what, body, fn, ctx);
	mem_free(what);
}

void workers_host(struct workers *workers, const void *owner,
		  const struct request *request, const char *name,
		  workers_pass_fn *fn, void *ctx)
{
	send_text(workers, owner, request, "HOST\t1\t0", name, fn, ctx);
}

void workers_hash(struct workers *workers, const void *owner,
		  const struct request *request, workers_pass_fn *fn, void *ctx)
{
	char *what = mem_printf(NULL, "HASH\t1\t0\t%s\t%s",
				request->want_scheme, request->hash_with);

	send_text(workers, owner, request, what, request->to_hash, fn, ctx);
	mem_free(what);
}

void workers_list(struct workers *workers, const void *owner,
		  const struct userdb *db, const struct request *request,
		  workers_list_fn *fn, void (*done)(void *ctx, bool ok),
		  void *ctx)
{
	CLEANUP(buf_free) struct buf line = buf_init(WORKER_LINE_MAX);
	struct job *job;

	buf_printf(&line, "LIST\t1\t%u\t%s", db->index, db->mark);
	job = job_new(workers, owner, request, &line, ctx);
	job->list = fn;
	job->done = done;
	job_start(job);
}

void workers_app(struct workers *workers, const void *owner,
		 const struct passdb *db, const struct request *request,
		 const char *what, const char *args, workers_list_fn *fn,
		 void (*done)(void *ctx, bool ok), void *ctx)
{
	CLEANUP(buf_free) struct buf line = buf_init(WORKER_LINE_MAX);
	char *escaped = str_tab_escape(NULL, str_of(args));
	struct job *job;

	buf_printf(&line, "APP\t1\t%u\t%s\t%s\t%s", db->index, db->mark, what,
		   escaped);
	mem_free(escaped);
	job = job_new(workers, owner, request, &line, ctx);
	job->tries = TRIES; /* it may have been done */
	job->list = fn;
	job->done = done;
	job_start(job);
}

void workers_go_on(struct workers *workers, const void *ctx)
{
	struct worker_conn *worker;

	DL_FOREACH (workers->conns, worker) {
		if (worker->job != NULL && worker->job->ctx == ctx)
			go_on(worker);
	}
}
