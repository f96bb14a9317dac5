/* SPDX-License-Identifier: MIT */
/*
 * delivery/send_program.c - run sendmail_path: with the text as a file, so that
 * a program that stops reading stops nobody, as the effective user for good,
 * and for no longer than submission_timeout.
 */
#include "delivery/send_program.h"

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "delivery/settings.h"
#include "service/program.h"
#include "service/smtp_client.h"

enum { MAX_WORDS = 20, PIECE = 32 * 1024 };

static const char *const *arguments(const void *ctx,
				    const struct lda_settings *set,
				    const char *from, const char *to)
{
	const char **args = mem_array(ctx, const char *, MAX_WORDS + 6);
	struct str rest = str_of(set->sendmail_path), word;
	size_t count = 0;

	while (count < MAX_WORDS && str_word(&rest, &word))
		args[count++] = str_dup(args, word);
	args[count++] = mem_strdup(args, "-i");
	args[count++] = mem_strdup(args, "-f");
	args[count++] = mem_strdup(args, from[0] == '\0' ? "<>" : from);
	args[count++] = mem_strdup(args, "--");
	args[count++] = mem_strdup(args, to);
	return args;
}

/* CRLF becomes LF; a CR at the end waits for what follows. */
static void add_lines(const char *in, size_t len, bool *cr, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		if (*cr && in[i] != '\n')
			buf_putc(out, '\r');
		*cr = in[i] == '\r';
		if (!*cr)
			buf_putc(out, in[i]);
	}
}

/* The whole text with LF line ends; the descriptor at its start, or -1. */
static int to_file(const char *dir, const struct smtp_source *source,
		   struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CLEANUP(buf_free) struct buf piece = buf_init(PIECE);
	char *space = buf_space(&piece, PIECE);
	CLEANUP(buf_free) struct buf lines = buf_init(2 * PIECE);
	uint64_t at = source->at;
	bool cr = false;
	ssize_t got;
	int result;

	if (fd < 0)
		return err_sys(err, "open(%s, O_TMPFILE)", dir);
	while ((got = source->read(source->ctx, at, space, PIECE)) > 0) {
		buf_reset(&lines);
		add_lines(space, (size_t)got, &cr, &lines);
		if (file_write_all(fd, lines.data, lines.len, dir, err) < 0)
			return -1;
		at += (uint64_t)got;
	}
	if (got < 0)
		return err_set(err, ERR_TEMPORARY,
			       "the mail can't be read any more");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "lseek(%s)", dir);
	result = fd;
	fd = -1;
	return result;
}

/* sysexits: what will be no better later. */
static bool is_permanent(int status)
{
	switch (status) {
	case EX_NOUSER:
	case EX_NOHOST:
	case EX_NOPERM:
	case EX_DATAERR:
		return true;
	default:
		return false;
	}
}

int send_program(const struct lda_settings *set, const char *from,
		 const char *to, const struct smtp_source *source,
		 struct err *err)
{
	static const char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
		"/usr/bin:/sbin:/bin",
		NULL};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sendmail");
	const char *const *args = arguments(ctx, set, from, to);
	CLEANUP(fd_close) int input = -1;
	struct program program = {
		.path = args[0],
		.args = args + 1,
		.environment = environment,
		.timeout = set->submission_timeout,
	};
	int status;

	input = program.input_fd = to_file(set->mail_temp_dir, source, err);
	if (input < 0 || program_run(&program, NULL, &status, err) < 0)
		return -1;
	if (status == 0)
		return 0;
	return err_set(err, is_permanent(status) ? ERR_DENIED : ERR_TEMPORARY,
		       "%s failed with status %d", args[0], status);
}
