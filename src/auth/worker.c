/* SPDX-License-Identifier: MIT */
#include "auth/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/app/app.h"
#include "auth/auth.h"
#include "auth/db.h"
#include "auth/passdb/drivers.h"
#include "auth/policy.h"
#include "auth/scheme/scheme.h"
#include "auth/workers.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "proto/auth.h"
#include "service/service.h"

enum {
	HOST_IPS_MAX = 16,
	NAMES_MAX = 32 * 1024, /* octets of a list, on their way */
};

static struct auth *auth;
static unsigned requests, requests_max;

/* A connection from auth. */
struct worker {
	struct conn *conn;
	bool greeted;
	uid_t uid;
	pid_t pid;
	unsigned count; /* of requests, for the log */
};

static const char *const result_names[] = {
	[PASS_OK] = "ok",
	[PASS_MISMATCH] = "mismatch",
	[PASS_UNKNOWN_USER] = "unknown",
	[PASS_DISABLED] = "disabled",
	[PASS_EXPIRED] = "expired",
	[PASS_NOT_FOR_USER] = "other",
	[PASS_SLOW] = "failure",
	[PASS_FAILURE] = "failure",
};

void worker_retire_after(unsigned count)
{
	requests_max = count;
}

static void write_answer(struct worker *worker, enum pass_result result,
			 const struct fields *fields)
{
	CLEANUP(buf_free) struct buf out = buf_init(WORKER_LINE_MAX);

	if (result == PASS_OK)
		buf_add(&out, "OK\t1");
	else
		buf_printf(&out, "FAIL\t1\t%s", result_names[result]);
	fields_write(fields, &out);
	buf_putc(&out, '\n');
	if (out.overflow) {
		log_error("auth-worker: the answer is too long");
		buf_reset(&out);
		buf_add(&out, "FAIL\t1\tfailure\n");
	}
	conn_write(worker->conn, out.data, out.len);
}

/* Numbered the same, but another: a reload came between auth and us. */
static bool refuse_other(struct worker *worker, const struct request *request)
{
	const struct fields none = fields_init(request);

	log_error("auth-worker: The databases are not those of auth, maybe as "
		  "the configuration has just changed");
	write_answer(worker, PASS_FAILURE, &none);
	return true;
}

static bool do_pass(struct worker *worker, struct request *request,
		    uint32_t index, struct str rest)
{
	struct pass_answer answer = {PASS_FAILURE, fields_init(request), NULL};
	struct str mark, password, lookup_only;
	struct passdb *db;
	char *text;

	if (!str_split(&rest, '\t', &mark) ||
	    !str_split(&rest, '\t', &password) ||
	    !str_split(&rest, '\t', &lookup_only))
		return false;
	text = str_tab_unescape(request, password);
	request_set_password(request, text);
	mem_wipe(text, strlen(text));
	request->password_known = str_is(lookup_only, "2");
	request->lookup_only =
		!request->password_known && !str_is(lookup_only, "0");
	if (request->lookup_only && !str_is(lookup_only, "1"))
		request->want_scheme = str_dup(request, lookup_only);
	request_read(request, rest);
	db = dbs_passdb(auth_dbs(auth, request->service), index);
	if (request->user == NULL)
		return false;
	if (db == NULL || !str_is(mark, db->mark))
		return refuse_other(worker, request);
	passdb_enter(db, request);
	request->verbose = db_verbose(&auth->set, db->set->auth_verbose);
	passdb_ask(db, request, true, &answer);
	if (answer.credentials != NULL)
		fields_set(&answer.fields, "password", answer.credentials);
	write_answer(worker, answer.result, &answer.fields);
	if (db->driver->after != NULL) {
		conn_flush(worker->conn);
		db->driver->after(db, request);
	}
	return true;
}

static bool do_user(struct worker *worker, struct request *request,
		    uint32_t index, struct str rest)
{
	static const enum pass_result results[] = {
		[USER_OK] = PASS_OK,
		[USER_NOT_FOUND] = PASS_UNKNOWN_USER,
		[USER_FAILURE] = PASS_FAILURE,
	};
	struct fields fields = fields_init(request);
	enum user_result result;
	struct userdb *db;
	struct str mark;

	if (!str_split(&rest, '\t', &mark))
		return false;
	request_read(request, rest);
	db = dbs_userdb(auth_dbs(auth, request->service), index);
	if (request->user == NULL)
		return false;
	if (db == NULL || !str_is(mark, db->mark))
		return refuse_other(worker, request);
	userdb_enter(db, request);
	request->verbose = db_verbose(&auth->set, db->set->auth_verbose);
	result = db->driver->lookup(db, request, &fields);
	write_answer(worker, results[result], &fields);
	return true;
}

static bool do_policy(struct worker *worker, struct request *request,
		      struct str rest)
{
	struct fields fields = fields_init(request);
	struct str command, body;
	struct err err;

	if (!str_split(&rest, '\t', &command) || !str_split(&rest, '\t', &body))
		return false;
	request_read(request, rest);
	request->source = "policy";
	if (policy_send(&auth->set, str_dup(request, command),
			str_tab_unescape(request, body), &fields, &err) == 0) {
		write_answer(worker, PASS_OK, &fields);
		return true;
	}
	request_log(request, LOG_LEVEL_ERROR, "Policy server: %s", err.text);
	write_answer(worker, PASS_FAILURE, &fields);
	return true;
}

static bool do_host(struct worker *worker, struct request *request,
		    struct str rest)
{
	CLEANUP(buf_free)
	struct buf text = buf_init(HOST_IPS_MAX * IP_TEXT_MAX);
	struct fields fields = fields_init(request);
	struct ip ips[HOST_IPS_MAX];
	char one[IP_TEXT_MAX];
	struct str name;
	struct err err;
	size_t count;

	if (!str_split(&rest, '\t', &name))
		return false;
	if (sock_resolve_all(str_tab_unescape(request, name), ips, HOST_IPS_MAX,
			     &count, &err) < 0) {
		fields_set(&fields, "reason", err.text);
		write_answer(worker, PASS_FAILURE, &fields);
		return true;
	}
	for (size_t i = 0; i < count; i++)
		buf_printf(&text, "%s%s", i == 0 ? "" : " ",
			   ip_text(&ips[i], one));
	fields_set(&fields, "ips", text.data);
	write_answer(worker, PASS_OK, &fields);
	return true;
}

static bool do_hash(struct worker *worker, struct request *request,
		    struct str rest)
{
	CLEANUP(buf_wipe_free) struct buf made = buf_init(SCHEME_HASH_MAX);
	struct fields fields = fields_init(request);
	enum pass_result result = PASS_FAILURE;
	struct str scheme, with, password;
	struct err err;
	char *text;

	if (!str_split(&rest, '\t', &scheme) ||
	    !str_split(&rest, '\t', &with) ||
	    !str_split(&rest, '\t', &password))
		return false;
	request_read(request, rest);
	text = str_tab_unescape(request, password);
	if (scheme_scram(str_dup(request, scheme), text, with, &made, &err) <
	    0) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
	} else {
		fields_set(&fields, "password", made.data);
		result = PASS_OK;
	}
	mem_wipe(text, strlen(text));
	write_answer(worker, result, &fields);
	return true;
}

/* Until auth has read most of it, whose client may be slow, or has left. */
static void wait_for_reader(struct conn *conn)
{
	struct pollfd one = {.fd = conn_fd(conn), .events = POLLOUT};

	while (!conn_closed(conn) && conn_output_size(conn) >= NAMES_MAX) {
		if (poll(&one, 1, -1) < 0 && errno != EINTR)
			log_fatal(EXIT_FAILURE, "poll() failed: %m");
		conn_flush(conn);
	}
}

static bool write_name(void *ctx, const char *name)
{
	struct worker *worker = ctx;
	char *escaped = str_tab_escape(NULL, str_of(name));

	conn_printf(worker->conn, "NAME\t1\t%s\n", escaped);
	mem_free(escaped);
	wait_for_reader(worker->conn);
	return true;
}

static bool do_list(struct worker *worker, struct request *request,
		    uint32_t index, struct str rest)
{
	struct fields none = fields_init(request);
	struct userdb_place place = {0};
	struct userdb *db;
	struct str mark;
	struct err err;

	if (!str_split(&rest, '\t', &mark))
		return false;
	request_read(request, rest);
	db = dbs_userdb(auth_dbs(auth, request->service), index);
	if (db == NULL || !str_is(mark, db->mark))
		return refuse_other(worker, request);
	if (db->driver->list == NULL)
		return false;
	if (db->driver->list(db, request, write_name, worker, &place, &err) <
	    0) {
		log_error("%s", err.text);
		write_answer(worker, PASS_FAILURE, &none);
	} else {
		write_answer(worker, PASS_OK, &none);
	}
	return true;
}

static bool do_app(struct worker *worker, struct request *request,
		   uint32_t index, struct str rest)
{
	struct fields none = fields_init(request), args = none;
	struct str mark, what, text;
	struct passdb *db;
	struct err err;

	if (!str_split(&rest, '\t', &mark) || !str_split(&rest, '\t', &what) ||
	    !str_split(&rest, '\t', &text))
		return false;
	fields_parse(&args, str_of(str_tab_unescape(request, text)));
	request_read(request, rest);
	db = dbs_passdb(auth_dbs(auth, request->service), index);
	if (db == NULL || !str_is(mark, db->mark))
		return refuse_other(worker, request);
	if (db->driver != &passdb_app_password)
		return false;
	passdb_enter(db, request);
	if (app_admin(db, request, str_dup(request, what), &args, write_name,
		      worker, &err) == 0) {
		write_answer(worker, PASS_OK, &none);
		return true;
	}
	if (err.code != ERR_INVALID && err.code != ERR_NOT_FOUND)
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
	write_name(worker,
		   mem_printf(request, "error=%s",
			      str_tab_escape(request, str_of(err.text))));
	write_answer(worker, PASS_FAILURE, &none);
	return true;
}

/* False: auth is confused. */
static bool run(struct worker *worker, struct str line)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "request");
	struct request *request = request_new(ctx, &auth->set);
	struct str rest = line, command, id, word;
	uint32_t index;

	if (!str_split(&rest, '\t', &command) || !str_split(&rest, '\t', &id))
		return false;
	if (!worker->greeted) {
		worker->greeted = str_is(command, "VERSION") &&
				  str_to_u32(id, &index) &&
				  index == WORKER_VERSION;
		return worker->greeted;
	}
	if (!str_split(&rest, '\t', &word) || !str_to_u32(word, &index))
		return false;
	requests++;
	request->worker_pid = worker->pid;
	request->worker_uid = worker->uid;
	request->worker_count = ++worker->count;
	if (str_is(command, "PASS"))
		return do_pass(worker, request, index, rest);
	if (str_is(command, "USER"))
		return do_user(worker, request, index, rest);
	if (str_is(command, "POLICY"))
		return do_policy(worker, request, rest);
	if (str_is(command, "HOST"))
		return do_host(worker, request, rest);
	if (str_is(command, "HASH"))
		return do_hash(worker, request, rest);
	if (str_is(command, "APP"))
		return do_app(worker, request, index, rest);
	if (str_is(command, "LIST"))
		return do_list(worker, request, index, rest);
	return false;
}

static void worker_end(struct worker *worker)
{
	conn_free(&worker->conn);
	mem_free(worker);
	service_client_end(auth->env);
}

static void on_closed(void *ctx, const char *)
{
	worker_end(ctx);
}

static void on_drained(void *ctx)
{
	worker_end(ctx);
	if (requests_max != 0 && requests >= requests_max)
		loop_stop(auth->loop);
}

static void on_input(void *ctx)
{
	struct worker *worker = ctx;
	struct str line;
	size_t used;

	while (auth_line_next(conn_input(worker->conn), &line, &used)) {
		char *copy = str_dup(NULL, line);
		bool ok;

		mem_wipe((char *)line.data, line.len);
		conn_consume(worker->conn, used);
		ok = run(worker, str_of(copy));
		mem_wipe(copy, strlen(copy));
		mem_free(copy);
		if (!ok) {
			log_error("auth-worker: auth sent a broken request");
			worker_end(worker);
			return;
		}
	}
	if (conn_input(worker->conn).len >= WORKER_LINE_MAX)
		worker_end(worker);
	else if (requests_max != 0 && requests >= requests_max)
		conn_close_later(worker->conn);
}

static const struct conn_events events = {
	.input = on_input,
	.drained = on_drained,
	.closed = on_closed,
};

static void worker_accept(struct service_env *,
			  const struct service_client *client)
{
	struct worker *worker = mem_new(NULL, struct worker);
	struct err err;
	gid_t gid;

	if (sock_peer(client->fd, &worker->uid, &gid, &worker->pid, &err) < 0)
		log_error("auth-worker: %s", err.text);
	worker->conn = conn_new(worker, auth->loop, client->fd, WORKER_LINE_MAX,
				&events, worker);
}

static int worker_init(struct service_env *env, struct err *err)
{
	char *prefix = mem_printf(NULL, "auth-worker(%ld)", (long)getpid());

	log_prefix_set(prefix);
	mem_free(prefix);
	return auth_open(NULL, env, &auth, err);
}

const struct service auth_worker_service = {
	.name = "auth-worker",
	.settings = auth_settings,
	.sandbox = SANDBOX_NONE,
	.init = worker_init,
	.accept = worker_accept,
};
