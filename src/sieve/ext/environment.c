/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/environment.c - environment (RFC 5183), and Dovecot's items with
 * the namespace "env" (vnd.dovecot.environment).
 */
#include <stdio.h>

#include "sieve/ext.h"

static struct str host_domain(const struct sieve_host *host)
{
	struct str name = str_of(host->hostname == NULL ? "" : host->hostname);
	ptrdiff_t dot = str_find_char(name, '.');

	return dot < 0 ? name : str_from(name, (size_t)dot + 1);
}

static struct str text_or_null(const char *text)
{
	return text == NULL ? (struct str){NULL, 0} : str_of(text);
}

/* Those that are known here; data NULL if it is none of them. */
static struct str standard(const struct sieve_host *host, struct str name)
{
	if (str_case_is(name, "domain"))
		return host_domain(host);
	if (str_case_is(name, "host"))
		return text_or_null(host->hostname);
	if (str_case_is(name, "location"))
		return text_or_null(host->location);
	if (str_case_is(name, "phase"))
		return text_or_null(host->phase);
	if (str_case_is(name, "name"))
		return STR(PACKAGE_NAME " Sieve");
	if (str_case_is(name, "version"))
		return STR(PACKAGE_VERSION);
	return (struct str){NULL, 0};
}

/* Of IMAP events: there is no such user when mail is delivered (RFC 6785
 * section 4.2). */
static bool is_event_user(struct str name)
{
	return str_case_is(name, "imap.user") ||
	       str_case_is(name, "imap.email");
}

static const char config_prefix[] = "vnd.dovecot.config.";

/* "vnd.dovecot.config.NAME" is sieve_env_NAME of plugin {}, or as newer
 * versions have it, sieve_environment/NAME. */
static struct str config_item(struct sieve_run *run, struct str name)
{
	const struct sieve_engine_options *options =
		sieve_engine_options(run->engine);
	const char *value;
	char key[200];

	if (name.len > 100)
		return (struct str){NULL, 0};
	snprintf(key, sizeof(key), "sieve_env_%.*s", STR_FMT(name));
	value = options->setting(options->ctx, key);
	if (value == NULL) {
		snprintf(key, sizeof(key), "sieve_environment/%.*s",
			 STR_FMT(name));
		value = options->setting(options->ctx, key);
	}
	return text_or_null(value);
}

static struct str vendor(struct sieve_run *run, struct str name)
{
	const struct sieve_host *host = run->host;

	if (str_case_is(name, "vnd.dovecot.default-mailbox"))
		return text_or_null(host->default_mailbox);
	if (str_case_is(name, "vnd.dovecot.username"))
		return text_or_null(host->user);
	if (str_case_starts(name, config_prefix))
		return config_item(run,
				   str_from(name, sizeof(config_prefix) - 1));
	return (struct str){NULL, 0};
}

/* data NULL if there is none of that name. */
static int get_item(struct sieve_run *run, struct str name, struct str *out,
		    struct err *err)
{
	const struct sieve_host *host = run->host;

	*out = standard(host, name);
	if (out->data == NULL)
		*out = vendor(run, name);
	if (out->data == NULL && host->environment != NULL &&
	    host->environment(host->ctx, run->scratch,
			      sieve_run_text(run, name), out, err) < 0)
		return -1;
	if (out->data == NULL && is_event_user(name))
		*out = STR("");
	return 0;
}

static int environment_run(struct sieve_run *run, const struct sieve_args *args,
			   bool *result_out, struct err *err)
{
	struct sieve_match match;
	struct str value;

	sieve_match_begin(&match, run, args, &args->params[1]);
	if (get_item(run, args->params[0].text, &value, err) < 0)
		return -1;
	/* Section 4: none can't be matched, and an empty one does not count. */
	*result_out = false;
	if (value.data == NULL)
		return 0;
	if ((match.type->count == NULL || value.len > 0) &&
	    sieve_match_value(&match, value, err) < 0)
		return -1;
	return sieve_match_end(&match, result_out, err);
}

/* ${env.vnd.dovecot.default_mailbox} */
static int variable_get(struct sieve_run *run, struct str name, struct str *out,
			struct err *err)
{
	struct str copy = sieve_arena_str(run->scratch, name);
	char *text = (char *)(uintptr_t)copy.data;

	for (size_t i = 0; i < copy.len; i++) {
		if (text[i] == '_')
			text[i] = '-';
	}
	if (get_item(run, copy, out, err) < 0)
		return -1;
	if (out->data == NULL)
		*out = STR("");
	return 0;
}

static const struct sieve_command commands[] = {
	{.name = "environment",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match",
	 .params = {{"item name", SIEVE_STRING, 0, NULL},
		    {"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = environment_run},
	SIEVE_END,
};

static const struct sieve_namespace namespaces[] = {
	{.name = "env", .get = variable_get},
	SIEVE_END,
};

const struct sieve_extension ext_environment = {.name = "environment",
						.commands = commands};
const struct sieve_extension ext_vnd_dovecot_environment = {
	.name = "vnd.dovecot.environment",
	.flags = SIEVE_EXT_OFF,
	.implies = "environment",
	.namespaces = namespaces};
