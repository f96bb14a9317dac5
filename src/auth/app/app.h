/* SPDX-License-Identifier: MIT */
/*
 * auth/app/app.h - app passwords: made by the server, one for each program or
 * device, with what it may be used for and until when. And TOTP, the code that
 * a user adds to the password of other passdbs.
 *
 * A password is 28 letters of 25 (no "l"), in groups of four: 130 bits.
 */
#ifndef AUTH_APP_APP_H
#define AUTH_APP_APP_H
#include "auth/app/store.h"
#include "auth/db.h"
#include "base/str.h"

struct buf;

enum {
	APP_LETTERS = 28,
	APP_GROUP = 4,
	APP_MAX = 20, /* of a user; max= of args, up to: */
	APP_MAX_MAX = 50,
};

/* What a passdb was set up with. */
struct app_source {
	struct app_store store;
	unsigned max;
	bool totp;
	/* Used by the login just answered; noted when its client knows. */
	struct app_rows *used_rows;
	size_t used;
	int64_t not_noted; /* when that failed last */
};

enum app_scope {
	APP_IMAP = 1 << 0,
	APP_POP3 = 1 << 1,
	APP_SMTP = 1 << 2,
	APP_SIEVE = 1 << 3,
	APP_READ_ONLY = 1 << 4,
};
/* "imap,read-only"; false if there is another word, or a scope that cannot be
 * read-only with it. */
bool app_scopes_parse(struct str text, unsigned *out);
void app_scopes_write(unsigned scopes, struct buf *out);
/* That of auth's service "imap", "submission"...; 0: none. */
unsigned app_scope_of(const char *service);

/* Whether it is about a password, given or stored, and not a token, a
 * certificate or a user's existence. */
bool app_concerns(const struct request *request);
/* A new password with its groups; wipe it. */
void app_make(char out[APP_LETTERS * 2]);
/* The hash of what a user typed, in lower or upper case, with or without the
 * groups; NULL if no app password looks like that. Child of ctx. */
char *app_hash(const void *ctx, const char *typed);

/* What `doveadm app-password` wants: "list", "add", "revoke", "totp-enable",
 * "totp-disable". Each row of the answer goes to `fn` as fields_write() makes
 * it; an error is a row with "error=...". */
int app_admin(struct passdb *db, struct request *request, const char *what,
	      const struct fields *args, userdb_list_fn *fn, void *ctx,
	      struct err *err);

#endif
