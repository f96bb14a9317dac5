/* SPDX-License-Identifier: MIT */
/*
 * storage/quota_rule.h - what settings of quotas say, in the words of Dovecot's
 * quota plugin.
 *
 *	quota = count:User quota:ns=Archive/:noenforcing
 *	quota_rule = *:storage=1G:messages=1000
 *	quota_rule2 = Trash:storage=+10%
 *	quota_warning = storage=95% quota-warning 95 alice
 */
#ifndef STORAGE_QUOTA_RULE_H
#define STORAGE_QUOTA_RULE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct err;

/* A number of octets or mails, or a percentage of the root's limit. */
struct quota_limit {
	bool given, percent;
	int64_t value;
};

struct quota_rule {
	const char *mailbox; /* "*": the root's own limits; or a pattern */
	bool ignore;         /* what is in there does not count */
	/* Of a mailbox: how much more (or less) than the root's. */
	struct quota_limit bytes, messages;
};

struct quota_warning {
	bool reverse;  /* when there is less again, not more */
	bool messages; /* of them, not of octets */
	struct quota_limit limit;
	const char *socket, *args;
};

struct quota_backend {
	const char *name;
	const char *ns; /* prefix; NULL: all private namespaces */
	bool noenforcing, hidden, ignore_unlimited;
	bool unsupported; /* others look after it: fs, imapc */
};

/* "10M", "5%"; without a suffix it is in units of `unit`. */
int quota_limit_parse(struct str text, int64_t unit, struct quota_limit *out,
		      struct err *err);
/* What it is, where the root's limit is `of`; within int64_t. */
int64_t quota_limit_value(const struct quota_limit *limit, int64_t of);
/* These three make children of ctx; ERR_INVALID. */
int quota_rule_parse(const void *ctx, const char *text, struct quota_rule *out,
		     struct err *err);
int quota_warning_parse(const void *ctx, const char *text,
			struct quota_warning *out, struct err *err);
int quota_backend_parse(const void *ctx, const char *text,
			struct quota_backend *out, struct err *err);

#endif
