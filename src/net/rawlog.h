/* SPDX-License-Identifier: MIT */
/*
 * net/rawlog.h - a record of a connection's traffic, in Dovecot's form: two
 * files, each line with the time at which its first octet came or went.
 */
#ifndef NET_RAWLOG_H
#define NET_RAWLOG_H
#include "base/str.h"

struct rawlog;
enum rawlog_side { RAWLOG_IN, RAWLOG_OUT };

/* New files in `dir`; child of ctx. NULL if there is no such directory. */
struct rawlog *rawlog_open(const void *ctx, const char *dir);
void rawlog_add(struct rawlog *log, enum rawlog_side side, struct str data);

#endif
