/* SPDX-License-Identifier: MIT */
/*
 * mime/date.h - date-time of RFC 5322 section 3.3, and of IMAP and mbox.
 */
#ifndef MIME_DATE_H
#define MIME_DATE_H
#include <stdbool.h>
#include <time.h>

#include "base/str.h"

struct buf;

/* A Date: field's value, obsolete forms included. */
bool date_parse(struct str value, time_t *utc_out, int *zone_minutes_out);
/* "Thu, 23 Jul 2020 19:03:23 +0900", in the local zone. */
void date_write(time_t t, struct buf *out);

#endif
