/* SPDX-License-Identifier: MIT */
#include "anvil/sessions.h"

#include <uthash.h>
#include <utlist.h>

#include "anvil/protocol.h"
#include "base/mem.h"

/* All sessions of one user from one address with one service. */
struct ident {
	char *name;
	unsigned count;
	UT_hash_handle hh;
};

struct session_key {
	const void *teller;
	const struct ident *ident;
	unsigned long pid; /* no padding: the key is compared as bytes */
};

struct session {
	struct session_key key;
	struct ident *ident;
	unsigned count;
	UT_hash_handle hh;
};

struct sessions {
	struct ident *idents;
	struct session *all;
};

struct sessions *sessions_new(const void *ctx)
{
	return mem_new(ctx, struct sessions);
}

static struct ident *find_ident(const struct sessions *sessions,
				struct str name)
{
	struct ident *ident;

	HASH_FIND(hh, sessions->idents, name.data, name.len, ident);
	return ident;
}

static struct session *find(const struct sessions *sessions, const void *teller,
			    unsigned pid, const struct ident *ident)
{
	const struct session_key key = {teller, ident, pid};
	struct session *session;

	HASH_FIND(hh, sessions->all, &key, sizeof(key), session);
	return session;
}

bool sessions_add(struct sessions *sessions, const void *teller, unsigned pid,
		  struct str name)
{
	struct ident *ident = find_ident(sessions, name);
	struct session *session;

	if (HASH_COUNT(sessions->all) >= ANVIL_SESSIONS_MAX)
		return false;
	if (ident == NULL) {
		ident = mem_new(sessions, struct ident);
		ident->name = str_dup(ident, name);
		HASH_ADD_KEYPTR(hh, sessions->idents, ident->name, name.len,
				ident);
	}
	session = find(sessions, teller, pid, ident);
	if (session == NULL) {
		session = mem_new(sessions, struct session);
		session->key = (struct session_key){teller, ident, pid};
		session->ident = ident;
		HASH_ADD(hh, sessions->all, key, sizeof(session->key), session);
	}
	session->count++;
	ident->count++;
	return true;
}

static void drop(struct sessions *sessions, struct session *session,
		 unsigned count)
{
	struct ident *ident = session->ident;

	session->count -= count;
	ident->count -= count;
	if (session->count == 0) {
		HASH_DEL(sessions->all, session);
		mem_free(session);
	}
	if (ident->count == 0) {
		HASH_DEL(sessions->idents, ident);
		mem_free(ident);
	}
}

void sessions_remove(struct sessions *sessions, const void *teller,
		     unsigned pid, struct str name)
{
	struct ident *ident = find_ident(sessions, name);
	struct session *session =
		ident == NULL ? NULL : find(sessions, teller, pid, ident);

	if (session != NULL)
		drop(sessions, session, 1);
}

void sessions_remove_pid(struct sessions *sessions, unsigned pid)
{
	struct session *session, *next;

	HASH_ITER (hh, sessions->all, session, next) {
		if (session->key.pid == pid)
			drop(sessions, session, session->count);
	}
}

void sessions_remove_teller(struct sessions *sessions, const void *teller)
{
	struct session *session, *next;

	HASH_ITER (hh, sessions->all, session, next) {
		if (session->key.teller == teller)
			drop(sessions, session, session->count);
	}
}

unsigned sessions_count(const struct sessions *sessions, struct str name)
{
	const struct ident *ident = find_ident(sessions, name);

	return ident == NULL ? 0 : ident->count;
}

void sessions_each(const struct sessions *sessions,
		   void (*fn)(void *ctx, const char *ident, unsigned pid,
			      unsigned count),
		   void *ctx)
{
	struct session *session, *next;

	HASH_ITER (hh, sessions->all, session, next)
		fn(ctx, session->ident->name, (unsigned)session->key.pid,
		   session->count);
}
