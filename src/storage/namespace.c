/* SPDX-License-Identifier: MIT */
/*
 * storage/namespace.c - namespace {} and mailbox {} blocks.
 */
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/vars.h"
#include "service/account.h"
#include "storage/core.h"

/* Fields "namespace/inbox/prefix=..." of userdb go over the block's. */
static int override(struct user *user, const char *name,
		    struct namespace_settings *settings, struct err *err)
{
	const char *const *field = user->account->fields;
	char *start = mem_printf(user, "namespace/%s/", name);

	for (; field != NULL && *field != NULL; field++) {
		const char *key, *equal = strchr(*field, '=');

		if (equal == NULL || strncmp(*field, start, strlen(start)) != 0)
			continue;
		key = *field + strlen(start);
		if (equal < key)
			continue;
		if (setting_override(
			    user, namespace_settings,
			    mem_strndup(user, key, (size_t)(equal - key)),
			    equal + 1, settings, err) < 0)
			return -1;
	}
	return 0;
}

static int find_store(struct user *user, const char *text, struct storage **out,
		      struct err *err)
{
	struct storage *store;

	for (store = user->stores; store != NULL; store = store->next) {
		if (strcmp(store->text, text) == 0) {
			*out = store;
			return 0;
		}
	}
	store = mem_new(user, struct storage);
	if (location_parse(store, text, user, &store->location, err) < 0)
		return -1;
	store->user = user;
	store->text = mem_strdup(store, text);
	store->next = user->stores;
	user->stores = store;
	*out = store;
	return 0;
}

/* Its own location, else that of the namespace it repeats, else
 * mail_location, else what is there. */
static int set_store(struct user *user, struct ns *ns, const char *location,
		     struct err *err)
{
	char *detected;

	for (const struct ns *other = user->namespaces;
	     ns->alias_for != NULL && location[0] == '\0' && other != NULL;
	     other = other->next) {
		if (strcmp(other->pub.prefix, ns->alias_for) == 0)
			location = other->pub.location;
	}
	if (location[0] == '\0')
		location = user->settings.mail_location;
	if (location[0] == '\0') {
		if (location_detect(ns, user, &detected, err) < 0)
			return -1;
		location = detected;
	}
	ns->pub.location = mem_strdup(ns, location);
	return find_store(user, location, &ns->store, err);
}

static enum namespace_kind kind_of(const char *type)
{
	if (strcmp(type, "public") == 0)
		return NAMESPACE_PUBLIC;
	return strcmp(type, "shared") == 0 ? NAMESPACE_SHARED
					   : NAMESPACE_PRIVATE;
}

/* Dovecot's. */
static const char *default_separator(const char *layout)
{
	if (strcmp(layout, "fs") == 0)
		return "/";
	return strcmp(layout, "index") == 0 ? "~" : ".";
}

static int set_prefix(struct user *user, struct ns *ns,
		      const struct namespace_settings *settings,
		      struct err *err)
{
	const char *separator = settings->separator;
	char *prefix;
	size_t len;

	if (vars_expand(ns, settings->prefix, user->vars, &prefix, err) < 0)
		return -1;
	len = strlen(prefix);
	if (separator[0] == '\0')
		separator = default_separator(ns->store->location.layout);
	if (separator[1] != '\0' || strchr("\"%* ", separator[0]) != NULL)
		return err_set(err, ERR_INVALID, "separator \"%s\" can't be",
			       separator);
	ns->pub.separator = separator[0];
	if (len > 0 && prefix[len - 1] != ns->pub.separator)
		return err_set(err, ERR_INVALID,
			       "prefix=%s must end with the separator %c",
			       prefix, ns->pub.separator);
	ns->pub.prefix = prefix;
	return 0;
}

static int set_specials(struct ns *ns, const struct config_section *section,
			struct err *err)
{
	const struct config_section *at = NULL;
	size_t cap = 0;

	while ((at = config_child_next(section, "mailbox", at)) != NULL) {
		struct mailbox_settings settings = {0};
		struct special *special;
		char *name;

		if (config_read_section(ns, at, mailbox_settings, &settings,
					err) < 0)
			return err_wrap(err, "mailbox %s", at->name);
		if (ns->special_count == cap) {
			cap = cap == 0 ? 8 : cap * 2;
			ns->specials = mem_resize(ns, ns->specials,
						  struct special, cap);
		}
		name = mem_strdup(ns, settings.name[0] != '\0' ? settings.name
							       : at->name);
		for (char *p = name; *p != '\0'; p++) {
			if (*p == ns->pub.separator)
				*p = '/';
		}
		special = &ns->specials[ns->special_count++];
		special->name = name;
		special->use = settings.special_use[0] != '\0'
				       ? settings.special_use
				       : NULL;
		special->comment = settings.comment;
		special->autocreate = AUTO_NO;
		if (strcmp(settings.autocreate, "create") == 0)
			special->autocreate = AUTO_CREATE;
		else if (strcmp(settings.autocreate, "subscribe") == 0)
			special->autocreate = AUTO_SUBSCRIBE;
		special->autoexpunge = settings.autoexpunge;
		special->max_mails = settings.autoexpunge_max_mails;
		if (special->autocreate != AUTO_NO &&
		    strpbrk(name, "*?") != NULL)
			return err_set(err, ERR_INVALID,
				       "mailbox %s: auto is not for names "
				       "with wildcards",
				       at->name);
	}
	return 0;
}

/* An alias shows the mailboxes that are made by themselves, too. */
static void take_specials(const struct user *user, struct ns *ns)
{
	const struct ns *other = user->namespaces;

	while (other != NULL && strcmp(other->pub.prefix, ns->alias_for) != 0)
		other = other->next;
	if (other == NULL || ns->special_count > 0)
		return;
	ns->specials = mem_array(ns, struct special, other->special_count + 1);
	for (size_t i = 0; i < other->special_count; i++) {
		if (other->specials[i].autocreate != AUTO_NO)
			ns->specials[ns->special_count++] = (struct special){
				.name = other->specials[i].name,
				.autocreate = other->specials[i].autocreate,
			};
	}
}

/* "alias_for =" is one for the namespace without prefix. */
static bool is_alias(const struct config_section *section,
		     const struct namespace_settings *settings)
{
	if (settings->alias_for[0] != '\0')
		return true;
	for (const struct config_value *at = section == NULL ? NULL
							     : section->values;
	     at != NULL; at = at->next) {
		if (strcmp(at->name, "alias_for") == 0)
			return true;
	}
	return false;
}

static int make(struct user *user, struct ns *ns,
		const struct namespace_settings *settings,
		const struct config_section *section, struct err *err)
{
	char *location;

	ns->pub.kind = kind_of(settings->type);
	ns->pub.inbox = settings->inbox;
	ns->pub.hidden = settings->hidden;
	ns->pub.list = strcmp(settings->list, "no") != 0;
	ns->pub.subscriptions = settings->subscriptions;
	ns->list_children = strcmp(settings->list, "children") == 0;
	ns->order = settings->order;
	ns->alias_for =
		is_alias(section, settings) ? settings->alias_for : NULL;
	location = mem_strdup(ns, settings->location);
	if (set_store(user, ns, location, err) < 0 ||
	    set_prefix(user, ns, settings, err) < 0)
		return -1;
	if (section != NULL && set_specials(ns, section, err) < 0)
		return -1;
	if (ns->alias_for != NULL)
		take_specials(user, ns);
	return 0;
}

/* By `order`, then short prefixes first, then as the blocks stand. */
static bool comes_before(const struct ns *a, const struct ns *b)
{
	size_t a_len = strlen(a->pub.prefix), b_len = strlen(b->pub.prefix);

	if (a->order != b->order)
		return a->order < b->order;
	if (a_len != b_len)
		return a_len < b_len;
	return a->position < b->position;
}

static void insert(struct user *user, struct ns *ns)
{
	struct ns **at = &user->namespaces;

	while (*at != NULL && comes_before(*at, ns))
		at = &(*at)->next;
	ns->next = *at;
	*at = ns;
}

static int open_block(struct user *user, const struct config_section *section,
		      unsigned position, bool aliases, struct err *err)
{
	struct namespace_settings settings = {0};
	struct ns *ns = mem_new(user, struct ns);

	ns->pub.name = mem_strdup(ns, section->name);
	if (config_read_section(ns, section, namespace_settings, &settings,
				err) < 0 ||
	    override(user, section->name, &settings, err) < 0)
		return err_wrap(err, "namespace %s", section->name);
	ns->position = position;
	if (settings.disabled || is_alias(section, &settings) != aliases) {
		mem_free(ns);
		return 0;
	}
	if (kind_of(settings.type) == NAMESPACE_SHARED) {
		log_warning("Namespace %s: other users' mailboxes can't be "
			    "shown yet, it is left out",
			    section->name);
		mem_free(ns);
		return 0;
	}
	if (make(user, ns, &settings, section, err) < 0) {
		mem_free(ns);
		if (settings.ignore_on_failure)
			return 0;
		return err_wrap(err, "namespace %s", section->name);
	}
	insert(user, ns);
	return 0;
}

const struct location *inbox_location(const struct user *user)
{
	const struct ns *ns = user->namespaces;

	while (!ns->pub.inbox)
		ns = ns->next;
	return &ns->store->location;
}

int namespace_open_default(struct user *user, struct err *err)
{
	static const struct namespace_settings settings = {
		.type = "private",
		.separator = "",
		.prefix = "",
		.location = "",
		.alias_for = "",
		.list = "yes",
		.inbox = true,
		.subscriptions = true,
	};
	struct ns *ns = mem_new(user, struct ns);

	ns->pub.name = "";
	if (make(user, ns, &settings, NULL, err) < 0)
		return -1;
	insert(user, ns);
	return 0;
}

/* LIST shows them side by side. */
static int check_separators(const struct user *user, struct err *err)
{
	const struct ns *first = NULL;

	for (const struct ns *ns = user->namespaces; ns != NULL;
	     ns = ns->next) {
		if (!ns->pub.list)
			continue;
		if (first != NULL && ns->pub.separator != first->pub.separator)
			return err_set(err, ERR_INVALID,
				       "namespace configuration error: "
				       "All list=yes namespaces must use the "
				       "same separator");
		first = ns;
	}
	return 0;
}

static int check(const struct user *user, struct err *err)
{
	unsigned inboxes = 0;

	for (const struct ns *ns = user->namespaces; ns != NULL;
	     ns = ns->next) {
		inboxes += ns->pub.inbox ? 1 : 0;
		for (const struct ns *other = ns->next; other != NULL;
		     other = other->next) {
			if (strcmp(ns->pub.prefix, other->pub.prefix) == 0)
				return err_set(err, ERR_INVALID,
					       "namespace configuration error: "
					       "Duplicate namespace prefix: "
					       "\"%s\"",
					       ns->pub.prefix);
		}
	}
	if (inboxes == 1)
		return check_separators(user, err);
	return err_set(err, ERR_INVALID, "namespace configuration error: %s",
		       inboxes == 0 ? "inbox=yes namespace missing"
				    : "There can be only one namespace with "
				      "inbox=yes");
}

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

static void log_them(const struct user *user)
{
	log_debug("Effective uid=%ld, gid=%ld, home=%s", (long)geteuid(),
		  (long)getegid(), user->home == NULL ? "" : user->home);
	for (const struct ns *ns = user->namespaces; ns != NULL; ns = ns->next)
		log_debug("Namespace %s: prefix=%s, sep=%c, inbox=%s, "
			  "hidden=%s, list=%s, subscriptions=%s location=%s",
			  ns->pub.name, ns->pub.prefix, ns->pub.separator,
			  yes_no(ns->pub.inbox), yes_no(ns->pub.hidden),
			  yes_no(ns->pub.list), yes_no(ns->pub.subscriptions),
			  ns->pub.location);
}

/* Aliases come last, for they take the location of another. */
static int open_blocks(struct user *user, bool aliases, unsigned *count,
		       struct err *err)
{
	const struct config_section *at = NULL;

	*count = 0;
	while ((at = config_section_next(user->config, &user->filter,
					 "namespace", at)) != NULL) {
		if (open_block(user, at, *count, aliases, err) < 0)
			return -1;
		(*count)++;
	}
	return 0;
}

int namespaces_open(struct user *user, struct err *err)
{
	unsigned count;

	if (open_blocks(user, false, &count, err) < 0 ||
	    open_blocks(user, true, &count, err) < 0)
		return -1;
	if (count == 0 && namespace_open_default(user, err) < 0)
		return -1;
	if (user->settings.mail_debug) {
		log_debug_set(true);
		log_them(user);
	}
	return check(user, err);
}
