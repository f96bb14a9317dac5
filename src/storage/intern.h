/* SPDX-License-Identifier: MIT */
/*
 * storage/intern.h - texts to numbers, from 0 on in the order in which they
 * come: message ids and subjects while mails are threaded.
 *
 * The hash has a key of its own (SipHash), as the texts come from anybody's
 * mail.
 */
#ifndef STORAGE_INTERN_H
#define STORAGE_INTERN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct intern;

/* Child of ctx; takes up to `memory_max` octets. */
struct intern *intern_new(const void *ctx, uint64_t memory_max);
/* Its number, a new one if need be; false: it would be too much. */
bool intern_get(struct intern *intern, struct str text, uint32_t *out);
uint32_t intern_count(const struct intern *intern);

#endif
