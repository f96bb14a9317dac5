/* SPDX-License-Identifier: MIT */
/*
 * service/privs_internal.h - the rights of a service, as its block says.
 */
#ifndef SERVICE_PRIVS_INTERNAL_H
#define SERVICE_PRIVS_INTERNAL_H
#include <stdbool.h>
#include <sys/types.h>

struct config;
struct err;

/* By name or number; *gid is the user's own group. */
int privs_user(const char *name, uid_t *uid, gid_t *gid, struct err *err);
int privs_group(const char *name, gid_t *gid, struct err *err);
/* All ids at once, without a way back. */
int privs_set_ids(uid_t uid, gid_t gid, const gid_t *groups, int count,
		  gid_t saved, struct err *err);
void privs_no_new(void);
/* mail_privileged_group is set. */
bool privs_has_group(const struct config *config);

#endif
