/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "login/login.h"
#include "login/proxy.h"
#include "net/loop.h"
#include "service/service.h"

/* Open for reading, too, so that it stays open when its reader goes. */
void proxy_notify_open(struct login *login)
{
	const char *name =
		config_value(login->config, NULL, "login_proxy_notify_path");
	char *below = mem_printf(login, "login/%s", name);
	char *path = service_socket_path(login, login->env,
					 name[0] == '/' ? name : below);
	struct stat st;

	login->notify_fd =
		open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (login->notify_fd >= 0 &&
	    (fstat(login->notify_fd, &st) < 0 || !S_ISFIFO(st.st_mode))) {
		log_error("%s is no named pipe", path);
		fd_close(&login->notify_fd);
	}
	login->notify_errno = errno;
	mem_free(below);
	mem_free(path);
}

static void notify(void *ctx)
{
	struct login_proxy *proxy = ctx;
	struct login *login = proxy->client->login;
	char *name = str_tab_escape(NULL, str_of(proxy->client->user));
	char *line = mem_printf(NULL, "%s\n", name);

	/* If nobody reads, it is full one day: he comes again. */
	if (write(login->notify_fd, line, strlen(line)) < 0 && errno != EAGAIN)
		log_error("write(%s) failed: %m",
			  proxy->client->set->login_proxy_notify_path);
	mem_free(line);
	mem_free(name);
	timer_reset(proxy->notify_timer, proxy->refresh);
}

void proxy_notify_begin(struct login_proxy *proxy)
{
	struct login *login = proxy->client->login;

	if (proxy->refresh.ms == 0)
		return;
	if (login->notify_fd >= 0) {
		proxy->notify_timer =
			timer_new(login->loop, proxy->refresh, notify, proxy);
	} else if (login->notify_errno != 0) {
		log_error("open(%s) failed: %s",
			  proxy->client->set->login_proxy_notify_path,
			  strerror(login->notify_errno));
		login->notify_errno = 0; /* said once */
	}
}
