/* SPDX-License-Identifier: MIT */
/*
 * service/auth_lookup.c - the part of service/auth_master.h for programs that
 * wait: one connection, one question, its answer.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/sock.h"
#include "proto/auth.h"
#include "service/auth_master.h"
#include "service/auth_master_line.h"

enum {
	LOOKUP_TIMEOUT_MS = 60 * 1000,
	LOOKUP_INPUT_MAX = 64 * 1024,
	LIST_MAX = 10 * 1000 * 1000,
};

struct lookup {
	int fd;
	const char *path;
	struct buf in;
	size_t used; /* of `in`, by the line given last */
	uint64_t until_ms;
	bool greeted;
};

static void lookup_end(struct lookup *lookup)
{
	buf_free(&lookup->in);
	fd_close(&lookup->fd);
}

static int lookup_fill(struct lookup *lookup, struct err *err)
{
	struct pollfd pfd = {.fd = lookup->fd, .events = POLLIN};
	uint64_t now = clock_monotonic_ms();
	char *space = buf_space(&lookup->in, 4096);
	ssize_t got;

	if (space == NULL)
		return err_set(err, ERR_LIMIT, "%s: a line is too long",
			       lookup->path);
	if (now >= lookup->until_ms ||
	    poll(&pfd, 1, (int)(lookup->until_ms - now)) == 0)
		return err_set(err, ERR_TIMEOUT, "%s: no answer in %d seconds",
			       lookup->path, LOOKUP_TIMEOUT_MS / 1000);
	got = read(lookup->fd, space, 4096);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (got < 0)
		return err_sys(err, "read(%s)", lookup->path);
	if (got == 0)
		return err_set(err, ERR_TEMPORARY,
			       "%s: auth closed the connection", lookup->path);
	buf_grew(&lookup->in, (size_t)got);
	return 0;
}

/* The next line that answers; it lives until the next call. */
static int lookup_next(struct lookup *lookup, struct master_reply *out,
		       struct err *err)
{
	struct str line;

	for (;;) {
		buf_shift(&lookup->in, lookup->used);
		lookup->used = 0;
		if (!auth_line_next(str_n(lookup->in.data, lookup->in.len),
				    &line, &lookup->used)) {
			if (lookup_fill(lookup, err) < 0)
				return -1;
			continue;
		}
		if (!lookup->greeted && !master_greeting_ok(line))
			return err_set(err, ERR_UNSUPPORTED,
				       "%s speaks another version",
				       lookup->path);
		lookup->greeted = true;
		if (master_reply_parse(line, out) && out->id == 1)
			return 0;
	}
}

/* Connect and send "COMMAND\t1" and `tail`. */
static int lookup_begin(struct lookup *lookup, const char *path,
			const char *command, const struct buf *tail,
			struct err *err)
{
	CLEANUP(buf_free) struct buf out = buf_init(AUTH_LINE_MAX);

	lookup->path = path;
	lookup->in = buf_init(LOOKUP_INPUT_MAX);
	lookup->until_ms = clock_monotonic_ms() + LOOKUP_TIMEOUT_MS;
	buf_printf(&out, "VERSION\t%d\t1\n%s\t1", AUTH_PROTOCOL_MAJOR, command);
	buf_append(&out, tail->data, tail->len);
	buf_putc(&out, '\n');
	if (tail->overflow || out.overflow)
		return err_set(err, ERR_INVALID, "the user name is too long");
	lookup->fd = sock_connect_unix(path, err);
	if (lookup->fd < 0) {
		/* No socket says nothing of the user. */
		err->code = ERR_TEMPORARY;
		return -1;
	}
	return file_write_all(lookup->fd, out.data, out.len, path, err);
}

int auth_user_lookup(const void *ctx, const char *socket_path, const char *user,
		     const struct auth_request_info *info, struct account **out,
		     struct err *err)
{
	CLEANUP(lookup_end) struct lookup lookup = {.fd = -1};
	CLEANUP(buf_free) struct buf tail = buf_init(AUTH_LINE_MAX);
	struct master_reply reply;

	buf_putc(&tail, '\t');
	master_write_user(&tail, user, info);
	if (lookup_begin(&lookup, socket_path, "USER", &tail, err) < 0 ||
	    lookup_next(&lookup, &reply, err) < 0)
		return -1;
	return master_reply_account(ctx, &reply, out, err);
}

int auth_pass_lookup(const void *ctx, const char *socket_path, const char *user,
		     const struct auth_request_info *info,
		     const char *const **fields_out, struct err *err)
{
	CLEANUP(lookup_end) struct lookup lookup = {.fd = -1};
	CLEANUP(buf_free) struct buf tail = buf_init(AUTH_LINE_MAX);
	struct master_reply reply;
	struct str field;
	const char **fields;
	size_t count = 0;

	buf_putc(&tail, '\t');
	master_write_user(&tail, user, info);
	if (lookup_begin(&lookup, socket_path, "PASS", &tail, err) < 0 ||
	    lookup_next(&lookup, &reply, err) < 0)
		return -1;
	if (!str_is(reply.command, "PASS"))
		return master_reply_error(&reply, err);
	fields = mem_array(ctx, const char *, LOOKUP_INPUT_MAX / 2);
	while (str_split(&reply.rest, '\t', &field)) {
		if (field.len > 0)
			fields[count++] = str_tab_unescape(fields, field);
	}
	*fields_out = mem_resize(ctx, fields, const char *, count + 1);
	return 0;
}

int auth_user_list(const void *ctx, const char *socket_path, const char *mask,
		   const char *const **names_out, size_t *count_out,
		   struct err *err)
{
	CLEANUP(lookup_end) struct lookup lookup = {.fd = -1};
	CLEANUP(buf_free) struct buf tail = buf_init(AUTH_LINE_MAX);
	struct master_reply reply;
	size_t count = 0, cap = 64;
	const char **names = mem_array(ctx, const char *, cap);

	auth_write_value(&tail, "service", "doveadm");
	if (mask != NULL)
		auth_write_value(&tail, "user", mask);
	if (lookup_begin(&lookup, socket_path, "LIST", &tail, err) < 0)
		return -1;
	for (;;) {
		if (lookup_next(&lookup, &reply, err) < 0)
			return -1;
		lookup.until_ms = clock_monotonic_ms() + LOOKUP_TIMEOUT_MS;
		if (!str_is(reply.command, "LIST"))
			break;
		if (count == LIST_MAX)
			return err_set(err, ERR_LIMIT, "too many users");
		if (count + 1 == cap)
			names = mem_resize(ctx, names, const char *, cap *= 2);
		names[count++] = str_tab_unescape(names, reply.rest);
	}
	if (!str_is(reply.command, "DONE"))
		return master_reply_error(&reply, err);
	if (str_is(reply.rest, "fail"))
		return err_set(err, ERR_TEMPORARY,
			       "User listing returned failure");
	names[count] = NULL;
	*names_out = names;
	*count_out = count;
	return 0;
}

int auth_cache_flush(const char *socket_path, const char *const *users,
		     unsigned *flushed_out, struct err *err)
{
	CLEANUP(lookup_end) struct lookup lookup = {.fd = -1};
	CLEANUP(buf_free) struct buf tail = buf_init(AUTH_LINE_MAX);
	struct master_reply reply;

	for (size_t i = 0; users != NULL && users[i] != NULL; i++) {
		char *escaped = str_tab_escape(NULL, str_of(users[i]));

		buf_putc(&tail, '\t');
		buf_add(&tail, escaped);
		mem_free(escaped);
	}
	if (lookup_begin(&lookup, socket_path, "CACHE-FLUSH", &tail, err) < 0 ||
	    lookup_next(&lookup, &reply, err) < 0)
		return -1;
	if (!str_is(reply.command, "OK") ||
	    !str_to_unsigned(reply.rest, flushed_out))
		return err_set(err, ERR_TEMPORARY,
			       "auth did not flush its cache");
	return 0;
}
