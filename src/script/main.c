/* SPDX-License-Identifier: MIT */
/*
 * script: runs a program for each connection of a service block,
 *
 *	service sieve-pipe-script {
 *		executable = script /usr/local/bin/pipe.sh
 *		user = nobody
 *		unix_listener sieve-pipe/pipe { ... }
 *	}
 *
 * by the script protocol (service/program.h), so that it runs with other rights
 * than those of who asks. Each connection has a process of its own, which
 * waits for the program. Options: -e NAME... environment variables that clients
 * may set; -p: the connection is the program's as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "service/program.h"
#include "service/service.h"

enum { REQUEST_MAX = 256 * 1024, REQUEST_WAIT_MS = 10 * 1000, ARGS_MAX = 512 };

static struct {
	void *ctx;
	const char *environment; /* names, with blanks between */
	bool passthrough;
	const char *const *args; /* program and arguments, up to NULL */
} options;

/* a connection's process */

static int wait_input(int fd, struct err *err)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	if (poll(&pfd, 1, REQUEST_WAIT_MS) == 1)
		return 0;
	return err_set(err, ERR_TIMEOUT, "no request came in time");
}

/* The request and not an octet more: what follows is for the program. */
static int read_request(const void *ctx, int fd, struct script_request *out,
			struct err *err)
{
	CLEANUP(buf_free) struct buf in = buf_init(REQUEST_MAX);
	const char *problem = NULL;

	for (;;) {
		char piece[4096];
		size_t had = in.len;
		ssize_t got, take;

		if (wait_input(fd, err) < 0)
			return -1;
		got = recv(fd, piece, sizeof(piece), MSG_PEEK);
		if (got <= 0)
			return err_set(err, ERR_CLOSED,
				       "the client is gone before its request "
				       "was whole");
		buf_append(&in, piece, (size_t)got);
		if (in.overflow)
			return err_set(err, ERR_LIMIT, "too long a request");
		take = got;
		switch (script_request_parse(ctx, str_n(in.data, in.len), out,
					     &problem)) {
		case SCRIPT_BAD:
			return err_set(err, ERR_INVALID, "%s", problem);
		case SCRIPT_READY:
			take = (ssize_t)(out->len - had);
			break;
		case SCRIPT_MORE:
			break;
		}
		if (recv(fd, piece, (size_t)take, 0) != take)
			return err_sys(err, "recv()");
		if (take < got || out->len == in.len)
			return 0;
	}
}

static bool is_allowed(const char *variable)
{
	struct str rest = str_of(options.environment), word;
	struct str name = str_n(variable, strcspn(variable, "="));

	while (str_word(&rest, &word)) {
		if (str_equal(word, name))
			return true;
	}
	return false;
}

static const char *const *join_args(const void *ctx,
				    const struct script_request *request)
{
	const char **args = mem_array(ctx, const char *, 2 * ARGS_MAX + 1);
	size_t count = 0;

	for (size_t i = 1; options.args[i] != NULL; i++)
		args[count++] = options.args[i];
	for (size_t i = 0; request->args != NULL && request->args[i] != NULL;
	     i++)
		args[count++] = request->args[i];
	return args;
}

static const char *const *allowed(const void *ctx,
				  const struct script_request *request)
{
	const char **out = mem_array(ctx, const char *, ARGS_MAX + 1);
	size_t count = 0;

	for (size_t i = 0;
	     request->environment != NULL && request->environment[i] != NULL;
	     i++) {
		if (is_allowed(request->environment[i]))
			out[count++] = request->environment[i];
	}
	return out;
}

static int run(const void *ctx, int fd, struct err *err)
{
	struct script_request request = {.no_reply = true};
	struct program program = {.input_fd = fd, .output_fd = fd};
	int status;

	if (!options.passthrough && read_request(ctx, fd, &request, err) < 0)
		return -1;
	fcntl(fd, F_SETFL, 0);
	program.path = options.args[0];
	program.args = join_args(ctx, &request);
	program.environment = allowed(ctx, &request);
	program.timeout.ms = (uint64_t)request.alarm * 1000;
	if (program_run(&program, NULL, &status, err) < 0)
		status = -1;
	if (!request.no_reply)
		send(fd, status == 0 ? "+\n" : "-\n", 2, MSG_NOSIGNAL);
	if (status > 0)
		log_error("Script terminated abnormally, exit status %d",
			  status);
	return status < 0 ? -1 : 0;
}

static _Noreturn void child(int fd)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "connection");
	struct err err;

	if (run(ctx, fd, &err) < 0)
		log_error("%s", err.text);
	_exit(0);
}

/* the service */

struct running {
	struct service_env *env;
	struct watch *watch;
	pid_t pid;
	int alive; /* closed by the process's end */
};

static void ended(void *ctx, unsigned events)
{
	struct running *running = ctx;
	struct service_env *env = running->env;

	(void)events;
	watch_free(&running->watch);
	fd_close(&running->alive);
	while (waitpid(running->pid, NULL, 0) < 0 && errno == EINTR)
		;
	mem_free(running);
	service_client_end(env);
}

static void take_client(struct service_env *env,
			const struct service_client *client)
{
	struct running *running = mem_new(options.ctx, struct running);
	int alive[2] = {-1, -1};

	running->env = env;
	if (pipe2(alive, O_CLOEXEC) == 0)
		running->pid = fork();
	if (alive[0] < 0 || running->pid < 0) {
		log_error("fork() failed: %s", strerror(errno));
		fd_close(&alive[0]);
		fd_close(&alive[1]);
		close(client->fd);
		mem_free(running);
		service_client_end(env);
		return;
	}
	if (running->pid == 0)
		child(client->fd);
	close(client->fd);
	close(alive[1]);
	running->alive = alive[0];
	running->watch = watch_new(service_loop(env), running->alive,
				   WATCH_READ, ended, running);
}

/* Copied: the arguments' memory becomes the process's title. */
static void read_options(int argc, char **argv)
{
	const char **args = mem_array(options.ctx, const char *, ARGS_MAX + 1);
	int option, count = 0;

	options.environment = "";
	while ((option = getopt(argc, argv, "+e:p")) != -1) {
		if (option == 'p')
			options.passthrough = true;
		else if (option == 'e')
			options.environment =
				mem_printf(options.ctx, "%s %s",
					   options.environment, optarg);
	}
	for (; optind < argc && count < ARGS_MAX; optind++)
		args[count++] = mem_strdup(options.ctx, argv[optind]);
	options.args = args;
}

static int start(struct service_env *env, struct err *err)
{
	(void)env;
	if (options.args[0] == NULL)
		return err_set(err, ERR_INVALID, "Missing script path");
	return 0;
}

static const struct service script_service = {
	.name = "script",
	.sandbox = SANDBOX_NONE, /* it runs programs */
	.init = start,
	.accept = take_client,
};

int main(int argc, char **argv)
{
	options.ctx = mem_ctx(NULL, "script");
	read_options(argc, argv);
	return service_run(&script_service, argc, argv);
}
