/* SPDX-License-Identifier: MIT */
/*
 * imap/search_return.h - RETURN (...) of SEARCH and SORT: ESEARCH (RFC 4731),
 * SAVE (RFC 5182), ESORT, PARTIAL and UPDATE (RFC 5267).
 */
#ifndef IMAP_SEARCH_RETURN_H
#define IMAP_SEARCH_RETURN_H
#include <stdbool.h>
#include <stdint.h>

struct buf;
struct cmd;
struct imap_arg;

enum {
	RETURN_MIN = 1 << 0,
	RETURN_MAX = 1 << 1,
	RETURN_ALL = 1 << 2,
	RETURN_COUNT = 1 << 3,
	RETURN_SAVE = 1 << 4,
	RETURN_PARTIAL = 1 << 5,
	RETURN_UPDATE = 1 << 6,
};

struct search_return {
	bool extended; /* there was a RETURN */
	unsigned wanted;
	uint32_t first, last; /* PARTIAL: places in the result, from 1 */
};

/* Takes RETURN and its list from *arg if they are there. NULL, or what is
 * wrong. */
const char *search_return_parse(const struct imap_arg **arg,
				struct search_return *out);
/* Whether an ESEARCH response is due: with SAVE alone there is none. */
bool search_return_tells(const struct search_return *ret);
/* Only MIN or MAX or both are asked for, so that MODSEQ tells of them alone
 * (RFC 7162 section 3.1.10). */
bool search_return_extremes(const struct search_return *ret);
/* MIN, MAX or PARTIAL are asked for, but nothing that needs all, so that SAVE
 * saves only them (RFC 5182 section 2.1). */
bool search_return_saves_part(const struct search_return *ret);
/* "* ESEARCH (TAG "a") UID" */
void esearch_begin(struct cmd *cmd);
/* " MIN 1" */
void esearch_number(struct buf *line, const char *word, uint64_t number);
/* " PARTIAL (1:10 ", which the numbers and ")" follow. */
void esearch_partial(struct buf *line, const struct search_return *ret);

#endif
