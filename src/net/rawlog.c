/* SPDX-License-Identifier: MIT */
#include "net/rawlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn_internal.h"

enum { RECORD_MAX = 1024 * 1024 };

struct rawlog {
	int fd[2];
	bool in_line[2];
};

static int rawlog_close(struct rawlog *log)
{
	fd_close(&log->fd[RAWLOG_IN]);
	fd_close(&log->fd[RAWLOG_OUT]);
	return 0;
}

static int open_one(const char *dir, const char *name, const char *suffix)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		log_error("rawlog: open(%s): %s", path, strerror(errno));
	return fd;
}

struct rawlog *rawlog_open(const void *ctx, const char *dir)
{
	static unsigned count;
	struct rawlog *log;
	char name[64], when[32];
	time_t now = time(NULL);
	struct tm tm;

	/* As Dovecot: no directory, no record. */
	if (dir[0] == '\0' || access(dir, X_OK) < 0)
		return NULL;
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", localtime_r(&now, &tm));
	snprintf(name, sizeof(name), "%s.%d.%u", when, (int)getpid(), ++count);
	log = mem_new(ctx, struct rawlog);
	log->fd[RAWLOG_IN] = open_one(dir, name, "in");
	log->fd[RAWLOG_OUT] = open_one(dir, name, "out");
	talloc_set_destructor(log, rawlog_close);
	return log;
}

void conn_rawlog(struct conn *conn, const char *dir)
{
	conn->rawlog = rawlog_open(conn, dir);
}

void rawlog_add(struct rawlog *log, enum rawlog_side side, struct str data)
{
	CLEANUP(buf_free) struct buf out = buf_init(RECORD_MAX);
	uint64_t now = clock_real_us();
	struct err err;

	if (log->fd[side] < 0)
		return;
	while (data.len > 0) {
		ptrdiff_t newline = str_find_char(data, '\n');
		size_t len = newline < 0 ? data.len : (size_t)newline + 1;

		if (!log->in_line[side])
			buf_printf(&out, "%llu.%06u ",
				   (unsigned long long)(now / 1000000),
				   (unsigned)(now % 1000000));
		buf_append(&out, data.data, len);
		log->in_line[side] = newline < 0;
		data = str_from(data, len);
	}
	if (file_write_all(log->fd[side], out.data, out.len, "rawlog", &err) <
	    0)
		fd_close(&log->fd[side]);
}
