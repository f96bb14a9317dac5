/* SPDX-License-Identifier: MIT */
/*
 * auth/worker.h - the process auth-worker ("auth -w"): does for auth what
 * blocks. The lines are described in auth/workers.h.
 */
#ifndef AUTH_WORKER_H
#define AUTH_WORKER_H
extern const struct service auth_worker_service;

/* End this process after that many requests (0: never), when the one at work
 * is answered: PAM modules leak. */
void worker_retire_after(unsigned requests);

#endif
