/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/enotify.h - what enotify and the older notify have in common.
 */
#ifndef SIEVE_EXT_ENOTIFY_H
#define SIEVE_EXT_ENOTIFY_H

struct err;
struct sieve_action;
struct sieve_args;
struct sieve_run;

/* Add a notification by mail, whose method is a mailto URI, unless all that it
 * is for are told already (RFC 5436 section 2.7). */
int sieve_notify_by_mail(struct sieve_run *run, const struct sieve_args *args,
			 struct sieve_action *action, struct err *err);

#endif
