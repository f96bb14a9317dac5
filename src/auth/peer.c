/* SPDX-License-Identifier: MIT */
#include "auth/peer.h"

#include <sys/stat.h>

#include "base/err.h"
#include "net/sock.h"

int peer_rights(int fd, const char *path, uid_t *uid_out, bool *restricted_out,
		struct err *err)
{
	struct stat st;
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (sock_peer(fd, &uid, &gid, &pid, err) < 0)
		return -1;
	if (stat(path, &st) < 0)
		return err_sys(err, "stat(%s)", path);
	*uid_out = uid;
	*restricted_out = (st.st_mode & 0777) == 0666 && uid != 0 &&
			  uid != st.st_uid && gid != st.st_gid;
	return 0;
}
