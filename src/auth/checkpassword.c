/* SPDX-License-Identifier: MIT */
#include "auth/checkpassword.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/mem.h"

enum {
	ARGS_MAX = 64,
	FD_QUESTION = 3,
	FD_REPLY = 4,
	STATUS_WRONG = 1,
	STATUS_UNKNOWN = 3,
	STATUS_TEMPORARY = 111,
};

static void set_ip(const char *ip_name, const char *port_name,
		   const struct ip *ip)
{
	char text[IP_TEXT_MAX], port[8];

	if (ip->family == 0)
		return;
	setenv(ip_name, ip_text(ip, text), 1);
	snprintf(port, sizeof(port), "%u", ip->port);
	setenv(port_name, port, 1);
}

static void set_environment(const struct request *request)
{
	setenv("PROTO", "TCP", 1);
	setenv("SERVICE", request->service, 1);
	set_ip("TCPLOCALIP", "TCPLOCALPORT", &request->local);
	set_ip("TCPREMOTEIP", "TCPREMOTEPORT", &request->remote);
	if (request->local.family != 0)
		set_ip("LOCAL_IP", "LOCAL_PORT", &request->local);
	if (request->master_user != NULL)
		setenv("MASTER_USER", request->master_user, 1);
	if (request->session_id != NULL)
		setenv("AUTH_SESSION", request->session_id, 1);
	setenv("AUTH_USER", request->user, 1);
	setenv("AUTH_SERVICE", request->service, 1);
	if (request->lookup_only)
		setenv("AUTHORIZED", "1", 1);
	else
		unsetenv("AUTHORIZED");
}

/* In the child: `question` and `reply` become descriptors 3 and 4. */
static _Noreturn void run(const char *args, struct request *request,
			  int question, int reply)
{
	char *argv[ARGS_MAX + 2];
	struct str rest = str_of(args), word;
	size_t count = 0;
	/* They may be 3 or 4 the wrong way round. */
	int from = fcntl(question, F_DUPFD, FD_REPLY + 1);
	int to = fcntl(reply, F_DUPFD, FD_REPLY + 1);

	if (from < 0 || to < 0 || dup2(from, FD_QUESTION) < 0 ||
	    dup2(to, FD_REPLY) < 0)
		_exit(STATUS_TEMPORARY);
	close(from);
	close(to);
	set_environment(request);
	while (count < ARGS_MAX && str_word(&rest, &word))
		argv[count++] = str_dup(request, word);
	argv[count++] = (char *)PKG_LIBEXECDIR "/checkpassword-reply";
	argv[count] = NULL;
	execv(argv[0], argv);
	_exit(STATUS_TEMPORARY);
}

static void ask(int fd, const struct request *request)
{
	CLEANUP(buf_free) struct buf out = buf_init(8192);
	const char *password = request->password;

	buf_append(&out, request->user, strlen(request->user) + 1);
	if (request->lookup_only || password == NULL)
		password = "";
	buf_append(&out, password, strlen(password) + 1);
	buf_append(&out, "0", 2);
	/* It fits into a pipe: nobody waits here. */
	if (!out.overflow && write(fd, out.data, out.len) < 0)
		request_log(request, LOG_LEVEL_ERROR,
			    "write() to the program failed: %m");
	if (out.len > 0)
		mem_wipe(out.data, out.len);
}

/* Until the end of file; false when it took too long. */
static bool hear(int fd, struct buf *out)
{
	uint64_t end = clock_monotonic_ms() + CHECKPASSWORD_SECONDS * 1000;

	for (;;) {
		uint64_t now = clock_monotonic_ms();
		struct pollfd poll_fd = {fd, POLLIN, 0};
		char data[4096];
		ssize_t got;

		if (now >= end)
			return false;
		if (poll(&poll_fd, 1, (int)(end - now)) <= 0)
			continue;
		got = read(fd, data, sizeof(data));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return true;
		buf_append(out, data, (size_t)got);
	}
}

static enum pass_result judge(struct request *request, int status,
			      const struct buf *reply, struct fields *fields)
{
	if (!WIFEXITED(status)) {
		request_log(request, LOG_LEVEL_ERROR,
			    "the program died with signal %d",
			    WTERMSIG(status));
		return PASS_FAILURE;
	}
	switch (WEXITSTATUS(status)) {
	case 0:
		break;
	case STATUS_WRONG:
		request_log(request, LOG_LEVEL_INFO, "Login failed (status=1)");
		return PASS_MISMATCH;
	case STATUS_UNKNOWN:
		request_log_unknown(request);
		return PASS_UNKNOWN_USER;
	default:
		request_log(request, LOG_LEVEL_ERROR,
			    "the program failed with status %d",
			    WEXITSTATUS(status));
		return PASS_FAILURE;
	}
	if (reply->len == 0 || reply->overflow) {
		request_log(request, LOG_LEVEL_ERROR,
			    "the program sent no reply, or too much");
		return PASS_FAILURE;
	}
	fields_parse(fields, str_n(reply->data, reply->len));
	return PASS_OK;
}

enum pass_result checkpassword_run(const char *args, struct request *request,
				   struct fields *fields)
{
	CLEANUP(buf_free) struct buf reply = buf_init(CHECKPASSWORD_REPLY_MAX);
	CLEANUP(fd_close)
	int ask_in = -1,
	    ask_out = -1, say_in = -1, say_out = -1;
	int pipes[2], status = 0;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) == 0) {
		ask_in = pipes[0];
		ask_out = pipes[1];
	}
	if (ask_in >= 0 && pipe2(pipes, O_CLOEXEC) == 0) {
		say_in = pipes[0];
		say_out = pipes[1];
	}
	pid = say_in < 0 ? -1 : fork();
	if (pid < 0) {
		request_log(request, LOG_LEVEL_ERROR,
			    "the program cannot be started: %m");
		return PASS_FAILURE;
	}
	if (pid == 0)
		run(args, request, ask_in, say_out);
	fd_close(&ask_in);
	fd_close(&say_out);
	ask(ask_out, request);
	fd_close(&ask_out);
	if (!hear(say_in, &reply)) {
		request_log(request, LOG_LEVEL_ERROR,
			    "the program took more than %d seconds",
			    CHECKPASSWORD_SECONDS);
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return judge(request, status, &reply, fields);
}
