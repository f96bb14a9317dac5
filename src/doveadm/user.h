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

/* Take "service=imap", "rip=192.0.2.1"... of -x into *info. False, with a
 * complaint, for what cannot be understood. */
bool auth_info_add(struct auth_request_info *info, const char *assignment);
/* Whether a name has wildcards. */
bool user_is_mask(const char *name);

#endif
