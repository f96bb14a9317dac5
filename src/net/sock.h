/* SPDX-License-Identifier: MIT */
/*
 * net/sock.h - sockets: listening, connecting, addresses, passing descriptors.
 * All are close-on-exec and non-blocking unless said otherwise.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/ip.h"

struct buf;
struct err;

/* The descriptor, or -1. An IPv6 socket takes IPv6 only. */
int sock_listen_ip(const struct ip *ip, unsigned backlog, int reuse_port,
		   struct err *err);
/* Replaces a stale socket file. Parent directories must exist. */
int sock_listen_unix(const char *path, mode_t mode, uid_t uid, gid_t gid,
		     unsigned backlog, struct err *err);
/* Blocking until connected; the result is non-blocking. Retries while the
 * listener's queue is full, up to a second. */
int sock_connect_unix(const char *path, struct err *err);
/* Whether this host has that address. */
bool sock_is_ours(const struct ip *ip);
/* Begins to connect, from `source` if it is not NULL; writable when done. */
int sock_connect_ip(const struct ip *ip, const struct ip *source,
		    struct err *err);
/* The first address of a host's name, or the address that it is; its port
 * stays. Asks whatever the system asks, and waits. */
int sock_resolve(const char *host, struct ip *out, struct err *err);
/* All of them, up to `max`; one at least, or -1. Their ports are 0. */
int sock_resolve_all(const char *host, struct ip *out, size_t max,
		     size_t *count_out, struct err *err);
int sock_accept(int listen_fd, struct ip *local, struct ip *remote,
		struct err *err);
int sock_pair(int fds[2], struct err *err);
/* The address that a socket is bound to: *ip (family 0 for a unix socket), and
 * its path, "" for inet. */
int sock_name(int fd, struct ip *ip, char *path, size_t size);
/* Whether the other end of a connection is gone, though there may be something
 * left to read. */
bool sock_is_left(int fd);
/* uid, gid and pid of the process at the other end of a unix socket. */
int sock_peer(int fd, uid_t *uid, gid_t *gid, pid_t *pid, struct err *err);

/* frames: a length and that many octets, with a descriptor if any */

enum { FRAME_MAX = 128 * 1024 };
/* Sends whole, waiting if it must (5 s, then ERR_TIMEOUT). */
int frame_send(int fd, const void *data, size_t len, int pass_fd,
	       struct err *err);
/* Reads what there is into `in` (an accumulating buffer of the caller's) and
 * takes one descriptor into *fd (which must be -1 before; the frame that it
 * came with is the first that is complete after it).
 * Returns 1 when in->data holds a whole frame: *len_out octets from data + 4;
 * then frame_done(). 0: not yet. -1: closed (ERR_CLOSED), broken. */
int frame_recv(int fd, struct buf *in, int *fd_out, size_t *len_out,
	       struct err *err);
void frame_done(struct buf *in, size_t len);
/* Waits until one of `fds` has something to read, or an end: its index. -1:
 * ERR_TIMEOUT at that time of clock_monotonic_ms(). */
int sock_wait_any(const int *fds, size_t count, uint64_t until_ms,
		  struct err *err);
/* Blocking forms, with a time-out, for programs that wait for one answer. */
int frame_wait(int fd, struct buf *in, int *fd_out, size_t *len_out,
	       unsigned timeout_ms, struct err *err);

#endif
