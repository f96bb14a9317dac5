/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/base_actions.c - keep, discard, redirect (RFC 5228 section 4).
 */
#include "base/cleanup.h"
#include "sieve/ext.h"

static int keep_run(struct sieve_run *run, const struct sieve_args *args,
		    bool *, struct err *err)
{
	struct sieve_action action = {.kind = SIEVE_ACTION_KEEP};

	return sieve_run_action(run, args, &action, err);
}

static int discard_run(struct sieve_run *run, const struct sieve_args *args,
		       bool *, struct err *err)
{
	struct sieve_action action = {.kind = SIEVE_ACTION_DISCARD};

	return sieve_run_action(run, args, &action, err);
}

/* The domain in lower case, so that two spellings are one address. */
static int redirect_run(struct sieve_run *run, const struct sieve_args *args,
			bool *, struct err *err)
{
	struct sieve_action action = {.kind = SIEVE_ACTION_REDIRECT};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "address");
	struct sieve_address address;
	struct str text = args->params[0].text;
	char *out;

	if (sieve_args_tag(args, "list") != NULL) { /* RFC 6134 */
		action.redirect.list = sieve_run_text(run, text);
		return sieve_run_action(run, args, &action, err);
	}
	if (!sieve_address_read(ctx, text, &address))
		return err_set(err, ERR_INVALID,
			       "specified redirect address '%.*s' is invalid",
			       (int)(text.len > 200 ? 200 : text.len),
			       text.data);
	out = mem_strndup(ctx, address.all.data, address.all.len);
	for (size_t i = address.all.len - address.domain.len;
	     i < address.all.len; i++)
		out[i] = ascii_lower(out[i]);
	action.redirect.address = out;
	return sieve_run_action(run, args, &action, err);
}

static void redirect_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_arg *arg = node->params[0];

	if (arg->pieces == NULL && sieve_node_tag(node, "list") == NULL)
		sieve_check_address(check, arg);
}

static const struct sieve_command commands[] = {
	{.name = "keep", .takes = "action", .run = keep_run},
	{.name = "discard", .run = discard_run},
	{.name = "redirect",
	 .takes = "action",
	 .params = {{"address", SIEVE_STRING, 0, NULL}},
	 .check = redirect_check,
	 .run = redirect_run},
	SIEVE_END,
};

const struct sieve_extension ext_base_actions = {
	.name = "@actions", .flags = SIEVE_EXT_BASE, .commands = commands};
