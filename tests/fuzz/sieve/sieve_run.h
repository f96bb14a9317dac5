/* SPDX-License-Identifier: MIT */
/* What both fuzz targets of Sieve do with a program. */
#ifndef TESTS_FUZZ_SIEVE_RUN_H
#define TESTS_FUZZ_SIEVE_RUN_H
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "sieve/sieve.h"

static const char fuzz_message[] =
	"From: a@example.com\r\nTo: \"x y\" <b+c@example.org>, d@e.f\r\n"
	"Subject: =?utf-8?q?Caf=C3=A9?= x\r\nX-A: 17\r\nX-A: 4\r\n"
	"Date: Sat, 28 Nov 2026 12:00:00 +0100\r\nMIME-Version: 1.0\r\n"
	"Content-Type: multipart/mixed; boundary=m\r\n\r\n"
	"--m\r\nContent-Type: multipart/alternative; boundary=\"n\"\r\n\r\n"
	"--n\r\n\r\nbody\r\n"
	"--n\r\nContent-Type: text/html; charset=latin1\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n\r\n<b>=E4</b>\r\n"
	"--n--\r\n"
	"--m\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n"
	"--m\r\nContent-Disposition: attachment; filename=a.bin\r\n"
	"Content-Type: application/octet-stream\r\n"
	"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--m--\r\n";

/* `ctx` is what need not be required; NULL: all must be. */
static const char *fuzz_setting(void *ctx, const char *name)
{
	if (strcmp(name, "sieve_implicit_extensions") == 0)
		return ctx;
	if (strcmp(name, "sieve_max_operations") == 0)
		return "20000";
	if (strcmp(name, "sieve_regex_match_limit") == 0)
		return "1000";
	if (strcmp(name, "sieve_max_cpu_time") == 0)
		return "1s";
	return NULL;
}

/* `implicit`, if not NULL, lives as long as the engine. */
static struct sieve_engine *fuzz_engine(const void *ctx, const char *implicit)
{
	struct sieve_engine_options options = {
		.setting = fuzz_setting,
		.ctx = (void *)(uintptr_t)implicit,
		.all_extensions = true,
	};

	return sieve_engine_new(ctx, &options);
}

static void fuzz_run(const void *ctx, struct sieve_engine *engine,
		     struct sieve_program *program)
{
	CLEANUP(buf_free) struct buf text = buf_init(1 << 20);
	struct sieve_host host = {.user = "alice"};
	struct sieve_message *message =
		sieve_message_new(ctx, str_of(fuzz_message), 1000);
	struct sieve_result *result = sieve_result_new(ctx);
	struct sieve_envelope envelope = {.auth = "alice"};
	struct err err;

	sieve_address_parse(ctx, STR("s@example.com"), true, &envelope.from);
	sieve_address_parse(ctx, STR("u+d@example.org"), true, &envelope.to);
	envelope.original_to = envelope.to;
	if (sieve_program_run(program, message, &envelope, &host, result,
			      &err) < 0 &&
	    result->actions != NULL)
		abort();
	for (const struct sieve_action *a = result->actions; a; a = a->next) {
		struct sieve_mail *mails = NULL;
		unsigned count;

		(void)sieve_outgoing(ctx, engine, message, &envelope, &host, a,
				     &mails, &count, &err);
	}
	sieve_program_dump(program, &text);
}

#endif
