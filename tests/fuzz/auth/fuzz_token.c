/* SPDX-License-Identifier: MIT */
/*
 * What comes from token servers, tokens and dictionaries, as the first octet
 * chooses: JSON; a JWT; the file of a dictionary; what a dict service answers
 * to a lookup and to an iteration.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "auth/fields.h"
#include "auth/json.h"
#include "auth/oauth2/jwt.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "service/dict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void json(const void *ctx, struct str text)
{
	struct fields fields = fields_init(ctx);
	struct err err;

	if (json_to_fields(text, "x:", &fields, &err) < 0 && fields.count > 0)
		abort();
}

static void jwt(const void *ctx, struct str text)
{
	struct fields fields = fields_init(ctx);
	const char *token = str_dup(ctx, text);
	struct dict *keys;
	struct err err;

	if (dict_open(ctx, "fs:posix:prefix=/nonexistent/", "/", &keys, &err) <
	    0)
		abort();
	jwt_looks_like(token);
	/* There is no key: nothing is right. */
	if (jwt_check(token, keys, "", &fields, &err) == 0)
		abort();
}

static void count(void *ctx, const char *rest)
{
	*(size_t *)ctx += strlen(rest);
}

static void ask(const void *ctx, const char *uri, bool each)
{
	struct dict *dict;
	const char *value;
	size_t total = 0;
	struct err err;

	if (dict_open(ctx, uri, "/tmp", &dict, &err) < 0)
		abort();
	dict_set_user(dict, "a\tb");
	if (each)
		dict_each(dict, "shared/", count, &total, &err);
	else if (dict_lookup(dict, ctx, "shared/a\\b", &value, &err) > 0 &&
		 value == NULL)
		abort();
}

static void file(const void *ctx, struct str text, bool each)
{
	CLEANUP(fd_close) int fd = memfd_create("dict", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text.data, text.len) < 0)
		abort();
	ask(ctx, mem_printf(ctx, "file:/proc/self/fd/%d", fd), each);
}

/* A service that answers everybody the same. */

static struct {
	int fd;
	char path[64];
	struct str answer;
	sem_t served; /* it looks at the answer no more */
} server;

static void *serve(void *ctx)
{
	char request[1000];

	for (;;) {
		int fd = accept(server.fd, NULL, NULL);

		if (fd < 0)
			return ctx;
		if (read(fd, request, sizeof(request)) > 0)
			(void)!write(fd, server.answer.data, server.answer.len);
		close(fd);
		sem_post(&server.served);
	}
}

static void stop_server(void)
{
	unlink(server.path);
}

static void start_server(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	pthread_t thread;

	if (server.path[0] != '\0')
		return;
	signal(SIGPIPE, SIG_IGN);
	snprintf(server.path, sizeof(server.path), "/tmp/fuzz-dict.%d",
		 (int)getpid());
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", server.path);
	unlink(server.path);
	server.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server.fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(server.fd, 1) < 0 || sem_init(&server.served, 0, 0) < 0 ||
	    pthread_create(&thread, NULL, serve, NULL) != 0)
		abort();
	atexit(stop_server);
}

static void proxy(const void *ctx, struct str text, bool each)
{
	start_server();
	server.answer = text;
	ask(ctx, mem_printf(ctx, "proxy:%s:x", server.path), each);
	while (sem_wait(&server.served) < 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	struct str text = str_n((const char *)data, size);

	if (size == 0)
		return 0;
	text = str_from(text, 1);
	switch (data[0] % 6) {
	case 0:
		json(ctx, text);
		break;
	case 1:
		jwt(ctx, text);
		break;
	case 2:
	case 3:
		file(ctx, text, data[0] % 6 == 3);
		break;
	default:
		proxy(ctx, text, data[0] % 6 == 5);
		break;
	}
	return 0;
}
