/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/enotify.c - notify, valid_notify_method, notify_method_capability,
 * :encodeurl (RFC 5435), with the method "mailto" (RFC 5436).
 */
#include "sieve/ext/enotify.h"

#include "base/cleanup.h"
#include "base/encode.h"
#include "sieve/ext.h"
#include "sieve/mailto.h"

/* A method's URI: ERR_UNSUPPORTED if there is no such method. */
static int check_uri(struct str uri, const char *const *told,
		     struct sieve_mailto *out, TALLOC_CTX *ctx, struct err *err)
{
	ptrdiff_t colon = str_find_char(uri, ':');

	if (colon <= 0)
		return err_set(err, ERR_INVALID,
			       "invalid scheme part for method URI '%s'",
			       str_sanitize(ctx, uri, 200));
	if (!str_case_starts(uri, "mailto:"))
		return err_set(
			err, ERR_UNSUPPORTED, "invalid method '%s'",
			str_sanitize(ctx, str_n(uri.data, (size_t)colon), 200));
	if (sieve_mailto_parse(ctx, uri, told, out, err) < 0)
		return err_wrap(err, "mailto URI");
	return 0;
}

static void method_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "method");
	struct sieve_mailto mailto;
	struct err err;

	if (check_uri(arg->text, NULL, &mailto, ctx, &err) < 0) {
		sieve_error(check, arg->at, "notify command: %s", err.text);
		return;
	}
	if (mailto.ignored != NULL)
		sieve_warning(check, arg->at,
			      "notify command: mailto URI: ignored reserved "
			      "or second header field '%s'",
			      mailto.ignored);
	if (mailto.twice != NULL)
		sieve_warning(check, arg->at,
			      "notify command: mailto URI: ignored duplicate "
			      "recipient '%s'",
			      mailto.twice);
	if (mailto.recipients == 0)
		sieve_warning(check, arg->at,
			      "notify command: mailto URI: notification URI "
			      "specifies no recipients");
}

static void importance_check(struct sieve_check *check,
			     const struct sieve_arg *arg)
{
	if (arg->text.len != 1 || arg->text.data[0] < '1' ||
	    arg->text.data[0] > '3')
		sieve_error(check, arg->at,
			    "invalid :importance value for notify command: "
			    "%.*s",
			    STR_FMT(arg->text));
}

/* Section 3.5: "name=value" */
static bool is_option(struct str option)
{
	size_t at = 0;

	for (; at < option.len && option.data[at] != '='; at++) {
		char c = ascii_lower(option.data[at]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    (at == 0 || (c != '.' && c != '-' && c != '_')))
			return false;
	}
	return at > 0 && at < option.len &&
	       memchr(option.data, '\0', option.len) == NULL &&
	       memchr(option.data, '\n', option.len) == NULL &&
	       memchr(option.data, '\r', option.len) == NULL;
}

static void option_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!is_option(arg->text))
		sieve_error(check, arg->at,
			    "notify command: invalid option '%.*s': expected "
			    "name=value",
			    STR_FMT(arg->text));
}

/* Who gets this notification and those before it, up to NULL. */
static const char **add_told(TALLOC_CTX *ctx, const char **told,
			     const struct sieve_mailto *mailto)
{
	const char *const *const lists[] = {mailto->to, mailto->cc,
					    mailto->bcc};
	size_t count = 0;

	while (told != NULL && told[count] != NULL)
		count++;
	told = mem_resize(ctx, told, const char *,
			  count + mailto->recipients + 1);
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		for (const char *const *at = lists[i]; *at != NULL; at++)
			told[count++] = *at;
	}
	told[count] = NULL;
	return told;
}

/* RFC 5436 section 2.7: nobody is told twice of one mail. */
static const char *const *told_before(struct sieve_run *run, TALLOC_CTX *ctx)
{
	const struct sieve_action *a = run->result->actions;
	struct sieve_mailto mailto;
	const char **told = NULL;
	struct err err;

	for (; a != NULL; a = a->next) {
		if (a->kind == SIEVE_ACTION_NOTIFY &&
		    sieve_mailto_parse(ctx, str_of(a->notify.method), told,
				       &mailto, &err) == 0)
			told = add_told(ctx, told, &mailto);
	}
	return told;
}

int sieve_notify_by_mail(struct sieve_run *run, const struct sieve_args *args,
			 struct sieve_action *action, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "notify");
	struct sieve_mailto mailto;

	action->notify.told = told_before(run, ctx);
	if (check_uri(str_of(action->notify.method), action->notify.told,
		      &mailto, ctx, err) < 0)
		return err_wrap(err, "notify command");
	if (mailto.recipients == 0 && mailto.twice != NULL)
		return 0;
	return sieve_run_action(run, args, action, err);
}

/* RFC 5436 section 2.5: the only method has none. */
static void options_check(struct sieve_check *check, struct sieve_node *,
			  const struct sieve_arg *tag)
{
	sieve_warning(check, tag->at,
		      "notify command: method 'mailto' accepts no options");
}

static int notify_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *, struct err *err)
{
	const struct sieve_value *options = sieve_args_tag(args, "options");
	struct sieve_action action = {
		.kind = SIEVE_ACTION_NOTIFY,
		.notify = {
			.method = sieve_run_text(run, args->params[0].text),
			.from = sieve_run_tag(run, args, "from"),
			.message = sieve_run_tag(run, args, "message"),
			.importance = sieve_run_tag(run, args, "importance"),
		}};

	if (action.notify.importance == NULL)
		action.notify.importance = "2";
	if (options != NULL)
		action.notify.options = sieve_run_texts(run, options);
	return sieve_notify_by_mail(run, args, &action, err);
}

/* tests */

static bool is_valid(struct str uri)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "method");
	struct sieve_mailto mailto;
	struct err err;

	return check_uri(uri, NULL, &mailto, ctx, &err) == 0;
}

static int valid_notify_method_run(struct sieve_run *,
				   const struct sieve_args *args,
				   bool *result_out, struct err *)
{
	const struct sieve_value *uris = &args->params[0];

	*result_out = true;
	for (unsigned i = 0; *result_out && i < uris->count; i++)
		*result_out = is_valid(uris->list[i]);
	return 0;
}

/* RFC 5436 section 2.2: nobody knows. With a method that is none, or what it
 * has not, nothing matches (RFC 5435 section 5). */
static int notify_method_capability_run(struct sieve_run *run,
					const struct sieve_args *args,
					bool *result_out, struct err *err)
{
	struct sieve_match match;

	*result_out = false;
	if (!is_valid(args->params[0].text) ||
	    !str_case_is(args->params[1].text, "online"))
		return 0;
	sieve_match_begin(&match, run, args, &args->params[2]);
	if (sieve_match_value(&match, STR("maybe"), err) < 0)
		return -1;
	return sieve_match_end(&match, result_out, err);
}

static int encodeurl_modify(struct sieve_run *, struct str in, struct buf *out,
			    struct err *)
{
	url_encode(in, "", out);
	return 0;
}

static const struct sieve_tag notify_tags[] = {
	{.name = "from",
	 .param = {"sender", SIEVE_STRING, 0, sieve_check_address}},
	{.name = "importance",
	 .param = {"importance", SIEVE_STRING, 0, importance_check}},
	{.name = "options",
	 .param = {"options", SIEVE_STRINGS, 0, option_check},
	 .check = options_check},
	{.name = "message", .param = {"message", SIEVE_STRING, 0, NULL}},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "notify",
	 .takes = "fcc",
	 .tags = notify_tags,
	 .params = {{"method", SIEVE_STRING, 0, method_check}},
	 .run = notify_run},
	{.name = "valid_notify_method",
	 .flags = SIEVE_IS_TEST,
	 .params = {{"methods", SIEVE_STRINGS, 0, NULL}},
	 .run = valid_notify_method_run},
	{.name = "notify_method_capability",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match",
	 .params = {{"method", SIEVE_STRING, 0, NULL},
		    {"capability", SIEVE_STRING, 0, NULL},
		    {"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = notify_method_capability_run},
	SIEVE_END,
};

static const struct sieve_tag tags[] = {
	{.name = "encodeurl",
	 .of = "@modifier",
	 .precedence = 15,
	 .modify = encodeurl_modify},
	SIEVE_END,
};

const struct sieve_extension ext_enotify = {
	.name = "enotify", .commands = commands, .tags = tags};
