/* SPDX-License-Identifier: MIT */
/*
 * net/frame.c - frames: four octets of length, little-endian, and that many
 * octets, on a unix stream socket; a descriptor travels with the first octet.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/err.h"
#include "net/sock.h"

enum { HEADER = 4, SEND_WAIT_MS = 5000, WAIT_MAX = 64 };

static void put_length(unsigned char out[HEADER], size_t len)
{
	for (size_t i = 0; i < HEADER; i++)
		out[i] = (unsigned char)(len >> (8 * i));
}

static size_t get_length(const char *in)
{
	size_t len = 0;

	for (size_t i = 0; i < HEADER; i++)
		len |= (size_t)(unsigned char)in[i] << (8 * i);
	return len;
}

bool sock_is_left(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLRDHUP};

	return poll(&one, 1, 0) > 0;
}

int sock_wait_any(const int *fds, size_t count, uint64_t until_ms,
		  struct err *err)
{
	struct pollfd ready[WAIT_MAX];

	if (count > WAIT_MAX)
		return err_set(err, ERR_LIMIT, "Waiting for %zu", count);
	for (size_t i = 0; i < count; i++)
		ready[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	for (;;) {
		uint64_t now = clock_monotonic_ms();
		int ret = poll(ready, count,
			       until_ms > now ? (int)(until_ms - now) : 0);

		if (ret < 0 && errno != EINTR)
			return err_sys(err, "poll()");
		for (size_t i = 0; ret > 0 && i < count; i++) {
			if (ready[i].revents != 0)
				return (int)i;
		}
		if (clock_monotonic_ms() >= until_ms)
			return err_set(err, ERR_TIMEOUT, "Timed out");
	}
}

/* Wait for `events`, or ERR_TIMEOUT at the time `until`. */
static int wait_ready(int fd, short events, uint64_t until, struct err *err)
{
	struct pollfd ready = {.fd = fd, .events = events};
	uint64_t now = clock_monotonic_ms();
	int ret = poll(&ready, 1, until > now ? (int)(until - now) : 0);

	if (ret < 0 && errno != EINTR)
		return err_sys(err, "poll()");
	if (ret == 0 && clock_monotonic_ms() >= until)
		return err_set(err, ERR_TIMEOUT, "Timed out");
	return 0;
}

static void attach(struct msghdr *msg, void *control, size_t len, int fd)
{
	struct cmsghdr *header;

	msg->msg_control = control;
	msg->msg_controllen = len;
	header = CMSG_FIRSTHDR(msg);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
}

/* Drop `done` octets from the front of two pieces. */
static void advance(struct iovec piece[2], size_t done)
{
	for (int i = 0; i < 2; i++) {
		size_t part = done < piece[i].iov_len ? done : piece[i].iov_len;

		piece[i].iov_base = (char *)piece[i].iov_base + part;
		piece[i].iov_len -= part;
		done -= part;
	}
}

int frame_send(int fd, const void *data, size_t len, int pass_fd,
	       struct err *err)
{
	unsigned char header[HEADER];
	struct iovec piece[2] = {{header, HEADER}, {(void *)data, len}};
	struct msghdr msg = {.msg_iov = piece, .msg_iovlen = 2};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	uint64_t until = 0;

	if (len > FRAME_MAX)
		return err_set(err, ERR_LIMIT, "A message of %zu octets", len);
	put_length(header, len);
	if (pass_fd >= 0)
		attach(&msg, control, sizeof(control), pass_fd);
	while (piece[0].iov_len + piece[1].iov_len > 0) {
		ssize_t done = sendmsg(fd, &msg, MSG_NOSIGNAL);

		if (done >= 0) {
			advance(piece, (size_t)done);
			msg.msg_control = NULL;
			msg.msg_controllen = 0;
		} else if (errno == EAGAIN) {
			if (until == 0)
				until = clock_monotonic_ms() + SEND_WAIT_MS;
			if (wait_ready(fd, POLLOUT, until, err) < 0)
				return -1;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return err_set(err, ERR_CLOSED, "Peer has closed");
		} else if (errno != EINTR) {
			return err_sys(err, "sendmsg()");
		}
	}
	return 0;
}

/* Descriptors beyond the one that is expected are closed. */
static void take_fds(struct msghdr *msg, int *fd_out)
{
	for (struct cmsghdr *one = CMSG_FIRSTHDR(msg); one != NULL;
	     one = CMSG_NXTHDR(msg, one)) {
		size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (one->cmsg_level != SOL_SOCKET ||
		    one->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(one) + i * sizeof(int),
			       sizeof(int));
			if (*fd_out < 0)
				*fd_out = fd;
			else
				close(fd);
		}
	}
}

/* 1: `in` holds a whole frame; 0: more is needed; -1: too long. */
static int complete(const struct buf *in, size_t *need, struct err *err)
{
	size_t len;

	*need = HEADER;
	if (in->len < HEADER)
		return 0;
	len = get_length(in->data);
	if (len > FRAME_MAX)
		return err_set(err, ERR_INVALID, "A message of %zu octets",
			       len);
	*need = HEADER + len;
	return in->len >= *need;
}

/* Reads no further than the frame's end, lest a descriptor of the next frame
 * comes with this one. */
static int receive(int fd, struct buf *in, size_t need, int *fd_out,
		   struct err *err)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
	size_t room = need - in->len;
	char *space = buf_space(in, room);
	struct iovec piece = {space, room};
	struct msghdr msg = {.msg_iov = &piece,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	ssize_t got;

	if (space == NULL)
		return err_set(err, ERR_LIMIT, "The message does not fit");
	do {
		got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got < 0 && errno != ECONNRESET)
		return err_sys(err, "recvmsg()");
	if (got <= 0)
		return err_set(err, ERR_CLOSED, "Peer has closed");
	take_fds(&msg, fd_out);
	buf_grew(in, (size_t)got);
	return 1;
}

int frame_recv(int fd, struct buf *in, int *fd_out, size_t *len_out,
	       struct err *err)
{
	size_t need;
	int ret;

	while ((ret = complete(in, &need, err)) == 0) {
		ret = receive(fd, in, need, fd_out, err);
		if (ret <= 0)
			return ret;
	}
	if (ret > 0)
		*len_out = need - HEADER;
	return ret;
}

void frame_done(struct buf *in, size_t len)
{
	buf_shift(in, HEADER + len);
}

int frame_wait(int fd, struct buf *in, int *fd_out, size_t *len_out,
	       unsigned timeout_ms, struct err *err)
{
	uint64_t until = clock_monotonic_ms() + timeout_ms;
	int ret;

	while ((ret = frame_recv(fd, in, fd_out, len_out, err)) == 0) {
		if (wait_ready(fd, POLLIN, until, err) < 0)
			return -1;
	}
	return ret;
}
