/* SPDX-License-Identifier: MIT */
/*
 * config/check_auth.c - settings of auth that no server could start with.
 */
#include <string.h>

#include "base/digest.h"
#include "config/parse.h"

/* "no", or how they are shown, cut after so many characters: "sha1:6". */
static void check_verbose_passwords(struct parser *parser)
{
	const struct config_value *written =
		config_written(parser->config, NULL, "auth_verbose_passwords");
	struct str rest, how;
	unsigned count;
	bool cut;

	if (written == NULL || strcmp(written->value, "no") == 0 ||
	    strcmp(written->value, "yes") == 0)
		return;
	rest = str_of(written->value);
	cut = str_find_char(rest, ':') >= 0;
	str_split(&rest, ':', &how);
	if ((str_is(how, "plain") || str_is(how, "sha1")) &&
	    (!cut || str_to_unsigned(rest, &count)))
		return;
	parse_at(parser, written->file, written->line);
	parse_error(parser,
		    "auth_verbose_passwords: Invalid value: %s (use no, plain, "
		    "sha1, plain:6, ...)",
		    written->value);
}

/* What is said of a value as a whole: where it is written, or the file. */
static void wrong(struct parser *parser, const char *name, const char *text)
{
	const struct config_value *written =
		config_written(parser->config, NULL, name);

	if (written != NULL)
		parse_at(parser, written->file, written->line);
	else
		parse_at(parser, parser->config->path, 0);
	parse_error(parser, "%s", text);
}

static const char *value(const struct parser *parser, const char *name)
{
	const char *text = config_value(parser->config, NULL, name);

	return text == NULL ? "" : text;
}

static void check_policy(struct parser *parser)
{
	unsigned bits = 0;
	size_t len;

	if (value(parser, "auth_policy_server_url")[0] == '\0')
		return;
	if (value(parser, "auth_policy_hash_nonce")[0] == '\0') {
		wrong(parser, "auth_policy_server_url",
		      "auth_policy_hash_nonce must be set when policy server "
		      "is used");
		return;
	}
	len = digest_size(value(parser, "auth_policy_hash_mech"));
	str_to_unsigned(str_of(value(parser, "auth_policy_hash_truncate")),
			&bits);
	if (len == 0)
		wrong(parser, "auth_policy_hash_mech",
		      "invalid auth_policy_hash_mech given");
	else if (bits >= len * 8)
		wrong(parser, "auth_policy_hash_truncate",
		      "auth_policy_hash_truncate is not smaller than the "
		      "digest's size");
}

void check_auth(struct parser *parser)
{
	bool serves = (parser->flags & CONFIG_SERVE) != 0;

	check_verbose_passwords(parser);
	if (str_is(str_of(value(parser, "auth_worker_max_count")), "0"))
		wrong(parser, "auth_worker_max_count",
		      "auth_worker_max_count must be above zero");
	if (serves &&
	    str_trim(str_of(value(parser, "auth_mechanisms"))).len == 0)
		wrong(parser, "auth_mechanisms",
		      "No authentication mechanisms configured");
	check_policy(parser);
}
