/* SPDX-License-Identifier: MIT */
/*
 * storage/attribute.c - Dovecot's dictionary in a file: a line with the key, a
 * line with the value, both tab-escaped. Keys are "priv/GUID/comment" and
 * "shared/GUID/comment" with the mailbox's GUID; the server's are below a name
 * of INBOX.
 */
#include "storage/attribute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/vars.h"
#include "storage/control_file.h"
#include "storage/core.h"
#include "storage/mailbox.h"

#define INTERNAL "vendor/vendor.dovecot/pvt"

enum { PRIVATE, SHARED, SCOPES, HEAD_MAX = 128 };
static const struct {
	const char *entry, *key;
} scopes[SCOPES] = {{"/private", "priv"}, {"/shared", "shared"}};

/* Whose annotations these are. */
struct owner {
	struct user *user;
	const struct special *special; /* may be NULL */
	bool server;
	char heads[SCOPES][HEAD_MAX]; /* what its keys begin with */
};

/* The dictionary in memory. */
struct dict {
	char *path;              /* NULL: there is none */
	struct attribute *pairs; /* of the file, unescaped: entry is the key */
	size_t count, cap;
};

/* entries */

static bool has_scope(const char *entry)
{
	for (unsigned i = 0; i < SCOPES; i++) {
		size_t len = strlen(scopes[i].entry);

		if (str_case_starts(str_of(entry), scopes[i].entry) &&
		    (entry[len] == '/' || entry[len] == '\0'))
			return true;
	}
	return false;
}

int attribute_check(const char *entry, struct err *err)
{
	const char *problem = NULL;

	if (entry[0] != '/')
		problem = "must begin with '/'";
	else if (strstr(entry, "//") != NULL)
		problem = "can't contain consecutive '/'";
	else if (entry[strlen(entry) - 1] == '/')
		problem = "can't end with '/'";
	else if (strchr(entry, '*') != NULL)
		problem = "can't contain '*'";
	else if (strchr(entry, '%') != NULL)
		problem = "can't contain '%'";
	else if (!has_scope(entry))
		problem = "must begin with /private or /shared";
	return problem == NULL
		       ? 0
		       : err_set(err, ERR_INVALID, "Entry name %s", problem);
}

/* "comment" of "/private/comment", "" of "/private". */
static const char *below_scope(const char *entry, unsigned *scope_out)
{
	*scope_out = str_case_starts(str_of(entry), scopes[SHARED].entry)
			     ? SHARED
			     : PRIVATE;
	entry += strlen(scopes[*scope_out].entry);
	return entry[0] == '/' ? entry + 1 : entry;
}

bool attribute_is_internal(const char *entry)
{
	unsigned scope;
	struct str name = str_of(below_scope(entry, &scope));

	if (!str_case_starts(name, INTERNAL))
		return false;
	name = str_from(name, strlen(INTERNAL));
	return name.len == 0 || name.data[0] == '/';
}

/* Child of ctx. */
static char *key_of(const void *ctx, const struct owner *owner,
		    const char *entry)
{
	unsigned scope;
	const char *name = below_scope(entry, &scope);

	return mem_printf(ctx, "%s%s", owner->heads[scope],
			  str_lower(ctx, str_of(name)));
}

/* The entry of a key, child of ctx; NULL: it is another one's. */
static char *entry_of(const void *ctx, const struct owner *owner,
		      const char *key)
{
	for (unsigned i = 0; i < SCOPES; i++) {
		size_t len = strlen(owner->heads[i]);

		if (strncmp(key, owner->heads[i], len) == 0 && key[len] != '\0')
			return mem_printf(ctx, "%s/%s", scopes[i].entry,
					  key + len);
	}
	return NULL;
}

static void owner_heads(struct owner *owner,
			const struct mailbox_status *status)
{
	CLEANUP(buf_free) struct buf guid = buf_init(HEAD_MAX);

	hex_encode(str_n(status->guid, sizeof(status->guid)), &guid);
	for (unsigned i = 0; i < SCOPES; i++)
		snprintf(owner->heads[i], sizeof(owner->heads[i]), "%s/%s/%s",
			 scopes[i].key, guid.data,
			 owner->server ? INTERNAL "/server/" : "");
}

static int owner_of(struct user *user, const char *mailbox, struct owner *out,
		    struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "owner");
	bool server = mailbox[0] == '\0';
	const char *name = server ? "INBOX" : mailbox;
	struct mailbox_status status;
	struct ns *ns;
	char *storage;

	if (name_resolve(ctx, user, name, &ns, &storage, err) < 0 ||
	    mailbox_status(user, name, &status, err) < 0)
		return -1;
	*out = (struct owner){.user = user, .server = server};
	if (!server)
		out->special = special_find(ns, storage);
	owner_heads(out, &status);
	return 0;
}

/* presets */

struct preset {
	const char *entry, *value;
	bool fixed; /* only the configuration can change it */
};
enum { PRESETS_MAX = 3 };

static unsigned presets_of(const struct owner *owner,
			   struct preset out[PRESETS_MAX])
{
	const struct mail_settings *set = &owner->user->settings;
	const struct special *special = owner->special;
	const char *comment = special == NULL ? NULL : special->comment;
	unsigned count = 0;

	if (owner->server) {
		out[count++] = (struct preset){"/shared/admin",
					       set->mail_server_admin, true};
		out[count++] = (struct preset){"/shared/comment",
					       set->mail_server_comment, true};
	} else {
		out[count++] =
			(struct preset){"/private/comment", comment, false};
		out[count++] = (struct preset){
			"/private/specialuse",
			special == NULL ? NULL : special->use, true};
		out[count++] =
			(struct preset){"/shared/comment", comment, false};
	}
	for (unsigned i = 0; i < count; i++) {
		if (out[i].value != NULL && out[i].value[0] == '\0')
			out[i].value = NULL;
	}
	return count;
}

/* the file */

static int dict_path(const void *ctx, const struct user *user, char **out,
		     struct err *err)
{
	const char *text = user->settings.mail_attribute_dict;

	*out = NULL;
	if (text[0] == '\0')
		return 0;
	if (strncmp(text, "file:", 5) != 0)
		return err_set(err, ERR_INVALID,
			       "mail_attribute_dict: must be file:PATH");
	if (vars_expand(ctx, text + 5, user->vars, out, err) < 0)
		return err_wrap(err, "mail_attribute_dict");
	*out = path_expand(ctx, *out, user->home);
	return 0;
}

static void dict_add(struct dict *dict, const char *key, const char *value)
{
	if (dict->count == dict->cap) {
		dict->cap = dict->cap == 0 ? 64 : dict->cap * 2;
		dict->pairs = mem_resize(dict, dict->pairs, struct attribute,
					 dict->cap);
	}
	dict->pairs[dict->count++] = (struct attribute){key, value};
}

/* What was not written to its end has no value. */
static int dict_read(struct dict *dict, const struct user *user,
		     struct err *err)
{
	CLEANUP(buf_free)
	struct buf text = buf_init(user->settings.mail_attribute_max_size);
	struct str rest, key, value;

	if (dict->path == NULL)
		return 0;
	if (file_read_regular(dict->path, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	rest = str_n(text.data, text.len);
	while (str_split(&rest, '\n', &key) && str_split(&rest, '\n', &value)) {
		if (rest.data == NULL)
			break;
		dict_add(dict, str_tab_unescape(dict, key),
			 str_tab_unescape(dict, value));
	}
	return 0;
}

/* Child of ctx. */
static int dict_open(const void *ctx, const struct user *user,
		     struct dict **out, struct err *err)
{
	struct dict *dict = mem_new(ctx, struct dict);

	if (dict_path(dict, user, &dict->path, err) < 0 ||
	    dict_read(dict, user, err) < 0)
		return -1;
	*out = dict;
	return 0;
}

static void dict_set(struct dict *dict, const char *key, const char *value)
{
	for (size_t i = 0; i < dict->count; i++) {
		if (strcmp(dict->pairs[i].entry, key) == 0) {
			dict->pairs[i].value = value;
			return;
		}
	}
	dict_add(dict, key, value);
}

static const char *dict_get(const struct dict *dict, const char *key)
{
	for (size_t i = 0; i < dict->count; i++) {
		if (strcmp(dict->pairs[i].entry, key) == 0)
			return dict->pairs[i].value;
	}
	return NULL;
}

static int dict_write(struct dict *dict, struct control_file *file,
		      const struct user *user, struct err *err)
{
	uint64_t max = user->settings.mail_attribute_max_size;
	CLEANUP(buf_free) struct buf text = buf_init(max);

	for (size_t i = 0; i < dict->count; i++) {
		const struct attribute *pair = &dict->pairs[i];

		if (pair->value == NULL)
			continue;
		buf_add(&text, str_tab_escape(dict, str_of(pair->entry)));
		buf_putc(&text, '\n');
		buf_add(&text, str_tab_escape(dict, str_of(pair->value)));
		buf_putc(&text, '\n');
	}
	if (text.overflow)
		return err_set(err, ERR_QUOTA,
			       "%s: more than mail_attribute_max_size",
			       dict->path);
	return control_file_replace(file, str_n(text.data, text.len), err);
}

/* Change what `change` changes, under the lock that Dovecot takes, too. */
static int dict_change(struct user *user,
		       void (*change)(struct dict *dict, void *ctx), void *ctx,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *work = mem_ctx(NULL, "dict");
	CLEANUP(control_file_unlock) struct control_file *file = NULL;
	struct dict *dict;
	char *path;

	if (dict_path(work, user, &path, err) < 0)
		return -1;
	if (path == NULL)
		return err_set(err, ERR_UNSUPPORTED,
			       "Mailbox attributes not enabled");
	/* Any location's modes and timeouts will do. */
	if (control_file_lock(work, inbox_location(user), path, &file, err) <
		    0 ||
	    dict_open(work, user, &dict, err) < 0)
		return -1;
	change(dict, ctx);
	return dict_write(dict, file, user, err);
}

/* reading */

int attribute_get(const void *ctx, struct user *user, const char *mailbox,
		  const char *entry, const char **value_out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *work = mem_ctx(NULL, "attribute");
	struct preset presets[PRESETS_MAX];
	const char *value;
	struct owner owner;
	struct dict *dict;
	unsigned count;

	if (attribute_check(entry, err) < 0 ||
	    owner_of(user, mailbox, &owner, err) < 0 ||
	    dict_open(work, user, &dict, err) < 0)
		return -1;
	value = dict_get(dict, key_of(work, &owner, entry));
	count = presets_of(&owner, presets);
	for (unsigned i = 0; i < count; i++) {
		if (str_case_is(str_of(entry), presets[i].entry) &&
		    (value == NULL || presets[i].fixed))
			value = presets[i].value;
	}
	if (value == NULL && dict->path == NULL)
		return err_set(err, ERR_UNSUPPORTED,
			       "Mailbox attributes not enabled");
	*value_out = value == NULL ? NULL : mem_strdup(ctx, value);
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct attribute *x = a, *y = b;

	return strcmp(x->entry, y->entry);
}

/* All that the owner has, with their entries instead of keys. */
static void keep_own(struct dict *dict, const struct owner *owner)
{
	struct preset presets[PRESETS_MAX];
	unsigned presets_count = presets_of(owner, presets);
	size_t kept = 0;

	for (size_t i = 0; i < presets_count; i++) {
		char *key = key_of(dict, owner, presets[i].entry);

		if (presets[i].fixed || dict_get(dict, key) == NULL)
			dict_set(dict, key, presets[i].value);
	}
	for (size_t i = 0; i < dict->count; i++) {
		struct attribute pair = dict->pairs[i];

		pair.entry = entry_of(dict, owner, pair.entry);
		if (pair.entry != NULL && pair.value != NULL)
			dict->pairs[kept++] = pair;
	}
	dict->count = kept;
	if (kept > 0)
		qsort(dict->pairs, kept, sizeof(*dict->pairs), compare_entries);
}

static bool is_at_or_below(const char *entry, const char *top)
{
	struct str rest = str_of(entry);

	if (!str_case_starts(rest, top))
		return false;
	rest = str_from(rest, strlen(top));
	return rest.len == 0 || rest.data[0] == '/';
}

int attribute_list(const void *ctx, struct user *user, const char *mailbox,
		   const char *entry, struct attribute **out, size_t *count_out,
		   struct err *err)
{
	struct attribute *found;
	struct owner owner;
	struct dict *dict;
	size_t count = 0;

	if ((entry[0] != '\0' && attribute_check(entry, err) < 0) ||
	    owner_of(user, mailbox, &owner, err) < 0 ||
	    dict_open(ctx, user, &dict, err) < 0)
		return -1;
	keep_own(dict, &owner);
	found = mem_array(dict, struct attribute, dict->count + 1);
	for (size_t i = 0; i < dict->count; i++) {
		if (is_at_or_below(dict->pairs[i].entry, entry))
			found[count++] = dict->pairs[i];
	}
	*out = found;
	*count_out = count;
	return 0;
}

/* changing */

static int may_set(const struct owner *owner, const struct attribute *attribute,
		   struct err *err)
{
	uint64_t max = owner->user->settings.mail_attribute_max_value_size;
	struct preset presets[PRESETS_MAX];
	unsigned scope, count = presets_of(owner, presets);

	if (attribute_check(attribute->entry, err) < 0)
		return -1;
	/* Dovecot's index breaks by such a key. */
	if (below_scope(attribute->entry, &scope)[0] == '\0')
		return err_set(err, ERR_INVALID,
			       "Entry name must have a component");
	for (unsigned i = 0; i < count; i++) {
		if (presets[i].fixed &&
		    str_case_is(str_of(attribute->entry), presets[i].entry))
			return err_set(err, ERR_DENIED,
				       "The %s attribute cannot be changed",
				       presets[i].entry);
	}
	if (attribute->value != NULL && strlen(attribute->value) > max)
		return err_set(err, ERR_LIMIT,
			       "Longer than mail_attribute_max_value_size");
	return 0;
}

struct changes {
	const struct owner *owner;
	const struct attribute *attributes;
	size_t count;
};

static void apply(struct dict *dict, void *ctx)
{
	const struct changes *changes = ctx;

	for (size_t i = 0; i < changes->count; i++)
		dict_set(dict,
			 key_of(dict, changes->owner,
				changes->attributes[i].entry),
			 changes->attributes[i].value);
}

int attribute_set(struct user *user, const char *mailbox,
		  const struct attribute *attributes, size_t count,
		  struct err *err)
{
	struct owner owner;
	struct changes changes = {&owner, attributes, count};

	if (user_may_write(user, err) < 0 ||
	    owner_of(user, mailbox, &owner, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (may_set(&owner, &attributes[i], err) < 0)
			return -1;
	}
	return count == 0 ? 0 : dict_change(user, apply, &changes, err);
}

static void forget(struct dict *dict, void *ctx)
{
	const struct owner *owner = ctx;

	for (size_t i = 0; i < dict->count; i++) {
		if (entry_of(dict, owner, dict->pairs[i].entry) != NULL)
			dict->pairs[i].value = NULL;
	}
}

/* Most mailboxes have none: no lock for these. */
void attributes_forget(struct user *user, const struct mailbox_status *status)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "attributes");
	struct owner owner = {.user = user};
	struct dict *dict;
	struct err err;

	owner_heads(&owner, status);
	if (dict_open(ctx, user, &dict, &err) < 0) {
		log_error("%s", err.text);
		return;
	}
	keep_own(dict, &owner);
	if (dict->count > 0 && dict_change(user, forget, &owner, &err) < 0)
		log_error("%s", err.text);
}
