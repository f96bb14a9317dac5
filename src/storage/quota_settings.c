/* SPDX-License-Identifier: MIT */
/*
 * storage/quota_settings.c - quota_* in plugin {} and userdb: the second root's
 * are quota2_*, its second rule is quota2_rule2.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/quota.h"
#include "storage/quota_core.h"

enum { ROOTS_MAX = 20, RULES_MAX = 1000, MESSAGE_MAX = 400 };

#define SETTINGS_STRUCT struct quota_settings
static const struct setting quota_settings[] = {
	S(quota_exceeded_message, "Quota exceeded (mailbox for user is full)",
	  "What clients and senders are told."),
	S(quota_max_mail_size, "0", "Largest mail that may be saved; 0: any."),
	S(quota_mailbox_count, "0", "How many mailboxes there may be; 0: any."),
	S(quota_mailbox_message_count, "0",
	  "How many mails there may be in one mailbox; 0: any."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT

struct loader {
	struct user *user;
	struct quota_root *root;
	const char *name; /* "quota", "quota2" */
};

static const char *setting(void *ctx, const char *name)
{
	const struct user *user = ctx;

	return user_plugin(user, user, name);
}

static const char *root_setting(const struct loader *loader, const char *suffix)
{
	return setting(loader->user,
		       mem_printf(loader->user, "%s_%s", loader->name, suffix));
}

/* "rule", "rule2", "rule3"... up to the first that is not there. */
static const char *numbered(const struct loader *loader, const char *suffix,
			    unsigned number)
{
	const char *value;

	if (number > 1)
		suffix = mem_printf(loader->user, "%s%u", suffix, number);
	value = number > RULES_MAX ? NULL : root_setting(loader, suffix);
	return value == NULL || value[0] == '\0' ? NULL : value;
}

static void take_default(struct quota_root *root, const struct quota_rule *rule)
{
	if (rule->bytes.given)
		root->bytes = rule->bytes.value;
	if (rule->messages.given)
		root->messages = rule->messages.value;
}

static int read_rules(const struct loader *loader, struct err *err)
{
	struct quota_root *root = loader->root;
	const char *text;

	for (unsigned n = 1; (text = numbered(loader, "rule", n)) != NULL;
	     n++) {
		struct quota_rule rule;

		if (quota_rule_parse(loader->user, text, &rule, err) < 0)
			return -1;
		if (strcmp(rule.mailbox, "*") == 0 && !rule.ignore) {
			take_default(root, &rule);
			continue;
		}
		root->rules =
			mem_resize(loader->user, root->rules, struct quota_rule,
				   root->rule_count + 1);
		root->rules[root->rule_count++] = rule;
		root->ignores |= rule.ignore;
	}
	return 0;
}

static int read_warnings(const struct loader *loader, struct err *err)
{
	struct quota_root *root = loader->root;
	const char *text;

	for (unsigned n = 1; (text = numbered(loader, "warning", n)) != NULL;
	     n++) {
		root->warnings = mem_resize(loader->user, root->warnings,
					    struct quota_warning,
					    root->warning_count + 1);
		if (quota_warning_parse(loader->user, text,
					&root->warnings[root->warning_count],
					err) < 0)
			return -1;
		root->warning_count++;
	}
	return 0;
}

static int read_grace(const struct loader *loader, struct err *err)
{
	const char *text = root_setting(loader, "grace");
	struct quota_limit grace;

	if (text == NULL)
		text = "10%";
	if (quota_limit_parse(str_of(text), 1, &grace, err) < 0)
		return err_wrap(err, "Invalid %s_grace value '%s'",
				loader->name, text);
	loader->root->grace = quota_limit_value(&grace, loader->root->bytes);
	return 0;
}

static void read_over(const struct loader *loader)
{
	struct quota_root *root = loader->root;
	const char *lazy = root_setting(loader, "over_flag_lazy_check");

	root->over_script = root_setting(loader, "over_script");
	root->over_value = root_setting(loader, "over_flag_value");
	root->over_flag = root_setting(loader, "over_flag");
	root->over_lazy = lazy != NULL && strcmp(lazy, "no") != 0;
}

static const struct ns *find_ns(const struct user *user, const char *prefix)
{
	for (const struct ns *ns = user->namespaces; ns != NULL; ns = ns->next)
		if (strcmp(ns->pub.prefix, prefix) == 0)
			return ns;
	return NULL;
}

/* Namespaces with the same location have the same mailboxes. */
static void find_parts(struct user *user, struct quota_root *root)
{
	for (const struct ns *ns = user->namespaces; ns != NULL;
	     ns = ns->next) {
		size_t i = 0;

		while (i < root->part_count &&
		       root->parts[i].store != ns->store)
			i++;
		if (i < root->part_count || ns->alias_for != NULL ||
		    !quota_covers(root, ns))
			continue;
		root->parts = mem_resize(user, root->parts, struct quota_part,
					 root->part_count + 1);
		root->parts[root->part_count++] =
			(struct quota_part){.store = ns->store, .ns = ns};
	}
}

static int read_root(const struct loader *loader, const char *text,
		     struct err *err)
{
	struct quota_root *root = loader->root;

	if (quota_backend_parse(loader->user, text, &root->backend, err) < 0 ||
	    read_rules(loader, err) < 0 || read_warnings(loader, err) < 0 ||
	    read_grace(loader, err) < 0)
		return err_wrap(err,
				"Failed to initialize quota: Invalid "
				"quota root %s",
				loader->name);
	read_over(loader);
	if (root->backend.ns != NULL) {
		root->ns = find_ns(loader->user, root->backend.ns);
		if (root->ns == NULL)
			log_error("quota: Unknown namespace: %s",
				  root->backend.ns);
	}
	find_parts(loader->user, root);
	return 0;
}

/* Of what is no root here the configuration's check has warned. */
static bool is_used(const struct quota_root *root)
{
	return !root->backend.unsupported &&
	       (!root->backend.ignore_unlimited || root->bytes != 0 ||
		root->messages != 0);
}

static int read_roots(struct user *user, struct quota *quota, struct err *err)
{
	for (unsigned n = 1; n <= ROOTS_MAX; n++) {
		struct quota_root root = {0};
		const struct loader loader = {
			.user = user,
			.root = &root,
			.name = n == 1 ? "quota"
				       : mem_printf(user, "quota%u", n),
		};
		const char *text = setting(user, loader.name);

		if (text == NULL || text[0] == '\0')
			break;
		if (read_root(&loader, text, err) < 0)
			return -1;
		if (!is_used(&root))
			continue;
		quota->roots = mem_resize(user, quota->roots, struct quota_root,
					  quota->count + 1);
		quota->roots[quota->count++] = root;
	}
	return 0;
}

/* Out of a file it may have several; replies have one. */
static char *one_line(const void *ctx, const char *text)
{
	char *line = mem_strdup(ctx, text);

	for (char *at = line; *at != '\0'; at++) {
		if (*at == '\r' || *at == '\n' || *at == '\t')
			*at = ' ';
	}
	return str_sanitize(ctx, str_trim(str_of(line)), MESSAGE_MAX);
}

int quota_setup(struct user *user, struct err *err)
{
	const char *service = user->filter.protocol;
	struct quota *quota;

	if (!quota_wanted(user))
		return 0;
	quota = mem_new(user, struct quota);
	quota->grace = strcmp(service, "lmtp") == 0 ||
		       strcmp(service, "lda") == 0 ||
		       strcmp(service, "quota-status") == 0;
	if (config_read_named(user, setting, user, quota_settings, &quota->set,
			      err) < 0)
		return err_wrap(err, "Failed to initialize quota");
	quota->set.quota_exceeded_message =
		one_line(user, quota->set.quota_exceeded_message);
	if (read_roots(user, quota, err) < 0)
		return -1;
	if (quota->count > 0 || quota->set.quota_max_mail_size > 0)
		user->quota = quota;
	return 0;
}
