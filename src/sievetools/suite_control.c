/* SPDX-License-Identifier: MIT */
/*
 * sievetools/suite_control.c - test, test_fail, and what sets the scene.
 */
#include "base/cleanup.h"
#include "base/encode.h"
#include "sievetools/suite.h"

struct suite *suite_of(struct sieve_run *run)
{
	return run->host->ctx;
}

void suite_refresh(struct sieve_run *run)
{
	struct suite *suite = suite_of(run);

	run->message = suite->message;
	run->result = suite->result;
}

/* Leaving a test: jumps to its end, which are kept at its node. */

struct exits {
	size_t jumps[1000];
	unsigned count;
};

void suite_failing_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_node *parent = NULL;

	for (unsigned i = 0; (parent = sieve_check_parent(check, i)); i++) {
		struct sieve_node *test = (void *)(uintptr_t)parent;

		if (!str_case_is(parent->name, "test"))
			continue;
		if (test->data == NULL)
			test->data = sieve_arena_alloc(sieve_check_arena(check),
						       sizeof(struct exits));
		node->data = test->data;
		return;
	}
}

void suite_failing_emit(struct sieve_emit *emit, const struct sieve_node *node)
{
	struct exits *exits = node->data;

	sieve_emit_call(emit, node);
	if (exits != NULL && exits->count < 1000)
		exits->jumps[exits->count++] =
			sieve_emit_jump(emit, SIEVE_OP_JUMP_FALSE);
}

void suite_land(struct sieve_emit *emit, const struct sieve_node *test)
{
	const struct exits *exits = test->data;

	for (unsigned i = 0; exits != NULL && i < exits->count; i++)
		sieve_emit_land(emit, exits->jumps[i]);
}

/* Without a test around it there is nothing to leave but the script. */
static int leave(struct sieve_run *run, bool *result_out, struct str reason,
		 struct err *err)
{
	struct suite *suite = suite_of(run);
	bool inside = suite->test != NULL;

	*result_out = false;
	suite_fail(suite, reason);
	if (suite->in_script) {
		suite->failures--;
		suite->script_failed = true;
		run->stopped = true;
		return 0;
	}
	return inside ? 0
		      : err_set(err, ERR_INVALID, "failed outside of a test");
}

SUITE_RUN(test)
{
	struct suite *suite = suite_of(run);

	(void)err;
	(void)result_out;
	suite->tests++;
	suite->test = str_dup(suite->ctx, args->params[0].text);
	return 0;
}

SUITE_RUN(test_end)
{
	struct suite *suite = suite_of(run);

	(void)err;
	(void)args;
	(void)result_out;
	printf("%2u: Test %s%s%sSUCCEEDED\n", suite->tests,
	       suite->test[0] != '\0' ? "'" : "", suite->test,
	       suite->test[0] != '\0' ? "' " : "");
	suite->test = NULL;
	return 0;
}

SUITE_RUN(fail)
{
	return leave(run, result_out, args->params[0].text, err);
}

/* the scene */

static bool set_address(struct suite *suite, struct str text, bool null,
			struct sieve_address *out)
{
	struct str local = str_trim(text);

	if (sieve_address_parse(suite->ctx, text, null, out))
		return true;
	if (!null && local.len > 0 && str_find_char(local, '@') < 0) {
		*out = (struct sieve_address){
			.local = {str_dup(suite->ctx, local), local.len},
			.valid = true};
		out->all = out->local;
		return true;
	}
	suite_error(suite, "failed to parse envelope address");
	*out = (struct sieve_address){0};
	return false;
}

SUITE_RUN(set)
{
	struct suite *suite = suite_of(run);
	struct sieve_envelope *envelope = &suite->envelope;
	struct str object = args->params[0].text, value = args->params[1].text;

	(void)err;
	(void)result_out;
	sieve_message_revert(suite->message);
	if (str_case_is(object, "message")) {
		suite_select(suite, value, NULL);
	} else if (str_case_is(object, "envelope.from")) {
		set_address(suite, value, true, &envelope->from);
		envelope->null_sender = envelope->from.all.len == 0;
	} else if (str_case_is(object, "envelope.to")) {
		set_address(suite, value, false, &envelope->to);
		envelope->original_to = envelope->to;
	} else if (str_case_is(object, "envelope.orig_to")) {
		set_address(suite, value, false, &envelope->original_to);
	} else if (str_case_is(object, "envelope.auth")) {
		envelope->auth = str_dup(suite->ctx, value);
	} else if (suite->extra_count < SUITE_MAX_EXTRA) {
		const char **extra = suite->extra[suite->extra_count++];

		extra[0] = str_dup(suite->ctx, str_from(object, 9));
		extra[1] = str_dup(suite->ctx, value);
		envelope->extra = (const char *const(*)[2])suite->extra;
	}
	suite_refresh(run);
	return 0;
}

SUITE_RUN(config_set)
{
	struct suite *suite = suite_of(run);
	struct str value = args->params[1].text;

	(void)err;
	(void)result_out;
	suite_put(suite, &suite->settings,
		  sieve_run_text(run, args->params[0].text), value);
	return 0;
}

SUITE_RUN(config_unset)
{
	struct suite *suite = suite_of(run);

	(void)err;
	(void)result_out;
	suite_put(suite, &suite->settings,
		  sieve_run_text(run, args->params[0].text),
		  (struct str){NULL, 0});
	return 0;
}

SUITE_RUN(config_reload)
{
	struct suite *suite = suite_of(run);
	const struct sieve_value *name = sieve_args_tag(args, "extension");
	const struct sieve_extension *ext = NULL;

	(void)result_out;
	if (name != NULL) {
		ext = sieve_engine_find(suite->engine, name->text, true);
		if (ext == NULL)
			return err_set(err, ERR_INVALID,
				       "unknown extension '%.*s'",
				       STR_FMT(name->text));
	}
	sieve_engine_reload(suite->engine, ext);
	return 0;
}

SUITE_RUN(mailbox_create)
{
	struct suite *suite = suite_of(run);
	const char *name = sieve_run_text(run, args->params[0].text);

	(void)result_out;
	if (!sieve_mailbox_valid(args->params[0].text))
		return err_set(err, ERR_INVALID, "mailbox name is no UTF-8");
	if (suite_mailbox(suite, name) == NULL)
		suite_mailbox_create(suite, name);
	return 0;
}

SUITE_RUN(mailbox_delete)
{
	(void)args;
	return leave(run, result_out, STR("mailboxes can't be deleted"), err);
}

static struct suite_mail *nth(struct suite_mail *mail, uint64_t place)
{
	while (mail != NULL && place-- > 0)
		mail = mail->next;
	return mail;
}

static bool select_message(struct sieve_run *run, const struct sieve_args *args)
{
	const struct sieve_value *folder = sieve_args_tag(args, "folder");
	struct suite *suite = suite_of(run);
	struct suite_mailbox *box = NULL;
	struct suite_mail *mail;

	if (folder != NULL) {
		box = suite_mailbox(suite, sieve_run_text(run, folder->text));
		if (box == NULL)
			return false;
	}
	mail = nth(box == NULL ? suite->smtp : box->mails,
		   args->params[0].number);
	if (mail == NULL)
		return false;
	suite_select(suite, mail->text, mail->flags);
	if (folder == NULL) {
		set_address(suite, str_of(mail->from), true,
			    &suite->envelope.from);
		suite->envelope.null_sender = mail->from[0] == '\0';
		set_address(suite, str_of(mail->to), false,
			    &suite->envelope.to);
		suite->envelope.original_to = suite->envelope.to;
	}
	suite_refresh(run);
	return true;
}

SUITE_RUN(message)
{
	const struct sieve_value *folder = sieve_args_tag(args, "folder");
	uint64_t place = args->params[0].number;
	char text[200];

	*result_out = select_message(run, args);
	if (*result_out || (args->command->flags & SIEVE_IS_TEST) != 0)
		return 0;
	if (folder != NULL)
		snprintf(text, sizeof(text),
			 "no message in folder '%.100s' with index %llu",
			 sieve_run_text(run, folder->text),
			 (unsigned long long)place);
	else
		snprintf(text, sizeof(text),
			 "no outgoing SMTP message with index %llu",
			 (unsigned long long)place);
	return leave(run, result_out, str_of(text), err);
}

SUITE_RUN(message_print)
{
	struct str raw = sieve_message_raw(run->message);

	(void)args;
	(void)err;
	(void)result_out;
	printf(">> MESSAGE\n%.*s<< MESSAGE\n", STR_FMT(raw));
	return 0;
}

SUITE_RUN(metadata_set)
{
	const struct sieve_value *mailbox = sieve_args_tag(args, "mailbox");
	struct suite *suite = suite_of(run);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "metadata");
	char *name = mem_printf(
		ctx, "%s %s",
		mailbox == NULL ? "" : sieve_run_text(run, mailbox->text),
		sieve_run_text(run, args->params[0].text));

	(void)err;
	(void)result_out;
	for (char *c = strrchr(name, ' '); *c != '\0'; c++)
		*c = ascii_lower(*c);
	suite_put(suite, &suite->metadata, name, args->params[1].text);
	return 0;
}
