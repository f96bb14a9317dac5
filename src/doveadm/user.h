/* SPDX-License-Identifier: MIT */
/*
 * doveadm/user.h - looking users up, for `user` and for mail commands.
 */
#ifndef DOVEADM_USER_H
#define DOVEADM_USER_H
#include <stdbool.h>

#include "service/auth_master.h"

struct doveadm;
struct err;

enum { AUTH_INFO_MAX = 32 };

/* What -x said: all of it goes to auth as it is. */
struct auth_info {
	const char *list[AUTH_INFO_MAX + 1]; /* NULL at the end */
	unsigned count;
};
/* False, with a complaint, if an address or port in it is none. */
bool auth_info_add(struct auth_info *info, const char *assignment);
/* For a lookup; `info` must outlive it. */
void auth_info_use(const struct auth_info *info, struct auth_request_info *out);
/* Whether a name has wildcards. */
bool user_is_mask(const char *name);

#endif
