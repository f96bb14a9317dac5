/* SPDX-License-Identifier: MIT */
#include "service/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/sock.h"

enum {
	PIECE = 32 * 1024,
	ERRORS_MAX = 16 * 1024,
	LOG_LINE_MAX = 1000,
	TERM_WAIT_MS = 1000,
	EXIT_NO_PROGRAM = 127,
	STATUS_SIZE = 2, /* of a script service: "+" or "-" and a line end */
};

/* Talking to a program or a socket; descriptors are -1 when they are done. */
struct exchange {
	const char *name;
	int in, out, errors, pid;
	struct str input;
	struct buf *output; /* NULL: thrown away */
	bool status_only;   /* thrown away, but for its last line */
	struct buf error_text;
	struct duration timeout;
	uint64_t deadline; /* 0: none */
	bool unread;       /* input was left */
};

static void end_input(struct exchange *x)
{
	shutdown(x->in, SHUT_WR); /* a pipe only needs the close */
	fd_close(&x->in);
}

static void feed(struct exchange *x)
{
	ssize_t put = write(x->in, x->input.data, x->input.len);

	if (put < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (put < 0) {
		x->unread = true;
		fd_close(&x->in);
		return;
	}
	x->input = str_from(x->input, (size_t)put);
	if (x->input.len == 0)
		end_input(x);
}

/* False when there is nothing (more) at this time. */
static bool drain(int *fd, struct buf *to)
{
	char piece[PIECE];
	ssize_t got = read(*fd, piece, sizeof(piece));

	if (got < 0 && errno == EINTR)
		return true;
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		fd_close(fd);
		return false;
	}
	if (to != NULL)
		buf_append(to, piece, (size_t)got);
	return true;
}

static bool drain_output(struct exchange *x)
{
	bool more = drain(&x->out, x->output);
	struct buf *out = x->output;

	if (x->status_only && out->len > STATUS_SIZE) {
		memmove(out->data, out->data + out->len - STATUS_SIZE,
			STATUS_SIZE);
		buf_truncate(out, STATUS_SIZE);
	}
	return more;
}

static bool overflowed(const struct exchange *x)
{
	return x->output != NULL && x->output->overflow;
}

static int wait_ms(uint64_t deadline)
{
	uint64_t now = clock_monotonic_ms();

	if (deadline == 0)
		return -1;
	return now >= deadline ? 0 : (int)(deadline - now);
}

/* Until the program has ended, or the socket is closed. */
static int talk(struct exchange *x, struct err *err)
{
	while (x->pid >= 0 || x->out >= 0) {
		struct pollfd fds[] = {{.fd = x->in, .events = POLLOUT},
				       {.fd = x->out, .events = POLLIN},
				       {.fd = x->errors, .events = POLLIN},
				       {.fd = x->pid, .events = POLLIN}};
		int ready = poll(fds, 4, wait_ms(x->deadline));

		if (ready < 0 && errno != EINTR)
			return err_sys(err, "poll()");
		if (ready == 0)
			return err_set(err, ERR_TIMEOUT,
				       "Execution timed out (> %llu msecs)",
				       (unsigned long long)x->timeout.ms);
		if (ready < 0)
			continue;
		if (fds[0].revents != 0)
			feed(x);
		if (fds[1].revents != 0)
			drain_output(x);
		if (fds[2].revents != 0)
			drain(&x->errors, &x->error_text);
		if (overflowed(x))
			return err_set(err, ERR_LIMIT,
				       "It wrote too much (> %zu octets)",
				       x->output->max);
		if (fds[3].revents != 0)
			break;
	}
	/* What has come by its end; others may hold the pipes open. */
	while (x->out >= 0 && !overflowed(x) && drain_output(x))
		;
	while (x->errors >= 0 && !x->error_text.overflow &&
	       drain(&x->errors, &x->error_text))
		;
	return 0;
}

static int exchange(struct exchange *x, struct duration timeout,
		    struct err *err)
{
	void (*old)(int) = signal(SIGPIPE, SIG_IGN);
	int ret;

	x->timeout = timeout;
	x->deadline = timeout.ms == 0 ? 0 : clock_monotonic_ms() + timeout.ms;
	if (x->in >= 0 && x->input.len == 0)
		end_input(x);
	ret = talk(x, err);
	x->unread |= x->in >= 0;
	fd_close(&x->in);
	fd_close(&x->out);
	fd_close(&x->errors);
	signal(SIGPIPE, old);
	return ret;
}

/* programs */

static _Noreturn void become(const struct program *program, const int fds[3])
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "program");
	uid_t uid = geteuid();
	gid_t gid = getegid();
	const char **argv;
	size_t count = 0;
	sigset_t none;

	while (program->args != NULL && program->args[count] != NULL)
		count++;
	argv = mem_array(ctx, const char *, count + 2);
	argv[0] = program->path;
	for (size_t i = 0; i < count; i++)
		argv[i + 1] = program->args[i];
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* What this process ignores. */
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	setsid();
	/* mail_privileged_group is not for it. */
	if (setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0 &&
	    prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
	    (program->dir == NULL || chdir(program->dir) == 0 ||
	     chdir("/") == 0) &&
	    dup2(fds[0], STDIN_FILENO) >= 0 &&
	    dup2(fds[1], STDOUT_FILENO) >= 0 &&
	    dup2(fds[2], STDERR_FILENO) >= 0 && close_range(3, ~0U, 0) == 0)
		execve(program->path, (char **)(uintptr_t)argv,
		       (char **)(uintptr_t)program->environment);
	_exit(EXIT_NO_PROGRAM);
}

/* A pipe whose one end, fds[ours], is for this process; above the standard
 * descriptors, so that dup2() can't take one for another. */
static int make_pipe(int fds[2], int ours, struct err *err)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, "pipe()");
	fcntl(fds[ours], F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 2; i++) {
		int high =
			fds[i] > 2 ? fds[i] : fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

		if (high != fds[i])
			close(fds[i]);
		fds[i] = high;
	}
	return fds[0] < 0 || fds[1] < 0 ? err_sys(err, "pipe()") : 0;
}

static void log_errors(const struct exchange *x, pid_t pid)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "errors");
	struct str rest = str_n(x->error_text.data, x->error_text.len), line;

	while (rest.len > 0 && str_split(&rest, '\n', &line))
		log_error("program exec:%s (%d): %s", x->name, (int)pid,
			  str_sanitize(ctx, line, LOG_LINE_MAX));
}

static bool ended_within(int pid_fd, unsigned ms)
{
	struct pollfd pfd = {.fd = pid_fd, .events = POLLIN};

	return poll(&pfd, 1, (int)ms) == 1;
}

/* First kindly. Its group is its own (setsid()), unless it came not so far. */
static void kill_program(pid_t pid, int pid_fd)
{
	kill(-pid, SIGTERM);
	kill(pid, SIGTERM);
	ended_within(pid_fd, TERM_WAIT_MS);
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
}

static int reap(const struct exchange *x, pid_t pid, int failed,
		int *status_out, struct err *err)
{
	struct err why;
	int status;

	if (failed < 0)
		kill_program(pid, x->pid);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return err_sys(err, "waitpid(%s)", x->name);
	}
	log_errors(x, pid);
	if (failed < 0) {
		why = *err;
		return err_set(err, why.code, "program exec:%s (%d): %s",
			       x->name, (int)pid, why.text);
	}
	if (WIFSIGNALED(status))
		return err_set(err, ERR_TEMPORARY,
			       "program exec:%s (%d): Terminated abnormally "
			       "with signal %d",
			       x->name, (int)pid, WTERMSIG(status));
	*status_out = WEXITSTATUS(status);
	if (*status_out == 0 && x->unread)
		return err_set(err, ERR_CLOSED,
			       "program exec:%s (%d): did not read all its "
			       "input",
			       x->name, (int)pid);
	return 0;
}

struct pipes {
	int in[2], out[2], errors[2];
};

static void pipes_close(struct pipes *pipes)
{
	for (int i = 0; i < 2; i++) {
		fd_close(&pipes->in[i]);
		fd_close(&pipes->out[i]);
		fd_close(&pipes->errors[i]);
	}
}

static int take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static int start(const struct program *program, struct pipes *pipes,
		 pid_t *pid_out, struct err *err)
{
	if (program->path[0] != '/' || access(program->path, X_OK) < 0) {
		errno = program->path[0] != '/' ? ENOENT : errno;
		return err_sys(err, "exec(%s)", program->path);
	}
	if (make_pipe(pipes->in, 1, err) < 0 ||
	    make_pipe(pipes->out, 0, err) < 0 ||
	    make_pipe(pipes->errors, 0, err) < 0)
		return -1;
	*pid_out = fork();
	if (*pid_out < 0)
		return err_sys(err, "fork()");
	if (*pid_out == 0)
		become(program,
		       (const int[]){program->input_fd > 0 ? program->input_fd
							   : pipes->in[0],
				     program->output_fd > 0 ? program->output_fd
							    : pipes->out[1],
				     pipes->errors[1]});
	return 0;
}

int program_run(const struct program *program, struct buf *output,
		int *status_out, struct err *err)
{
	CLEANUP(pipes_close)
	struct pipes pipes = {{-1, -1}, {-1, -1}, {-1, -1}};
	CLEANUP(fd_close) int pid_fd = -1;
	struct exchange x = {
		.name = program->path,
		.input = program->input,
		.output = output,
		.error_text = buf_init(ERRORS_MAX),
	};
	pid_t pid = -1;
	int ret;

	if (start(program, &pipes, &pid, err) < 0)
		return -1;
	fd_close(&pipes.in[0]);
	fd_close(&pipes.out[1]);
	fd_close(&pipes.errors[1]);
	x.pid = pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	x.in = take(&pipes.in[1]);
	x.out = take(&pipes.out[0]);
	x.errors = take(&pipes.errors[0]);
	ret = exchange(&x, program->timeout, err);
	ret = reap(&x, pid, ret, status_out, err);
	buf_free(&x.error_text);
	return ret;
}

/* scripts behind sockets */

static void put_request(const struct program *program, struct buf *out)
{
	const char *const *at;

	buf_add(out, "VERSION\tscript\t4\t0\n");
	for (at = program->environment; at != NULL && *at != NULL; at++)
		buf_printf(out, "env_%s\n", *at);
	buf_add(out, program->no_reply ? "noreply\n" : "-\n");
	for (at = program->args; at != NULL && *at != NULL; at++) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "arg");

		buf_printf(out, "%s\n", str_tab_escape(ctx, str_of(*at)));
	}
	buf_putc(out, '\n');
	buf_add_str(out, program->input);
}

/* The last line is "+" or "-". */
static int take_status(struct buf *output, const char *path, int *status_out,
		       struct err *err)
{
	size_t len = output->len;

	if (len < STATUS_SIZE || output->data[len - 1] != '\n' ||
	    (output->data[len - 2] != '+' && output->data[len - 2] != '-'))
		return err_set(err, ERR_CLOSED,
			       "program unix:%s: closed without an answer",
			       path);
	*status_out = output->data[len - 2] == '+' ? 0 : 1;
	buf_truncate(output, len - STATUS_SIZE);
	return 0;
}

static int send_only(struct exchange *x, struct err *err)
{
	ssize_t put = send(x->in, x->input.data, x->input.len, MSG_NOSIGNAL);
	int ret = put == (ssize_t)x->input.len
			  ? 0
			  : err_sys(err, "program unix:%s", x->name);

	fd_close(&x->in);
	return ret;
}

int program_script(const struct program *program, struct buf *output,
		   int *status_out, struct err *err)
{
	CLEANUP(buf_free) struct buf request = buf_init(SIZE_MAX);
	CLEANUP(buf_free) struct buf nowhere = buf_init(PIECE + STATUS_SIZE);
	struct exchange x = {.name = program->path,
			     .errors = -1,
			     .pid = -1,
			     .status_only = output == NULL};

	x.output = output != NULL ? output : &nowhere;
	x.in = sock_connect_unix(program->path, err);
	if (x.in < 0)
		return err_wrap(err, "program unix:%s", program->path);
	put_request(program, &request);
	x.input = str_n(request.data, request.len);
	if (program->no_reply) {
		*status_out = 0;
		return send_only(&x, err);
	}
	x.out = fcntl(x.in, F_DUPFD_CLOEXEC, 3);
	if (exchange(&x, program->timeout, err) < 0)
		return err_wrap(err, "program unix:%s", program->path);
	return take_status(x.output, program->path, status_out, err);
}

/* the other end of that */

static bool take_line(struct str *rest, struct str *line)
{
	ptrdiff_t end = str_find_char(*rest, '\n');

	if (end < 0)
		return false;
	*line = str_n(rest->data, (size_t)end);
	*rest = str_from(*rest, (size_t)end + 1);
	return true;
}

enum { SCRIPT_MAX_LINES = 256 };

enum script_parse script_request_parse(const void *ctx, struct str in,
				       struct script_request *out,
				       const char **problem_out)
{
	const char **environment =
		mem_array(ctx, const char *, SCRIPT_MAX_LINES + 1);
	const char **args = mem_array(ctx, const char *, SCRIPT_MAX_LINES + 1);
	unsigned envs = 0, count = 0;
	bool options = true;
	const char *start = in.data;
	struct str line;

	*out = (struct script_request){.args = args,
				       .environment = environment};
	if (!take_line(&in, &line))
		return SCRIPT_MORE;
	*problem_out = "Client not compatible with this binary (connecting to "
		       "wrong socket?)";
	if (!str_starts(line, "VERSION\tscript\t4\t"))
		return SCRIPT_BAD;
	while (take_line(&in, &line)) {
		if (line.len == 0 && !options) {
			out->len = (size_t)(in.data - start);
			return SCRIPT_READY;
		}
		*problem_out = "too many lines";
		if (envs == SCRIPT_MAX_LINES || count == SCRIPT_MAX_LINES)
			return SCRIPT_BAD;
		if (!options) {
			args[count++] = str_tab_unescape(ctx, line);
		} else if (str_starts(line, "alarm=")) {
			*problem_out = "invalid alarm option";
			if (!str_to_unsigned(str_from(line, 6), &out->alarm))
				return SCRIPT_BAD;
		} else if (str_starts(line, "env_")) {
			*problem_out = "invalid environment variable";
			if (str_find_char(line, '=') < 5)
				return SCRIPT_BAD;
			environment[envs++] =
				str_tab_unescape(ctx, str_from(line, 4));
		} else if (str_is(line, "noreply") || str_is(line, "-")) {
			out->no_reply = line.len > 1;
			options = false;
		} else {
			*problem_out = "unknown option";
			return SCRIPT_BAD;
		}
	}
	return SCRIPT_MORE;
}
