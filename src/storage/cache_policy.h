/* SPDX-License-Identifier: MIT */
/*
 * storage/cache_policy.h - which fields of a mailbox's mails are worth caching:
 * those that somebody asked for in mail_cache_unaccessed_field_drop.
 *
 * All that a parse gives is cached at first (`temp`); what is not asked for in
 * that time comes to `no`, and is `temp` again when it is. When a field was
 * asked for last is noted once a day, so that it costs no write with each
 * fetch.
 */
#ifndef STORAGE_CACHE_POLICY_H
#define STORAGE_CACHE_POLICY_H
#include <stdbool.h>
#include <stdint.h>

#include "index/index.h"

struct mailbox;

/* Once for a mailbox that is open; the rest wants it, or keeps everything. */
void cache_policy_load(struct mailbox *box, struct index_txn *txn, uint32_t id);
bool cache_keeps(const struct mailbox *box, enum index_field field);
/* Whether mail_never_cache_fields has none of these header fields. */
bool cache_keeps_headers(const struct mailbox *box, const char *const *fields);
/* Somebody asked for a field; for a header field that is not a usual one. */
void cache_asked(struct mailbox *box, enum index_field field);
void cache_asked_header(struct mailbox *box, const char *name);
/* Whether there is something to write, and write it. */
bool cache_policy_dirty(const struct mailbox *box);
int cache_policy_write(struct mailbox *box, struct index_txn *txn, uint32_t id,
		       struct err *err);
/* Remove from the cache what is not kept any more. */
int cache_policy_purge(struct mailbox *box, struct index_txn *txn, uint32_t id,
		       struct err *err);

#endif
