/* SPDX-License-Identifier: MIT */
#include "script.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "sieve/sieve.h"

static const char *setting(void *ctx, const char *name)
{
	const char *const *list = ctx;
	size_t len = strlen(name);

	for (; list != NULL && *list != NULL; list++) {
		if (strncmp(*list, name, len) == 0 && (*list)[len] == '=')
			return *list + len + 1;
	}
	return NULL;
}

struct sieve_engine *test_engine(const void *ctx, const char *const *settings)
{
	struct sieve_engine_options options = {
		.setting = setting,
		.ctx = (void *)(uintptr_t)settings,
	};
	struct sieve_engine *engine;
	struct err err;

	return sieve_engine_new(ctx, &options, &engine, &err) < 0 ? NULL
								  : engine;
}

static void take_line(void *ctx, enum log_level level, const char *where,
		      const char *text)
{
	(void)level;
	buf_printf(ctx, "%s: %s\n", where, text);
}

static void tell_store(const struct sieve_store *store, struct buf *out)
{
	if (store->mailbox != NULL)
		buf_printf(out, " %s", store->mailbox);
	for (size_t i = 0; store->flags != NULL && store->flags[i]; i++)
		buf_printf(out, " [%s]", store->flags[i]);
}

static void tell(const struct sieve_result *result, struct buf *out)
{
	for (const struct sieve_action *a = result->actions; a; a = a->next) {
		buf_printf(out, "%s%s", out->len > 0 ? "; " : "",
			   sieve_action_name(a->kind));
		if (a->kind == SIEVE_ACTION_REDIRECT)
			buf_printf(out, " %s", a->redirect.address);
		if (a->kind == SIEVE_ACTION_KEEP ||
		    a->kind == SIEVE_ACTION_FILEINTO)
			tell_store(&a->store, out);
	}
	if (result->keep_cancelled)
		return;
	buf_printf(out, "%simplicit keep", out->len > 0 ? "; " : "");
	for (size_t i = 0; result->flags != NULL && result->flags[i]; i++)
		buf_printf(out, " [%s]", result->flags[i]);
}

const char *test_run(const void *ctx, struct sieve_engine *engine,
		     const char *script, const char *message)
{
	struct buf out = buf_init(1 << 20);
	struct sieve_log log = {take_line, &out};
	struct sieve_source source = {.name = "t", .text = str_of(script)};
	struct sieve_host host = {.log = log};
	struct sieve_envelope envelope = {.auth = "alice"};
	CLEANUP(ctx_free) TALLOC_CTX *mem = mem_ctx(NULL, "test");
	struct sieve_result *result = sieve_result_new(mem);
	struct sieve_program *program;
	struct err err;

	sieve_address_parse(mem, STR("sender@example.com"), true,
			    &envelope.from);
	sieve_address_parse(mem, STR("user+detail@example.org"), false,
			    &envelope.to);
	if (sieve_compile(mem, engine, &source, &log, &program, &err) == 0) {
		if (sieve_program_run(
			    program,
			    sieve_message_new(mem, str_of(message), 1000),
			    &envelope, &host, result, &err) == 0)
			tell(result, &out);
	}
	return buf_steal(ctx, &out);
}
