/* SPDX-License-Identifier: MIT */
#include "auth/master.h"

#include <pwd.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/cache.h"
#include "auth/client.h"
#include "auth/db.h"
#include "auth/passdb/drivers.h"
#include "auth/peer.h"
#include "auth/proxy_host.h"
#include "auth/relay.h"
#include "auth/request.h"
#include "auth/verify.h"
#include "auth/workers.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mask.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/sock.h"
#include "proto/auth.h"
#include "service/service.h"

enum { REPLY_MAX = 64 * 1024, INPUT_MAX = REPLY_MAX, PENDING_MAX = 256 };

struct master {
	struct auth *auth;
	struct conn *conn;
	bool is_userdb, versioned;
	bool is_predecessor, is_successor; /* see relay.h */
	bool restricted;                   /* only what belongs to `uid` */
	uid_t uid;
	char *path;
	unsigned pending;
	struct question *listing; /* the only one whose answer is a list */
};

/* A question; child of its connection. */
struct question {
	struct master *master;
	uint32_t id;
	struct request *request;
	struct userdb *db; /* LIST: the one being listed */
	struct userdb_place place;
	char *mask;
	char *why; /* REQUEST: we don't know it */
	bool failed;
};

static void master_free(struct master *master)
{
	struct auth *auth = master->auth;
	bool counts = !master->is_successor && !master->is_predecessor;

	if (master->is_predecessor)
		relay_remove(auth->relay, master->conn);
	conn_free(&master->conn);
	mem_free(master);
	if (counts)
		service_client_end(auth->env);
}

static struct question *question_new(struct master *master, uint32_t id)
{
	struct question *question = mem_new(master, struct question);

	question->master = master;
	question->id = id;
	master->pending++;
	return question;
}

/* Who has asked for PENDING_MAX, or for a list, waits before he is heard again.
 */
static bool waits(const struct master *master)
{
	return master->pending >= PENDING_MAX || master->listing != NULL;
}

static void question_end(struct question *question)
{
	struct master *master = question->master;

	master->pending--;
	if (master->listing == question)
		master->listing = NULL;
	if (!waits(master))
		conn_resume(master->conn);
	mem_free(question);
}

static void send_line(struct master *master, const struct buf *out)
{
	auth_debug_out("master userdb", str_n(out->data, out->len));
	conn_write(master->conn, out->data, out->len);
	conn_write(master->conn, "\n", 1);
}

static void send_fail(struct question *question, const char *command)
{
	conn_printf(question->master->conn, "%s\t%u\n", command, question->id);
	question_end(question);
}

/* USER and REQUEST */

/* May the peer know what the userdb says of this user? */
static bool is_allowed(const struct master *master,
		       const struct request *request)
{
	const char *uid = fields_get(&request->user_fields, "uid");
	uint32_t number;

	if (!master->restricted)
		return true;
	if (uid == NULL) {
		log_error("client doesn't have lookup permissions for this "
			  "user: userdb reply doesn't contain uid (to bypass "
			  "this check, set: service auth { unix_listener %s { "
			  "mode=0777 } })",
			  master->path);
		return false;
	}
	if (str_to_u32(str_of(uid), &number) && number == master->uid)
		return true;
	log_error("client doesn't have lookup permissions for this user: "
		  "userdb uid (%s) doesn't match peer uid (%lu) (to bypass "
		  "this check, set: service auth { unix_listener %s { "
		  "mode=0777 } })",
		  uid, (unsigned long)master->uid, master->path);
	return false;
}

static void send_user(struct question *question, bool logged_in)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);
	const struct request *request = question->request;
	const char *asked = request->auth_user;
	char *name = str_tab_escape(NULL, str_of(request->user));

	/* As it was written, if that is all the difference. */
	if (asked != NULL && strcmp(asked, request->user) == 0 &&
	    request->original_user != NULL && *request->original_user != '\0')
		asked = request->original_user;
	buf_printf(&out, "USER\t%u\t%s", question->id, name);
	mem_free(name);
	fields_write(&request->user_fields, &out);
	if (logged_in) {
		if (request->master_user != NULL)
			auth_write_value(&out, "master_user",
					 request->master_user);
		auth_write_value(&out, "auth_mech", request->mech);
		if (asked != NULL && strcmp(asked, request->user) != 0)
			auth_write_value(&out, "auth_user", asked);
	}
	if (out.overflow) {
		log_error("user %s has too many fields", request->user);
		send_fail(question, "FAIL");
		return;
	}
	send_line(question->master, &out);
	question_end(question);
}

static void user_found(struct question *question, enum user_result result,
		       bool logged_in)
{
	switch (result) {
	case USER_OK:
		if (!is_allowed(question->master, question->request))
			send_fail(question, "FAIL");
		else
			send_user(question, logged_in);
		break;
	case USER_NOT_FOUND:
		send_fail(question, "NOTFOUND");
		break;
	case USER_FAILURE:
		send_fail(question, "FAIL");
		break;
	}
}

static void on_token_user(void *ctx, struct request *request,
			  enum user_result result)
{
	struct question *question = ctx;

	if (result == USER_NOT_FOUND)
		log_error("%s: user not found from any userdbs", request->user);
	user_found(question, result, true);
}

static void relayed(void *ctx, struct str command, struct str rest)
{
	struct question *question = ctx;

	if (str_is(command, "FAIL")) {
		log_error("auth-master client: %s", question->why);
		send_fail(question, "FAIL");
		return;
	}
	conn_printf(question->master->conn, "%.*s\t%u%s%.*s\n",
		    STR_FMT(command), question->id, rest.len > 0 ? "\t" : "",
		    STR_FMT(rest));
	question_end(question);
}

/* Of a client of our predecessor's, maybe. */
static void relay(struct question *question, const struct auth_line *line,
		  const struct err *err)
{
	const struct str *last = &line->args[line->count - 1];
	const char *start = line->args[0].data;

	question->why = mem_strdup(question, err->text);
	relay_ask(question->master->auth->relay, question,
		  str_n(start, (size_t)(last->data + last->len - start)),
		  relayed, question);
}

static bool cmd_request(struct master *master, const struct auth_line *line)
{
	struct question *question;
	uint32_t pid, id;
	struct err err;

	if (line->count < 3 || !str_to_u32(line->args[0], &pid) ||
	    !str_to_u32(line->args[1], &id)) {
		log_error("auth-master client: BUG: Master sent broken "
			  "REQUEST");
		return false;
	}
	question = question_new(master, line->id);
	if (auth_client_redeem(master->auth, question, pid, id, line->args[2],
			       &question->request, &err) < 0) {
		if (err.code == ERR_NOT_FOUND) {
			relay(question, line, &err);
			return true;
		}
		log_error("auth-master client: %s", err.text);
		send_fail(question, "FAIL");
		return true;
	}
	lookup_begin(master->auth, question->request, true, on_token_user,
		     question);
	return true;
}

/* The fields from `first` on; false if none names the service, which may be
 * empty. */
static bool take_args(struct request *request, const struct auth_line *line,
		      size_t first)
{
	bool has_service = false;

	for (size_t i = first; i < line->count; i++) {
		struct str value = line->args[i], key;

		str_split(&value, '=', &key);
		has_service |= str_is(key, "service");
		request_set_arg(request, key, value);
	}
	return has_service;
}

/* USER and PASS: the user's name and who asks. NULL: answered already, or the
 * connection is to end (*ok_out). */
static struct question *read_user(struct master *master,
				  const struct auth_line *line, bool *ok_out)
{
	struct question *question = question_new(master, line->id);
	struct err err;
	char *name;

	*ok_out = true;
	question->request = request_new(question, &master->auth->set);
	if (line->count < 1 || !take_args(question->request, line, 1)) {
		log_error("auth-master client: BUG: Master sent %.*s request "
			  "without service",
			  STR_FMT(line->command));
		question_end(question);
		*ok_out = false;
		return NULL;
	}
	name = str_tab_unescape(question, line->args[0]);
	/* It is about who is named, whatever certificate was seen. */
	question->request->cert_user = NULL;
	if (request_set_user(question->request, name, &err) < 0) {
		question->request->user = NULL;
		request_log(question->request, LOG_LEVEL_INFO, "%s", err.text);
		send_fail(question, "NOTFOUND");
		return NULL;
	}
	return question;
}

static void on_user(void *ctx, struct request *, enum user_result result)
{
	user_found(ctx, result, false);
}

static bool cmd_user(struct master *master, const struct auth_line *line)
{
	bool ok;
	struct question *question = read_user(master, line, &ok);

	if (question != NULL) {
		/* Of "user*master" it is the master, as in Dovecot: no mail
		 * address is an alias by that. */
		question->request->login_user = NULL;
		lookup_begin(master->auth, question->request, false, on_user,
			     question);
	}
	return ok;
}

/* PASS */

static void on_host(void *ctx, bool ok)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);
	struct question *question = ctx;
	struct request *request = question->request;

	if (!ok) {
		send_fail(question, "FAIL");
		return;
	}
	buf_printf(&out, "PASS\t%u", question->id);
	auth_write_value(&out, "user", request->user);
	fields_write(&request->pass_fields, &out);
	if (out.overflow) {
		send_fail(question, "FAIL");
		return;
	}
	send_line(question->master, &out);
	question_end(question);
}

static void on_pass(void *ctx, struct request *request, enum pass_result result)
{
	struct question *question = ctx;

	if (result == PASS_OK)
		proxy_host_find(question->master->auth, request, on_host,
				question);
	else
		send_fail(question,
			  result == PASS_FAILURE ? "FAIL" : "NOTFOUND");
}

static const char *user_name(uid_t uid)
{
	struct passwd *pw = getpwuid(uid);

	return pw == NULL ? "?" : pw->pw_name;
}

static bool cmd_pass(struct master *master, const struct auth_line *line)
{
	struct question *question;
	bool ok;

	if (master->restricted) {
		log_error("Auth client doesn't have permissions to do a PASS "
			  "lookup: %s mode=0666, but not owned by UID %lu(%s)",
			  master->path, (unsigned long)master->uid,
			  user_name(master->uid));
		conn_printf(master->conn, "FAIL\t%u\n", line->id);
		return true;
	}
	question = read_user(master, line, &ok);
	if (question != NULL) {
		question->request->lookup_only = true;
		verify_begin(master->auth, question->request, on_pass,
			     question);
	}
	return ok;
}

/* LIST */

/* Who does not read the names gets no more of them. */
static bool list_name(void *ctx, const char *name)
{
	struct question *question = ctx;
	char *escaped;

	if (question->mask != NULL && !mask_match(question->mask, name))
		return true;
	escaped = str_tab_escape(NULL, str_of(name));
	conn_printf(question->master->conn, "LIST\t%u\t%s\n", question->id,
		    escaped);
	mem_free(escaped);
	return !conn_output_full(question->master->conn);
}

/* Only there can it wait. */
static bool lists_in_worker(const struct userdb *db)
{
	return db->blocking || db->driver->blocking;
}

static void list_next(struct question *question);

static void list_done(void *ctx, bool ok)
{
	struct question *question = ctx;

	question->failed = question->failed || !ok;
	question->db = question->db->next;
	question->place = (struct userdb_place){0};
	list_next(question);
}

static void list_next(struct question *question)
{
	struct auth *auth = question->master->auth;
	struct userdb *db = question->db;
	struct err err;
	int ret;

	while (db != NULL && db->driver->list == NULL)
		db = db->next;
	question->db = db;
	if (db == NULL) {
		conn_printf(question->master->conn, "DONE\t%u\t%s\n",
			    question->id, question->failed ? "fail" : "");
		question_end(question);
	} else if (lists_in_worker(db)) {
		workers_list(auth->workers, question, db, question->request,
			     list_name, list_done, question);
	} else {
		ret = db->driver->list(db, question->request, list_name,
				       question, &question->place, &err);
		if (ret > 0)
			return; /* list_go_on() */
		if (ret < 0)
			log_error("%s", err.text);
		list_done(question, ret == 0);
	}
}

/* He has read what there was. */
static void list_go_on(struct question *question)
{
	if (question->db != NULL && !lists_in_worker(question->db))
		list_next(question);
	else
		workers_go_on(question->master->auth->workers, question);
}

static bool has_list(const struct userdb *db)
{
	for (; db != NULL; db = db->next) {
		if (db->driver->list != NULL)
			return true;
	}
	return false;
}

static bool cmd_list(struct master *master, const struct auth_line *line)
{
	struct question *question;
	struct str mask = auth_line_value(line, "user");

	if (master->restricted) {
		log_error("auth-master client: Auth client doesn't have "
			  "permissions to list users: %s mode=0666, but not "
			  "owned by UID %lu(%s)",
			  master->path, (unsigned long)master->uid,
			  user_name(master->uid));
		conn_printf(master->conn, "DONE\t%u\tfail\n", line->id);
		return true;
	}
	question = question_new(master, line->id);
	master->listing = question;
	question->request = request_new(question, &master->auth->set);
	take_args(question->request, line, 0);
	if (mask.data != NULL)
		question->mask = str_tab_unescape(question, mask);
	question->db =
		auth_dbs(master->auth, question->request->service)->userdbs;
	if (!has_list(question->db)) {
		log_error("Trying to iterate users, but userdbs don't support "
			  "it");
		question->failed = true;
	}
	list_next(question);
	return true;
}

/* APP-PASSWORD */

static void app_done(void *ctx, bool ok)
{
	struct question *question = ctx;

	conn_printf(question->master->conn, "DONE\t%u\t%s\n", question->id,
		    ok ? "" : "fail");
	question_end(question);
}

/* Who is asked before the code is looked at needs none. */
static bool comes_first(const struct passdb *list, const struct passdb *db)
{
	while (list != db && list->set->deny)
		list = list->next;
	return list == db;
}

static void app_refuse(struct question *question, const char *why)
{
	char *text = mem_printf(question, "error=%s", why);

	list_name(question, text);
	app_done(question, false);
}

/* "user what service=... key=value..." */
static bool cmd_app_password(struct master *master,
			     const struct auth_line *line)
{
	CLEANUP(buf_free) struct buf args = buf_init(INPUT_MAX);
	struct auth *auth = master->auth;
	struct question *question;
	struct passdb *first, *db;
	char *what;
	bool ok;

	question = read_user(master, line, &ok);
	if (question == NULL)
		return ok;
	master->listing = question;
	if (line->count < 2) {
		app_refuse(question, "No order");
		return true;
	}
	what = str_tab_unescape(question, line->args[1]);
	for (size_t i = 2; i < line->count; i++) {
		buf_putc(&args, '\t');
		buf_add_str(&args, line->args[i]);
	}
	first = auth_dbs(auth, question->request->service)->passdbs;
	for (db = first; db != NULL && db->driver != &passdb_app_password;)
		db = db->next;
	if (db == NULL)
		app_refuse(question, "There is no passdb app-password");
	else if (strpbrk(what, "\t\n") != NULL)
		app_refuse(question, "Unknown order");
	else if (strcmp(what, "totp-enable") == 0 && !comes_first(first, db))
		app_refuse(question, "passdb app-password must be the first "
				     "one for TOTP");
	else
		workers_app(auth->workers, question, db, question->request,
			    what, args.data, list_name, app_done, question);
	return true;
}

/* CACHE-FLUSH */

static bool cmd_cache_flush(struct master *master, const struct auth_line *line)
{
	struct cache *cache = master->auth->cache;
	unsigned count = 0;

	if (cache != NULL && line->count == 0)
		count = cache_flush(cache, NULL);
	for (size_t i = 0; cache != NULL && i < line->count; i++) {
		char *name = str_tab_unescape(NULL, line->args[i]);

		count += cache_flush(cache, name);
		mem_free(name);
	}
	conn_printf(master->conn, "OK\t%u\t%u\n", line->id, count);
	return true;
}

/* lines */

static bool cmd_version(struct master *master, const struct auth_line *line)
{
	if (line->id != AUTH_PROTOCOL_MAJOR) {
		log_error("Master not compatible with this server (mixed old "
			  "and new binaries?)");
		return false;
	}
	master->versioned = true;
	return true;
}

static const struct {
	const char *name;
	bool master_only;
	bool (*run)(struct master *, const struct auth_line *);
} commands[] = {
	{"REQUEST", true, cmd_request},
	{"USER", false, cmd_user},
	{"PASS", false, cmd_pass},
	{"LIST", false, cmd_list},
	{"CACHE-FLUSH", true, cmd_cache_flush},
	{"APP-PASSWORD", true, cmd_app_password},
	{"VERSION", false, cmd_version},
};

static bool run(struct master *master, struct str text)
{
	struct auth_line line;
	CLEANUP(ctx_free) TALLOC_CTX *shown = NULL;

	if (log_debug_on())
		log_debug("master in: %.*s", STR_FMT(text));
	if (master->is_predecessor) {
		relay_answer(master->auth->relay, text);
		return true;
	}
	if (!auth_line_parse(text, &line)) {
		log_error("auth-master client: BUG: malformed line");
		return false;
	}
	if (!master->versioned && !str_is(line.command, "VERSION")) {
		log_error("auth-master client: no VERSION line first");
		return false;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_is(line.command, commands[i].name))
			continue;
		if (commands[i].master_only && master->is_userdb)
			break;
		if (line.id == 0)
			break;
		return commands[i].run(master, &line);
	}
	shown = str_sanitize(NULL, text, 64);
	log_error("auth-master client: BUG: Unknown command in %s socket: %s",
		  master->is_userdb ? "userdb" : "master", (const char *)shown);
	return false;
}

static void check_length(struct master *master)
{
	if (conn_input(master->conn).len < INPUT_MAX)
		return;
	log_error("auth-master client: BUG: sent us more than %d bytes",
		  INPUT_MAX);
	master_free(master);
}

/* Who does not read the answers is not heard. */
static void on_input(void *ctx)
{
	struct master *master = ctx;
	struct str line;
	size_t used;

	while (!conn_output_full(master->conn)) {
		char *copy;
		bool ok;

		if (waits(master)) {
			conn_pause(master->conn);
			return;
		}

		if (!auth_line_next(conn_input(master->conn), &line, &used)) {
			check_length(master);
			return;
		}
		copy = str_dup(NULL, line);
		conn_consume(master->conn, used);
		ok = run(master, str_of(copy));
		mem_free(copy);
		if (!ok) {
			master_free(master);
			return;
		}
	}
}

static void on_drained(void *ctx)
{
	struct master *master = ctx;

	if (master->listing != NULL)
		list_go_on(master->listing);
	on_input(master);
}

static void on_closed(void *ctx, const char *)
{
	master_free(ctx);
}

static const struct conn_events events = {
	.input = on_input,
	.drained = on_drained,
	.closed = on_closed,
};

static void find_rights(struct master *master, int fd)
{
	struct err err;

	master->restricted = true;
	master->uid = (uid_t)-1;
	if (peer_rights(fd, master->path, &master->uid, &master->restricted,
			&err) < 0)
		log_error("%s", err.text);
}

void auth_master_accept(struct auth *auth, const struct service_client *from,
			bool is_userdb)
{
	struct master *master = mem_new(auth, struct master);

	master->auth = auth;
	master->is_userdb = is_userdb;
	master->path = mem_strdup(master, from->listener->path);
	if (is_userdb)
		find_rights(master, from->fd);
	master->conn = conn_new(master, auth->loop, from->fd, INPUT_MAX,
				&events, master);
	conn_printf(master->conn, "VERSION\t%d\t1\nSPID\t%ld\n",
		    AUTH_PROTOCOL_MAJOR, (long)getpid());
}

static struct master *other_auth(struct auth *auth, int fd)
{
	struct master *master = mem_new(auth, struct master);

	master->auth = auth;
	master->versioned = true;
	master->conn =
		conn_new(master, auth->loop, fd, INPUT_MAX, &events, master);
	return master;
}

void auth_master_successor(struct auth *auth, int fd)
{
	other_auth(auth, fd)->is_successor = true;
}

void auth_master_predecessor(struct auth *auth, int fd)
{
	struct master *master = other_auth(auth, fd);

	master->is_predecessor = true;
	relay_add(auth->relay, master->conn);
}
