/* SPDX-License-Identifier: MIT */
/*
 * storage/lazy.c - what is expunged goes to another mailbox first (Dovecot's
 * plugin lazy_expunge).
 *
 * plugin { lazy_expunge = NAME }: a mailbox for all, or the prefix of a
 * namespace in which each mailbox has one of the same name. It is a move: the
 * mail is on disk there before it is gone here.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/core.h"
#include "storage/list_core.h"
#include "storage/mailbox.h"

enum { EXCLUDES_MAX = 100 };

struct lazy {
	const char *target; /* a mailbox, or the prefix of a namespace */
	bool last_only;     /* of a mail that has copies, only the last one */
	const char *exclude[EXCLUDES_MAX]; /* NULL at the end */
};

static void read_excludes(const struct user *user, struct lazy *lazy)
{
	const char *value = config_plugin(user->config, &user->filter,
					  "lazy_expunge_exclude");

	for (unsigned n = 0; value != NULL && n + 1 < EXCLUDES_MAX; n++) {
		char *name;

		lazy->exclude[n] = value;
		name = mem_printf(lazy, "lazy_expunge_exclude%u", n + 2);
		value = config_plugin(user->config, &user->filter, name);
	}
}

void lazy_setup(struct user *user)
{
	const char *value =
		config_plugin(user->config, &user->filter, "lazy_expunge");
	const char *last = config_plugin(user->config, &user->filter,
					 "lazy_expunge_only_last_instance");
	struct str rest, word;
	struct lazy *lazy;

	if (value == NULL ||
	    !str_has_item(user->settings.mail_plugins, STR("lazy_expunge")))
		return;
	rest = str_of(value);
	if (!str_word(&rest, &word))
		return;
	lazy = mem_new(user, struct lazy);
	lazy->target = str_dup(lazy, word);
	/* As Dovecot's plugins: it is enough to name it, except for "no". */
	lazy->last_only = last != NULL && strcmp(last, "no") != 0;
	read_excludes(user, lazy);
	user->lazy = lazy;
}

static const struct ns *target_namespace(const struct user *user)
{
	for (const struct ns *ns = user->namespaces; ns != NULL; ns = ns->next)
		if (strcmp(ns->pub.prefix, user->lazy->target) == 0)
			return ns;
	return NULL;
}

static bool is_excluded(const struct mailbox *box)
{
	const struct special *special = special_find(box->ns, box->disk->name);
	const char *const *at = box->user->lazy->exclude;

	for (; *at != NULL; at++) {
		if ((*at)[0] == '\\' && special != NULL &&
		    special->use != NULL &&
		    str_has_word(special->use, str_of(*at)))
			return true;
		if (wildcard_match(*at, box->name))
			return true;
	}
	return false;
}

const char *lazy_target(const void *ctx, const struct mailbox *box)
{
	const struct user *user = box->user;
	const struct ns *ns;

	if (user->lazy == NULL)
		return NULL;
	ns = target_namespace(user);
	if (ns != NULL ? box->ns == ns
		       : strcmp(box->name, user->lazy->target) == 0)
		return NULL;
	if (is_excluded(box))
		return NULL;
	if (ns == NULL)
		return user->lazy->target;
	/* INBOX's is a mailbox like others there. */
	if (strcmp(box->disk->name, "INBOX") == 0)
		return mem_printf(ctx, "%sINBOX", ns->pub.prefix);
	return name_public(ctx, ns, box->disk->name);
}

/* Maildir: a copy is another link to the file. */
static bool has_copies(struct mailbox *box, struct index_record *record)
{
	struct driver_mail_file file;
	struct stat st;
	struct err err;
	bool copies;

	if (box->disk->location->driver->open_mail(box->disk, record, &file,
						   &err) < 0)
		return false;
	copies = fstat(file.fd, &st) == 0 && file.offset == 0 &&
		 (uint64_t)st.st_size == file.len && st.st_nlink > 1;
	close(file.fd);
	return copies;
}

int lazy_split(struct mailbox *box, struct range_set *uids,
	       struct range_set *copies_out, struct err *err)
{
	struct index_txn *txn;
	struct index_box row;
	struct index_record record;
	uint64_t at = 0;
	uint32_t uid;

	if (!box->user->lazy->last_only)
		return 0;
	if (mailbox_begin(box, INDEX_READ, &txn, &row, err) < 0)
		return -1;
	while (range_set_next(uids, &at, &uid)) {
		if (index_record_get(txn, row.id, uid, &record, err) == 0 &&
		    has_copies(box, &record))
			range_set_add(copies_out, uid, uid);
	}
	index_rollback(&txn);
	at = 0;
	while (range_set_next(copies_out, &at, &uid))
		range_set_remove(uids, uid, uid);
	return 0;
}
