/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/extlists.c - external lists: :list as a match type and of redirect,
 * valid_ext_list (RFC 6134). Their names are URIs; what they hold, the host
 * knows.
 */
#include <string.h>

#include "sieve/ext.h"
#include "sieve/host.h"

/* RFC 3986 section 3.1: "scheme:", or ":addrbook:..." of section 2.5. */
static bool is_uri(struct str name)
{
	size_t at = 0;

	if (name.len > 0 && name.data[0] == ':')
		name = str_from(name, 1);
	while (at < name.len && name.data[at] != ':') {
		char c = ascii_lower(name.data[at]);

		if (!(c >= 'a' && c <= 'z') &&
		    (at == 0 || (!(c >= '0' && c <= '9') && c != '+' &&
				 c != '-' && c != '.')))
			return false;
		at++;
	}
	return at > 0 && at < name.len &&
	       memchr(name.data, '\0', name.len) == NULL;
}

/* Section 2.5: ":addrbook:default" stands for a URN. */
static const char *short_name(const char *name)
{
	static const char urn[] = "urn:ietf:params:sieve:";

	return str_case_starts(str_of(name), urn) ? name + sizeof(urn) - 2
						  : name;
}

bool sieve_list_is(const char *name, const char *other)
{
	return strcmp(short_name(name), short_name(other)) == 0;
}

static int list_match(struct sieve_match *match, struct str value,
		      struct str key, bool *found_out, struct err *err)
{
	struct sieve_run *run = match->run;
	const struct sieve_host *host = run->host;

	*found_out = false;
	if (host->list_has == NULL || !is_uri(key))
		return err_set(err, ERR_INVALID, "unknown list '%.200s'",
			       sieve_run_text(run, key));
	if (host->list_has(host->ctx, sieve_run_text(run, key), value,
			   found_out, err) < 0)
		return -1;
	if (*found_out)
		sieve_match_captures(match, &value, 1);
	return 0;
}

/* Section 2.2: ${0} is the value that was found. */
static const struct sieve_match_type match_list = {.name = "list",
						   .match = list_match};

static int valid_ext_list_run(struct sieve_run *run,
			      const struct sieve_args *args, bool *result_out,
			      struct err *)
{
	const struct sieve_host *host = run->host;
	const struct sieve_value *names = &args->params[0];

	*result_out = host->list_exists != NULL;
	for (unsigned i = 0; *result_out && i < names->count; i++)
		*result_out =
			is_uri(names->list[i]) &&
			host->list_exists(host->ctx,
					  sieve_run_text(run, names->list[i]));
	return 0;
}

static int redirect_list_apply(struct sieve_run *run,
			       const struct sieve_value *,
			       struct sieve_action *action, struct err *err)
{
	const char *name = action->redirect.list;

	if (!is_uri(str_of(name)) || run->host->list_exists == NULL ||
	    !run->host->list_exists(run->host->ctx, name))
		return err_set(err, ERR_INVALID, "unknown list '%.200s'", name);
	return 0;
}

static const struct sieve_command commands[] = {
	{.name = "valid_ext_list",
	 .flags = SIEVE_IS_TEST,
	 .params = {{"list names", SIEVE_STRINGS, 0, NULL}},
	 .run = valid_ext_list_run},
	SIEVE_END,
};

static const struct sieve_tag tags[] = {
	SIEVE_MATCH_TAG("list", match_list),
	{.name = "list", .of = "redirect", .apply = redirect_list_apply},
	SIEVE_END,
};

const struct sieve_extension ext_extlists = {.name = "extlists",
					     .flags = SIEVE_EXT_OFF,
					     .commands = commands,
					     .tags = tags};
