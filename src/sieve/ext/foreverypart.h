/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/foreverypart.h - the part that a loop is at, for the rest of
 * RFC 5703.
 */
#ifndef SIEVE_EXT_FOREVERYPART_H
#define SIEVE_EXT_FOREVERYPART_H
#include "base/str.h"

struct err;
struct mime_part;
struct sieve_check;
struct sieve_run;

/* Whether the command stands within a loop. */
bool sieve_loop_around(struct sieve_check *check);
/* The part that the innermost loop of this script is at; NULL outside. */
const struct mime_part *sieve_loop_part(struct sieve_run *run);
/* Put other octets, header and body, in the place of that part (outside of
 * loops: of the message). Loops go on behind it. ERR_LIMIT: too much of it. */
int sieve_loop_replace(struct sieve_run *run, struct str with, struct err *err);
/* The message has become a part of another one, behind so many parts. */
void sieve_loop_shift(struct sieve_run *run, unsigned parts);

#endif
