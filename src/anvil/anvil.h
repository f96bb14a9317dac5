/* SPDX-License-Identifier: MIT */
/*
 * anvil/anvil.h - who is connected, and who failed to log in.
 */
#ifndef ANVIL_ANVIL_H
#define ANVIL_ANVIL_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

/* sessions.c: `owner` is the connection that reported it */

struct sessions;
struct sessions *sessions_new(const void *ctx);
/* False when there are too many. */
bool sessions_add(struct sessions *sessions, const void *owner, pid_t pid,
		  struct str ident);
void sessions_remove(struct sessions *sessions, const void *owner, pid_t pid,
		     struct str ident);
void sessions_remove_owner(struct sessions *sessions, const void *owner);
void sessions_remove_pid(struct sessions *sessions, pid_t pid);
unsigned sessions_count(const struct sessions *sessions, struct str ident);
/* Calls `fn` for each ident and pid. */
void sessions_each(const struct sessions *sessions,
		   void (*fn)(void *ctx, const char *ident, pid_t pid,
			      unsigned count),
		   void *ctx);

/* proxies.c: `owner` is the connection of a login process, `id` its number for
 * it, `line` what is shown of it */

struct proxies;
struct proxies *proxies_new(const void *ctx);
/* False when there are too many, or that one is there. */
bool proxies_add(struct proxies *proxies, void *owner, uint32_t id,
		 struct str line);
/* False: there is no such. */
bool proxies_remove(struct proxies *proxies, void *owner, uint32_t id);
void proxies_remove_owner(struct proxies *proxies, void *owner);
/* Whose it is, or NULL. */
void *proxies_find(const struct proxies *proxies, uint64_t serial,
		   uint32_t *id_out);
void proxies_each(const struct proxies *proxies,
		  void (*fn)(void *ctx, uint64_t serial, const char *line),
		  void *ctx);

/* penalty.c: `now` in seconds */

struct penalties;
struct penalties *penalties_new(const void *ctx);
void penalties_expire_after(struct penalties *penalties, unsigned secs);
/* The penalty and when it was last raised; 0, 0 if there is none. */
unsigned penalty_get(struct penalties *penalties, struct str ident,
		     uint64_t now, uint64_t *last_out);
/* `value` < 0: one more than it was. */
void penalty_raise(struct penalties *penalties, struct str ident,
		   uint32_t checksum, int value, uint64_t now);
void penalties_each(struct penalties *penalties, uint64_t now,
		    void (*fn)(void *ctx, const char *ident, unsigned penalty,
			       uint64_t last_penalty, uint64_t last_update),
		    void *ctx);

#endif
