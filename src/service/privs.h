/* SPDX-License-Identifier: MIT */
/*
 * service/privs.h - whose rights this process has. Nothing else changes them.
 */
#ifndef SERVICE_PRIVS_H
#define SERVICE_PRIVS_H
#include <sys/types.h>

struct account;
struct config;
struct err;

/* Become that user for good: groups, gid, uid, chroot, PR_SET_NO_NEW_PRIVS.
 * Held against first_valid_uid, last_valid_uid, first_valid_gid,
 * last_valid_gid, valid_chroot_dirs; mail_uid, mail_gid, mail_access_groups
 * apply. When this process is not root, the account's uid must be its own. */
int privs_drop(const struct account *account, const struct config *config,
	       struct err *err);
/* Without PR_SET_NO_NEW_PRIVS: for deliveries, whose sendmail may be Postfix's,
 * which needs the group of its own. */
int privs_drop_for_exec(const struct account *account,
			const struct config *config, struct err *err);
/* Whether privs_drop() would take the account's chroot, where a client can
 * still be told. */
int privs_check_root(const struct account *account, const struct config *config,
		     struct err *err);
/* What tells those rights from others: a process that has them can serve every
 * account with the same. Child of ctx; NULL: they would not be given. */
char *privs_key(const void *ctx, const struct account *account,
		const struct config *config, struct err *err);
/* The ids of it. */
int privs_ids(const struct account *account, const struct config *config,
	      uid_t *uid_out, gid_t *gid_out, struct err *err);
/* mail_privileged_group, for dotlocks in /var/mail: on and off again. */
int privs_group_begin(struct err *err);
void privs_group_end(void);

#endif
