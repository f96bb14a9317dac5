/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve_deliver.c - all scripts of one delivery: one after the other
 * while the mail would be kept, then what they decided is carried out. Whatever
 * goes wrong with a script, the mail is kept.
 */
#include <stdarg.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "storage/user.h"

/* begin */

static void envelope_of(const void *ctx, const struct delivery *delivery,
			struct sieve_envelope *out)
{
	const char *original = delivery->original_to;

	*out = (struct sieve_envelope){
		.null_sender =
			delivery->from[0] == '\0' && !delivery->no_envelope,
		.auth = user_name(delivery->user),
	};
	sieve_address_parse(ctx, str_of(delivery->from), true, &out->from);
	sieve_address_parse(ctx, str_of(delivery->to), false, &out->to);
	sieve_address_parse(ctx,
			    str_of(original != NULL ? original : delivery->to),
			    false, &out->original_to);
}

/* running */

static const char *log_name(const struct lda_sieve *sieve)
{
	return sieve->log_path == NULL ? "" : sieve->log_path;
}

/* A script that failed and told why: its actions are gone already. */
static int script_failed(struct carry *carry, const struct lda_script *script,
			 struct err *err)
{
	if (err->code != ERR_TEMPORARY && err->code != ERR_NO_SPACE &&
	    err->code != ERR_QUOTA) {
		carry->failed = true;
		carry->result->keep_cancelled = false;
		return 0;
	}
	log_error("sieve: Execution of script %s was aborted due to temporary "
		  "failure (user logfile %s may reveal additional details)",
		  script->path, log_name(carry->sieve));
	return -1;
}

/* sieve_trace_debug */
static void trace_script(const struct carry *carry,
			 const struct lda_script *script)
{
	const struct sieve_trace *trace = &carry->host.trace;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	const char *what = "can't be compiled";

	if (trace->line == NULL || !carry->sieve->set.sieve_trace_debug)
		return;
	ctx = mem_ctx(NULL, "trace");
	if (script->missing)
		what = "is missing";
	else if (script->program != NULL)
		what = mem_printf(
			ctx, "has %zu octets of bytecode",
			sieve_program_bytes(script->program).len);
	trace->line(trace->ctx, mem_printf(ctx, "      ## %s script %s %s",
					   script->global ? "Global" : "User's",
					   script->path, what));
}

int sieve_run_scripts(struct carry *carry, struct lda_script *script,
		      struct lda_script **last_out, struct err *err)
{
	*last_out = NULL;
	carry->scripts = script;
	for (; script != NULL; script = script->next) {
		*last_out = script;
		script->number = carry->result->script;
		carry->host.log.line = script->global ? lda_sieve_server_log
						      : lda_sieve_user_log;
		if (lda_script_open(carry->sieve, script, err) < 0) {
			carry->host.log.line(carry->sieve, LOG_LEVEL_ERROR,
					     script->path, err->text);
			if (err->system && !script->global)
				log_error("sieve: %s", err->text);
			return script_failed(carry, script, err);
		}
		trace_script(carry, script);
		if (script->missing)
			continue;
		/* A line in the log has told why. */
		if (script->program == NULL) {
			carry->result->keep_cancelled = false;
			return 0;
		}
		if (sieve_program_run(script->program, carry->message,
				      &carry->envelope, &carry->host,
				      carry->result, err) < 0)
			return script_failed(carry, script, err);
		if (script->next != NULL &&
		    !sieve_result_defer_keep(carry->result))
			return 0;
		sieve_result_next(carry->result);
	}
	return 0;
}

/* the delivery */

static int temporary(struct carry *carry, const struct lda_script *last,
		     struct err *err)
{
	if (last != NULL &&
	    (err->code == ERR_QUOTA || err->code == ERR_LIMIT))
		log_info("sieve: Execution of script %s failed with "
			 "unsuccessful implicit keep (user logfile %s may "
			 "reveal additional details)",
			 last->path, log_name(carry->sieve));
	if (last != NULL && err->code == ERR_TEMPORARY)
		log_error("sieve: Execution of script %s was aborted due to "
			  "temporary failure (user logfile %s may reveal "
			  "additional details)",
			  last->path, log_name(carry->sieve));
	return -1;
}

int carry_begin(const void *ctx, struct carry *carry, struct lda_sieve *sieve,
		const struct delivery *delivery, struct err *err)
{
	struct str raw;

	if (spool_map(delivery->spool, &raw, err) < 0)
		return -1;
	sieve->log_begun = false;
	*carry = (struct carry){
		.sieve = sieve,
		.delivery = delivery,
		.lda = sieve->lda,
		.result = sieve_result_new(ctx),
	};
	carry->result->keep_mailbox = delivery->mailbox;
	if (sieve->dupes_path != NULL)
		carry->hold = dupes_hold_new(ctx, sieve->dupes_path);
	carry->message = sieve_message_new(
		ctx, raw,
		sieve_engine_settings(sieve->engine)->sieve_max_header_fields);
	envelope_of(ctx, delivery, &carry->envelope);
	carry_host(ctx, carry);
	return 0;
}

/* Nothing keeps the mail, and nothing has been sent on. */
static bool is_lost(const struct carry *carry)
{
	const struct sieve_action *at = carry->result->actions;

	for (; at != NULL; at = at->next) {
		switch (at->kind) {
		case SIEVE_ACTION_KEEP:
		case SIEVE_ACTION_FILEINTO:
		case SIEVE_ACTION_REDIRECT:
		case SIEVE_ACTION_PIPE:
			return false;
		default:
			break;
		}
	}
	return carry->result->keep_cancelled && !carry->failed;
}

/* sieve_discard: unless it does something, the mail is gone. */
static int run_discard(const void *ctx, struct carry *carry,
		       struct lda_script **last, struct err *err)
{
	struct lda_script *scripts = NULL, **end = &scripts;
	const char *location = carry->sieve->set.sieve_discard;

	if (location[0] == '\0' || !is_lost(carry))
		return 0;
	if (lda_script_add_global(ctx, carry->sieve, &end, location) < 0)
		return err_set(err, ERR_TEMPORARY, "sieve_discard: %s",
			       location);
	if (scripts == NULL)
		return 0;
	sieve_result_next(carry->result);
	return sieve_run_scripts(carry, scripts, last, err);
}

struct lda_script *carry_script(const struct carry *carry, unsigned number)
{
	struct lda_script *script = carry->scripts;

	/* Those that were missing have the number of the next. */
	while (script != NULL && script->next != NULL &&
	       (script->number < number || script->missing))
		script = script->next;
	return script;
}

int sieve_deliver(struct lda_sieve *sieve, const struct delivery *delivery,
		  struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_pool(NULL, DELIVERY_POOL);
	struct lda_script *scripts, *last;
	int listed = lda_sieve_scripts(ctx, sieve, &scripts, err);
	struct carry carry;

	if (listed == 0 && scripts == NULL)
		return 1;
	if (carry_begin(ctx, &carry, sieve, delivery, err) < 0) {
		log_error("sieve: %s", err->text);
		return -1;
	}
	carry_trace(ctx, &carry);
	if (listed < 0 || sieve_run_scripts(&carry, scripts, &last, err) < 0 ||
	    run_discard(ctx, &carry, &last, err) < 0) {
		err_set(err, ERR_TEMPORARY,
			"Execution of Sieve filters was aborted due to "
			"temporary failure");
		return -1;
	}
	if (sieve_carry_out(ctx, &carry, err) < 0)
		return temporary(&carry, last, err);
	if (carry.broken != NULL)
		last = carry_script(&carry, carry.broken->script);
	if (carry.failed && last != NULL && last->global)
		log_error("sieve: Execution of script %s failed, but implicit "
			  "keep was successful",
			  last->path);
	else if (carry.failed && last != NULL)
		log_info("sieve: Execution of script %s failed, but implicit "
			 "keep was successful (user logfile %s may reveal "
			 "additional details)",
			 last->path, log_name(sieve));
	return 0;
}
