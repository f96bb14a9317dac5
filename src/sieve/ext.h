/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext.h - what an extension is: one const table in ext/NAME.c, named in
 * ext/list.c. Everything that an extension file needs is included here.
 *
 * Commands and tests declare what they take; from that the validator, the
 * compiler, sieve-dump and the machine work by themselves. What is left for
 * the extension is a check of values (`check`) and what is done (`run`). Only
 * control structures emit code on their own (`emit`).
 *
 *	static int discard_run(struct sieve_run *run,
 *			       const struct sieve_args *args, bool *result_out,
 *			       struct err *err);
 *
 *	static const struct sieve_command commands[] = {
 *		{.name = "setflag",
 *		 .params = {{"variable name", SIEVE_STRING, SIEVE_OPTIONAL},
 *			    {"list of flags", SIEVE_STRINGS}},
 *		 .run = setflag_run},
 *		{.name = NULL},
 *	};
 *	const struct sieve_extension ext_imap4flags = {
 *		.name = "imap4flags", .commands = commands};
 */
#ifndef SIEVE_EXT_H
#define SIEVE_EXT_H
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/setting.h"
#include "sieve/action.h"
#include "sieve/arena.h"
#include "sieve/check.h"
#include "sieve/emit.h"
#include "sieve/engine.h"
#include "sieve/host.h"
#include "sieve/match.h"
#include "sieve/message.h"
#include "sieve/result.h"
#include "sieve/run.h"
#include "sieve/tree.h"

enum {
	SIEVE_OPTIONAL = 1 << 0, /* may be left out: positional, in front */
	SIEVE_LITERAL = 1 << 1,  /* must be known when compiling */
	/* Names a variable (or, SIEVE_STRINGS, some) rather than a value:
	 * value->variable refers to it. Needs `variables` to be active. */
	SIEVE_VARIABLE = 1 << 2,
	/* A number that `check` or `emit` puts into node->params, not the
	 * script: sieve_check_number(). */
	SIEVE_HIDDEN = 1 << 3,
};

struct sieve_param {
	const char *name; /* as errors call it: "list of flags" */
	enum sieve_type type;
	unsigned flags;
	/* Called for each string that is known when compiling (of a list:
	 * for each item), to complain with sieve_error(). */
	void (*check)(struct sieve_check *check, const struct sieve_arg *arg);
};

struct sieve_tag {
	const char *name; /* "create" for ":create" */
	/* In `tags` of an extension: which commands and tests take it, as
	 * words: "fileinto keep", or "@CLASS" for all with that class in
	 * their `takes`. NULL in `tags` of a command. */
	const char *of;
	const char *group; /* of these only one: "MATCH-TYPE"; NULL: itself */
	struct sieve_param param; /* SIEVE_NONE if it takes none */
	/* A second look, when all arguments are known. */
	void (*check)(struct sieve_check *check, struct sieve_node *node,
		      const struct sieve_arg *tag);
	/* For tags of actions: what it changes of the action. Called by
	 * sieve_run_action(). */
	int (*apply)(struct sieve_run *run, const struct sieve_value *value,
		     struct sieve_action *action, struct err *err);
	/* For tags of class "match": the match type that it names. */
	const struct sieve_match_type *match_type;
	/* For tags of class "mime": which fields of that name there are, by
	 * `same`, instead of the message's own. */
	struct sieve_field *(*fields)(struct sieve_run *run,
				      const struct sieve_args *args,
				      struct str name);
	/* For modifiers of `set` (RFC 5229 section 4.1): the highest precedence
	 * comes first, and of one there is one. */
	unsigned precedence;
	int (*modify)(struct sieve_run *run, struct str in, struct buf *out,
		      struct err *err);
	/* For tags of class "address-part": false if there is no such part. */
	bool (*part)(struct sieve_run *run, const struct sieve_address *address,
		     struct str *out);
};

enum {
	SIEVE_IS_TEST = 1 << 0,
	SIEVE_TAKES_TEST = 1 << 1,  /* exactly one */
	SIEVE_TAKES_TESTS = 1 << 2, /* a list in parentheses */
	SIEVE_TAKES_BLOCK = 1 << 3,
	SIEVE_TOP_LEVEL = 1 << 4, /* not inside of a block */
};

struct sieve_command {
	const char *name;
	unsigned flags;
	/* Classes of tags that it takes, as words: "match" (:is...,
	 * :comparator), "address-part", "fields" (:index), "mime" (:mime),
	 * "action" (a delivery). */
	const char *takes;
	const struct sieve_tag *tags; /* its own, up to name NULL */
	struct sieve_param params[SIEVE_MAX_PARAMS]; /* up to SIEVE_NONE */
	/* After the generic checks; may set node->constant, node->data. */
	void (*check)(struct sieve_check *check, struct sieve_node *node);
	/* Whether its tests (asked first, when they are unknown) and its block
	 * can never run: they are not looked at then, as they may need what
	 * is not there (RFC 5463 section 4). */
	bool (*dead)(struct sieve_check *check, const struct sieve_node *node);
	/* Instead of one instruction that calls `run`. */
	void (*emit)(struct sieve_emit *emit, const struct sieve_node *node);
	/* A test writes *result_out. -1 ends the script with an error at
	 * this line: ERR_TEMPORARY asks for another try later, all else is
	 * the script's fault. */
	int (*run)(struct sieve_run *run, const struct sieve_args *args,
		   bool *result_out, struct err *err);
};

/* Whether it is one of its own tags, or of those for it. */
bool sieve_command_takes(const struct sieve_command *command,
			 const struct sieve_tag *tag);

/* "${env.x}": names below a prefix, for RFC 5229 section 3 and what uses it. */
struct sieve_namespace {
	const char *name; /* "env"; lower case */
	/* Complain about a name that can't be; NULL takes all. `set` tells
	 * that it shall be assigned to. */
	void (*check)(struct sieve_check *check, struct sieve_place at,
		      struct str name, bool set);
	int (*get)(struct sieve_run *run, struct str name, struct str *out,
		   struct err *err);
	/* NULL: read-only. */
	int (*set)(struct sieve_run *run, struct str name, struct str value,
		   struct err *err);
};

enum {
	/* Not among those that sieve_extensions has by default. */
	SIEVE_EXT_OFF = 1 << 0,
	/* Needs no require (RFC 5228 section 3.2: "comparator-i;octet"); a
	 * name that starts with '@' can't be required at all. */
	SIEVE_EXT_BASE = 1 << 1,
	/* For global scripts only, unless sieve_extensions names it. */
	SIEVE_EXT_GLOBAL = 1 << 2,
	/* Other scripts are compiled while code is written. */
	SIEVE_EXT_INCLUDES = 1 << 3,
	/* Only where mail is delivered (RFC 6785 sections 3.11, 4.6). */
	SIEVE_EXT_ENVELOPE = 1 << 4,
};

struct sieve_extension {
	const char *name; /* "fileinto" */
	unsigned flags;
	unsigned version; /* of its operands; bytecode of another is refused */
	const char *implies;  /* what is required with it, as words */
	const char *excludes; /* what it can't stand beside, as words */
	const struct sieve_command *commands; /* up to name NULL */
	const struct sieve_tag *tags;
	const struct sieve_comparator *comparators;
	const struct sieve_namespace *namespaces;
	/* Settings of plugin {}; sieve_engine_set(engine, &ext) gives the
	 * struct that they fill. */
	const struct setting *settings;
	size_t settings_size;
	/* sieve_run_state(run, &ext) and sieve_check_state(check, &ext) give
	 * zeroed structs of these sizes, for one run and one compilation. */
	size_t run_size, check_size;
	/* Called at its require, after `implies`. */
	void (*required)(struct sieve_check *check, struct sieve_place at);
	/* What each string literal goes through while it is active:
	 * arg->text or arg->pieces are changed. In the order of ext/list.c. */
	void (*string)(struct sieve_check *check, struct sieve_arg *arg);
};

/* Rows of `tags` for match types and for parts of addresses. */
#define SIEVE_MATCH_TAG(tag, type, ...)                                        \
	{                                                                      \
		.name = tag, .of = "@match", .group = "MATCH-TYPE",            \
		.match_type = &(type), __VA_ARGS__                             \
	}
#define SIEVE_PART_TAG(tag, fn)                                                \
	{                                                                      \
		.name = tag, .of = "@address-part", .group = "ADDRESS-PART",   \
		.part = fn                                                     \
	}
#define SIEVE_END                                                              \
	{                                                                      \
		.name = NULL                                                   \
	}

#endif
