/* SPDX-License-Identifier: MIT */
/*
 * master/certs.c - certificates and keys whose files change, or that end soon.
 *
 * Their directories are watched: new ones come by rename, or as another
 * symbolic link. What was read is tried as a whole, for a certificate comes
 * before its key or after it; if it does not fit, the old ones stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/master.h"
#include "net/loop.h"
#include "net/tls.h"

enum {
	/* A certificate and its key are written one after the other. */
	SETTLE_MS = 1000,
	/* For file systems that tell us nothing, and the dates. */
	LOOK_MS = 60 * 60 * 1000,
	WARN_DAYS = 14,
	DAY = 24 * 60 * 60,
};

struct certs {
	struct master *master;
	struct notify *notify;
	struct timer *timer;
	uint64_t dates_day; /* when the dates were looked at */
	bool settling;
	char last_error[512];
	const char **dirs;
	unsigned count;
};

static void later(struct certs *certs, unsigned ms);

/* directories */

static void add_dir(struct certs *certs, const char *path)
{
	const char *slash = strrchr(path, '/');

	certs->dirs =
		mem_resize(certs, certs->dirs, const char *, certs->count + 1);
	certs->dirs[certs->count++] = mem_strndup(
		certs->dirs, path, slash > path ? (size_t)(slash - path) : 1);
}

static void add_file(void *ctx, const struct config_value *, const char *path)
{
	struct certs *certs = ctx;
	char *real = realpath(path, NULL);

	add_dir(certs, path);
	if (real != NULL && strcmp(real, path) != 0)
		add_dir(certs, real);
	free(real);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void changed(void *ctx)
{
	later(ctx, SETTLE_MS);
}

static void watch(struct certs *certs)
{
	unsigned kept = 0;
	struct err err;

	notify_free(&certs->notify);
	config_files_each(certs->master->config, add_file, certs);
	if (certs->count > 0)
		qsort(certs->dirs, certs->count, sizeof(certs->dirs[0]),
		      by_text);
	for (unsigned i = 0; i < certs->count; i++) {
		if (i == 0 || strcmp(certs->dirs[i], certs->dirs[i - 1]) != 0)
			certs->dirs[kept++] = certs->dirs[i];
	}
	certs->notify = notify_new(certs->master->loop, certs->dirs, kept,
				   changed, certs, &err);
	if (certs->notify == NULL)
		log_error("Can't watch certificates: %s", err.text);
	mem_free(certs->dirs);
	certs->dirs = NULL;
	certs->count = 0;
}

/* dates */

static bool is_cert(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, "_cert") == 0;
}

static void check_date(void *, const struct config_value *value,
		       const char *path)
{
	uint64_t now = (uint64_t)time(NULL), end;
	struct err err;

	if (!is_cert(value->name) || tls_cert_end(value->value, &end, &err) < 0)
		return;
	if (end <= now)
		log_warning("%s: The certificate in %s has expired",
			    value->name, path);
	else if (end - now < WARN_DAYS * DAY)
		log_warning("%s: The certificate in %s expires in %u days",
			    value->name, path, (unsigned)((end - now) / DAY));
}

static void check_dates(struct certs *certs)
{
	certs->dates_day = (uint64_t)time(NULL) / DAY;
	config_files_each(certs->master->config, check_date, NULL);
}

/* new ones */

/* Each complaint once: a file that is wrong is looked at each hour. */
static void complain(struct certs *certs, const char *text)
{
	if (strcmp(text, certs->last_error) == 0)
		return;
	snprintf(certs->last_error, sizeof(certs->last_error), "%s", text);
	if (text[0] != '\0')
		log_error("%s: the certificates that were read before stay in "
			  "use",
			  text);
}

static void renew(struct certs *certs)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "certs");
	struct master *master = certs->master;
	struct config_renewal *renewal;
	struct err err;

	if (config_files_renew(ctx, master->config, &renewal, &err) < 0) {
		complain(certs, err.text);
		return;
	}
	if (renewal != NULL &&
	    (check_all_can_start(master->config, &master->base, &err) < 0 ||
	     master_use_config(master, &err) < 0)) {
		config_files_undo(&renewal);
		complain(certs, err.text);
		return;
	}
	complain(certs, "");
	if (renewal == NULL)
		return;
	config_files_done(&renewal);
	log_info("Certificates have changed: new connections get the new ones");
	check_dates(certs);
}

static void look(void *ctx)
{
	struct certs *certs = ctx;

	timer_free(&certs->timer);
	certs->settling = false;
	if (certs->master->stopping)
		return;
	renew(certs);
	watch(certs);
	if (certs->dates_day != (uint64_t)time(NULL) / DAY)
		check_dates(certs);
	later(certs, LOOK_MS);
}

static void later(struct certs *certs, unsigned ms)
{
	/* No change puts off those that came before it. */
	if (ms == SETTLE_MS && certs->settling)
		return;
	certs->settling = ms == SETTLE_MS;
	timer_free(&certs->timer);
	certs->timer = timer_new(certs->master->loop, (struct duration){ms},
				 look, certs);
}

void certs_watch(struct master *master)
{
	struct certs *certs = master->certs;

	if (certs == NULL) {
		certs = master->certs = mem_new(master, struct certs);
		certs->master = master;
	}
	watch(certs);
	check_dates(certs);
	certs->settling = false;
	later(certs, LOOK_MS);
}
