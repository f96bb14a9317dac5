/* SPDX-License-Identifier: MIT */
#include "storage/list.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/core.h"
#include "storage/layout.h"
#include "storage/list_core.h"

/* Besides ENTRY_*: */
enum {
	NAME_EXISTS = 1 << 16,       /* a mailbox, or a parent of one */
	NAME_CHILD_HIDDEN = 1 << 17, /* has a subscribed child that the patterns
					leave out */
	NAME_MATCHES = 1 << 18,
	/* Of what is no mailbox. */
	NOT_THERE = ENTRY_NONEXISTENT | ENTRY_NOSELECT,
};

/* Besides LIST_*: the pattern of LSUB ends with %, and so takes what is above a
 * subscription (RFC 3501 section 6.3.9). */
enum { LSUB_ABOVE = 1 << 16 };

/* For matching, about a second: 100,000 names take some millions for usual
 * patterns. */
enum { LEVELS_MAX = 128 };

enum { POOL_SIZE = 32768 }; /* some hundreds of names */

struct name {
	const struct ns *ns;
	struct list_name name;
	unsigned flags;
	const char *special_use;
};

struct names {
	TALLOC_CTX *ctx;
	struct user *user;
	const char *const *patterns;
	uint64_t steps; /* that are left */
	struct name *names;
	size_t count, cap;
};

static void add(struct names *names, const struct ns *ns, const char *text,
		unsigned flags, const char *special_use)
{
	struct name *name;
	/* In whatever namespace: one may begin below INBOX. */
	bool inbox = strncmp(text, "INBOX", 5) == 0 &&
		     (text[5] == '\0' || text[5] == ns->pub.separator);

	if (names->count == names->cap) {
		names->cap = names->cap == 0 ? 64 : names->cap * 2;
		names->names = mem_resize(names->ctx, names->names, struct name,
					  names->cap);
	}
	name = &names->names[names->count++];
	*name = (struct name){
		.ns = ns,
		.name = {text, ns->pub.separator, inbox},
		.flags = flags,
		.special_use = special_use,
	};
}

/* what there is */

static void add_storage(struct names *names, const struct ns *ns,
			const char *storage, unsigned flags)
{
	const struct special *special = special_find(ns, storage);

	if (special != NULL && special->autocreate == AUTO_SUBSCRIBE)
		flags |= ENTRY_SUBSCRIBED;
	add(names, ns, name_public(names->ctx, ns, storage), flags,
	    special == NULL ? NULL : special->use);
}

/* Whether what clients would be told leads back to the mailbox. */
static bool leads_back(struct names *names, const struct ns *ns,
		       const char *storage)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	struct ns *back_ns;
	struct err err;
	char *back;

	return name_resolve(ctx, names->user, name_public(ctx, ns, storage),
			    &back_ns, &back, &err) == 0 &&
	       back_ns == ns && strcmp(back, storage) == 0;
}

/* Not: a level that has the separator in its name; "inbox" beside INBOX; what
 * lies where another namespace begins. */
static bool can_be_told(struct names *names, const struct ns *ns,
			const char *storage)
{
	if (ns->pub.separator != '/' &&
	    str_find_char(layout_levels(storage), ns->pub.separator) >= 0)
		return false;
	if (names->user->namespaces->next == NULL && storage[0] != '.' &&
	    strncasecmp(storage, "INBOX", 5) != 0)
		return true;
	return leads_back(names, ns, storage);
}

static void add_root(struct names *names, const struct ns *ns, bool children)
{
	size_t len = strlen(ns->pub.prefix);
	char *root;

	if (len == 0 || (ns->list_children && !children))
		return;
	/* Where it is not listed, who asks wants what is in it. */
	if (!ns->pub.list && ns->alias_for != NULL)
		return;
	root = mem_strndup(names->ctx, ns->pub.prefix, len - 1);
	if (ns->pub.inbox && strcmp(root, "INBOX") == 0)
		return;
	add(names, ns, root, NOT_THERE | NAME_EXISTS, NULL);
}

static int add_namespace(struct names *names, const struct ns *ns,
			 struct err *err)
{
	const struct location *location = &ns->store->location;
	struct driver_entry *entries;
	size_t count;

	if (location->driver->list(names->ctx, location, &entries, &count,
				   err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		unsigned flags = NAME_EXISTS;

		if (!can_be_told(names, ns, entries[i].name))
			continue;
		if (!entries[i].selectable)
			flags |= ENTRY_NOSELECT;
		if (entries[i].no_inferiors)
			flags |= ENTRY_NOINFERIORS;
		add_storage(names, ns, entries[i].name, flags);
	}
	if (ns->pub.inbox)
		add_storage(names, ns, "INBOX", NAME_EXISTS);
	for (size_t i = 0; i < ns->special_count; i++) {
		if (ns->specials[i].autocreate != AUTO_NO)
			add_storage(names, ns, ns->specials[i].name,
				    NAME_EXISTS);
	}
	add_root(names, ns, count > 0);
	return 0;
}

/* A namespace that is not listed shows up for who asks for it by name. */
static bool asked_for(const struct names *names, const struct ns *ns)
{
	size_t len = strlen(ns->pub.prefix);

	if (ns->pub.list)
		return true;
	for (size_t i = 0; names->patterns[i] != NULL; i++) {
		const char *pattern = names->patterns[i];

		if (len > 0 && strncmp(pattern, ns->pub.prefix, len) == 0)
			return true;
		if (strpbrk(pattern, "*%") == NULL &&
		    namespace_find(names->user, pattern) == &ns->pub)
			return true;
	}
	return false;
}

static struct ns *namespace_of(struct names *names, const char *name)
{
	return (struct ns *)namespace_find(names->user, name);
}

static int add_subscribed(struct names *names, struct err *err)
{
	char **subscribed;
	size_t count;

	if (subscriptions_read(names->ctx, names->user, &subscribed, &count,
			       err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct ns *ns = namespace_of(names, subscribed[i]);

		if (ns != NULL && asked_for(names, ns))
			add(names, ns, subscribed[i],
			    ENTRY_SUBSCRIBED | NOT_THERE, NULL);
	}
	return 0;
}

/* Parents of all names; those that are no mailboxes are added so. */
static void add_parents(struct names *names)
{
	size_t count = names->count;

	for (size_t i = 0; i < count; i++) {
		struct name name = names->names[i];
		const char *text = name.name.text, *at = text;

		while ((at = strchr(at, name.name.separator)) != NULL) {
			char *parent = mem_strndup(names->ctx, text,
						   (size_t)(at - text));

			/* The parents of a prefix belong to others. */
			if (at > text)
				add(names, name.ns, parent,
				    NOT_THERE | (name.flags & NAME_EXISTS),
				    NULL);
			at++;
		}
	}
}

/* sorted, each once */

/* Parents right before their children, INBOX first. */
static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	const char *p = x->name.text, *q = y->name.text;
	int p_level, q_level;

	if (x->name.inbox != y->name.inbox)
		return x->name.inbox ? -1 : 1;
	while (*p != '\0' && *p == *q) {
		p++;
		q++;
	}
	p_level = *p == x->name.separator ? 1 : (unsigned char)*p;
	q_level = *q == y->name.separator ? 1 : (unsigned char)*q;
	return p_level - q_level;
}

/* Of two of the same name the one that is a mailbox wins: entries that come
 * from below or from subscriptions only add to it. */
static void merge(struct name *into, const struct name *from)
{
	bool real = (into->flags & ENTRY_NONEXISTENT) == 0;
	bool from_real = (from->flags & ENTRY_NONEXISTENT) == 0;

	if (real && from_real)
		into->flags = ((into->flags | from->flags) &
			       ~(unsigned)ENTRY_NOSELECT) |
			      (into->flags & from->flags & ENTRY_NOSELECT);
	else if (real)
		into->flags |= from->flags & ~(unsigned)NOT_THERE;
	else if (from_real)
		into->flags =
			from->flags | (into->flags & ~(unsigned)NOT_THERE);
	else
		into->flags |= from->flags;
	if (into->special_use == NULL)
		into->special_use = from->special_use;
}

static void sort_and_merge(struct names *names)
{
	size_t kept = 0;

	if (names->count == 0)
		return;
	qsort(names->names, names->count, sizeof(*names->names), compare_names);
	for (size_t i = 1; i < names->count; i++) {
		if (strcmp(names->names[i].name.text,
			   names->names[kept].name.text) == 0)
			merge(&names->names[kept], &names->names[i]);
		else
			names->names[++kept] = names->names[i];
	}
	names->count = kept + 1;
}

/* what they are to each other */

static bool is_parent(const struct name *parent, const struct name *child)
{
	size_t len = strlen(parent->name.text);

	return strncmp(parent->name.text, child->name.text, len) == 0 &&
	       child->name.text[len] == child->name.separator;
}

static bool matches(struct names *names, const struct name *name)
{
	for (size_t i = 0; names->patterns[i] != NULL; i++) {
		if (list_match(names->patterns[i], &name->name, &names->steps))
			return true;
	}
	return false;
}

static void tell_parents(struct names *names, const struct name *name,
			 const size_t *stack, size_t depth)
{
	if (depth > 0 && (name->flags & NAME_EXISTS) != 0)
		names->names[stack[depth - 1]].flags |= ENTRY_HAS_CHILDREN;
	if ((name->flags & ENTRY_SUBSCRIBED) == 0)
		return;
	for (size_t i = 0; i < depth; i++) {
		names->names[stack[i]].flags |= ENTRY_CHILD_SUBSCRIBED;
		if ((name->flags & NAME_MATCHES) == 0)
			names->names[stack[i]].flags |= NAME_CHILD_HIDDEN;
	}
}

static void relate(struct names *names)
{
	size_t stack[LEVELS_MAX], depth = 0;

	for (size_t i = 0; i < names->count; i++) {
		struct name *name = &names->names[i];

		if (matches(names, name))
			name->flags |= NAME_MATCHES;
		while (depth > 0 &&
		       !is_parent(&names->names[stack[depth - 1]], name))
			depth--;
		tell_parents(names, name, stack, depth);
		if (depth < LEVELS_MAX)
			stack[depth++] = i;
	}
}

/* the answer */

static bool selected(const struct name *name, unsigned flags)
{
	bool subscribed = (name->flags & ENTRY_SUBSCRIBED) != 0;
	bool above = (flags & (LIST_RECURSIVE_MATCH | LSUB_ABOVE)) != 0 &&
		     (name->flags & NAME_CHILD_HIDDEN) != 0;

	if ((name->flags & NAME_MATCHES) == 0)
		return false;
	if ((flags & LIST_SELECT_SPECIAL_USE) != 0 && name->special_use == NULL)
		return false;
	if ((flags & (LIST_SELECT_SUBSCRIBED | LIST_LSUB)) != 0)
		return subscribed || above;
	return (name->flags & NAME_EXISTS) != 0;
}

static unsigned entry_flags(const struct name *name, unsigned flags)
{
	unsigned out = name->flags & (NAME_EXISTS - 1);

	if ((out & (ENTRY_HAS_CHILDREN | ENTRY_NOINFERIORS)) == 0)
		out |= ENTRY_HAS_NO_CHILDREN;
	if ((flags & LIST_LSUB) != 0) {
		out &= ~(unsigned)(ENTRY_NOSELECT | ENTRY_NONEXISTENT);
		if ((out & ENTRY_SUBSCRIBED) == 0)
			out |= ENTRY_NOSELECT;
	}
	if ((flags & LIST_RECURSIVE_MATCH) == 0)
		out &= ~(unsigned)ENTRY_CHILD_SUBSCRIBED;
	return out;
}

static void answer(const void *ctx, const struct names *names, unsigned flags,
		   struct list_entry **out, size_t *count_out)
{
	struct list_entry *entries =
		mem_array(ctx, struct list_entry, names->count + 1);
	size_t count = 0;

	for (size_t i = 0; i < names->count; i++) {
		const struct name *name = &names->names[i];

		if (!selected(name, flags))
			continue;
		entries[count++] = (struct list_entry){
			.name = name->name.text,
			.separator = name->name.separator,
			.flags = entry_flags(name, flags),
			.special_use = name->special_use,
		};
	}
	*out = entries;
	*count_out = count;
}

static const char *const *simplify(const void *ctx, const char *const *patterns)
{
	size_t count = 0;
	char **out;

	while (patterns[count] != NULL)
		count++;
	out = mem_array(ctx, char *, count + 1);
	for (size_t i = 0; i < count; i++) {
		out[i] = mem_strdup(out, patterns[i]);
		list_pattern_simplify(out[i]);
	}
	return (const char *const *)out;
}

static bool ends_with_percent(const char *pattern)
{
	return pattern != NULL && pattern[0] != '\0' &&
	       pattern[strlen(pattern) - 1] == '%';
}

int mailbox_list(const void *ctx, struct user *user,
		 const char *const *patterns, unsigned flags,
		 struct list_entry **out, size_t *count_out, struct err *err)
{
	enum {
		WITH_SUBSCRIBED = LIST_SELECT_SUBSCRIBED | LIST_LSUB |
				  LIST_RETURN_SUBSCRIBED
	};
	CLEANUP(ctx_free) TALLOC_CTX *work = mem_pool(NULL, POOL_SIZE);
	struct names names = {
		.ctx = work,
		.user = user,
		.patterns = simplify(work, patterns),
		.steps = user->settings.mailbox_list_max_steps,
	};

	if ((flags & LIST_LSUB) != 0 && ends_with_percent(patterns[0]))
		flags |= LSUB_ABOVE;
	for (const struct ns *ns = user->namespaces; ns != NULL;
	     ns = ns->next) {
		if (asked_for(&names, ns) && add_namespace(&names, ns, err) < 0)
			return -1;
	}
	if ((flags & WITH_SUBSCRIBED) != 0 && add_subscribed(&names, err) < 0)
		return -1;
	add_parents(&names);
	sort_and_merge(&names);
	relate(&names);
	if (names.steps == 0)
		return err_set(err, ERR_LIMIT, "Pattern takes too long");
	answer(ctx, &names, flags, out, count_out);
	mem_steal(*out, work); /* the names are in it */
	work = NULL;
	return 0;
}
