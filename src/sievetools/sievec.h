/* SPDX-License-Identifier: MIT */
/*
 * sievetools/sievec.h - compiles Sieve scripts (doc/man/sievec.1).
 */
#ifndef SIEVETOOLS_SIEVEC_H
#define SIEVETOOLS_SIEVEC_H
#include "sievetools/tool.h"

/* The whole program. Without `become`, it goes on as sieve-tool for -u. */
int sievec(int argc, char **argv, tool_become *become);

#endif
