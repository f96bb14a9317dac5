/* SPDX-License-Identifier: MIT */
/*
 * service/manager_pool.c - a post-login service's workers: which one gets a
 * session, when one is forked, when one ends.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "config/config.h"
#include "config/vars.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/manager.h"
#include "service/wire.h"

static bool used_up(const struct pool_worker *worker)
{
	unsigned count = worker->manager->env->set.service_count;

	return count != 0 && worker->total >= count;
}

/* After anything that decides whether it may take another session. */
static void update_ready(struct pool_worker *worker)
{
	struct manager *manager = worker->manager;
	bool ready = !worker->leaving && !used_up(worker) &&
		     worker->sessions_count < manager->env->client_limit;

	if (ready == worker->ready)
		return;
	worker->ready = ready;
	if (ready)
		DL_PREPEND2(manager->ready, worker, ready_prev, ready_next);
	else
		DL_DELETE2(manager->ready, worker, ready_prev, ready_next);
}

/* It ends with its last session. */
static void let_go(struct pool_worker *worker)
{
	if (worker->leaving)
		return;
	worker->leaving = true;
	worker->manager->worker_count--;
	update_ready(worker);
	channel_send_type(&worker->channel, WIRE_RETIRE);
}

static void session_free(struct pool_worker *worker,
			 struct served_session *session)
{
	struct manager *manager = worker->manager;

	anvil_disconnect(manager->anvil, worker->pid,
			 env_protocol(manager->env), session->user,
			 &session->remote);
	if (session->app != NULL)
		anvil_disconnect(manager->anvil, worker->pid,
				 ANVIL_APP_PASSWORD, session->app,
				 &session->remote);
	DL_DELETE(worker->sessions, session);
	worker->sessions_count--;
	mem_free(session);
}

/* As the session itself would have it: mail_log_prefix. */
static char *log_prefix(struct manager *manager, pid_t pid,
			const struct served_session *session)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "prefix");
	const struct config_filter filter = {
		.protocol = manager->env->set.protocol};
	const char *format =
		config_value(manager->env->config, &filter, "mail_log_prefix");
	struct var *user = vars_user(ctx, session->user);
	struct var vars[8] = {
		{'s', "service", manager->env->name},
		{'p', "pid", mem_printf(ctx, "%d", (int)pid)},
		{0, "session", session->session_id},
	};
	struct err err;
	char *text;
	size_t len;

	for (size_t i = 3; i < 7 && user->name != NULL; i++)
		vars[i] = *user++;
	if (format == NULL)
		return mem_strdup(manager, manager->env->name);
	/* The worker has logged what is wrong with it. */
	vars_expand_anyway(ctx, format, vars, &text, &err);
	len = strlen(text);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == ':'))
		len--;
	return mem_strndup(manager, text, len);
}

static void note_lost(struct pool_worker *worker)
{
	struct manager *manager = worker->manager;
	struct lost *lost = &manager->lost[manager->next_lost];

	manager->next_lost = (manager->next_lost + 1) % LOST_KEPT;
	mem_free(lost->prefix);
	lost->pid = worker->pid;
	lost->prefix = log_prefix(manager, worker->pid, worker->sessions);
}

void pool_died(struct manager *manager, pid_t pid, int status)
{
	const char *name = manager->env->name, *prefix = name;
	struct pool_worker *one;

	/* If its channel still seems open, this is where it closes. */
	DL_FOREACH (manager->workers, one) {
		if (one->pid == pid && one->sessions != NULL) {
			note_lost(one);
			break;
		}
	}
	for (unsigned i = 0; i < LOST_KEPT; i++) {
		if (manager->lost[i].pid == pid &&
		    manager->lost[i].prefix != NULL)
			prefix = manager->lost[i].prefix;
	}
	process_log_status(prefix, name, pid, status);
}

static void worker_free(struct pool_worker *worker)
{
	struct manager *manager = worker->manager;
	struct request *one, *next;

	if (worker->sessions != NULL)
		note_lost(worker);
	while (worker->sessions != NULL)
		session_free(worker, worker->sessions);
	if (!worker->leaving)
		manager->worker_count--;
	worker->leaving = true;
	update_ready(worker);
	DL_DELETE(manager->workers, worker);
	channel_close(&worker->channel);
	DL_FOREACH_SAFE(worker->waiting, one, next)
	{
		DL_DELETE(worker->waiting, one);
		request_failed(one, "[UNAVAILABLE]",
			       "Internal error occurred. Refer to server log "
			       "for more information.");
	}
	mem_free(worker);
}

static void session_ended(struct pool_worker *worker, uint32_t id)
{
	struct served_session *one, *next;

	DL_FOREACH_SAFE(worker->sessions, one, next)
	{
		if (one->id == id)
			session_free(worker, one);
	}
	update_ready(worker);
	if (worker->sessions_count > 0)
		return;
	worker->idle_since = (uint64_t)time(NULL);
	worker->idle_ms = clock_monotonic_ms();
	if (used_up(worker) || worker->manager->leaving)
		let_go(worker);
}

static void worker_readable(void *ctx, unsigned)
{
	struct pool_worker *worker = ctx;
	struct manager *manager = worker->manager;
	struct str frame;
	int fd, ret = channel_next(&worker->channel, &frame, &fd);

	fd_close(&fd);
	if (ret > 0) {
		struct unpack in = {.in = frame};
		uint8_t type = unpack_u8(&in);

		if (type == WIRE_ENDED)
			session_ended(worker, unpack_u32(&in));
		else if (type == WIRE_RETIRE)
			let_go(worker);
		channel_done(&worker->channel, frame);
		wait_is_over(manager);
	} else if (ret < 0) {
		/* Died before it served anybody: something is wrong. */
		if (!worker->leaving && worker->total == 0)
			backoff_died(&manager->backoff);
		worker_free(worker);
		wait_is_over(manager);
		manager_check_end(manager);
	}
}

/* forking */

static struct pool_worker *worker_fork(struct manager *manager)
{
	struct pool_worker *worker;
	unsigned char type = WIRE_FORK;
	struct err err;
	int fds[2];

	if (manager->zygote.watch == NULL)
		return NULL;
	if (sock_pair(fds, &err) < 0) {
		log_error("%s", err.text);
		return NULL;
	}
	if (frame_send(manager->zygote.fd, &type, 1, fds[1], &err) < 0) {
		log_error("%s", err.text);
		close(fds[0]);
		close(fds[1]);
		return NULL;
	}
	close(fds[1]);
	worker = mem_new(manager, struct pool_worker);
	worker->manager = manager;
	worker->idle_ms = clock_monotonic_ms();
	channel_open(&worker->channel, manager->env->loop, fds[0],
		     worker_readable, worker);
	DL_PREPEND(manager->workers, worker);
	manager->worker_count++;
	update_ready(worker);
	return worker;
}

static bool has_room(const struct manager *manager)
{
	return manager->worker_count < manager->env->process_limit;
}

void pool_ensure_spare(struct manager *manager)
{
	unsigned spare = 0, want = manager->env->set.process_min_avail;
	struct pool_worker *one;

	if (want == 0 || manager->leaving ||
	    backoff_left_ms(&manager->backoff) > 0)
		return;
	DL_FOREACH2(manager->ready, one, ready_next)
	{
		spare += one->key == NULL;
	}
	while (spare++ < want && has_room(manager)) {
		if (worker_fork(manager) == NULL)
			return;
	}
}

static void started(struct pool_worker *worker, struct request *request)
{
	struct manager *manager = worker->manager;

	anvil_connect(manager->anvil, worker->pid, env_protocol(manager->env),
		      request->user, &request->handover.remote);
	if (request->app != NULL)
		anvil_connect(manager->anvil, worker->pid, ANVIL_APP_PASSWORD,
			      request->app, &request->handover.remote);
	request_done(request, worker->pid);
}

void pool_forked(struct manager *manager, pid_t pid)
{
	struct pool_worker *worker = NULL, *young;
	struct request *one, *next;

	/* The youngest come first, so those without a pid do. */
	DL_FOREACH (manager->workers, young) {
		if (young->pid != 0)
			break;
		worker = young;
	}
	if (worker == NULL)
		return;
	if (pid == 0) {
		backoff_failed(&manager->backoff);
		worker_free(worker);
		manager_check_end(manager);
		return;
	}
	worker->pid = pid;
	DL_FOREACH_SAFE(worker->waiting, one, next)
	{
		DL_DELETE(worker->waiting, one);
		started(worker, one);
	}
}

/* choosing */

/* One that has these rights and room; else one that has all rights still. */
static struct pool_worker *find(const struct manager *manager, const char *key)
{
	struct pool_worker *one, *spare = NULL;

	DL_FOREACH2(manager->ready, one, ready_next)
	{
		if (one->key == NULL)
			spare = one;
		else if (strcmp(one->key, key) == 0)
			return one;
	}
	return spare;
}

/* Another user's that has nothing to do; NULL if all are busy. */
static struct pool_worker *find_idle(const struct manager *manager)
{
	struct pool_worker *one, *oldest = NULL;

	DL_FOREACH2(manager->ready, one, ready_next)
	{
		if (one->key != NULL && one->sessions_count == 0 &&
		    (oldest == NULL || one->idle_ms < oldest->idle_ms))
			oldest = one;
	}
	return oldest;
}

bool pool_can_take(const struct request *request)
{
	struct manager *manager = request->manager;

	return find(manager, request->key) != NULL || has_room(manager) ||
	       find_idle(manager) != NULL;
}

static struct pool_worker *choose(struct request *request)
{
	struct manager *manager = request->manager;
	struct pool_worker *worker = find(manager, request->key);

	if (worker != NULL)
		return worker;
	if (!has_room(manager))
		let_go(find_idle(manager));
	if (backoff_left_ms(&manager->backoff) > 0)
		return NULL;
	return worker_fork(manager);
}

/* The session's number goes into the frame behind its type. */
static void set_id(struct buf *frame, uint32_t id)
{
	struct buf number = buf_init(4);

	pack_u32(&number, id);
	memcpy(frame->data + 1, number.data, 4);
	buf_free(&number);
}

static void session_add(struct pool_worker *worker, struct request *request)
{
	struct served_session *session = mem_new(worker, struct served_session);

	session->id = ++worker->manager->next_id;
	session->user = mem_strdup(session, request->user);
	if (request->app != NULL)
		session->app = mem_strdup(session, request->app);
	session->session_id = str_dup(session, request->handover.session_id);
	session->remote = request->handover.remote;
	DL_APPEND(worker->sessions, session);
	worker->sessions_count++;
	worker->total++;
	worker->idle_since = 0;
	update_ready(worker);
	set_id(&request->frame, session->id);
}

/* As Dovecot names it. */
static void warn_full(struct service_env *env)
{
	if (env->process_limit > 1)
		process_warn_limit(env, "process_limit", env->process_limit);
	else
		process_warn_limit(env,
				   env->client_limit == 1
					   ? "client_limit/service_count"
					   : "client_limit",
				   env->client_limit);
}

void pool_dispatch(struct request *request)
{
	struct manager *manager = request->manager;
	struct pool_worker *worker;
	struct err err;

	if (!pool_can_take(request)) {
		warn_full(manager->env);
		wait_for_room(request);
		return;
	}
	worker = choose(request);
	if (worker == NULL) {
		request_failed(request, "[UNAVAILABLE]",
			       "Too many sessions at this time. Try again "
			       "later.");
		return;
	}
	if (worker->key == NULL)
		worker->key = mem_strdup(worker, request->key);
	session_add(worker, request);
	/* Appended first: losing the worker answers those who wait for it. */
	DL_APPEND(worker->waiting, request);
	if (frame_send(worker->channel.fd, request->frame.data,
		       request->frame.len, request->fd, &err) < 0) {
		log_error("Can't reach worker %d: %s", (int)worker->pid,
			  err.text);
		worker_free(worker);
		return;
	}
	fd_close(&request->fd);
	if (worker->pid != 0) {
		DL_DELETE(worker->waiting, request);
		started(worker, request);
	}
	pool_ensure_spare(manager);
	wait_is_over(manager);
}

/* ending */

void pool_end_idle(struct manager *manager, bool all)
{
	uint64_t now = clock_monotonic_ms();
	struct pool_worker *one, *next;

	DL_FOREACH_SAFE(manager->workers, one, next)
	{
		bool old = now - one->idle_ms >= manager->env->idle_kill.ms;

		if (one->sessions_count == 0 && !one->leaving &&
		    (all || (old && one->key != NULL)))
			let_go(one);
	}
}

void pool_stop(struct manager *manager)
{
	struct pool_worker *one;

	DL_FOREACH (manager->workers, one)
		channel_send_type(&one->channel, WIRE_STOP);
}

void pool_list(struct manager *manager, struct buf *out)
{
	struct pool_worker *one;

	DL_FOREACH (manager->workers, one) {
		process_row(out, one->pid, one->sessions_count,
			    manager->env->client_limit, one->total,
			    one->idle_since);
	}
}

void pool_holders(const struct manager *manager, const char *user,
		  const struct ip *remote, struct buf *out)
{
	const struct pool_worker *worker;
	const struct served_session *one;

	DL_FOREACH (manager->workers, worker) {
		DL_FOREACH (worker->sessions, one) {
			if (strcmp(one->user, user) == 0 &&
			    ip_equal(&one->remote, remote))
				buf_printf(out, "%s%d <%s>",
					   out->len > 0 ? ", " : "",
					   (int)worker->pid, one->session_id);
		}
	}
}
