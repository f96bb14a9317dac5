/* SPDX-License-Identifier: MIT */
/*
 * sievetools/suite.h - a test case of sieve-testsuite at work: its message,
 * mail store, outgoing mails, results. vnd.dovecot.testsuite is for tests only;
 * no server offers it.
 */
#ifndef SIEVETOOLS_SUITE_H
#define SIEVETOOLS_SUITE_H
#include "sieve/ext.h"
#include "sieve/sieve.h"

enum { SUITE_MAX_FLAGS = 100, SUITE_MAX_EXTRA = 40 };

struct suite_mail {
	struct str text;
	const char *const *flags; /* stored mails; up to NULL */
	const char *from, *to;    /* outgoing mails */
	struct suite_mail *next;
};

struct suite_mailbox {
	const char *name;
	struct suite_mail *mails;
	struct suite_mailbox *next;
};

/* A name and what it stands for: settings, metadata, binaries. */
struct suite_pair {
	char *name;
	struct str value; /* data NULL: removed */
	struct suite_pair *next;
};

struct suite_error {
	const char *text;
	struct suite_error *next;
};

struct suite {
	void *ctx;
	const char *path, *dir; /* of the test case; absolute */
	bool echo;              /* -E */
	struct sieve_engine *engine;
	struct sieve_host host, script_host; /* the latter collects errors */
	/* The current message; set anew, never changed in place. */
	struct sieve_message *message;
	struct sieve_envelope envelope;
	const char *extra[SUITE_MAX_EXTRA + 1][2]; /* for the envelope */
	unsigned extra_count;
	const char *const *flags;
	struct sieve_result *result;
	bool keep_done; /* the implicit keep has been carried out */
	struct suite_mailbox *mailboxes;
	struct suite_mail *smtp;
	struct suite_error *errors;
	struct suite_pair *settings, *metadata, *binaries;
	struct suite_pair *objects; /* "CALENDAR UID" of calendars */
	struct sieve_program *script;
	bool in_script; /* one that the main script runs is at work */
	bool script_failed;
	const char *test; /* its name; NULL outside of one */
	unsigned tests, failures;
};

extern const struct sieve_extension suite_extension;

/* suite.c */
void suite_open(struct suite *suite, const char *path);
/* Compile and run the file: all is printed. */
void suite_run(struct suite *suite);
void suite_fail(struct suite *suite, struct str reason);
void suite_clear_errors(struct suite *suite);
void suite_error(struct suite *suite, const char *text);
/* The value of a pair; NULL if there is none. */
struct suite_pair *suite_find(struct suite_pair *list, const char *name);
void suite_put(struct suite *suite, struct suite_pair **list, const char *name,
	       struct str value);

/* suite_host.c */
const char *suite_setting(void *suite, const char *name);
/* All of suite->host but its log. */
void suite_host_init(struct suite *suite);
/* The mailbox (of that name, if not NULL) that has it; NULL if none. */
struct suite_mailbox *suite_special_use(struct suite *suite,
					const char *mailbox, const char *use);
struct suite_mailbox *suite_mailbox_by_id(struct suite *suite, const char *id);
/* What is in a list, for suite_list_next(). */
int suite_list(struct suite *suite, const void *mem, const char *list,
	       struct str *members_out, struct err *err);
bool suite_list_next(struct str *members, struct str *member_out);
/* Store it, or remove it. */
void suite_calendar(struct suite *suite, const struct sieve_calendar *object);
/* False if it failed. */
bool suite_pipe(struct suite *suite, const struct sieve_pipe *pipe,
		struct str message);

/* suite_store.c */
/* Select a message: the envelope is made from its header. */
void suite_select(struct suite *suite, struct str text,
		  const char *const *flags);
/* NULL if there is none. */
struct suite_mailbox *suite_mailbox(struct suite *suite, const char *name);
struct suite_mailbox *suite_mailbox_create(struct suite *suite,
					   const char *name);
/* Carry out what has not been; false if something failed. */
bool suite_execute(struct suite *suite, struct sieve_result *result,
		   struct sieve_message *message, bool *keep_done);

/* suite_control.c, suite_result.c: the commands of suite_extension. */
struct suite *suite_of(struct sieve_run *run);
/* A command that may fail: the rest of the test is left out then. */
void suite_failing_check(struct sieve_check *check, struct sieve_node *node);
void suite_failing_emit(struct sieve_emit *emit, const struct sieve_node *node);
/* The end of a test, where they jump to. */
void suite_land(struct sieve_emit *emit, const struct sieve_node *test);
/* After the current message, envelope or result has been replaced. */
void suite_refresh(struct sieve_run *run);
/* The `run` functions of the table in suite_extension.c. */
#define SUITE_RUN(name)                                                        \
	int suite_##name##_run(struct sieve_run *run,                          \
			       const struct sieve_args *args,                  \
			       bool *result_out, struct err *err)
SUITE_RUN(test);
SUITE_RUN(test_end);
SUITE_RUN(fail);
SUITE_RUN(set);
SUITE_RUN(config_set);
SUITE_RUN(config_unset);
SUITE_RUN(config_reload);
SUITE_RUN(mailbox_create);
SUITE_RUN(mailbox_delete);
SUITE_RUN(message);
SUITE_RUN(message_print);
SUITE_RUN(metadata_set);
SUITE_RUN(script_compile);
SUITE_RUN(script_run);
SUITE_RUN(multiscript);
SUITE_RUN(error);
SUITE_RUN(result_action);
SUITE_RUN(result_execute);
SUITE_RUN(result_reset);
SUITE_RUN(result_print);
SUITE_RUN(binary_save);
SUITE_RUN(binary_load);

#endif
