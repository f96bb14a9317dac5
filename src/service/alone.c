/* SPDX-License-Identifier: MIT */
/*
 * service/alone.c - a session without a server: imap or pop3 that somebody runs
 * himself has its client on stdin and stdout and is logged in already, as
 * Dovecot's are. It is how mail is read through ssh (mutt's `tunnel`, mbsync's
 * Tunnel).
 *
 * A session has one descriptor and never waits in a write; these are two, and
 * of any kind. So a socket is between, and a process for each way.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/loop.h"
#include "service/auth_master.h"
#include "service/env.h"
#include "service/settings.h"

enum { EX_USAGE = 64, OVERRIDES_MAX = 100, PIECE = 32 * 1024 };

struct options {
	const char *config_path, *user;
	const char *overrides[OVERRIDES_MAX];
	unsigned override_count;
};

static void take_options(const char *name, struct options *options, int argc,
			 char **argv)
{
	bool good = true;
	int option;

	while ((option = getopt(argc, argv, "c:o:u:")) != -1) {
		if (option == 'c')
			options->config_path = optarg;
		else if (option == 'u')
			options->user = optarg;
		else if (option == 'o' &&
			 options->override_count < OVERRIDES_MAX)
			options->overrides[options->override_count++] = optarg;
		else
			good = false;
	}
	if (good && optind == argc)
		return;
	fprintf(stderr,
		"Usage: %s [-c <config-file>] [-o <setting=value>] "
		"[-u <user>]\n"
		"A session on stdin and stdout; the server is dovetail(8).\n",
		name);
	exit(EX_USAGE);
}

/* the session */

/* The server's service blocks are not for us. */
static const char *no_value(void *, const char *)
{
	return NULL;
}

static int read_config(struct service_env *env, const struct options *options,
		       struct err *err)
{
	const struct config_filter filter = {.protocol = env->service->name};
	struct log_settings log;

	if (config_open(env, options->config_path, &env->config, err) < 0)
		return -1;
	for (unsigned i = 0; i < options->override_count; i++) {
		if (config_override(env->config, options->overrides[i], err) <
		    0)
			return -1;
	}
	if (config_read(env, env->config, &filter, base_settings, &env->base,
			err) < 0 ||
	    config_read_named(env, no_value, NULL, service_settings, &env->set,
			      err) < 0 ||
	    config_read(env, env->config, &filter, log_settings, &log, err) < 0)
		return -1;
	log_open_files(env->name, env->base.instance_name, &log);
	return 0;
}

static int find_account(struct service_env *env, const char *user,
			struct account **out, struct err *err)
{
	const struct auth_request_info info = {.service = env->name,
					       .pid = getpid()};

	if (user == NULL)
		return account_own(env, out, err);
	return auth_user_lookup(
		env, service_socket_path(env, env, env->base.auth_socket_path),
		user, &info, out, err);
}

/* Who connected, for the log; whoever started us says so. */
static struct ip ip_of(const char *variable)
{
	const char *text = getenv(variable);
	struct ip ip = {.family = 0};

	if (text != NULL)
		ip_parse(text, &ip);
	return ip;
}

static int serve(struct service_env *env, const char *user, int fd,
		 struct err *err)
{
	struct service_session session = {
		.fd = fd,
		.local = ip_of("LOCAL_IP"),
		.remote = ip_of("IP"),
		.secured = true,
		.alone = true,
		.session_id = service_session_id(env),
		.tag = STR(""),
		.input = STR(""),
	};
	struct account *account;

	if (find_account(env, user, &account, err) < 0)
		return -1;
	session.account = account;
	env->worker = true;
	env->loop = loop_new();
	env_set_signals(env);
	return worker_alone(env, &session, err);
}

static _Noreturn void be_session(struct service_env *env,
				 const struct options *options, int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct err err;

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		log_fatal(EXIT_FAILED, "open(/dev/null): %s", strerror(errno));
	close(null);
	if (read_config(env, options, &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	if (serve(env, options->user, fd, &err) < 0) {
		log_error("%s", err.text);
		/* And for who waits for an answer. */
		log_open(env->name, LOG_TO_STDERR);
		log_fatal(EXIT_FAILED, "%s", err.text);
	}
	exit(EXIT_SUCCESS);
}

/* the two ways */

/* Whether it may go on: whoever started us may have left a descriptor that does
 * not block. */
static bool may_go_on(int fd, short events)
{
	struct pollfd waiting = {.fd = fd, .events = events};

	if (errno == EAGAIN)
		return poll(&waiting, 1, -1) >= 0 || errno == EINTR;
	return errno == EINTR;
}

static bool write_piece(int to, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t done = write(to, at, len);

		if (done < 0 && !may_go_on(to, POLLOUT))
			return false;
		if (done > 0) {
			at += done;
			len -= (size_t)done;
		}
	}
	return true;
}

/* Ends when either side does. */
static void carry(int from, int to)
{
	char piece[PIECE];
	ssize_t got;

	while ((got = read(from, piece, sizeof(piece))) != 0) {
		if (got < 0 && !may_go_on(from, POLLIN))
			return;
		if (got > 0 && !write_piece(to, piece, (size_t)got))
			return;
	}
}

/* One that is closed would be the next descriptor: what a session says must not
 * come back to it as commands. */
static void open_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		log_fatal(EXIT_FAILED, "open(/dev/null): %s", strerror(errno));
	close(fd);
}

static pid_t fork_or_end(void)
{
	pid_t pid = fork();

	if (pid < 0)
		log_fatal(EXIT_FAILED, "fork() failed: %s", strerror(errno));
	return pid;
}

static _Noreturn void be_input(int to, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it ended before that */
		_exit(EXIT_FAILED);
	carry(STDIN_FILENO, to);
	shutdown(to, SHUT_WR);
	_exit(EXIT_SUCCESS);
}

int alone_run(struct service_env *env, int argc, char **argv)
{
	struct options options = {.user = NULL};
	pid_t session, input, parent = getpid();
	int pair[2], status;

	take_options(env->service->name, &options, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	open_standard();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		log_fatal(EXIT_FAILED, "socketpair(): %s", strerror(errno));
	session = fork_or_end();
	if (session == 0) {
		close(pair[0]);
		be_session(env, &options, pair[1]);
	}
	close(pair[1]);
	input = fork_or_end();
	if (input == 0)
		be_input(pair[0], parent);
	carry(pair[0], STDOUT_FILENO);
	shutdown(pair[0], SHUT_RDWR);
	kill(input, SIGKILL);
	while (waitpid(session, &status, 0) < 0 && errno == EINTR)
		;
	mem_free(env);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}
