/* SPDX-License-Identifier: MIT */
/*
 * doveadm/dump.h - the kinds of files that `doveadm dump` can show.
 */
#ifndef DOVEADM_DUMP_H
#define DOVEADM_DUMP_H

struct err;

/* dump_index.c: an environment's directory; only those mailboxes, by their
 * storage names, unless there are none. */
int dump_index(const char *path, int count, char **mailboxes, struct err *err);
/* dump_control.c: what is text */
int dump_uidlist(const char *path, struct err *err);
int dump_keywords(const char *path, struct err *err);
int dump_uidvalidity(const char *path, struct err *err);
int dump_subscriptions(const char *path, struct err *err);
int dump_names(const char *path, struct err *err);
int dump_attributes(const char *path, struct err *err);
/* dump_binary.c */
int dump_journal(const char *path, struct err *err);
int dump_dupes(const char *path, struct err *err);

#endif
