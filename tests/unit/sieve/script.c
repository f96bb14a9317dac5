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
		.all_extensions = true,
	};

	return sieve_engine_new(ctx, &options);
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
	if (store->create)
		buf_add(out, " :create");
	if (store->special_use != NULL)
		buf_printf(out, " :specialuse %s", store->special_use);
	if (store->mailbox_id != NULL)
		buf_printf(out, " :mailboxid %s", store->mailbox_id);
}

static void tell_text(const char *name, const char *text, struct buf *out)
{
	if (text != NULL)
		buf_printf(out, "%s%s", name, text);
}

static void tell_fcc(const struct sieve_store *fcc, struct buf *out)
{
	if (fcc == NULL)
		return;
	buf_add(out, " :fcc");
	tell_store(fcc, out);
}

static void tell_vacation(const struct sieve_vacation *vacation,
			  struct buf *out)
{
	buf_printf(out, " %llu", (unsigned long long)vacation->seconds);
	tell_text(" ", vacation->reason, out);
	tell_text(" :subject ", vacation->subject, out);
	tell_text(" :from ", vacation->from, out);
	tell_text(" :handle ", vacation->handle, out);
	tell_fcc(vacation->fcc, out);
}

static void tell_notify(const struct sieve_notify *notify, struct buf *out)
{
	tell_text(" ", notify->method, out);
	tell_text(" :importance ", notify->importance, out);
	tell_text(" :message ", notify->message, out);
	tell_fcc(notify->fcc, out);
}

static void tell_redirect(const struct sieve_redirect *to, struct buf *out)
{
	tell_text(" ", to->address, out);
	tell_text(" :list ", to->list, out);
	tell_text(" :notify ", to->notify, out);
	tell_text(" :ret ", to->ret, out);
}

static void tell_action(const struct sieve_action *a, struct buf *out)
{
	switch (a->kind) {
	case SIEVE_ACTION_KEEP:
	case SIEVE_ACTION_FILEINTO:
		tell_store(&a->store, out);
		break;
	case SIEVE_ACTION_REDIRECT:
		tell_redirect(&a->redirect, out);
		break;
	case SIEVE_ACTION_REJECT:
		tell_text(a->reject.refuse ? " refuse " : " ",
			  a->reject.reason, out);
		break;
	case SIEVE_ACTION_VACATION:
		tell_vacation(&a->vacation, out);
		break;
	case SIEVE_ACTION_NOTIFY:
		tell_notify(&a->notify, out);
		break;
	case SIEVE_ACTION_REPORT:
		buf_printf(out, " %s %s %s", a->report.type, a->report.message,
			   a->report.address);
		break;
	case SIEVE_ACTION_PIPE:
		buf_printf(out, " %s", a->pipe.program);
		break;
	case SIEVE_ACTION_CALENDAR:
		buf_printf(out, " %s", a->calendar.uid);
		break;
	case SIEVE_ACTION_DUPLICATE_MARK:
		buf_printf(out, " %llu",
			   (unsigned long long)a->mark.seconds);
		break;
	case SIEVE_ACTION_DISCARD:
	case SIEVE_ACTION_COUNT:
		break;
	}
	if (a->text != NULL)
		buf_add(out, " (edited)");
}

static void tell(const struct sieve_result *result, struct buf *out)
{
	for (const struct sieve_action *a = result->actions; a; a = a->next) {
		buf_printf(out, "%s%s", out->len > 0 ? "; " : "",
			   sieve_action_name(a->kind));
		tell_action(a, out);
	}
	if (result->keep_cancelled)
		return;
	buf_printf(out, "%simplicit keep", out->len > 0 ? "; " : "");
	for (size_t i = 0; result->flags != NULL && result->flags[i]; i++)
		buf_printf(out, " [%s]", result->flags[i]);
}

/* A host of which little is to be said. */

static int mailbox_exists(void *ctx, const char *mailbox, bool *exists_out,
			  struct err *err)
{
	(void)ctx;
	(void)err;
	*exists_out = strcmp(mailbox, "there") == 0;
	return 0;
}

static int metadata(void *ctx, const void *mem, const char *mailbox,
		    const char *entry, struct str *value_out, struct err *err)
{
	(void)ctx;
	(void)mem;
	(void)err;
	*value_out = (struct str){NULL, 0};
	if (strcmp(entry, "/private/comment") == 0)
		*value_out = mailbox == NULL ? STR("server") : STR("mailbox");
	return 0;
}

static int special_use(void *ctx, const char *mailbox, const char *use,
		       bool *has_out, struct err *err)
{
	(void)ctx;
	(void)err;
	*has_out = strcmp(use, "\\Junk") == 0 &&
		   (mailbox == NULL || strcmp(mailbox, "there") == 0);
	return 0;
}

static int mailbox_by_id(void *ctx, const void *mem, const char *id,
			 const char **name_out, struct err *err)
{
	(void)ctx;
	(void)mem;
	(void)err;
	*name_out = strcmp(id, "f1") == 0 ? "there" : NULL;
	return 0;
}

static int duplicate(void *ctx, struct str id, bool *seen_out, struct err *err)
{
	(void)ctx;
	(void)err;
	*seen_out = str_find(id, STR("seen")) >= 0;
	return 0;
}

static bool list_exists(void *ctx, const char *list)
{
	(void)ctx;
	return strcmp(list, "tag:friends") == 0;
}

static int list_has(void *ctx, const char *list, struct str member,
		    bool *has_out, struct err *err)
{
	(void)ctx;
	(void)list;
	(void)err;
	*has_out = str_is(member, "alice@example.com");
	return 0;
}

/* "upper" gives its input in upper case, "fail" fails. */
static int program(void *ctx, const void *mem, const char *kind,
		   const char *name, const char *const *args, struct str input,
		   struct str *output_out, int *status_out, struct err *err)
{
	(void)ctx;
	(void)kind;
	(void)args;
	*status_out = strcmp(name, "fail") == 0;
	if (strcmp(name, "upper") != 0 && *status_out == 0)
		return err_set(err, ERR_NOT_FOUND, "no program '%s'", name);
	if (output_out != NULL)
		*output_out = str_n(str_upper(mem, input), input.len);
	return 0;
}

static uint64_t now_us(void *ctx)
{
	(void)ctx;
	return 1234567890 * UINT64_C(1000000); /* 2009-02-13 23:31:30 */
}

const char *test_run(const void *ctx, struct sieve_engine *engine,
		     const char *script, const char *message)
{
	struct buf out = buf_init(1 << 20);
	struct sieve_log log = {take_line, &out};
	struct sieve_source source = {.name = "t", .text = str_of(script)};
	struct sieve_host host = {
		.log = log,
		.user = "alice",
		.hostname = "mail.example.org",
		.location = "MDA",
		.phase = "during",
		.default_mailbox = "INBOX",
		.mailbox_exists = mailbox_exists,
		.metadata = metadata,
		.special_use = special_use,
		.mailbox_by_id = mailbox_by_id,
		.duplicate = duplicate,
		.list_exists = list_exists,
		.list_has = list_has,
		.program = program,
		.now_us = now_us,
	};
	struct sieve_envelope envelope = {.auth = "alice"};
	CLEANUP(ctx_free) TALLOC_CTX *mem = mem_ctx(NULL, "test");
	struct sieve_result *result = sieve_result_new(mem);
	struct sieve_program *compiled;
	struct err err;

	sieve_address_parse(mem, STR("sender@example.com"), true,
			    &envelope.from);
	sieve_address_parse(mem, STR("user+detail@example.org"), false,
			    &envelope.to);
	if (sieve_compile(mem, engine, &source, &log, &compiled,
			  &err) == 0) {
		if (sieve_program_run(
			    compiled,
			    sieve_message_new(mem, str_of(message), 1000),
			    &envelope, &host, result, &err) == 0)
			tell(result, &out);
	}
	return buf_steal(ctx, &out);
}
