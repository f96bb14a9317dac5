/* SPDX-License-Identifier: MIT */
/*
 * doveadm/log_search.h - which file below a directory syslog writes to: the
 * one that grows by a line just logged.
 */
#ifndef DOVEADM_LOG_SEARCH_H
#define DOVEADM_LOG_SEARCH_H

struct log_search;

/* Remember how long each file in `dir` and its directories is. Child of ctx. */
struct log_search *log_search_begin(const void *ctx, const char *dir);
/* The file that got `text` since; waits up to a second for it. NULL if none
 * did. Lives as long as the search. */
const char *log_search_find(struct log_search *search, const char *text);

#endif
