/* SPDX-License-Identifier: MIT */
/*
 * doveadm/query_value.h - the values of search keys.
 */
#ifndef DOVEADM_QUERY_VALUE_H
#define DOVEADM_QUERY_VALUE_H
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct err;
struct range_set;

/* "13-Apr-2007", "2007-04-13" (a day: its midnight UTC), "1176418800", "4w", "2
 * days" (an instant). ERR_INVALID. */
int query_date(const char *text, time_t now, int64_t *time_out,
	       bool *instant_out, struct err *err);
/* "1:3,5,7:*": UINT32_MAX stands for *, but *last_out says that one stood
 * alone. False when malformed. */
bool query_set(const char *text, struct range_set *out, bool *last_out);

#endif
