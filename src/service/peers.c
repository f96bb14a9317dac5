/* SPDX-License-Identifier: MIT */
#include "service/peers.h"

#include <uthash.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/sock.h"

enum { CONNECTIONS_MAX = 3 }; /* it needs one */

struct peers {
	UT_hash_handle hh;
	pid_t pid;
	unsigned count;
};

static struct peers *find(struct peers *peers, pid_t pid)
{
	struct peers *peer;

	HASH_FIND(hh, peers, &pid, sizeof(pid), peer);
	return peer;
}

int peers_enter(struct peers **peers, int fd, pid_t *pid_out, struct err *err)
{
	struct peers *peer;
	pid_t pid;
	uid_t uid;
	gid_t gid;

	if (sock_peer(fd, &uid, &gid, &pid, err) < 0)
		return -1;
	*pid_out = pid;
	if (pid == 0)
		return 0; /* of another namespace */
	peer = find(*peers, pid);
	if (peer == NULL) {
		peer = mem_new(NULL, struct peers);
		peer->pid = pid;
		HASH_ADD(hh, *peers, pid, sizeof(peer->pid), peer);
	}
	if (peer->count == CONNECTIONS_MAX)
		return err_set(err, ERR_LIMIT,
			       "Login process %ld has too many connections",
			       (long)pid);
	peer->count++;
	return 0;
}

void peers_leave(struct peers **peers, pid_t pid)
{
	struct peers *peer = find(*peers, pid);

	if (peer == NULL || --peer->count > 0)
		return;
	HASH_DEL(*peers, peer);
	mem_free(peer);
}
