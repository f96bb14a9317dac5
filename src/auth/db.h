/* SPDX-License-Identifier: MIT */
/*
 * auth/db.h - what knows users: passdbs (who gives the right password?) and
 * userdbs (where is the mail?). A driver is a file and a row in the table of
 * passdb/table.c or userdb/table.c.
 *
 * Drivers just wait for their answer. Those that might wait long say
 * `blocking`, and run in auth-worker processes only.
 */
#ifndef AUTH_DB_H
#define AUTH_DB_H
#include <stdbool.h>

#include "auth/fields.h"
#include "auth/request.h"

struct auth_settings;
struct config;
struct err;
struct passdb_settings;
struct userdb_settings;

/* What a passdb says. Fields are as written ("user", "allow_nets",
 * "userdb_home", ...): their meaning is given to them later, in auth. */
struct pass_answer {
	enum pass_result result;
	struct fields fields;
	/* "{SCHEME}hash" if request->want_scheme asked for it. */
	const char *credentials;
};

struct passdb {
	struct passdb *next;
	const struct passdb_driver *driver;
	const struct passdb_settings *set;
	unsigned index;   /* the same in auth and in its workers */
	const char *mark; /* what it is, should they differ after a reload */
	const char *args, *base_dir;
	/* %-variables on which the answer depends beside the user's name; NULL:
	 * it must not be remembered. */
	const char *cache_key;
	const char *default_scheme; /* of passwords without "{SCHEME}" */
	void *data;                 /* the driver's */
};

struct passdb_driver {
	const char *name;
	bool blocking;
	/* Read db->args. */
	int (*open)(struct passdb *db, struct err *err);
	/* One of these. `lookup` finds the stored password ("{SCHEME}hash"
	 * or "" ), `verify` tries request->password itself. Both log why they
	 * fail, with request_log(). */
	enum pass_result (*lookup)(struct passdb *db, struct request *request,
				   struct fields *fields,
				   const char **stored_out);
	enum pass_result (*verify)(struct passdb *db, struct request *request,
				   struct fields *fields);
	/* The one or the other, as it is set up. */
	enum pass_result (*ask)(struct passdb *db, struct request *request,
				struct fields *fields, const char **stored_out,
				bool *verified_out);
	/* In a worker, when the answer has left; may be NULL. */
	void (*after)(struct passdb *db, struct request *request);
};

/* A field with which a passdb that does not accept the password decides whether
 * those behind it are asked: "closed", they are not, whatever result_failure
 * says; or a number, they are, without so many octets at the password's end. */
#define PASS_GATE "gate"
/* A field with which a passdb has no say: its fields count, the next is asked.
 */
#define PASS_ASIDE "noauthenticate"

struct userdb {
	struct userdb *next;
	const struct userdb_driver *driver;
	const struct userdb_settings *set;
	unsigned index;
	const char *mark;
	const char *args, *base_dir;
	const char *cache_key;
	bool blocking; /* the driver's, if args do not say otherwise */
	void *data;
};

/* False: it has this name, and for now it takes no more. */
typedef bool userdb_list_fn(void *ctx, const char *name);

/* How far a list has come; zeroed at its start. What it holds is the driver's.
 */
struct userdb_place {
	uint64_t version;
	size_t count;
	const void *next;
};

struct userdb_driver {
	const char *name;
	bool blocking;
	int (*open)(struct userdb *db, struct err *err);
	enum user_result (*lookup)(struct userdb *db, struct request *request,
				   struct fields *fields);
	/* All users from *place on; NULL if it cannot know them. Returns 1 if
	 * `fn` took no more: the others are for the next call. Drivers that
	 * block list in workers, whose `fn` waits: they need not heed it. */
	int (*list)(struct userdb *db, struct request *request,
		    userdb_list_fn *fn, void *ctx, struct userdb_place *place,
		    struct err *err);
};

/* The passdbs and userdbs of one service ("imap"), in order. */
struct dbs {
	struct passdb *passdbs, *masterdbs;
	struct userdb *userdbs;
};

/* Child of ctx. `service` NULL: those that no protocol block changes. */
int dbs_open(const void *ctx, const struct config *config, const char *service,
	     struct dbs **out, struct err *err);
struct passdb *dbs_passdb(const struct dbs *dbs, unsigned index);
struct userdb *dbs_userdb(const struct dbs *dbs, unsigned index);

/* Ask one passdb. With `may_wait` false, PASS_SLOW comes back where it needs a
 * worker. */
void passdb_ask(struct passdb *db, struct request *request, bool may_wait,
		struct pass_answer *answer);
/* It is at work from now on: for the log, and for %! in templates. */
void passdb_enter(const struct passdb *db, struct request *request);
void userdb_enter(const struct userdb *db, struct request *request);
/* A database's own auth_verbose ("default", "yes", "no") over the setting. */
bool db_verbose(const struct auth_settings *set, const char *own);
/* The number of a user, or group; child of ctx. NULL if there is none such. */
const char *db_id(const void *ctx, bool group, const char *name);
/* uid and gid as text: numbers, or names to look up. NULL if there are none. */
const char *db_uid(struct request *request, const char *text);
const char *db_gid(struct request *request, const char *text);

/* args has no other words than one that begins so. */
int passdb_check_words(const struct passdb *db, const char *known,
		       struct err *err);
/* "uid=vmail gid=%d ...": those without variables must be right from the start.
 */
int userdb_check_ids(const char *fields, struct err *err);
/* A field of a userdb, with names of users and groups made into numbers; false
 * if there is none such, which is logged. */
bool userdb_set_field(struct request *request, struct fields *fields,
		      const char *key, const char *value);

const struct passdb_driver *passdb_driver_find(const char *name);
const struct userdb_driver *userdb_driver_find(const char *name);

#endif
