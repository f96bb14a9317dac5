/* SPDX-License-Identifier: MIT */
/*
 * storage/attribute.h, part of storage/storage.h - annotations of mailboxes and
 * of the server (RFC 5464), in the file of mail_attribute_dict as Dovecot has
 * them.
 *
 * An entry is "/private/comment" or "/shared/vendor/x/y", in any case. Private
 * or shared, all are the user's own; the mailbox "" is the server. Some have a
 * preset from the configuration (comment, special_use, mail_server_admin).
 */
#ifndef STORAGE_ATTRIBUTE_H
#define STORAGE_ATTRIBUTE_H
#include <stdbool.h>
#include <stddef.h>

struct err;
struct user;

struct attribute {
	const char *entry;
	const char *value; /* NULL: there is none, or to be removed */
};

/* ERR_INVALID with what BAD tells, unless it may be the name of an entry. */
int attribute_check(const char *entry, struct err *err);
/* What belongs to the server and is not shown to clients. The entry has passed
 * attribute_check(). */
bool attribute_is_internal(const char *entry);

/* *value_out, a child of ctx, is NULL if there is none. ERR_NOT_FOUND: no such
 * mailbox; ERR_UNSUPPORTED: there is no mail_attribute_dict. */
int attribute_get(const void *ctx, struct user *user, const char *mailbox,
		  const char *entry, const char **value_out, struct err *err);
/* `entry` ("" for all) and those below it that have a value, by name; children
 * of ctx. */
int attribute_list(const void *ctx, struct user *user, const char *mailbox,
		   const char *entry, struct attribute **out, size_t *count_out,
		   struct err *err);
/* All or none of them. Besides: ERR_INVALID, ERR_DENIED for those that the
 * configuration gives; ERR_LIMIT: longer than mail_attribute_max_value_size;
 * ERR_QUOTA: all are more than mail_attribute_max_size. */
int attribute_set(struct user *user, const char *mailbox,
		  const struct attribute *attributes, size_t count,
		  struct err *err);

#endif
