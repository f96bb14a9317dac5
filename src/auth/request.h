/* SPDX-License-Identifier: MIT */
/*
 * auth/request.h - one login or lookup: who asks, for whom, and what the
 * passdbs and userdbs said so far.
 *
 * A request is a talloc context; all it holds hangs below it. Secrets in it
 * are wiped when it is freed.
 */
#ifndef AUTH_REQUEST_H
#define AUTH_REQUEST_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "auth/fields.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/str.h"

struct auth_settings;
struct buf;
struct cache_key;
struct err;
struct vars_escape;

enum pass_result {
	PASS_OK,
	PASS_MISMATCH,
	PASS_UNKNOWN_USER,
	PASS_DISABLED,     /* the account is switched off */
	PASS_EXPIRED,      /* the password is too old */
	PASS_NOT_FOR_USER, /* this passdb has no word on the user */
	PASS_SLOW,         /* internal: verify in a worker */
	PASS_FAILURE,      /* it could not be found out */
};

enum user_result { USER_OK, USER_NOT_FOUND, USER_FAILURE };

struct request {
	const struct auth_settings *set;

	/* Who asks. */
	const char *service, *mech; /* mech "" for lookups */
	const char *session_id, *local_name, *client_id, *session_pid;
	const char *client_pid; /* NULL: no process wants to log somebody in */
	const char *forward_fields; /* what a proxy was told by another */
	struct ip local, remote, real_local, real_remote;
	bool secured, is_tls, no_penalty, debug;
	bool final_resp_ok; /* the client takes data with OK */
	/* The client's certificate: checked by login, and the name in it. */
	bool valid_cert;
	const char *cert_user;
	/* Channel bindings of its TLS connection, in base64; NULL: none. */
	const char *tls_exporter, *tls_server_end_point;
	unsigned connection_uid; /* of the client's connection to auth: APOP */
	bool verbose; /* log why it fails: auth_verbose, or the passdb's */

	/* For whom. `user` is NULL until it is known. */
	const char *user;
	const char *original_user; /* as given, before formatting */
	const char *login_user;    /* whom a master user wants to be */
	const char *master_user;   /* who was that master user */
	const char *auth_user;     /* who gave the password */
	const char *source;        /* the passdb or userdb at work */
	unsigned source_number;    /* which of them, from 1; 0: none */
	bool in_master;            /* a masterdb is asked: log lines say so */

	/* Variables that a passdb has for its templates: "oauth2:email". */
	struct fields more_vars;
	const struct fields *found; /* see request_expand_field() */
	bool found_of_userdb;

	char *password;            /* given; wiped on free */
	struct fields pass_fields; /* extra fields of passdbs */
	struct fields user_fields; /* userdb_* of passdbs, then userdb's */
	struct fields pass_saved, user_saved; /* request_fields_save() */
	bool no_password;                     /* field nopassword */
	bool passdb_failed; /* allow_nets and the like refused */
	bool broken;        /* so did a template that cannot be expanded */
	bool user_broken;   /* a uid or gid of the user is none */
	int64_t delay_until;                  /* seconds of 1970; or 0 */
	bool refused; /* so did a passdb of the chain, or deny, or a date */
	bool lookup_only;   /* no password is to be verified */
	/* An earlier passdb of the chain found it right: only fields count. */
	bool password_known;
	/* What a lookup is for: credentials of that scheme, or plain ones. */
	const char *want_scheme;
	char *credentials; /* found; wiped on free */
	/* What SCRAM is to be made of; wiped on free. The other is "rounds,
	 * salt", as the scheme stores it. */
	char *to_hash;
	const char *hash_with;
	/* Where they were remembered: they may be old. NULL: nowhere. */
	const struct cache_key *remembered;
	bool success;
	bool last_success; /* the last passdb said yes, whatever follows */
	/* In a worker: auth's process, and how many requests it sent; for log
	 * lines. */
	pid_t worker_pid;
	uid_t worker_uid;
	unsigned worker_count;
	const char *fail_code; /* for the client: "temp_fail"; or NULL */
};

enum { REQUEST_NAME_MAX = 128 }; /* of a user's name, in lines of the log */

/* Of real_local or real_remote; without a proxy in front it is the other. */
static inline const struct ip *request_real_ip(const struct ip *real,
					       const struct ip *ip)
{
	return real->family == 0 ? ip : real;
}

/* `set` must outlive it. */
struct request *request_new(const void *ctx, const struct auth_settings *set);
/* One "key=value" of a line of who asks; those that are not for him to say, or
 * unknown, are passed over. */
void request_set_arg(struct request *request, struct str key, struct str value);
/* What a worker has to know: "\tkey=value" of all. It reads that without the
 * first tab. */
void request_write(const struct request *request, struct buf *out);
void request_read(struct request *request, struct str in);

/* The name as a client gave it, maybe "user*master". -1 with ERR_INVALID and
 * the text for the log if a character is not allowed. */
int request_set_user(struct request *request, const char *name,
		     struct err *err);
/* The user that a master user wants to be (SASL's authorisation id). */
int request_set_login_user(struct request *request, const char *name,
			   struct err *err);
/* Both names of a SASL mechanism; the second may be "". If both are the same,
 * the client says its own twice, even where the name that counts is that of its
 * certificate. */
int request_set_users(struct request *request, const char *name,
		      const char *login, struct err *err);
/* Take a copy of what the client proved itself with. */
void request_set_password(struct request *request, const char *password);
void request_set_credentials(struct request *request, const char *stored);
void request_set_hash(struct request *request, const char *password);
/* None of them is needed any more: they are wiped, and NULL. */
void request_wipe(struct request *request);

/* A field of a passdb: `user`, `nopassword`, `allow_nets`, `userdb_*` and the
 * others have their meaning; the rest is for the client. */
void request_set_pass_field(struct request *request, const char *key,
			    const char *value);
/* One of a userdb. A uid or gid that is none makes the lookup fail, whatever
 * follows; the login does not. */
void request_set_user_field(struct request *request, const char *key,
			    const char *value);
/* Before a database that may turn out not to know the user: restoring undoes
 * what was set since. */
void request_fields_save(struct request *request);
void request_fields_restore(struct request *request);
/* default_fields and override_fields: "key=value key=value", expanded. */
void request_set_templates(struct request *request, const char *fields,
			   bool userdb);
/* A template with its %-variables; NULL after logging why it cannot be. Child
 * of the request. */
const char *request_expand(struct request *request, const char *format);
/* The same for a field of a database that gave `found` before it:
 * %{passdb:host}, or %{userdb:home} if it is a userdb. */
const char *request_expand_field(struct request *request, const char *format,
				 const struct fields *found, bool userdb);
/* The same of all that can be expanded, for who only wants to know whether it
 * is the same as another time. NULL if it is too long. */
const char *request_expand_anyway(struct request *request, const char *format);
/* The same as request_expand(), each value added by `escape`: for SQL and LDAP.
 */
const char *request_expand_escaped(struct request *request, const char *format,
				   const struct vars_escape *escape);

/* "passwd-file(alice,127.0.0.1,<session>): text", with the name of the passdb
 * or userdb at work, else that of the mechanism. Info lines only with
 * auth_verbose, debug lines with auth_debug. */
void request_log(const struct request *request, enum log_level level,
		 const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "Password mismatch", with what auth_verbose_passwords adds. */
void request_log_mismatch(const struct request *request);
/* "unknown user", the same. */
void request_log_unknown(const struct request *request);

#endif
