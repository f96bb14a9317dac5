/* SPDX-License-Identifier: MIT */
/*
 * auth/request_log.c - the lines that tell of a request.
 */
#include "auth/request.h"

#include <string.h>

#include "auth/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/mem.h"

static void write_prefix(const struct request *request, struct buf *out)
{
	const char *source =
		request->source != NULL ? request->source : request->mech;
	const char *name = request->user == NULL ? "?" : request->user;
	char ip[IP_TEXT_MAX];
	char *shown;

	if (request->worker_count > 0)
		buf_printf(out,
			   "conn unix:auth-worker (pid=%ld,uid=%lu): "
			   "auth-worker<%u>: ",
			   (long)request->worker_pid,
			   (unsigned long)request->worker_uid,
			   request->worker_count);
	if (*source == '\0')
		return;
	shown = str_sanitize(NULL, str_of(name), REQUEST_NAME_MAX);
	for (; *source != '\0'; source++)
		buf_putc(out, ascii_lower(*source));
	buf_printf(out, "(%s", shown);
	if (request->remote.family != 0)
		buf_printf(out, ",%s", ip_text(&request->remote, ip));
	if (request->in_master)
		buf_add(out, ",master");
	if (request->session_id != NULL) {
		char *id = str_sanitize(shown, str_of(request->session_id), 80);

		buf_printf(out, ",<%s>", id);
	}
	buf_add(out, "): ");
	mem_free(shown);
}

void request_log(const struct request *request, enum log_level level,
		 const char *fmt, ...)
{
	CLEANUP(buf_free) struct buf out = buf_init(4096);
	va_list args;

	if ((level == LOG_LEVEL_INFO && !request->verbose) ||
	    (level == LOG_LEVEL_DEBUG && !request->debug))
		return;
	write_prefix(request, &out);
	va_start(args, fmt);
	buf_vprintf(&out, fmt, args);
	va_end(args);
	log_line(level, "%s", out.data);
	mem_wipe(out.data, out.len);
}

/* What auth_verbose_passwords lets be seen of a wrong password. */
static void write_password(const struct request *request, struct buf *out)
{
	const char *how = request->set->auth_verbose_passwords;
	const char *colon = strchr(how, ':');
	unsigned max = 0;
	CLEANUP(buf_free) struct buf shown = buf_init(1024);

	if (request->password == NULL || strcmp(how, "no") == 0)
		return;
	if (strncmp(how, "sha1", 4) == 0) {
		unsigned char digest[DIGEST_MAX];
		size_t len =
			digest_once("sha1", str_of(request->password), digest);

		hex_encode(str_n(digest, len), &shown);
	} else {
		char *plain =
			str_sanitize(NULL, str_of(request->password), 1000);

		buf_add(&shown, plain);
		mem_wipe(plain, strlen(plain));
		mem_free(plain);
	}
	if (colon != NULL && str_to_unsigned(str_of(colon + 1), &max) &&
	    max < shown.len)
		buf_truncate(&shown, max);
	buf_printf(out, " (%s: %s)",
		   how[0] == 's' ? "SHA1 of given password" : "given password",
		   shown.data);
	mem_wipe(shown.data, shown.len);
}

/* Where the password is wanted in the log, whether auth_verbose or not. */
static void log_failure(const struct request *request, const char *why)
{
	CLEANUP(buf_wipe_free) struct buf line = buf_init(4096);
	size_t prefix;

	write_prefix(request, &line);
	buf_add(&line, why);
	prefix = line.len;
	write_password(request, &line);
	if (request->verbose || line.len > prefix)
		log_line(LOG_LEVEL_INFO, "%s", line.data);
}

void request_log_mismatch(const struct request *request)
{
	log_failure(request, "Password mismatch");
}

void request_log_unknown(const struct request *request)
{
	log_failure(request, "unknown user");
}
