/* SPDX-License-Identifier: MIT */
/*
 * anvil/sessions.c - one entry per ident; below it one per process and
 * reporter.
 */
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "anvil/anvil.h"
#include "anvil/protocol.h"
#include "base/mem.h"

struct ident;

struct user {
	struct ident *ident;
	const void *owner;
	pid_t pid;
	unsigned count;
	struct user *prev, *next;             /* of the ident */
	struct user *owner_prev, *owner_next; /* of the owner */
};

struct ident {
	UT_hash_handle hh;
	struct user *users;
	unsigned count;
	char name[];
};

struct owner {
	UT_hash_handle hh;
	const void *key;
	struct user *users;
};

struct sessions {
	struct ident *idents;
	struct owner *owners;
	unsigned count;
};

/* uthash's own tables are no children of ours. */
static int sessions_destroy(struct sessions *sessions)
{
	HASH_CLEAR(hh, sessions->idents);
	HASH_CLEAR(hh, sessions->owners);
	return 0;
}

struct sessions *sessions_new(const void *ctx)
{
	struct sessions *sessions = mem_new(ctx, struct sessions);

	talloc_set_destructor(sessions, sessions_destroy);
	return sessions;
}

static struct ident *ident_find(const struct sessions *sessions,
				struct str name)
{
	struct ident *ident;

	HASH_FIND(hh, sessions->idents, name.data, (unsigned)name.len, ident);
	return ident;
}

static struct owner *owner_get(struct sessions *sessions, const void *key)
{
	struct owner *owner;

	HASH_FIND_PTR(sessions->owners, &key, owner);
	if (owner == NULL) {
		owner = mem_new(sessions, struct owner);
		owner->key = key;
		HASH_ADD_PTR(sessions->owners, key, owner);
	}
	return owner;
}

static struct ident *ident_get(struct sessions *sessions, struct str name)
{
	struct ident *ident = ident_find(sessions, name);

	if (ident != NULL)
		return ident;
	ident = mem_zero(sessions, 1, sizeof(*ident) + name.len + 1, "ident");
	memcpy(ident->name, name.data, name.len);
	HASH_ADD_KEYPTR(hh, sessions->idents, ident->name, (unsigned)name.len,
			ident);
	return ident;
}

static struct user *user_find(struct ident *ident, const void *owner, pid_t pid)
{
	struct user *user;

	DL_FOREACH (ident->users, user) {
		if (user->owner == owner && user->pid == pid)
			return user;
	}
	return NULL;
}

bool sessions_add(struct sessions *sessions, const void *owner, pid_t pid,
		  struct str name)
{
	struct ident *ident;
	struct user *user;

	if (sessions->count >= ANVIL_SESSIONS_MAX)
		return false;
	ident = ident_get(sessions, name);
	user = user_find(ident, owner, pid);
	if (user == NULL) {
		struct owner *reporter = owner_get(sessions, owner);

		user = mem_new(ident, struct user);
		user->ident = ident;
		user->owner = owner;
		user->pid = pid;
		DL_APPEND(ident->users, user);
		DL_APPEND2(reporter->users, user, owner_prev, owner_next);
	}
	user->count++;
	ident->count++;
	sessions->count++;
	return true;
}

static void owner_forget(struct sessions *sessions, struct owner *owner)
{
	if (owner->users != NULL)
		return;
	HASH_DEL(sessions->owners, owner);
	mem_free(owner);
}

/* `count` sessions of the user less. */
static void user_less(struct sessions *sessions, struct user *user,
		      unsigned count)
{
	struct ident *ident = user->ident;

	user->count -= count;
	ident->count -= count;
	sessions->count -= count;
	if (user->count == 0) {
		struct owner *owner = owner_get(sessions, user->owner);

		DL_DELETE(ident->users, user);
		DL_DELETE2(owner->users, user, owner_prev, owner_next);
		mem_free(user);
		owner_forget(sessions, owner);
	}
	if (ident->users == NULL) {
		HASH_DEL(sessions->idents, ident);
		mem_free(ident);
	}
}

void sessions_remove(struct sessions *sessions, const void *owner, pid_t pid,
		     struct str name)
{
	struct ident *ident = ident_find(sessions, name);
	struct user *user = ident != NULL ? user_find(ident, owner, pid) : NULL;

	if (user != NULL)
		user_less(sessions, user, 1);
}

void sessions_remove_owner(struct sessions *sessions, const void *key)
{
	struct owner *owner;

	/* The last one takes the owner with it. */
	for (;;) {
		HASH_FIND_PTR(sessions->owners, &key, owner);
		if (owner == NULL)
			return;
		user_less(sessions, owner->users, owner->users->count);
	}
}

void sessions_remove_pid(struct sessions *sessions, pid_t pid)
{
	struct ident *ident, *next_ident;

	HASH_ITER (hh, sessions->idents, ident, next_ident) {
		struct user *user = ident->users;

		while (user != NULL) {
			struct user *next = user->next;

			if (user->pid == pid)
				user_less(sessions, user, user->count);
			user = next;
		}
	}
}

unsigned sessions_count(const struct sessions *sessions, struct str name)
{
	const struct ident *ident = ident_find(sessions, name);

	return ident != NULL ? ident->count : 0;
}

void sessions_each(const struct sessions *sessions,
		   void (*fn)(void *ctx, const char *ident, pid_t pid,
			      unsigned count),
		   void *ctx)
{
	const struct ident *ident;

	for (ident = sessions->idents; ident != NULL; ident = ident->hh.next) {
		const struct user *user;

		DL_FOREACH (ident->users, user)
			fn(ctx, ident->name, user->pid, user->count);
	}
}
