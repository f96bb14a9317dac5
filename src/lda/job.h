/* SPDX-License-Identifier: MIT */
/*
 * lda/job.h - what lmtp and quota-status want of a process that has a user's
 * rights, and what it answers: frames (net/sock.h) between workers.c and
 * main_lmtp_worker.c.
 *
 * JOB_USER comes first and once, with the account whose rights the worker
 * takes. A mail comes with the first job about it, or before that if it is
 * large, for all jobs up to the next mail. JOB_EXPUNGE has no answer. The
 * worker is never believed more than its user: an answer is bounded and about
 * its own job.
 */
#ifndef LDA_JOB_H
#define LDA_JOB_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct account;
struct buf;
struct spool;

enum job_type {
	JOB_USER = 'u',
	JOB_MAIL = 'm',    /* u8: is it BINARYMIME; u32: octets of its prefix;
			    * the first octets */
	JOB_MORE = '+',    /* octets that follow */
	JOB_DELIVER = 'd', /* and, behind the job, what JOB_MAIL has, or nothing
			    */
	JOB_ROOM = 'r',    /* has the user room for any mail? */
	JOB_JUDGE = 'j',   /* quota-status: what to tell Postfix */
	JOB_EXPUNGE = 'x', /* autoexpunge */
	/* From the worker. */
	JOB_SELF = 's', /* before it takes rights: with a pidfd, to kill it */
	JOB_OUTCOME = 'o',
	JOB_LEAVING = 'l', /* it would like to go: close when nothing is due */
};

struct job {
	const struct account *account;
	const char *session_id, *from, *to, *mailbox;
	const char *original_to; /* NULL: the same */
	pid_t pid;               /* for the log */
	uint64_t session_started_ms, started_ms;
	uint64_t octets; /* JOB_JUDGE */
	/* Not in the frame: the mail, and a number that tells it from the
	 * one before. */
	struct spool *spool;
	bool binary; /* as it came in BODY=BINARYMIME */
	uint64_t mail;
};

void job_pack(enum job_type type, const struct job *job, struct buf *out);
/* From what follows the type; *in is then what follows the job. NULL:
 * malformed. Child of ctx. */
struct job *job_unpack(const void *ctx, struct str *in);

struct outcome {
	bool ok;
	struct err err;      /* of what is not */
	const char *refusal; /* of a script (ereject); NULL: none */
	const char *action;  /* JOB_JUDGE; NULL: there was an error */
	bool scripted;       /* scripts were to decide */
	bool autoexpunge;    /* is due */
};

void outcome_pack(const struct outcome *outcome, struct buf *out);
/* False when it is malformed. Texts become children of ctx. */
bool outcome_unpack(const void *ctx, struct str in, struct outcome *out);

#endif
