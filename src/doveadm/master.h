/* SPDX-License-Identifier: MIT */
/*
 * doveadm/master.h - signals for the master.
 */
#ifndef DOVEADM_MASTER_H
#define DOVEADM_MASTER_H
#include <sys/types.h>

struct doveadm;

/* Send it; returns the exit status, having complained when there is no
 * master. */
int master_signal(struct doveadm *adm, int number, pid_t *pid_out);

#endif
