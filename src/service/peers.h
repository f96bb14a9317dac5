/* SPDX-License-Identifier: MIT */
/*
 * service/peers.h - how many connections each process has to us: a login
 * process that was taken over must not have all that there are.
 */
#ifndef SERVICE_PEERS_H
#define SERVICE_PEERS_H
#include <sys/types.h>

struct err;
struct peers; /* NULL: there are none */

/* The process at the other end of a unix socket has one more; *pid_out is it, 0
 * if it cannot be told. -1 if it has enough. */
int peers_enter(struct peers **peers, int fd, pid_t *pid_out, struct err *err);
/* One less; does nothing for 0. */
void peers_leave(struct peers **peers, pid_t pid);

#endif
