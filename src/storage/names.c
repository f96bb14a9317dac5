/* SPDX-License-Identifier: MIT */
/*
 * storage/names.c - mailbox names: which there may be, which namespace they
 * belong to, and what storage calls them.
 */
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/core.h"
#include "storage/layout.h"
#include "storage/list.h"

/* As in Dovecot; file systems have lower limits, which drivers know. */
enum { NAME_LENGTH_MAX = 4096, NAME_LEVEL_MAX = 255, NAME_LEVELS_MAX = 64 };

static int invalid(struct err *err, const char *why)
{
	return err_set(err, ERR_INVALID, "Invalid mailbox name: %s", why);
}

static int check_octets(struct str name, struct err *err)
{
	if (name.len == 0)
		return invalid(err, "Name is empty");
	if (name.len > NAME_LENGTH_MAX)
		return err_set(err, ERR_INVALID, "Mailbox name too long");
	if (!utf8_valid(name))
		return invalid(err, "Not valid UTF-8");
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.data[i];

		if (c < ' ' || c == 0x7f)
			return invalid(err, "Control characters not allowed");
	}
	return 0;
}

static int check_level(struct str level, char separator, struct err *err)
{
	if (level.len == 0)
		return invalid(err, "Has adjacent hierarchy separators");
	if (level.len > NAME_LEVEL_MAX)
		return err_set(err, ERR_INVALID, "Mailbox name too long");
	if (str_is(level, ".") || str_is(level, ".."))
		return invalid(err, "Contains '.' or '..' as a level");
	if (separator != '/' && memchr(level.data, '/', level.len) != NULL)
		return invalid(err, "Name must not have '/' characters");
	return 0;
}

static int check_levels(struct str name, char separator, char broken_char,
			struct err *err)
{
	struct str rest = name, level;
	unsigned levels = 0;

	/* Not what a prefix of a namespace begins with. */
	if (name.data[0] == '~' && broken_char != '~')
		return invalid(err, "Begins with '~'");
	if (name.data[0] == separator)
		return invalid(err, "Begins with hierarchy separator");
	if (name.data[name.len - 1] == separator)
		return invalid(err, "Ends with hierarchy separator");
	while (str_split(&rest, separator, &level)) {
		if (++levels > NAME_LEVELS_MAX)
			return invalid(err, "Too many levels");
		if (check_level(level, separator, err) < 0)
			return -1;
	}
	return 0;
}

/* INBOX in any case, alone or as the first level (RFC 3501 section 5.1). */
static char *normalise_inbox(const void *ctx, const struct user *user,
			     const char *name)
{
	char *copy = mem_strdup(ctx, name);

	if (strncasecmp(name, "INBOX", 5) != 0)
		return copy;
	for (const struct ns *ns = user->namespaces; ns != NULL;
	     ns = ns->next) {
		if (!ns->pub.inbox)
			continue;
		if (name[5] == '\0' || name[5] == ns->pub.separator)
			memcpy(copy, "INBOX", 5);
	}
	return copy;
}

static bool is_root_of(const struct namespace *pub, const char *name)
{
	size_t len = strlen(name);

	return len + 1 == strlen(pub->prefix) &&
	       memcmp(pub->prefix, name, len) == 0;
}

static struct ns *find_namespace(const struct user *user, const char *name)
{
	struct ns *best = NULL;
	size_t best_len = 0;

	for (struct ns *ns = user->namespaces; ns != NULL; ns = ns->next) {
		size_t len = strlen(ns->pub.prefix);

		if (ns->pub.inbox && strcmp(name, "INBOX") == 0)
			return ns;
		if (strncmp(name, ns->pub.prefix, len) != 0 &&
		    !is_root_of(&ns->pub, name))
			continue;
		if (best == NULL || len > best_len) {
			best = ns;
			best_len = len;
		}
	}
	return best;
}

/* INBOX of such a location is not called so by clients, and another mailbox may
 * be. */
static bool inbox_is_apart(const struct ns *ns)
{
	const struct location *location = &ns->store->location;

	return !ns->pub.inbox && location->names == NULL &&
	       location->dirname == NULL;
}

/* The name of a namespace is that of the mailbox in its root, as in Dovecot. */
static bool root_is_mailbox(const struct ns *ns)
{
	return inbox_is_apart(ns) && ns->pub.prefix[0] != '\0' &&
	       ns->store->location.inbox == NULL &&
	       ns->store->location.driver->root_mailbox;
}

/* With the prefix, too, as for Dovecot: for clients that put one before each
 * name. */
static bool names_inbox(const struct ns *ns, const char *name)
{
	return ns->pub.inbox &&
	       (strcmp(name, "INBOX") == 0 ||
		(strncmp(name, ns->pub.prefix, strlen(ns->pub.prefix)) == 0 &&
		 strcmp(name + strlen(ns->pub.prefix), "INBOX") == 0));
}

static int to_storage(const void *ctx, const struct ns *ns, const char *name,
		      char **out, struct err *err)
{
	const char *below;
	char *storage;

	if (names_inbox(ns, name) ||
	    (is_root_of(&ns->pub, name) && root_is_mailbox(ns))) {
		*out = mem_strdup(ctx, "INBOX");
		return 0;
	}
	if (is_root_of(&ns->pub, name))
		return err_set(err, ERR_NOT_FOUND,
			       "Mailbox doesn't exist: %s (it is the prefix of "
			       "a namespace)",
			       name);
	below = name + strlen(ns->pub.prefix);
	if (check_levels(str_of(below), ns->pub.separator,
			 ns->store->location.broken_char, err) < 0)
		return -1;
	if (inbox_is_apart(ns) && strcmp(below, "INBOX") == 0) {
		*out = mem_strdup(ctx, LAYOUT_PLAIN_INBOX);
		return 0;
	}
	storage = mem_strdup(ctx, below);
	for (char *p = storage; *p != '\0'; p++) {
		if (*p == ns->pub.separator)
			*p = '/';
	}
	*out = storage;
	return 0;
}

int name_resolve(const void *ctx, struct user *user, const char *name,
		 struct ns **ns_out, char **storage_out, struct err *err)
{
	struct ns *ns;
	char *copy;

	if (check_octets(str_of(name), err) < 0)
		return -1;
	copy = normalise_inbox(ctx, user, name);
	ns = find_namespace(user, copy);
	if (ns == NULL)
		return err_set(err, ERR_NOT_FOUND,
			       "No namespace for mailbox %s", copy);
	if (ns->pub.prefix[0] != '\0' && strcmp(copy, ns->pub.prefix) == 0)
		return invalid(err, "Ends with hierarchy separator");
	if (to_storage(ctx, ns, copy, storage_out, err) < 0)
		return -1;
	*ns_out = ns;
	return 0;
}

char *name_below(const void *ctx, const struct ns *ns, const char *levels)
{
	size_t prefix = strlen(ns->pub.prefix), len = strlen(levels);
	char *name = mem_array(ctx, char, prefix + len + 1);

	memcpy(name, ns->pub.prefix, prefix);
	memcpy(name + prefix, levels, len);
	for (char *p = name + prefix; *p != '\0'; p++) {
		if (*p == '/')
			*p = ns->pub.separator;
	}
	return name;
}

char *name_public(const void *ctx, const struct ns *ns, const char *storage)
{
	if (strcmp(storage, "INBOX") == 0 && ns->pub.inbox)
		return mem_strdup(ctx, storage);
	if (strcmp(storage, "INBOX") == 0 && root_is_mailbox(ns))
		return mem_strndup(ctx, ns->pub.prefix,
				   strlen(ns->pub.prefix) - 1);
	if (strcmp(storage, LAYOUT_PLAIN_INBOX) == 0 && inbox_is_apart(ns))
		storage = "INBOX";
	return name_below(ctx, ns, storage);
}

const struct special *special_find(const struct ns *ns, const char *storage)
{
	for (size_t i = 0; i < ns->special_count; i++) {
		if (strcmp(ns->specials[i].name, storage) == 0)
			return &ns->specials[i];
	}
	return NULL;
}

const struct namespace *namespace_find(const struct user *user,
				       const char *mailbox)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	struct ns *ns;

	ns = find_namespace(user, normalise_inbox(ctx, user, mailbox));
	return ns == NULL ? NULL : &ns->pub;
}

const struct namespace *namespace_next(const struct user *user,
				       const struct namespace *at)
{
	const struct ns *ns = user->namespaces;

	if (at != NULL)
		ns = ((const struct ns *)at)->next;
	return ns == NULL ? NULL : &ns->pub;
}
