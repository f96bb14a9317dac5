/* SPDX-License-Identifier: MIT */
/*
 * service/wire.h - messages between the master, a service's first process and
 * its workers: frames (net/sock.h) on socket pairs. The first octet says what
 * it is; the rest is packed (base/pack.h).
 */
#ifndef SERVICE_WIRE_H
#define SERVICE_WIRE_H
#include <stdbool.h>

#include "base/ip.h"

struct buf;
struct unpack;

/* Descriptors of a process that the master started. */
enum {
	WIRE_CONTROL_FD = 3,
	WIRE_CONFIG_FD = 4,
	WIRE_LISTEN_FD = 5, /* and those after it */
};

enum wire {
	/* master to service: name, number of listeners; each name, path, flags
	 */
	WIRE_START = 's',
	/* Take no more clients, end with the last session. */
	WIRE_RETIRE = 'q',
	/* End now: tell clients, and go. */
	WIRE_STOP = 't',
	/* List your processes; answered by WIRE_LIST with rows of pid,
	 * clients, limit, total, idle since (seconds of 1970). */
	WIRE_ASK = 'a',
	WIRE_LIST = 'l',
	/* service to master: initialised, taking clients. */
	WIRE_UP = 'u',
	/* service to master: connections are being dropped. */
	WIRE_DROP = 'd',
	/* master to log: a service's name, with the pipe to read. */
	WIRE_PIPE = 'p',
	/* master to log: open the files again. */
	WIRE_REOPEN = 'o',
	/* master to a service that lives on: the new snapshot. */
	WIRE_CONFIG = 'c',

	/* master to auth: the end of a socket pair that leads to the auth after
	 * a reload, or before it (auth/relay.h). */
	WIRE_SUCCESSOR = 'n',
	WIRE_PREDECESSOR = 'v',

	/* worker to template: clients, total. Full: takes no more. */
	WIRE_FULL = 'F',
	WIRE_FREE = 'A',
	WIRE_IDLE = 'I',
	/* template to worker: somebody waits, and all are full. Who can't help
	 * it says once more that it is. */
	WIRE_ROOM = 'R',

	/* manager to zygote: fork a worker that owns the descriptor; the answer
	 * is its pid, 0 if that failed. */
	WIRE_FORK = 'f',
	WIRE_PID = 'P',
	/* zygote to manager: a worker's pid and how it ended, not in peace. */
	WIRE_DIED = 'D',
	/* manager to worker: a session; worker to manager: it ended (id). A
	 * worker that stops says WIRE_RETIRE: it wants no more. */
	WIRE_SESSION = 'S',
	WIRE_ENDED = 'E',
};

enum { WIRE_LISTENER_SSL = 1, WIRE_LISTENER_HAPROXY = 2 };

void pack_ip(struct buf *out, const struct ip *ip);
bool unpack_ip(struct unpack *in, struct ip *out);

#endif
