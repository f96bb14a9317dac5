/* SPDX-License-Identifier: MIT */
/*
 * service/account.h - what auth knows of a user, as the auth protocol gives it.
 */
#ifndef SERVICE_ACCOUNT_H
#define SERVICE_ACCOUNT_H
#include <sys/types.h>

#include "base/str.h"

struct buf;
struct err;
struct unpack;

struct account {
	const char *name;   /* after auth's normalisation */
	const char *home;   /* NULL if not known */
	const char *mail;   /* mail_location from userdb; NULL if not given */
	const char *chroot; /* NULL if none */
	uid_t uid;          /* (uid_t)-1 if not given: the settings decide */
	gid_t gid;
	const char *groups; /* system_groups_user; NULL if none */
	/* All fields as "key=value" (quota_rule=..., mail=...), with NULL at
	 * the end; settings in it override those of the configuration. */
	const char *const *fields;
};

/* From the fields of a USER reply, "\t"-separated and escaped. Child of ctx. */
int account_parse(const void *ctx, struct str name, struct str fields,
		  struct account **out, struct err *err);
/* Of who runs this process, without asking auth. Child of ctx. */
int account_own(const void *ctx, struct account **out, struct err *err);
/* A field's value, or NULL. */
const char *account_field(const struct account *account, const char *key);
/* For the way from the template to a worker. */
void account_pack(const struct account *account, struct buf *out);
/* A copy below ctx, for who keeps an account longer than it was told. */
struct account *account_copy(const void *ctx, const struct account *account);
struct account *account_unpack(const void *ctx, struct unpack *in);

#endif
