/* SPDX-License-Identifier: MIT */
/*
 * sieve-tool: what sievec and sieve-test go on as where they need more than the
 * engine.
 */
#include <string.h>

#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/send.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "mime/parse.h"
#include "scripts/scripts.h"
#include "sievetools/sievec.h"
#include "sievetools/test.h"
#include "storage/settle.h"
#include "storage/user.h"

enum { PIECE = 32 * 1024 };

static int print_mail(void *ctx, const char *from, const char *to,
		      const struct smtp_source *source, struct err *err)
{
	char piece[PIECE];
	uint64_t at = source->at;
	ssize_t got;

	(void)ctx;
	log_info("sending message from <%s>", from);
	printf("RECIPIENT: %s\nSTART MESSAGE:\n", to);
	while ((got = source->read(source->ctx, at, piece, sizeof(piece))) >
	       0) {
		fwrite(piece, 1, (size_t)got, stdout);
		at += (uint64_t)got;
	}
	printf("END MESSAGE\n\n");
	return got < 0 ? err_set(err, ERR_TEMPORARY, "can't read the mail") : 0;
}

static const char *setting(void *ctx, const char *name)
{
	return tool_override(ctx, name);
}

/* Without a place to store, only what is sent is done. */
static void drop_stores(struct sieve_result *result)
{
	struct sieve_action **at = &result->actions;

	while (*at != NULL) {
		if ((*at)->kind == SIEVE_ACTION_KEEP ||
		    (*at)->kind == SIEVE_ACTION_FILEINTO)
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
	result->keep_cancelled = true;
}

static struct lda_script *scripts_of(struct tool *tool,
				     const struct execution *execution)
{
	struct lda_script *scripts = NULL, **end = &scripts, *script;

	for (unsigned i = 0; execution->paths[i] != NULL; i++)
		lda_script_add(tool->ctx, &end, execution->paths[i], false);
	script = scripts;
	for (unsigned i = 0; script != NULL; script = script->next)
		script->program = execution->programs[i++];
	return scripts;
}

static int run(struct tool *tool, const struct execution *execution,
	       struct lda_sieve *sieve, const struct delivery *delivery,
	       bool *good_out, struct err *err)
{
	struct lda_script *last;
	struct carry carry;

	if (carry_begin(tool->ctx, &carry, sieve, delivery, err) < 0)
		return -1;
	carry.envelope = *execution->envelope;
	carry.host.trace = *execution->trace;
	carry.host.location = "MS";
	carry.host.phase = "post";
	if (sieve_run_scripts(&carry, scripts_of(tool, execution), &last, err) <
	    0)
		return -1;
	*good_out = !carry.failed;
	if (execution->simulate) {
		if (*good_out)
			tool_print(stdout, carry.result, execution->mailbox);
		return 0;
	}
	if (execution->location == NULL) {
		drop_stores(carry.result);
		carry.delivered = true;
	}
	if (sieve_carry_out(tool->ctx, &carry, err) < 0)
		return -1;
	*good_out = !carry.failed;
	return 0;
}

static int begin(struct tool *tool, const struct execution *execution,
		 struct lda_settings *set, struct spool **spool,
		 struct err *err)
{
	struct mime_limits limits;

	if (config_read(tool->ctx, tool->config, NULL, lda_settings, set, err) <
	    0)
		return -1;
	mail_mime_limits(user_settings(tool->owner), &limits);
	*spool = spool_new(tool->ctx, STR(""), set->mail_temp_dir, 0, &limits);
	return spool_write(*spool, execution->mail.data, execution->mail.len,
			   err) < 0 ||
			       spool_end(*spool, err) < 0
		       ? -1
		       : 0;
}

static bool execute(struct tool *tool, const struct execution *execution)
{
	const struct scripts_options options = {.setting = setting,
						.ctx = tool};
	const struct sieve_envelope *envelope = execution->envelope;
	struct delivery delivery = {
		.service = "sieve-test",
		.session_id = "",
		.from = str_dup(tool->ctx, envelope->from.all),
		.to = str_dup(tool->ctx, envelope->to.all),
		.original_to = str_dup(tool->ctx, envelope->original_to.all),
		.user = tool->owner,
		.mailbox = execution->mailbox,
		.started_ms = clock_monotonic_ms(),
		.sender = sender_new_with(tool->ctx, print_mail, NULL),
	};
	struct lda_settings set;
	struct lda_sieve *sieve;
	struct err err;
	bool good;

	if (tool->config == NULL)
		log_fatal(EXIT_FAILED, "There is no configuration");
	storage_settle_at_end();
	if (begin(tool, execution, &set, &delivery.spool, &err) < 0 ||
	    lda_sieve_new(tool->ctx, delivery.user, &set, &options, &sieve,
			  &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	sieve->listener = &tool->log;
	sieve->dupes_path = NULL; /* it is a test */
	if (run(tool, execution, sieve, &delivery, &good, &err) == 0)
		return good;
	log_error("%s", err.text);
	return false;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "sieve-test") == 0)
		return sieve_test(argc - 1, argv + 1, tool_open_user, execute);
	if (argc > 1 && strcmp(argv[1], "sievec") == 0)
		return sievec(argc - 1, argv + 1, tool_open_user);
	fputs("sieve-tool: sievec and sieve-test start it\n", stderr);
	return EXIT_USAGE;
}
