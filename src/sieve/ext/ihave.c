/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/ihave.c - ihave, error (RFC 5463).
 *
 * An ihave is known when compiling: what it names is required from there on,
 * or what depends on it is left out.
 */
#include "sieve/ext.h"

/* What changes how strings are read can't be had this way (section 4). */
static bool have_all(struct sieve_check *check, const struct sieve_arg *item)
{
	for (; item != NULL; item = item->next) {
		const struct sieve_extension *ext =
			sieve_check_asks(check, item->text);

		if (ext == NULL || ext->string != NULL)
			return false;
	}
	return true;
}

static void ihave_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_arg *arg = node->params[0];
	const struct sieve_arg *item =
		arg->type == SIEVE_STRINGS ? arg->items : arg;

	if (!have_all(check, item)) {
		node->constant = SIEVE_NEVER;
		return;
	}
	node->constant = SIEVE_ALWAYS;
	for (; item != NULL; item = item->next)
		(void)sieve_check_require(check, item->at, item->text);
}

static int error_run(struct sieve_run *run, const struct sieve_args *args,
		     bool *, struct err *err)
{
	return err_set(err, ERR_INVALID, "%s",
		       sieve_run_text(run, args->params[0].text));
}

static const struct sieve_command commands[] = {
	{.name = "ihave",
	 .flags = SIEVE_IS_TEST,
	 .params = {{"capabilities", SIEVE_STRINGS, SIEVE_LITERAL, NULL}},
	 .check = ihave_check},
	{.name = "error",
	 .params = {{"message", SIEVE_STRING, 0, NULL}},
	 .run = error_run},
	SIEVE_END,
};

const struct sieve_extension ext_ihave = {.name = "ihave",
					  .commands = commands};
