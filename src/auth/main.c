/* SPDX-License-Identifier: MIT */
/*
 * auth/main.c - the processes auth and, with -w, auth-worker.
 */
#include <string.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/client.h"
#include "auth/master.h"
#include "auth/relay.h"
#include "auth/worker.h"
#include "auth/workers.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "service/anvil.h"
#include "service/service.h"
#include "service/wire.h"

static struct auth *auth;

static int auth_init(struct service_env *env, struct err *err)
{
	const char *path;

	if (auth_open(NULL, env, &auth, err) < 0)
		return -1;
	auth->workers = workers_new(
		auth, auth, service_socket_path(auth, env, "auth-worker"),
		auth->set.auth_worker_max_count);
	auth->relay = relay_new(auth, auth->loop);
	/* "mode = 0" of that listener is how penalties are switched off. */
	path = service_socket_path(auth, env, "anvil-auth-penalty");
	if (access(path, F_OK) == 0)
		auth->anvil = anvil_new(auth, auth->loop, path);
	return 0;
}

/* What is spoken on a socket is told by the end of its name, as in Dovecot:
 * "auth-userdb", "login/login", "/var/spool/postfix/private/auth". */
static const char *kind_of(const char *path)
{
	const char *kind = path;

	for (const char *p = path; *p != '\0'; p++) {
		if (*p == '/' || *p == '-' || *p == '.')
			kind = p + 1;
	}
	return kind;
}

static void auth_accept(struct service_env *env,
			const struct service_client *client)
{
	const char *path = client->listener->path;
	const char *kind = path == NULL ? "" : kind_of(path);

	if (strcmp(kind, "login") == 0) {
		auth_client_accept(auth, client, true);
	} else if (strcmp(kind, "master") == 0) {
		auth_master_accept(auth, client, false);
	} else if (strcmp(kind, "userdb") == 0) {
		auth_master_accept(auth, client, true);
	} else if (strcmp(kind, "tokenlogin") == 0) {
		/* Dovecot's imap-urlauth; nobody here speaks it. */
		log_error("%s: token logins are not supported", path);
		close(client->fd);
		service_client_end(env);
	} else {
		auth_client_accept(auth, client, false);
	}
}

static void auth_control(struct service_env *, struct str frame, int fd)
{
	char what = frame.len > 0 ? frame.data[0] : '\0';

	if (fd >= 0 && what == WIRE_SUCCESSOR)
		auth_master_successor(auth, fd);
	else if (fd >= 0 && what == WIRE_PREDECESSOR)
		auth_master_predecessor(auth, fd);
	else
		fd_close(&fd);
}

static const struct service auth_service = {
	.name = "auth",
	.settings = auth_settings,
	/* NSS modules of userdb passwd with blocking=no, names of uids. */
	.sandbox = SANDBOX_FILES | SANDBOX_UNIX | SANDBOX_INET,
	.init = auth_init,
	.accept = auth_accept,
	.control = auth_control,
};

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-w") == 0)
			return service_run(&auth_worker_service, argc, argv);
	}
	return service_run(&auth_service, argc, argv);
}
