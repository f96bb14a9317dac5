/* SPDX-License-Identifier: MIT */
/*
 * auth/peer.h - what the process at the other end of a unix socket may know.
 */
#ifndef AUTH_PEER_H
#define AUTH_PEER_H
#include <stdbool.h>
#include <sys/types.h>

struct err;

/* A socket that all may connect to (mode 0666) is no reason to tell all: then
 * only root, and whose the socket at `path` is, may know of users who have
 * another uid than *uid_out. */
int peer_rights(int fd, const char *path, uid_t *uid_out, bool *restricted_out,
		struct err *err);

#endif
