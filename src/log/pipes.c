/* SPDX-License-Identifier: MIT */
/*
 * log/pipes.c - the pipes of all services.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/mem.h"
#include "log/log.h"
#include "log/protocol.h"
#include "net/loop.h"

enum {
	BURST = 16, /* reads of one pipe before the others have a turn */
	/* What follows so soon, again and again, is gathered: to be woken costs
	 * more than a line, and whoever writes it pays for that, too. */
	GATHER_MS = 3,
	GATHER_AFTER = 16,
};

struct source {
	struct pipes *pipes;
	char *service;
	int fd;
	struct watch *watch;
	struct buf in;
	bool skipping; /* the rest of a line that was too long */
	uint64_t read_ms;
	unsigned close_reads; /* that followed so soon */
	struct source *prev, *next;
};

struct pipes {
	struct loop *loop;
	struct source *sources;
	void (*fn)(void *ctx, const struct entry *entry);
	void *ctx;
};

static int source_destroy(struct source *source)
{
	watch_free(&source->watch);
	close(source->fd);
	buf_free(&source->in);
	return 0;
}

static void line(struct source *source, struct str text)
{
	struct entry entry;

	if (source->skipping) {
		source->skipping = false;
		return;
	}
	if (text.len == 0)
		return;
	line_parse(text, str_of(source->service), &entry);
	source->pipes->fn(source->pipes->ctx, &entry);
}

static void take_lines(struct source *source)
{
	struct str in = str_n(source->in.data, source->in.len);
	ptrdiff_t end;

	while ((end = str_find_char(in, '\n')) >= 0) {
		line(source, str_n(in.data, (size_t)end));
		in = str_from(in, (size_t)end + 1);
	}
	if (in.len >= LOG_LINE_MAX) {
		line(source, in);
		source->skipping = true;
		in.len = 0;
	}
	buf_shift(&source->in, source->in.len - in.len);
	if (source->in.len == 0)
		buf_free(&source->in);
}

/* False at the end of the pipe. */
static bool read_some(struct source *source, bool *more)
{
	size_t room = source->in.max - source->in.len;
	ssize_t got = read(source->fd, buf_space(&source->in, room), room);

	*more = got > 0 && (size_t)got == room;
	if (got > 0) {
		buf_grew(&source->in, (size_t)got);
		take_lines(source);
		return true;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	/* A line without an end is one too. */
	if (source->in.len > 0)
		line(source, str_n(source->in.data, source->in.len));
	return false;
}

static void source_free(struct source *source)
{
	DL_DELETE(source->pipes->sources, source);
	mem_free(source);
}

static void readable(void *ctx, unsigned)
{
	struct source *source = ctx;
	uint64_t since = clock_monotonic_ms() - source->read_ms;
	bool more = true;
	int reads = 0;

	source->close_reads = since < GATHER_MS ? source->close_reads + 1 : 0;
	if (source->close_reads > GATHER_AFTER)
		usleep((useconds_t)(GATHER_MS - since) * 1000);
	for (; reads < BURST && more; reads++) {
		if (!read_some(source, &more)) {
			source_free(source);
			return;
		}
	}
	/* Who has much to say must not wait for room in the pipe. */
	source->read_ms = reads == 1 ? clock_monotonic_ms() : 0;
}

struct pipes *pipes_new(const void *ctx, struct loop *loop,
			void (*fn)(void *ctx, const struct entry *entry),
			void *fn_ctx)
{
	struct pipes *pipes = mem_new(ctx, struct pipes);

	pipes->loop = loop;
	pipes->fn = fn;
	pipes->ctx = fn_ctx;
	return pipes;
}

void pipes_add(struct pipes *pipes, struct str service, int fd)
{
	struct source *source = mem_new(pipes, struct source);

	source->pipes = pipes;
	source->service = str_dup(source, service);
	source->fd = fd;
	source->in = buf_init(2 * LOG_LINE_MAX);
	source->watch =
		watch_new(pipes->loop, fd, WATCH_READ, readable, source);
	talloc_set_destructor(source, source_destroy);
	DL_APPEND(pipes->sources, source);
}

static void drain_now(struct pipes *pipes)
{
	struct source *one, *next;
	bool more;

	DL_FOREACH_SAFE(pipes->sources, one, next)
	{
		do {
			if (!read_some(one, &more)) {
				source_free(one);
				break;
			}
		} while (more);
	}
}

void pipes_drain(struct pipes *pipes, bool to_the_end)
{
	drain_now(pipes);
	while (to_the_end && pipes->sources != NULL) {
		struct pollfd ready[64];
		nfds_t count = 0;
		struct source *one;

		DL_FOREACH (pipes->sources, one) {
			if (count < sizeof(ready) / sizeof(ready[0]))
				ready[count++] = (struct pollfd){
					.fd = one->fd, .events = POLLIN};
		}
		if (poll(ready, count, -1) < 0 && errno != EINTR)
			return;
		drain_now(pipes);
	}
}
