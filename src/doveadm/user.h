/* SPDX-License-Identifier: MIT */
/*
 * doveadm/user.h - looking users up, for `user` and for mail commands.
 */
#ifndef DOVEADM_USER_H
#define DOVEADM_USER_H
#include <stdbool.h>

#include "service/auth_master.h"

struct doveadm;

/* All that -x said goes to auth as it is. False, with a complaint, if an
 * address or port in it is none. `*info` refers to what is a child of the run.
 */
bool auth_info_take(const struct doveadm *adm, struct auth_request_info *info);
/* Whether a name has wildcards. */
bool user_is_mask(const char *name);

#endif
