/* SPDX-License-Identifier: MIT */
#include "storage/quota_rule.h"

#include "base/err.h"
#include "base/mem.h"

/* limits */

/* So that a percentage of a limit added to a limit is no overflow. */
enum { KILO = 1024, PERCENT_MAX = 10000 };

/* "", "b", "k", "kB", "KiB", ...; 0 if it is none. */
static int64_t unit_of(struct str suffix, int64_t none)
{
	static const char letters[] = "bkmgt";
	struct str rest = str_trim(str_from(suffix, 1));
	const char *at;
	int64_t unit = 1;

	if (suffix.len == 0)
		return none;
	at = memchr(letters, ascii_lower(suffix.data[0]), strlen(letters));
	if (at == NULL || (rest.len > 0 && !str_case_is(rest, "b") &&
			   !str_case_is(rest, "ib")))
		return 0;
	for (; at > letters; at--)
		unit *= KILO;
	return unit;
}

int quota_limit_parse(struct str text, int64_t unit, struct quota_limit *out,
		      struct err *err)
{
	size_t digits = 0;
	struct str suffix;
	uint64_t number;

	while (digits < text.len && text.data[digits] >= '0' &&
	       text.data[digits] <= '9')
		digits++;
	if (!str_to_u64(str_n(text.data, digits), &number))
		return err_set(err, ERR_INVALID, "Invalid limit: %.*s",
			       STR_FMT(text));
	suffix = str_trim(str_from(text, digits));
	*out = (struct quota_limit){
		.given = true,
		.percent = str_is(suffix, "%"),
		.value = (int64_t)number,
	};
	if (!out->percent)
		unit = unit_of(suffix, unit);
	if (unit == 0)
		return err_set(err, ERR_INVALID, "Unknown unit: %.*s",
			       STR_FMT(suffix));
	if (number >
	    (uint64_t)(out->percent ? PERCENT_MAX : INT64_MAX / unit / KILO))
		return err_set(err, ERR_INVALID, "Limit is too large: %.*s",
			       STR_FMT(text));
	if (!out->percent)
		out->value *= unit;
	return 0;
}

int64_t quota_limit_value(const struct quota_limit *limit, int64_t of)
{
	if (!limit->percent)
		return limit->value;
	/* In this order it is exact for what is small, and never too large. */
	return of > INT64_MAX / PERCENT_MAX ? of / 100 * limit->value
					    : of * limit->value / 100;
}

/* "storage=..." and the like; `sign` is '+', '-' or none. */
static int named_limit(struct str text, bool *messages_out, char *sign_out,
		       struct quota_limit *out, struct err *err)
{
	struct str name = {0}, value = text;
	int64_t unit;

	str_split(&value, '=', &name);
	if (str_is(name, "storage"))
		unit = KILO;
	else if (str_is(name, "bytes") || str_is(name, "messages"))
		unit = 1;
	else if (str_is(name, "backend"))
		return err_set(err, ERR_INVALID, "backend rule not supported");
	else
		return err_set(err, ERR_INVALID,
			       "Unknown rule limit name: %.*s", STR_FMT(name));
	*messages_out = str_is(name, "messages");
	*sign_out = '\0';
	if (value.len > 0 && (value.data[0] == '+' || value.data[0] == '-')) {
		*sign_out = value.data[0];
		value = str_from(value, 1);
	}
	return quota_limit_parse(value, unit, out, err);
}

/* rules */

static bool is_default(struct str mailbox)
{
	/* "?": unless the backend has a limit itself, which none has here. */
	return str_is(mailbox, "*") || str_is(mailbox, "?");
}

static int take_limit(struct quota_rule *rule, struct str text, struct err *err)
{
	struct quota_limit limit;
	bool messages;
	char sign;

	if (named_limit(text, &messages, &sign, &limit, err) < 0)
		return -1;
	if (strcmp(rule->mailbox, "*") == 0) {
		if (sign == '+')
			return err_set(err, ERR_INVALID,
				       "Rule limit cannot have '+'");
		if (sign == '-')
			return err_set(err, ERR_INVALID,
				       "%s limit can't be negative",
				       messages ? "Count" : "Bytes");
		if (limit.percent)
			return err_set(err, ERR_INVALID,
				       "Default rule can't be a percentage");
	}
	if (sign == '-')
		limit.value = -limit.value;
	*(messages ? &rule->messages : &rule->bytes) = limit;
	return 0;
}

int quota_rule_parse(const void *ctx, const char *text, struct quota_rule *out,
		     struct err *err)
{
	struct str rest = str_of(text), mailbox, limit;
	struct quota_rule rule = {0};

	str_split(&rest, ':', &mailbox);
	if (rest.data == NULL)
		return err_set(err, ERR_INVALID,
			       "Invalid rule %s: Invalid rule", text);
	mailbox = str_trim(mailbox);
	rule.mailbox = is_default(mailbox) ? "*" : str_dup(ctx, mailbox);
	rule.ignore = str_is(rest, "ignore");
	while (!rule.ignore && rest.len > 0 && str_split(&rest, ':', &limit)) {
		if (take_limit(&rule, limit, err) < 0)
			return err_wrap(err, "Invalid rule %s", text);
	}
	*out = rule;
	return 0;
}

/* warnings */

int quota_warning_parse(const void *ctx, const char *text,
			struct quota_warning *out, struct err *err)
{
	struct quota_warning warning = {0};
	struct str rest = str_of(text), limit = {0}, socket;
	char sign = '\0';

	if (!str_word(&rest, &limit) || !str_word(&rest, &socket))
		return err_set(err, ERR_INVALID, "Invalid warning rule: %s",
			       text);
	if (limit.data[0] == '-' || limit.data[0] == '+') {
		warning.reverse = limit.data[0] == '-';
		limit = str_from(limit, 1);
	}
	if (named_limit(limit, &warning.messages, &sign, &warning.limit, err) <
	    0)
		return err_wrap(err, "Invalid warning rule: %s", text);
	if (sign != '\0')
		return err_set(err, ERR_INVALID, "Invalid warning rule: %s",
			       text);
	warning.socket = str_dup(ctx, socket);
	warning.args = str_dup(ctx, rest);
	*out = warning;
	return 0;
}

/* roots */

static const struct {
	const char *name;
	bool counted;
} backends[] = {
	{"count", true}, {"maildir", true}, {"dirsize", true},
	{"dict", true},  {"fs", false},     {"imapc", false},
};

static bool take_parameter(const void *ctx, struct str text,
			   struct quota_backend *out)
{
	if (str_is(text, "noenforcing"))
		out->noenforcing = true;
	else if (str_is(text, "hidden"))
		out->hidden = true;
	else if (str_is(text, "ignoreunlimited"))
		out->ignore_unlimited = true;
	else if (str_starts(text, "ns="))
		out->ns = str_dup(ctx, str_from(text, 3));
	else
		return false;
	return true;
}

static int take_parameters(const void *ctx, struct str kind, struct str rest,
			   struct quota_backend *out, struct err *err)
{
	bool dict = str_is(kind, "dict");
	struct str part;

	/* dict:NAME:USERNAME:PARAMETERS:URI; the URI says where others keep
	 * the sums, which are here in the index. */
	if (dict)
		str_split(&rest, ':', &part);
	while (str_split(&rest, ':', &part)) {
		if (part.len == 0 || take_parameter(ctx, part, out) ||
		    (dict && str_is(part, "no-unset")))
			continue;
		if (dict)
			return 0;
		return err_set(err, ERR_INVALID,
			       "Unknown parameter for backend %.*s: %.*s",
			       STR_FMT(kind), STR_FMT(part));
	}
	return 0;
}

int quota_backend_parse(const void *ctx, const char *text,
			struct quota_backend *out, struct err *err)
{
	struct str rest = str_of(text), kind, name = STR("");
	struct quota_backend backend = {0};
	size_t i = 0, count = sizeof(backends) / sizeof(backends[0]);

	str_split(&rest, ':', &kind);
	while (i < count && !str_is(kind, backends[i].name))
		i++;
	if (i == count)
		return err_set(err, ERR_INVALID, "Unknown quota backend: %.*s",
			       STR_FMT(kind));
	if (rest.data != NULL)
		str_split(&rest, ':', &name);
	backend.name = str_dup(ctx, name);
	backend.unsupported = !backends[i].counted;
	if (!backend.unsupported && rest.data != NULL &&
	    take_parameters(ctx, kind, rest, &backend, err) < 0)
		return -1;
	*out = backend;
	return 0;
}
