/* SPDX-License-Identifier: MIT */
/*
 * master/main.c - dovetail(8): options, and the commands reload and stop.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/master.h"

enum {
	REPORT_MAX = 256 * 1024,
	STOP_TIMEOUT_MS = 15 * 1000,
	STOP_STEP_MS = 20,
};

static const char usage[] =
	"Usage: dovetail [-F] [-c <config file>] [-p] [-n] [-a] [--help] "
	"[--version]\n"
	"       [--build-options] [--hostdomain] [reload] [stop]\n";

struct options {
	const char *config_file, *command;
	bool foreground, ask_password;
	char dump; /* 'n' or 'a': as doveconf */
};

/* short answers */

static void build_options(void)
{
	printf("Build options: ioloop=epoll notify=inotify openssl seccomp"
#ifdef HAVE_SYSTEMD
	       " systemd"
#endif
#ifdef SANITIZERS
	       " sanitizers"
#endif
	       "\nMail storages: maildir\n"
	       "SQL drivers:\n"
	       "Passdb: passwd-file pam passwd shadow static\n"
	       "Userdb: passwd-file passwd static\n");
}

static void host_domain(void)
{
	struct addrinfo hints = {.ai_flags = AI_CANONNAME}, *found;
	char name[256] = "";

	gethostname(name, sizeof(name) - 1);
	if (getaddrinfo(name, NULL, &hints, &found) == 0) {
		printf("%s\n", found->ai_canonname);
		freeaddrinfo(found);
	} else {
		printf("%s\n", name);
	}
}

_Noreturn static void be_doveconf(const struct options *options)
{
	char flag[] = {'-', options->dump, '\0'};

	if (options->config_file != NULL)
		execl(PKG_BINDIR "/doveconf", "doveconf", flag, "-c",
		      options->config_file, NULL);
	else
		execl(PKG_BINDIR "/doveconf", "doveconf", flag, NULL);
	log_fatal(EXIT_FAILED, "execv(%s) failed: %s", PKG_BINDIR "/doveconf",
		  strerror(errno));
}

/* options */

enum { OPT_BUILD = 256, OPT_HELP, OPT_HOST, OPT_VERSION };

static const struct option long_options[] = {
	{"build-options", no_argument, NULL, OPT_BUILD},
	{"help", no_argument, NULL, OPT_HELP},
	{"hostdomain", no_argument, NULL, OPT_HOST},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

/* Those that are answered at once; false for others. */
static bool answer(int option)
{
	switch (option) {
	case OPT_BUILD:
		build_options();
		return true;
	case OPT_HELP:
		fputs(usage, stdout);
		return true;
	case OPT_HOST:
		host_domain();
		return true;
	case OPT_VERSION:
		printf("%s\n", PACKAGE_VERSION);
		return true;
	default:
		return false;
	}
}

static void read_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt_long(argc, argv, "+Fc:npa", long_options,
				     NULL)) >= 0) {
		if (answer(option))
			exit(EXIT_SUCCESS);
		switch (option) {
		case 'F':
			options->foreground = true;
			break;
		case 'c':
			options->config_file = optarg;
			break;
		case 'p':
			options->ask_password = true;
			break;
		case 'n':
		case 'a':
			options->dump = (char)option;
			break;
		default:
			fputs(usage, stderr);
			exit(EXIT_FAILED);
		}
	}
	if (optind < argc)
		options->command = argv[optind++];
	if (optind < argc)
		log_fatal(EXIT_FAILED, "Unknown argument: %s", argv[optind]);
}

/* the configuration */

static void print_lines(const struct buf *lines, enum log_level level)
{
	struct str rest = str_n(lines->data, lines->len), line;

	while (str_split(&rest, '\n', &line)) {
		if (line.len > 0)
			log_line(level, "%.*s", STR_FMT(line));
	}
}

static void read_config(struct master *master, unsigned flags)
{
	CLEANUP(buf_free) struct buf errors = buf_init(REPORT_MAX);
	CLEANUP(buf_free) struct buf warnings = buf_init(REPORT_MAX);
	struct err err;

	if (config_load(master, master->config_file, flags, &errors, &warnings,
			&master->config, &err) < 0) {
		print_lines(&errors, LOG_LEVEL_ERROR);
		log_fatal(EXIT_FAILED, "Error in configuration file %s",
			  err.text);
	}
	print_lines(&warnings, LOG_LEVEL_WARNING);
	master->warnings = mem_strndup(master, warnings.data, warnings.len);
	if (config_read(master, master->config, NULL, base_settings,
			&master->base, &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
}

static void ask_password(struct master *master)
{
	char *password = getpass("Give the password for SSL keys: ");
	struct err err;

	if (password == NULL)
		log_fatal(EXIT_FAILED, "Can't read a password: %s",
			  strerror(errno));
	/* Kept for reloads. */
	master->key_password =
		mem_printf(master, "ssl_key_password=%s", password);
	mem_wipe(password, strlen(password));
	if (config_override(master->config, master->key_password, &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
}

/* commands */

static int command(struct master *master, const char *name)
{
	pid_t pid = basedir_running(master->base.base_dir);
	bool stop = strcmp(name, "stop") == 0;
	struct timespec step = {0, STOP_STEP_MS * 1000000L};

	if (!stop && strcmp(name, "reload") != 0) {
		fputs(usage, stderr);
		log_fatal(EXIT_FAILED, "Unknown argument: %s", name);
	}
	if (pid == 0)
		log_fatal(EXIT_FAILED,
			  "Dovetail is not running (read from %s/master.pid)",
			  master->base.base_dir);
	if (kill(pid, stop ? SIGTERM : SIGHUP) < 0)
		log_fatal(EXIT_FAILED, "kill(%d): %s", (int)pid,
			  strerror(errno));
	for (int ms = 0; stop && ms < STOP_TIMEOUT_MS; ms += STOP_STEP_MS) {
		if (basedir_running(master->base.base_dir) != pid)
			return EXIT_SUCCESS;
		nanosleep(&step, NULL);
	}
	if (!stop)
		return EXIT_SUCCESS;
	log_error("Process %d did not end", (int)pid);
	return EXIT_FAILURE;
}

/* into the background */

/* The parent answers for us: 0 once the server runs. */
static void go_background(int *ready)
{
	int fds[2], status = EXIT_FAILED;
	unsigned char octet;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		log_fatal(EXIT_FAILED, "pipe(): %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		log_fatal(EXIT_FAILED, "fork(): %s", strerror(errno));
	if (pid > 0) {
		close(fds[1]);
		if (read(fds[0], &octet, 1) == 1)
			status = EXIT_SUCCESS;
		_exit(status);
	}
	close(fds[0]);
	setsid();
	*ready = fds[1];
}

static void detach(struct master *master, int ready)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (chdir("/") < 0)
		log_error("chdir(/): %s", strerror(errno));
	if (null < 0)
		log_fatal(EXIT_FAILED, "open(/dev/null): %s", strerror(errno));
	dup2(null, STDIN_FILENO);
	if (!master->foreground) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	close(null);
	master->stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	if (ready >= 0 && write(ready, "", 1) < 0)
		log_error("write(): %s", strerror(errno));
	if (ready >= 0)
		close(ready);
}

static void prepare(struct master *master)
{
	pid_t pid = basedir_running(master->base.base_dir);
	struct err err;

	if (pid != 0)
		log_fatal(EXIT_FAILED,
			  "Dovetail is already running with PID %d (read from "
			  "%s/master.pid)",
			  (int)pid, master->base.base_dir);
	if (basedir_prepare(master, &err) < 0 ||
	    check_all_can_start(master->config, &master->base, &err) < 0 ||
	    units_read(master->config, master, master->config, &master->base,
		       &master->units, &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	listeners_inherit();
	if (listeners_bind(master->units, NULL) < 0)
		log_fatal(EXIT_FAILED, "Failed to start listeners");
	mem_trim();
}

/* A relative path must hold after chdir() and for reload. */
static char *absolute(const void *ctx, const char *path)
{
	char *real;

	if (path == NULL)
		return mem_strdup(ctx, PKG_SYSCONFDIR "/dovecot.conf");
	if (path[0] == '/')
		return mem_strdup(ctx, path);
	real = realpath(path, NULL);
	if (real == NULL)
		return mem_strdup(ctx, path);
	path = mem_strdup(ctx, real);
	free(real);
	return (char *)path;
}

int main(int argc, char **argv)
{
	struct master *master = mem_new(NULL, struct master);
	struct options options = {0};
	int ready = -1;

	log_open("dovetail", LOG_TO_STDERR);
	read_options(argc, argv, &options);
	if (options.dump != 0)
		be_doveconf(&options);
	umask(0077);
	master->config_file = absolute(master, options.config_file);
	master->foreground = options.foreground;
	master->config_fd = -1;
	/* What runs can be stopped, whatever its configuration became. */
	read_config(master, options.command != NULL ? 0 : CONFIG_SERVE);
	if (options.command != NULL) {
		int ret = command(master, options.command);

		mem_free(master);
		return ret;
	}
	if (options.ask_password)
		ask_password(master);
	prepare(master);
	if (!master->foreground)
		go_background(&ready);
	detach(master, ready);
	return master_run(master);
}
