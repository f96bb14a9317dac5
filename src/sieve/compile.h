/* SPDX-License-Identifier: MIT */
/*
 * sieve/compile.h - what validator and code writer share. Only for sieve/.
 */
#ifndef SIEVE_COMPILE_H
#define SIEVE_COMPILE_H
#include <uthash.h>

#include "base/buf.h"
#include "sieve/emit.h"
#include "sieve/engine.h"
#include "sieve/ext.h"

/* A word that an active extension brought: a command, a test, a tag. */
struct sieve_word {
	char *name; /* lower case, with a letter for its kind in front */
	const struct sieve_extension *ext;
	const struct sieve_command *command;
	const struct sieve_tag *tag;
	struct sieve_word *more; /* other tags of that name */
	/* The command it was last used with, and the tag it was there. */
	const struct sieve_command *with;
	const struct sieve_tag *meant;
	UT_hash_handle hh;
};

/* What a script calls a variable. */
struct sieve_symbol {
	char *name;
	unsigned number;
	const struct sieve_namespace *space; /* an alias, if not NULL */
	UT_hash_handle hh;
};

/* What has numbers in the program, as it is saved. */
struct sieve_list {
	unsigned count;
	struct buf bytes;
};

/* Where the name of an entry is in the bytes. */
struct sieve_entry {
	uint32_t hash, at, len;
};

/* A list of things that have names: each begins with its own. */
struct sieve_table {
	struct sieve_list list;
	struct sieve_entry *entries; /* by number */
	unsigned *slots;             /* by hash: number + 1, or 0 */
	unsigned slot_count;
};

/* A list of what the extensions declare, which is not much. */
struct sieve_declared {
	struct sieve_list list;
	const void **items;  /* by number */
	unsigned recent[64]; /* numbers, by address */
};

struct sieve_unit_build {
	char *name;     /* of the script */
	char *location; /* "personal", "global"; "" for the main one */
	bool ready;     /* false while it is being compiled */
	struct buf code;
	unsigned variables;
	struct buf variable_names;
};

/* A program in the making: all its units. */
struct sieve_build {
	struct sieve_engine *engine;
	const struct sieve_settings *set;
	const struct sieve_log *log;
	struct sieve_table extensions, texts, sources;
	struct sieve_table asked; /* names of extensions, by ihave */
	struct sieve_declared commands, tags;
	struct sieve_unit_build *units;
	unsigned unit_count;
	unsigned depth; /* of includes */
};

/* Where a block stands. */
struct sieve_level {
	const struct sieve_node *node;
	const struct sieve_level *up;
};

/* What the validator has to say, until it is known that all could be parsed. */
struct sieve_held {
	enum log_level level;
	struct sieve_place at;
	const char *text;
	struct sieve_held *next;
};

/* One script in work. Commands are checked, and code is written for them, while
 * the next ones are parsed. */
struct sieve_check {
	struct sieve_build *build;
	struct sieve_arena *arena; /* lives as long as this */
	struct sieve_arena *tree;  /* as the commands in work */
	const struct sieve_source *source;
	unsigned unit;
	bool active[SIEVE_MAX_EXTENSIONS];
	/* Those of them that look at strings, by place. */
	const struct sieve_extension *strings[SIEVE_MAX_EXTENSIONS];
	unsigned string_count;
	void *states[SIEVE_MAX_EXTENSIONS];
	struct sieve_word *words;
	struct sieve_word *recent[128]; /* words that were found */
	struct sieve_symbol *symbols;
	unsigned variables;
	const struct sieve_level *level;
	const struct sieve_node *previous;
	unsigned errors;
	bool requires_over; /* a command that is no require came */
	bool includes;      /* code is written when all has been checked */
	bool parsing;       /* it has not ended */
	bool unparsed;      /* it had an error */
	bool holding;       /* what is reported */
	struct sieve_held *held, **held_end;
};

struct sieve_emit {
	struct sieve_check *check;
	struct buf *code;
	bool failed;
};

/* check.c: complete the tree, some commands at a time. */
void sieve_check_begin(struct sieve_check *check);
void sieve_check_nodes(struct sieve_check *check, struct sieve_node *nodes);
/* Report what was held back. */
void sieve_check_tell(struct sieve_check *check);
void sieve_check_end(struct sieve_check *check);
/* check_words.c */
void sieve_check_activate(struct sieve_check *check,
			  const struct sieve_extension *ext,
			  struct sieve_place at);
struct sieve_word *sieve_check_word(struct sieve_check *check, char kind,
				    struct str name);
/* Remember that a word has been seen. */
void sieve_check_note(struct sieve_check *check, char kind, struct str name);
/* check_args.c: arguments of one command or test. */
void sieve_check_args(struct sieve_check *check, struct sieve_node *node);
const char *sieve_node_kind(const struct sieve_node *node);
/* emit.c: the end of a script's code, behind sieve_emit_block() of all its
 * commands; the unit gets it. */
void sieve_emit_end(struct sieve_emit *emit);
/* table.c: the number of what has that name. If it is new, its name is in the
 * bytes now, and the caller puts what belongs to it there. */
unsigned sieve_table_put(struct sieve_table *table, struct str name,
			 bool *new_out);
void sieve_table_free(struct sieve_table *table);
/* The same for a command or a tag, without a name. */
unsigned sieve_declared_put(struct sieve_declared *declared, const void *item,
			    bool *new_out);
void sieve_declared_free(struct sieve_declared *declared);

#endif
