/* SPDX-License-Identifier: MIT */
/*
 * sieve/run.h - a script at work, as commands and tests of extensions see it.
 */
#ifndef SIEVE_RUN_H
#define SIEVE_RUN_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "sieve/host.h"
#include "sieve/tree.h"

struct err;
struct sieve_action;
struct sieve_address;
struct sieve_arena;
struct sieve_command;
struct sieve_engine;
struct sieve_envelope;
struct sieve_extension;
struct sieve_field;
struct sieve_message;
struct sieve_program;
struct sieve_result;
struct sieve_store;
struct sieve_tag;

enum { SIEVE_MAX_TAGS = 16, SIEVE_MAX_MATCHES = 100 };

/* An operand. Its texts last as long as the instruction. */
struct sieve_value {
	enum sieve_type type; /* SIEVE_NONE: left out */
	uint64_t number;
	struct str text;        /* SIEVE_STRING */
	const struct str *list; /* SIEVE_STRINGS; a lone string is one */
	unsigned count;
	/* For parameters that are SIEVE_VARIABLE: `count` of them. */
	const struct sieve_piece *variable;
};

struct sieve_args {
	const struct sieve_command *command;
	struct sieve_value params[SIEVE_MAX_PARAMS];
	struct {
		const struct sieve_tag *tag;
		struct sieve_value value;
	} tags[SIEVE_MAX_TAGS];
	unsigned tag_count;
};

struct sieve_run {
	struct sieve_engine *engine;
	const struct sieve_program *program;
	struct sieve_message *message;
	const struct sieve_envelope *envelope;
	const struct sieve_host *host;
	struct sieve_result *result;
	/* What lives as long as the instruction, and as long as the run. */
	struct sieve_arena *scratch, *arena;
	const char *script; /* name of the unit at work */
	unsigned line;
	bool stopped; /* `stop`, or what ends a script likewise */
	struct sieve_machine *machine;
};

/* The value of a tag; NULL if it was not given. A tag without a value has
 * SIEVE_NONE. */
const struct sieve_value *sieve_args_tag(const struct sieve_args *args,
					 const char *name);
/* The extension's own for this run. */
void *sieve_run_state(struct sieve_run *run, const struct sieve_extension *ext);
/* A NUL-terminated copy in the scratch arena. */
const char *sieve_run_text(struct sieve_run *run, struct str text);
/* The same of a tag's value; NULL if the tag was not given. */
const char *sieve_run_tag(struct sieve_run *run, const struct sieve_args *args,
			  const char *name);
/* NUL-terminated copies of a list, up to NULL; NULL if it was left out. */
const char *const *sieve_run_texts(struct sieve_run *run,
				   const struct sieve_value *list);
/* Where an action stores: its own mailbox, or that of its copy (RFC 8580). */
struct sieve_store *sieve_run_store(struct sieve_run *run,
				    struct sieve_action *action);
/* What the modifiers among the tags make of a value (RFC 5229 section 4.1);
 * the new one is in the scratch arena. */
int sieve_run_modify(struct sieve_run *run, const struct sieve_args *args,
		     struct str *value, struct err *err);
/* Add an action, after the tags in `args` have been applied to it. */
int sieve_run_action(struct sieve_run *run, const struct sieve_args *args,
		     struct sieve_action *action, struct err *err);
/* The part of an address that tags ask for (:all if none does); false if there
 * is no such part. */
bool sieve_run_part(struct sieve_run *run, const struct sieve_args *args,
		    const struct sieve_address *address, struct str *out);
/* The fields of `count` names, one name after the other, as tags (:index,
 * :last, :mime) choose them. */
struct sieve_fields {
	struct sieve_run *run;
	const struct sieve_args *args;
	const struct str *names;
	unsigned count;
	struct sieve_field *at;
	bool single;
};
void sieve_fields_begin(struct sieve_fields *fields, struct sieve_run *run,
			const struct sieve_args *args, const struct str *names,
			unsigned count);
struct sieve_field *sieve_fields_next(struct sieve_fields *fields);
/* Another message in the place of this one. ERR_LIMIT when actions keep too
 * much of those that there were before. */
int sieve_run_replace(struct sieve_run *run, struct str raw, struct err *err);
/* Variables (RFC 5229): value->variable is where. What is too long is cut. */
int sieve_run_set(struct sieve_run *run, const struct sieve_piece *variable,
		  struct str value, struct err *err);
int sieve_run_get(struct sieve_run *run, const struct sieve_piece *variable,
		  struct str *out, struct err *err);
/* No longer than a variable may be, cut between characters. */
struct str sieve_run_cut(struct sieve_run *run, struct str value);
/* ${0}...: copied; for match types. */
void sieve_run_matches(struct sieve_run *run, const struct str *captures,
		       unsigned count);
/* Whether the script has `variables`, so that match types need captures. */
bool sieve_run_wants_matches(const struct sieve_run *run);
uint64_t sieve_run_now_us(struct sieve_run *run);
/* Count work that one instruction does in a loop of its own, as it would
 * count: ERR_LIMIT when there was too much of it. */
int sieve_run_work(struct sieve_run *run, uint64_t steps, struct err *err);
/* To the log of the script's user. */
void sieve_run_log(struct sieve_run *run, enum log_level level, const char *fmt,
		   ...) __attribute__((format(printf, 3, 4)));
/* Whether there is a trace of that level, and a line for it. sieve_trace() does
 * both: what it would write is not computed for nobody. */
static inline bool sieve_traces(const struct sieve_run *run,
				enum sieve_trace_level level)
{
	const struct sieve_trace *trace = &run->host->trace;

	return trace->line != NULL && level <= trace->level;
}
void sieve_trace_line(struct sieve_run *run, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
#define sieve_trace(run, level, ...)                                           \
	do {                                                                   \
		if (sieve_traces(run, level))                                  \
			sieve_trace_line(run, __VA_ARGS__);                    \
	} while (0)
/* Run another unit of the program (include). run->stopped is set if it was not
 * its last line that ended it, but `stop`. */
int sieve_run_unit(struct sieve_run *run, unsigned unit, struct err *err);
unsigned sieve_run_units(const struct sieve_run *run);

#endif
