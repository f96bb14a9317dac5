/* SPDX-License-Identifier: MIT */
/*
 * storage/subscriptions.c - the file `subscriptions`, in both of Dovecot's
 * forms.
 *
 * Version 2 begins with "V<tab>2" and an empty line; then a name a line, levels
 * with tabs between them; the root of the namespace is an empty one. Version 1
 * has the names only, levels divided by the layout's separator. A file keeps
 * its form; names are in modified UTF-7 unless the location says UTF-8.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/control_file.h"
#include "storage/core.h"
#include "storage/layout.h"

enum {
	FILE_MAX = 4 * 1048576,
	NAMES_MAX = 65536,
	NAME_MAX_LEN = 4096,
};

struct subs {
	const struct location *location;
	char *path;
	bool v1;
	char **names; /* below the namespace's prefix, with / between levels */
	size_t count, cap;
};

static char *file_path(const void *ctx, const struct location *location)
{
	return mem_printf(ctx, "%s/%s", layout_control_root(location),
			  location->subscriptions);
}

static char layout_separator(const struct location *location)
{
	return strcmp(location->layout, "fs") == 0 ? '/' : '.';
}

/* lines */

static void join_levels(struct str line, char separator, bool escaped,
			const void *ctx, struct buf *out)
{
	struct str level;

	while (str_split(&line, separator, &level)) {
		if (out->len > 0)
			buf_putc(out, '/');
		if (escaped)
			buf_add(out, str_tab_unescape(ctx, level));
		else
			buf_add_str(out, level);
	}
}

/* The name in a line; NULL when it is none that could be a mailbox. */
static char *name_of_line(const void *ctx, const struct subs *subs,
			  struct str line)
{
	CLEANUP(buf_free) struct buf raw = buf_init(NAME_MAX_LEN);
	CLEANUP(buf_free) struct buf name = buf_init(NAME_MAX_LEN);

	if (subs->v1)
		join_levels(line, layout_separator(subs->location), false, ctx,
			    &raw);
	else
		join_levels(line, '\t', true, ctx, &raw);
	if (raw.overflow || (raw.len == 0 && subs->v1))
		return NULL;
	if (subs->location->broken_char != '\0') {
		layout_broken_decode(subs->location, str_n(raw.data, raw.len),
				     &name);
	} else if (subs->location->utf8 ||
		   !utf7_decode(str_n(raw.data, raw.len), &name)) {
		buf_reset(&name);
		buf_append(&name, raw.data, raw.len);
	}
	if (name.overflow || !utf8_valid(str_n(name.data, name.len)))
		return NULL;
	return buf_steal(ctx, &name);
}

static bool write_line(const struct subs *subs, const char *name,
		       struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "line");
	CLEANUP(buf_free) struct buf raw = buf_init(NAME_MAX_LEN * 3);
	char separator = subs->v1 ? layout_separator(subs->location) : '\t';
	struct str rest, level;
	bool first = true;

	if (subs->location->broken_char != '\0') {
		if (!layout_broken_encode(subs->location, str_of(name), &raw))
			return false;
	} else if (subs->location->utf8) {
		buf_add(&raw, name);
	} else if (!utf7_encode(str_of(name), &raw)) {
		return false;
	}
	rest = str_n(raw.data, raw.len);
	while (str_split(&rest, '/', &level)) {
		if (!first)
			buf_putc(out, separator);
		first = false;
		if (subs->v1)
			buf_add_str(out, level);
		else
			buf_add(out, str_tab_escape(ctx, level));
	}
	buf_putc(out, '\n');
	return !raw.overflow;
}

/* the file */

static void add_name(struct subs *subs, char *name)
{
	if (subs->count == subs->cap) {
		subs->cap = subs->cap == 0 ? 16 : subs->cap * 2;
		subs->names = mem_resize(subs, subs->names, char *, subs->cap);
	}
	subs->names[subs->count++] = mem_steal(subs, name);
}

static int parse(struct subs *subs, struct str text, struct err *err)
{
	struct str rest = text, line;
	bool header = false;

	subs->v1 = true;
	if (str_starts(rest, "V\t")) {
		str_split(&rest, '\n', &line);
		if (!str_is(line, "V\t2"))
			return err_set(err, ERR_TEMPORARY,
				       "%s: unknown version", subs->path);
		subs->v1 = false;
		header = true;
	}
	while (str_split(&rest, '\n', &line)) {
		bool last = rest.data == NULL;
		char *name;

		if (line.len == 0 && (header || subs->v1 || last)) {
			header = false;
			continue;
		}
		if (subs->count == NAMES_MAX)
			return err_set(err, ERR_LIMIT, "%s: too many names",
				       subs->path);
		name = name_of_line(subs, subs, line);
		if (name != NULL)
			add_name(subs, name);
	}
	return 0;
}

static int load(const void *ctx, const struct location *location,
		struct subs **out, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);
	struct subs *subs = mem_new(ctx, struct subs);

	subs->location = location;
	subs->path = file_path(subs, location);
	*out = subs;
	if (file_read_regular(subs->path, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return parse(subs, str_n(text.data, text.len), err);
}

static int find_name(const struct subs *subs, const char *name)
{
	for (size_t i = 0; i < subs->count; i++) {
		if (strcmp(subs->names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

static int write_names(const struct subs *subs, struct control_file *file,
		       struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);

	if (!subs->v1)
		buf_add(&text, "V\t2\n\n");
	for (size_t i = 0; i < subs->count; i++) {
		if (!write_line(subs, subs->names[i], &text))
			return err_set(err, ERR_INVALID,
				       "can't write the name %s",
				       subs->names[i]);
	}
	if (text.overflow)
		return err_set(err, ERR_LIMIT, "%s would be too large",
			       subs->path);
	return control_file_replace(file, str_n(text.data, text.len), err);
}

/* Under the lock: read again, change, write. */
static int change(const void *ctx, struct control_file *file, const char *name,
		  bool on, struct err *err)
{
	struct subs *subs;
	int at;

	if (load(ctx, file->location, &subs, err) < 0)
		return -1;
	if (subs->count == 0)
		subs->v1 = false;
	at = find_name(subs, name);
	if (on == (at >= 0))
		return 0;
	if (on) {
		if (subs->count == NAMES_MAX)
			return err_set(err, ERR_LIMIT,
				       "too many subscriptions");
		add_name(subs, mem_strdup(subs, name));
	} else {
		memmove(subs->names + at, subs->names + at + 1,
			(subs->count - (size_t)at - 1) * sizeof(char *));
		subs->count--;
	}
	return write_names(subs, file, err);
}

static int set_in(const struct location *location, const char *name, bool on,
		  struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "subscribe");
	CLEANUP(control_file_unlock) struct control_file *file = NULL;
	struct subs *subs;

	/* Most often there is nothing to do. */
	if (load(ctx, location, &subs, err) < 0)
		return -1;
	if (on == (find_name(subs, name) >= 0))
		return 0;
	if (control_file_lock(ctx, location, subs->path, &file, err) < 0)
		return -1;
	return change(ctx, file, name, on, err);
}

/* namespaces */

/* Where those of a namespace without subscriptions of its own are: in the
 * nearest one above. */
static struct ns *owner_of(const struct user *user, struct ns *ns)
{
	struct ns *best = NULL;

	if (ns->pub.subscriptions)
		return ns;
	for (struct ns *at = user->namespaces; at != NULL; at = at->next) {
		size_t len = strlen(at->pub.prefix);

		if (at->pub.subscriptions &&
		    strncmp(at->pub.prefix, ns->pub.prefix, len) == 0 &&
		    (best == NULL || len > strlen(best->pub.prefix)))
			best = at;
	}
	return best;
}

/* As in the file of `owner`. */
static char *name_in(const void *ctx, const struct ns *owner,
		     const struct ns *ns, const char *name)
{
	size_t len = strlen(owner->pub.prefix);
	char *below;

	if (owner->pub.inbox && strcmp(name, "INBOX") == 0)
		return mem_strdup(ctx, name);
	below = mem_strdup(ctx, strlen(name) < len ? "" : name + len);
	for (char *p = below; *p != '\0'; p++) {
		if (*p == ns->pub.separator)
			*p = '/';
	}
	return below;
}

static char *name_from(const void *ctx, const struct ns *owner,
		       const char *below)
{
	size_t len = strlen(owner->pub.prefix);

	if (owner->pub.inbox && strcmp(below, "INBOX") == 0)
		return mem_strdup(ctx, below);
	if (below[0] == '\0' && len > 0)
		return mem_strndup(ctx, owner->pub.prefix, len - 1);
	return name_below(ctx, owner, below);
}

int subscriptions_set(struct user *user, const char *name, bool on,
		      struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "subscribe");
	struct ns *ns, *owner;
	char *storage;

	if (name_resolve(ctx, user, name, &ns, &storage, err) < 0)
		return -1;
	owner = owner_of(user, ns);
	if (owner == NULL)
		return err_set(err, ERR_UNSUPPORTED,
			       "No subscriptions here: %s", name);
	return set_in(&owner->store->location,
		      name_in(ctx, owner, ns, name_public(ctx, ns, storage)),
		      on, err);
}

int subscriptions_read(const void *ctx, struct user *user, char ***out,
		       size_t *count_out, struct err *err)
{
	char **names = NULL;
	size_t count = 0;

	for (struct ns *ns = user->namespaces; ns != NULL; ns = ns->next) {
		struct subs *subs;

		if (!ns->pub.subscriptions)
			continue;
		if (load(ctx, &ns->store->location, &subs, err) < 0)
			return -1;
		names = mem_resize(ctx, names, char *, count + subs->count + 1);
		for (size_t i = 0; i < subs->count; i++)
			if (subs->names[i][0] != '\0' ||
			    ns->pub.prefix[0] != '\0')
				names[count++] =
					name_from(ctx, ns, subs->names[i]);
	}
	*out = names;
	*count_out = count;
	return 0;
}
