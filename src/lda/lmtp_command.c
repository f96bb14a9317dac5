/* SPDX-License-Identifier: MIT */
/*
 * lda/lmtp_command.c - commands of LMTP (RFC 2033, 5321), with Dovecot's
 * replies.
 */
#include <stdarg.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "lda/lmtp.h"
#include "net/conn.h"
#include "service/service.h"

enum { HELO_MAX = 255 };

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

/* LHLO */

/* The name goes into Received: what no host name has becomes '?'. */
static char *clean_helo(const void *ctx, struct str name)
{
	char *clean = str_sanitize(ctx, name, HELO_MAX);

	for (char *at = clean; *at != '\0'; at++) {
		if (strchr("()<>@,;\\\"", *at) != NULL || *at == ' ' || *at < 0)
			*at = '?';
	}
	return clean;
}

static bool offers_tls(const struct lmtp_session *session)
{
	return session->process->tls != NULL && !conn_has_tls(session->conn);
}

static void cmd_lhlo(struct lmtp_session *session, struct str args)
{
	struct lmtp_process *process = session->process;
	struct str rest = args, name;

	if (!str_word(&rest, &name)) {
		lmtp_bad(session, "501 Missing hostname");
		return;
	}
	lmtp_reset(session);
	mem_free(session->helo);
	session->helo = clean_helo(session, name);
	lmtp_reply(session, "250-%s", process->hostname);
	lmtp_reply(session, "250-8BITMIME");
	lmtp_reply(session, "250-CHUNKING");
	lmtp_reply(session, "250-ENHANCEDSTATUSCODES");
	lmtp_reply(session, "250-PIPELINING");
	lmtp_reply(session, "250%cSIZE %llu", offers_tls(session) ? '-' : ' ',
		   (unsigned long long)process->set.lmtp_max_message_size);
	if (offers_tls(session))
		lmtp_reply(session, "250 STARTTLS");
}

/* MAIL */

static bool has_workaround(struct lmtp_session *session, const char *name)
{
	struct str rest = str_of(session->process->set.lmtp_client_workarounds);
	struct str word;

	while (str_word(&rest, &word)) {
		if (str_is(word, name))
			return true;
	}
	return false;
}

/* What old clients leave out or put in, made right if the settings say so. */
static struct str tolerate(struct lmtp_session *session, const void *ctx,
			   struct str args, const char *keyword)
{
	size_t len = strlen(keyword) + 1;
	struct str rest, word;

	if (args.len < len || args.data[len - 1] != ':')
		return args;
	rest = str_from(args, len);
	if (rest.len > 0 && rest.data[0] == ' ' &&
	    has_workaround(session, "whitespace-before-path"))
		rest = str_trim(rest);
	if (rest.len > 0 && rest.data[0] != '<' && rest.data[0] != ' ' &&
	    has_workaround(session, "mailbox-for-path") &&
	    str_word(&rest, &word)) {
		char *path = mem_printf(ctx, "%s:<%.*s> %.*s", keyword,
					STR_FMT(word), STR_FMT(rest));

		return str_trim(str_of(path));
	}
	if (rest.data == args.data + len)
		return args;
	return str_of(mem_printf(ctx, "%s:%.*s", keyword, STR_FMT(rest)));
}

/* NULL, or what to answer. */
static const char *mail_params(struct lmtp_session *session,
			       const struct smtp_param *params)
{
	uint64_t max = session->process->set.lmtp_max_message_size, size;

	for (; params->name != NULL; params++) {
		struct str value =
			str_of(params->value == NULL ? "" : params->value);

		if (str_case_is(str_of(params->name), "SIZE")) {
			if (!str_to_u64(value, &size))
				return "501 5.5.4 Invalid SIZE parameter";
			if (max != 0 && size > max)
				return "552 5.3.4 Message size exceeds fixed "
				       "limit";
		} else if (str_case_is(str_of(params->name), "BODY")) {
			if (!str_case_is(value, "7BIT") &&
			    !str_case_is(value, "8BITMIME"))
				return "555 5.5.4 Unsupported mail BODY type";
		} else {
			return "555 5.5.4 Unsupported parameters";
		}
	}
	return NULL;
}

static void cmd_mail(struct lmtp_session *session, struct str args)
{
	const char *problem;
	struct smtp_path path;

	if (session->state != LMTP_READY) {
		lmtp_reply(session, "503 5.5.0 MAIL already given");
		return;
	}
	args = tolerate(session, session->ctx, args, "FROM");
	if (!smtp_path_parse(session->ctx, args, "FROM", &path, &problem)) {
		lmtp_bad(session, "501 5.5.4 %s", problem);
		return;
	}
	problem = mail_params(session, path.params);
	if (problem != NULL) {
		lmtp_reply(session, "%s", problem);
		return;
	}
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
	lmtp_rcpt(session, tolerate(session, session->ctx, args, "TO"));
}

/* the others */

static bool no_args(struct lmtp_session *session, struct str args)
{
	if (str_trim(args).len == 0)
		return true;
	lmtp_bad(session, "501 5.5.4 Invalid parameters");
	return false;
}

static void cmd_data(struct lmtp_session *session, struct str args)
{
	if (!no_args(session, args))
		return;
	if (session->state == LMTP_READY)
		lmtp_reply(session, "503 5.5.0 MAIL needed first");
	else if (session->state == LMTP_MAIL)
		lmtp_reply(session, "503 5.5.0 No valid recipients");
	else if (session->chunking)
		lmtp_reply(session, "503 5.5.0 Not allowed after BDAT");
	else
		lmtp_data_begin(session);
}

static void cmd_rset(struct lmtp_session *session, struct str args)
{
	if (!no_args(session, args))
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
	if (!no_args(session, args))
		return;
	session->command = NULL;
	lmtp_end(session, "221 2.0.0 Bye", "Logged out");
}

static void cmd_starttls(struct lmtp_session *session, struct str args)
{
	if (!no_args(session, args))
		return;
	if (conn_has_tls(session->conn)) {
		lmtp_reply(session, "502 5.5.1 TLS is already active.");
	} else if (session->process->tls == NULL) {
		lmtp_reply(session, "502 5.5.1 TLS support is not enabled.");
	} else {
		lmtp_reply(session, "220 2.0.0 Begin TLS negotiation now.");
		lmtp_start_tls(session);
	}
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
	{"AUTH", cmd_auth},         {"BDAT", lmtp_bdat}, {"DATA", cmd_data},
	{"LHLO", cmd_lhlo},         {"MAIL", cmd_mail},  {"NOOP", cmd_noop},
	{"QUIT", cmd_quit},         {"RCPT", cmd_rcpt},  {"RSET", cmd_rset},
	{"STARTTLS", cmd_starttls}, {"VRFY", cmd_vrfy},
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
