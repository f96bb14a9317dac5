/* SPDX-License-Identifier: MIT */
/*
 * sieve/check.h - the validator, as extensions see it.
 */
#ifndef SIEVE_CHECK_H
#define SIEVE_CHECK_H
#include <stdbool.h>
#include <stddef.h>

#include "sieve/tree.h"

struct sieve_check;
struct sieve_engine;
struct sieve_extension;
struct sieve_namespace;

/* Report what is wrong with the script, in one line; compiling goes on to find
 * more, and fails at the end. */
void sieve_error(struct sieve_check *check, struct sieve_place at,
		 const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void sieve_warning(struct sieve_check *check, struct sieve_place at,
		   const char *fmt, ...) __attribute__((format(printf, 3, 4)));
struct sieve_engine *sieve_check_engine(struct sieve_check *check);
/* Whether what the script includes need not be there yet. */
bool sieve_check_upload(const struct sieve_check *check);
/* What is allocated from it lives as long as the command in work, with all in
 * its block, and all branches of an `if`. */
struct sieve_arena *sieve_check_arena(struct sieve_check *check);
/* Whether an extension has been required. */
bool sieve_check_active(struct sieve_check *check, const char *name);
/* The extension's own for this script; see struct sieve_extension. */
void *sieve_check_state(struct sieve_check *check,
			const struct sieve_extension *ext);
/* Require it, as the script would; false if there is none of that name or
 * this script may not have it. */
bool sieve_check_require(struct sieve_check *check, struct sieve_place at,
			 struct str name);
/* The extension that could be required here; NULL if there is none. */
const struct sieve_extension *sieve_check_may(struct sieve_check *check,
					      struct str name);
/* Whether only the administrator's scripts may require it. */
bool sieve_check_is_kept(struct sieve_check *check, struct str name);
/* The same for ihave: when the answer is another one day, the program is
 * compiled again. */
const struct sieve_extension *sieve_check_asks(struct sieve_check *check,
					       struct str name);
/* Whether a command that is no require came before. */
bool sieve_check_requires_over(struct sieve_check *check);
/* The command in whose block this is (`levels` up, from 0), or NULL. */
const struct sieve_node *sieve_check_parent(struct sieve_check *check,
					    unsigned levels);
/* The command before this one in its block, or NULL. */
const struct sieve_node *sieve_check_previous(struct sieve_check *check);
/* What "name", "space.name" or "1" in "${...}" refers to; with `set`, what the
 * name of a variable to be set does. False after an error. */
bool sieve_check_reference(struct sieve_check *check, struct sieve_place at,
			   struct str name, bool set, struct sieve_piece *out);
/* Make `name` (lower case) another word for `name` in a namespace (RFC 6609
 * section 3.4.1). False if there is a variable of that name already. */
bool sieve_check_alias(struct sieve_check *check, struct str name,
		       const struct sieve_namespace *space);
/* A number for a parameter that is SIEVE_HIDDEN. */
struct sieve_arg *sieve_check_number(struct sieve_check *check,
				     uint64_t number);
/* UTF-8, not empty, no NUL. */
bool sieve_mailbox_valid(struct str name);
/* For sieve_tag.check, of tags that go with a mailbox: only with :fcc, unless
 * the command is fileinto or keep (RFC 8580 section 3). */
void sieve_check_fcc(struct sieve_check *check, struct sieve_node *node,
		     const struct sieve_arg *tag);
/* For sieve_param.check. */
/* Of a test: no error, and nothing matches (RFC 5228 section 2.4.2.2). */
void sieve_check_header_name(struct sieve_check *check,
			     const struct sieve_arg *arg);
void sieve_check_address(struct sieve_check *check,
			 const struct sieve_arg *arg);
void sieve_check_mailbox(struct sieve_check *check,
			 const struct sieve_arg *arg);

#endif
