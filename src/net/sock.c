/* SPDX-License-Identifier: MIT */
#include "net/sock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"

enum { CONNECT_RETRY_MS = 1000, CONNECT_PAUSE_MS = 10 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
	struct sockaddr_storage storage;
};

static socklen_t to_sockaddr(const struct ip *ip, union address *out)
{
	memset(out, 0, sizeof(*out));
	if (ip->family == AF_INET6) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_addr = ip->v6;
		out->v6.sin6_port = htons(ip->port);
		return sizeof(out->v6);
	}
	out->v4.sin_family = AF_INET;
	out->v4.sin_addr = ip->v4;
	out->v4.sin_port = htons(ip->port);
	return sizeof(out->v4);
}

static struct ip from_sockaddr(const union address *in)
{
	struct ip ip = {0};

	if (in->any.sa_family == AF_INET6) {
		ip.family = AF_INET6;
		ip.v6 = in->v6.sin6_addr;
		ip.port = ntohs(in->v6.sin6_port);
	} else if (in->any.sa_family == AF_INET) {
		ip.family = AF_INET;
		ip.v4 = in->v4.sin_addr;
		ip.port = ntohs(in->v4.sin_port);
	}
	return ip;
}

static int option_on(int fd, int level, int option)
{
	int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on));
}

int sock_listen_ip(const struct ip *ip, unsigned backlog, int reuse_port,
		   struct err *err)
{
	union address address;
	socklen_t len = to_sockaddr(ip, &address);
	char text[IP_TEXT_MAX];
	CLEANUP(fd_close)
	int fd = socket(ip->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	int result;

	ip_text(ip, text);
	if (fd < 0)
		return err_sys(err, "socket(%s)", text);
	option_on(fd, SOL_SOCKET, SO_REUSEADDR);
	option_on(fd, SOL_SOCKET, SO_KEEPALIVE);
	/* Inherited by what is accepted: answers are whole when written. */
	option_on(fd, IPPROTO_TCP, TCP_NODELAY);
	if (ip->family == AF_INET6)
		option_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (reuse_port != 0 && option_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
		return err_sys(err, "setsockopt(SO_REUSEPORT)");
	if (bind(fd, &address.any, len) < 0)
		return err_sys(err, "bind(%s, %u) failed", text, ip->port);
	if (listen(fd, (int)backlog) < 0)
		return err_sys(err, "listen(%s, %u) failed", text, ip->port);
	result = fd;
	fd = -1;
	return result;
}

static int unix_address(const char *path, union address *out, struct err *err)
{
	size_t len = strlen(path);

	memset(out, 0, sizeof(*out));
	out->un.sun_family = AF_UNIX;
	if (len >= sizeof(out->un.sun_path))
		return err_set(err, ERR_INVALID,
			       "%s: socket path is longer than %zu", path,
			       sizeof(out->un.sun_path) - 1);
	memcpy(out->un.sun_path, path, len + 1);
	return 0;
}

static int unix_socket(const char *path, struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(err, "socket(%s)", path);
	return fd;
}

/* Only what is a socket and nobody's any more goes away. */
static int remove_stale(const char *path, const union address *address,
			struct err *err)
{
	CLEANUP(fd_close) int probe = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "lstat(%s)", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_EXISTS, "%s exists and is no socket",
			       path);
	probe = unix_socket(path, err);
	if (probe < 0)
		return -1;
	if (connect(probe, &address->any, sizeof(address->un)) == 0 ||
	    errno == EAGAIN)
		return err_set(err, ERR_IN_USE, "Socket already exists: %s",
			       path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "unlink(%s)", path);
	return 0;
}

static int bind_mode(int fd, const char *path, const union address *address,
		     mode_t mode, uid_t uid, gid_t gid, struct err *err)
{
	/* Never wider than asked for, not even for a moment. */
	mode_t old = umask(~mode & 0777);
	int ret = bind(fd, &address->any, sizeof(address->un));

	umask(old);
	if (ret < 0)
		return err_sys(err, "bind(%s)", path);
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) &&
	    lchown(path, uid, gid) < 0)
		return err_sys(err, "chown(%s)", path);
	return 0;
}

int sock_listen_unix(const char *path, mode_t mode, uid_t uid, gid_t gid,
		     unsigned backlog, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	union address address;
	int result;

	if (unix_address(path, &address, err) < 0 ||
	    remove_stale(path, &address, err) < 0)
		return -1;
	fd = unix_socket(path, err);
	if (fd < 0 || bind_mode(fd, path, &address, mode, uid, gid, err) < 0)
		return -1;
	if (listen(fd, (int)backlog) < 0)
		return err_sys(err, "listen(%s)", path);
	result = fd;
	fd = -1;
	return result;
}

int sock_connect_unix(const char *path, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	union address address;
	uint64_t until = clock_monotonic_ms() + CONNECT_RETRY_MS;
	int result;

	if (unix_address(path, &address, err) < 0)
		return -1;
	fd = unix_socket(path, err);
	if (fd < 0)
		return -1;
	/* EAGAIN: the listener's queue is full. */
	while (connect(fd, &address.any, sizeof(address.un)) < 0) {
		struct timespec pause = {0, CONNECT_PAUSE_MS * 1000000L};

		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || clock_monotonic_ms() >= until)
			return err_sys(err, "connect(%s)", path);
		nanosleep(&pause, NULL);
	}
	result = fd;
	fd = -1;
	return result;
}

int sock_resolve_all(const char *host, struct ip *out, size_t max,
		     size_t *count_out, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list, *at;
	int ret = getaddrinfo(host, NULL, &hints, &list);
	size_t count = 0;

	if (ret != 0)
		return err_set(err, ERR_TEMPORARY,
			       "DNS lookup for %s failed: "
			       "%s",
			       host, gai_strerror(ret));
	for (at = list; at != NULL && count < max; at = at->ai_next) {
		union address address = {0};

		memcpy(&address, at->ai_addr, at->ai_addrlen);
		out[count++] = from_sockaddr(&address);
	}
	freeaddrinfo(list);
	*count_out = count;
	return 0;
}

int sock_resolve(const char *host, struct ip *out, struct err *err)
{
	uint16_t port = out->port;
	size_t count;

	if (!ip_parse(host, out) &&
	    sock_resolve_all(host, out, 1, &count, err) < 0)
		return -1;
	out->port = port;
	return 0;
}

bool sock_is_ours(const struct ip *ip)
{
	union address address;
	struct ip any_port = *ip;
	CLEANUP(fd_close)
	int fd = socket(ip->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	any_port.port = 0;
	return fd >= 0 &&
	       bind(fd, &address.any, to_sockaddr(&any_port, &address)) == 0;
}

int sock_connect_ip(const struct ip *ip, const struct ip *source,
		    struct err *err)
{
	union address address, from;
	socklen_t len = to_sockaddr(ip, &address);
	char text[IP_TEXT_MAX];
	CLEANUP(fd_close)
	int fd = socket(ip->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	int result;

	if (fd < 0)
		return err_sys(err, "socket(%s)", ip_text(ip, text));
	option_on(fd, IPPROTO_TCP, TCP_NODELAY);
	if (source != NULL &&
	    bind(fd, &from.any, to_sockaddr(source, &from)) < 0)
		return err_sys(err, "bind(%s)", ip_text(source, text));
	if (connect(fd, &address.any, len) < 0 && errno != EINPROGRESS)
		return err_sys(err, "connect(%s, %u)", ip_text(ip, text),
			       ip->port);
	result = fd;
	fd = -1;
	return result;
}

int sock_accept(int listen_fd, struct ip *local, struct ip *remote,
		struct err *err)
{
	union address address = {0};
	socklen_t len = sizeof(address);
	int fd;

	do {
		fd = accept4(listen_fd, &address.any, &len,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return err_sys(err, "accept()");
	*remote = from_sockaddr(&address);
	*local = (struct ip){0};
	if (remote->family == 0)
		return fd;
	len = sizeof(address);
	if (getsockname(fd, &address.any, &len) == 0)
		*local = from_sockaddr(&address);
	return fd;
}

int sock_name(int fd, struct ip *ip, char *path, size_t size)
{
	union address address = {0};
	socklen_t len = sizeof(address);

	if (getsockname(fd, &address.any, &len) < 0)
		return -1;
	*ip = from_sockaddr(&address);
	snprintf(path, size, "%s",
		 address.any.sa_family == AF_UNIX ? address.un.sun_path : "");
	return 0;
}

int sock_pair(int fds[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       fds) < 0)
		return err_sys(err, "socketpair()");
	return 0;
}

int sock_peer(int fd, uid_t *uid, gid_t *gid, pid_t *pid, struct err *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_sys(err, "getsockopt(SO_PEERCRED)");
	*uid = peer.uid;
	*gid = peer.gid;
	*pid = peer.pid;
	return 0;
}
