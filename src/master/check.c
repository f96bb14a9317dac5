/* SPDX-License-Identifier: MIT */
/*
 * master/check.c - what must be tried to know that services can run with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "master/master.h"
#include "net/tls.h"

/* What tls_new() says begins with the setting's name: tell where it stands. */
static int add_place(const struct config *config,
		     const struct config_filter *filter, struct err *err)
{
	char name[sizeof(err->text)];
	const struct config_value *value;
	size_t len = strcspn(err->text, ":");

	memcpy(name, err->text, len);
	name[len] = '\0';
	value = config_written(config, filter, name);
	if (value == NULL)
		return -1;
	return err_wrap(err, "%s line %u", value->file, value->line);
}

static int try_tls(const struct config *config,
		   const struct config_filter *filter, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "check");
	struct tls_settings set;
	struct tls *tls;

	if (config_read(ctx, config, filter, tls_settings, &set, err) < 0)
		return -1;
	/* Without a certificate there is no TLS, but a server. */
	if (strcmp(set.ssl, "no") == 0 || set.ssl_cert[0] == '\0')
		return 0;
	if (tls_new(ctx, &set, &tls, err) < 0)
		return add_place(config, filter, err);
	return 0;
}

static int try_protocols(const struct config *config,
			 const struct base_settings *base, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "check");
	struct str rest = str_of(base->protocols), name;

	while (str_word(&rest, &name)) {
		struct config_filter filter = {
			.protocol = mem_strndup(ctx, name.data, name.len)};

		if (try_tls(config, &filter, err) < 0)
			return -1;
	}
	return 0;
}

/* local_name, local and remote blocks, each with what stands around it. */
static int try_blocks(const struct config *config, struct err *err)
{
	const struct config_section *at = NULL;

	while ((at = config_block_next(config, at)) != NULL) {
		const struct config_value *value = at->values;

		while (value != NULL && !str_starts(str_of(value->name), "ssl"))
			value = value->next;
		if (value != NULL &&
		    try_tls(config, &(struct config_filter){.block = at}, err) <
			    0)
			return -1;
	}
	return 0;
}

static int try_log(const char *path, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (path[0] == '\0' || strcmp(path, "syslog") == 0 ||
	    strncmp(path, "/dev/", 5) == 0)
		return 0;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "Can't open log file %s", path);
	return 0;
}

static int try_logs(const struct config *config, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "check");
	struct log_settings set;

	if (config_read(ctx, config, NULL, log_settings, &set, err) < 0 ||
	    try_log(set.log_path, err) < 0 ||
	    try_log(set.info_log_path, err) < 0)
		return -1;
	return try_log(set.debug_log_path, err);
}

int check_all_can_start(const struct config *config,
			const struct base_settings *base, struct err *err)
{
	if (try_protocols(config, base, err) < 0 || try_blocks(config, err) < 0)
		return -1;
	return try_logs(config, err);
}
