/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/list.h - all extensions; a new one is named in list.c.
 */
#ifndef SIEVE_EXT_LIST_H
#define SIEVE_EXT_LIST_H

struct sieve_extension;

/* Up to NULL. Strings go through them in this order. */
extern const struct sieve_extension *const sieve_extensions[];

#endif
