/* SPDX-License-Identifier: MIT */
#include "lda/job.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/pack.h"
#include "service/account.h"

enum {
	OK = 1 << 0,
	HAS_REFUSAL = 1 << 1,
	HAS_ACTION = 1 << 2,
	SCRIPTED = 1 << 3,
	AUTOEXPUNGE = 1 << 4,
	SYSTEM = 1 << 5,
};
enum { REPLY_MAX = 16 * 1024 };

static void put_text(struct buf *out, const char *text)
{
	pack_str(out, str_of(text == NULL ? "" : text));
}

/* No reply has that much. */
static void put_reply(struct buf *out, const char *text)
{
	struct str whole = str_of(text == NULL ? "" : text);

	pack_str(out, str_n(whole.data,
			    whole.len < REPLY_MAX ? whole.len : REPLY_MAX));
}

static char *get_text(const void *ctx, struct unpack *in)
{
	return str_dup(ctx, unpack_str(in));
}

void job_pack(enum job_type type, const struct job *job, struct buf *out)
{
	pack_u8(out, (uint8_t)type);
	account_pack(job->account, out);
	put_text(out, job->session_id);
	put_text(out, job->from);
	put_text(out, job->to);
	put_text(out, job->mailbox);
	pack_u8(out, job->original_to != NULL);
	put_text(out, job->original_to);
	pack_u32(out, (uint32_t)job->pid);
	pack_u64(out, job->session_started_ms);
	pack_u64(out, job->started_ms);
	pack_u64(out, job->octets);
}

struct job *job_unpack(const void *ctx, struct str *frame)
{
	struct unpack in = {.in = *frame};
	struct job *job = mem_new(ctx, struct job);
	bool has_original;

	job->account = account_unpack(job, &in);
	job->session_id = get_text(job, &in);
	job->from = get_text(job, &in);
	job->to = get_text(job, &in);
	job->mailbox = get_text(job, &in);
	has_original = unpack_u8(&in) != 0;
	job->original_to = get_text(job, &in);
	if (!has_original)
		job->original_to = NULL;
	job->pid = (pid_t)unpack_u32(&in);
	job->session_started_ms = unpack_u64(&in);
	job->started_ms = unpack_u64(&in);
	job->octets = unpack_u64(&in);
	if (in.bad || job->account == NULL) {
		mem_free(job);
		return NULL;
	}
	*frame = in.in;
	return job;
}

void outcome_pack(const struct outcome *outcome, struct buf *out)
{
	pack_u8(out, JOB_OUTCOME);
	pack_u8(out,
		(uint8_t)((outcome->ok ? OK : 0) |
			  (outcome->refusal != NULL ? HAS_REFUSAL : 0) |
			  (outcome->action != NULL ? HAS_ACTION : 0) |
			  (outcome->scripted ? SCRIPTED : 0) |
			  (outcome->autoexpunge ? AUTOEXPUNGE : 0) |
			  (!outcome->ok && outcome->err.system ? SYSTEM : 0)));
	pack_u32(out, outcome->ok ? 0 : (uint32_t)outcome->err.code);
	put_text(out, outcome->ok ? "" : outcome->err.text);
	put_reply(out, outcome->refusal);
	put_reply(out, outcome->action);
}

bool outcome_unpack(const void *ctx, struct str frame, struct outcome *out)
{
	struct unpack in = {.in = frame};
	uint8_t flags = unpack_u8(&in);
	uint32_t code = unpack_u32(&in);
	struct str text = unpack_str(&in), refusal = unpack_str(&in),
		   action = unpack_str(&in);

	if (in.bad || code > ERR_CLOSED)
		return false;
	*out = (struct outcome){
		.ok = (flags & OK) != 0,
		.err.code = (enum err_code)code,
		.err.system = (flags & SYSTEM) != 0,
		.scripted = (flags & SCRIPTED) != 0,
		.autoexpunge = (flags & AUTOEXPUNGE) != 0,
	};
	snprintf(out->err.text, sizeof(out->err.text), "%.*s", STR_FMT(text));
	if ((flags & HAS_REFUSAL) != 0)
		out->refusal = str_dup(ctx, refusal);
	if ((flags & HAS_ACTION) != 0)
		out->action = str_dup(ctx, action);
	return true;
}
