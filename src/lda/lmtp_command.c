/* SPDX-License-Identifier: MIT */
/*
 * lda/lmtp_command.c - commands of LMTP (RFC 2033, 5321), with Dovecot's
 * replies.
 */
#include <stdarg.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "lda/lmtp.h"
#include "net/conn.h"
#include "service/service.h"

enum { SENDER_MAX = 200 };

void lmtp_bad(struct lmtp_session *session, const char *fmt, ...)
{
	const struct lmtp_process *process = session->process;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "reply");
	va_list args;

	if (++session->bad_commands > process->set.lmtp_max_bad_commands) {
		lmtp_end(session,
			 mem_printf(ctx,
				    "421 4.7.0 %s Too many invalid "
				    "commands.",
				    process->hostname),
			 "Too many invalid commands.");
		return;
	}
	va_start(args, fmt);
	lmtp_reply(session, "%s", mem_vprintf(ctx, fmt, args));
	va_end(args);
}

/* MAIL */

static struct str tolerate(struct lmtp_session *session, struct str args,
			   const char *keyword)
{
	return smtp_path_tolerate(
		session->ctx, args, keyword,
		session->process->set.lmtp_client_workarounds);
}

/* NULL, or what to answer. */
static const char *mail_size(struct lmtp_session *session, const char *value)
{
	uint64_t max = session->process->set.lmtp_max_message_size, size;

	if (value == NULL || !str_to_u64(str_of(value), &size))
		return "501 5.5.4 Invalid SIZE parameter";
	if (max != 0 && size > max)
		return "552 5.3.4 Message size exceeds fixed limit";
	return NULL;
}

static const char *mail_body(struct lmtp_session *session, const char *value)
{
	if (session->body != NULL)
		return "501 5.5.4 Duplicate BODY= parameter";
	if (value == NULL)
		return "501 5.5.4 Missing BODY= parameter value";
	if (str_case_is(str_of(value), "7BIT"))
		session->body = "7BIT";
	else if (str_case_is(str_of(value), "8BITMIME"))
		session->body = "8BITMIME";
	else if ((session->binary = str_case_is(str_of(value), "BINARYMIME")))
		session->body = "8BITMIME";
	else
		return "555 5.5.4 Unsupported mail BODY type";
	return NULL;
}

static const char *mail_params(struct lmtp_session *session,
			       const struct smtp_param *params)
{
	const char *problem = NULL;

	session->body = NULL;
	session->binary = false;
	for (; params->name != NULL && problem == NULL; params++) {
		if (strcmp(params->name, "SIZE") == 0)
			problem = mail_size(session, params->value);
		else if (strcmp(params->name, "BODY") == 0)
			problem = mail_body(session, params->value);
		else
			problem = "555 5.5.4 Unsupported parameters";
	}
	return problem;
}

static void cmd_mail(struct lmtp_session *session, struct str args)
{
	const char *problem;
	struct smtp_path path;

	if (session->state != LMTP_READY) {
		lmtp_reply(session, "503 5.5.0 MAIL already given");
		return;
	}
	args = tolerate(session, args, "FROM");
	if (!smtp_sender_parse(session->ctx, args, &path, &problem)) {
		lmtp_bad(session, "501 5.5.4 %s", problem);
		lmtp_reset(session); /* nothing stays of what is refused */
		return;
	}
	problem = mail_params(session, path.params);
	if (problem != NULL) {
		lmtp_reply(session, "%s", problem);
		lmtp_reset(session);
		return;
	}
	if (path.broken && !session->told_broken)
		log_info("MAIL %s: no address, taken as <>",
			 str_sanitize(session->ctx, args, SENDER_MAX));
	session->told_broken |= path.broken;
	session->begun = true;
	session->from = path.address;
	session->session_id =
		++session->transactions == 1
			? session->id
			: mem_printf(session->ctx, "%s:T%u", session->id,
				     session->transactions);
	session->state = LMTP_MAIL;
	lmtp_reply(session, "250 2.1.0 OK");
}

static void cmd_rcpt(struct lmtp_session *session, struct str args)
{
	if (session->state == LMTP_READY) {
		lmtp_reply(session, "503 5.5.0 MAIL needed first");
		return;
	}
	if (session->chunking) {
		lmtp_reply(session, "503 5.5.0 Not allowed after BDAT");
		return;
	}
	lmtp_rcpt(session, tolerate(session, args, "TO"));
}

/* the others */

bool lmtp_no_args(struct lmtp_session *session, struct str args)
{
	if (str_trim(args).len == 0)
		return true;
	lmtp_bad(session, "501 5.5.4 Invalid parameters");
	return false;
}

static void cmd_data(struct lmtp_session *session, struct str args)
{
	if (!lmtp_no_args(session, args))
		return;
	if (session->chunk_failed)
		lmtp_reply(session, "503 5.5.0 Previous data chunk failed, "
				    "issue RSET first");
	else if (session->state == LMTP_READY)
		lmtp_reply(session, "503 5.5.0 MAIL needed first");
	else if (session->state == LMTP_MAIL)
		lmtp_reply(session, "503 5.5.0 No valid recipients");
	else if (session->chunking)
		lmtp_reply(session, "503 5.5.0 Not allowed after BDAT");
	else if (session->binary)
		lmtp_reply(session, "503 5.5.0 BINARYMIME needs BDAT");
	else
		lmtp_data_begin(session);
}

static void cmd_rset(struct lmtp_session *session, struct str args)
{
	if (!lmtp_no_args(session, args))
		return;
	lmtp_reset(session);
	lmtp_reply(session, "250 2.0.0 OK");
}

static void cmd_noop(struct lmtp_session *session, struct str args)
{
	(void)args;
	lmtp_reply(session, "250 2.0.0 OK");
}

static void cmd_vrfy(struct lmtp_session *session, struct str args)
{
	if (str_trim(args).len == 0) {
		lmtp_bad(session, "501 5.5.4 Invalid parameters");
		return;
	}
	lmtp_reply(session, "252 2.3.3 Try RCPT instead");
}

static void cmd_quit(struct lmtp_session *session, struct str args)
{
	if (!lmtp_no_args(session, args))
		return;
	session->command = NULL;
	lmtp_end(session, "221 2.0.0 Bye", "Logged out");
}

static void cmd_auth(struct lmtp_session *session, struct str args)
{
	(void)args;
	lmtp_reply(session, "502 5.5.1 Unsupported command");
}

static const struct {
	const char *name;
	void (*run)(struct lmtp_session *session, struct str args);
} commands[] = {
	{"AUTH", cmd_auth}, {"BDAT", lmtp_bdat},
	{"DATA", cmd_data}, {"LHLO", lmtp_lhlo},
	{"MAIL", cmd_mail}, {"NOOP", cmd_noop},
	{"QUIT", cmd_quit}, {"RCPT", cmd_rcpt},
	{"RSET", cmd_rset}, {"STARTTLS", lmtp_starttls},
	{"VRFY", cmd_vrfy}, {"XCLIENT", lmtp_xclient},
};

void lmtp_command(struct lmtp_session *session, const struct smtp_line *line)
{
	unsigned bad = session->bad_commands;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_case_is(line->verb, commands[i].name))
			continue;
		session->command = commands[i].name;
		commands[i].run(session, line->args);
		if (session->bad_commands == bad)
			session->bad_commands = 0;
		if (!session->looking_up && session->state != LMTP_DATA &&
		    session->state != LMTP_CHUNK)
			session->command = NULL;
		return;
	}
	lmtp_bad(session, "500 5.5.1 Unknown command");
}
