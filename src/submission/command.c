/* SPDX-License-Identifier: MIT */
/*
 * submission/command.c - commands of mail submission after login (RFC 6409,
 * 5321, 3461 for DSN), with Dovecot's replies.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "net/conn.h"
#include "service/service.h"
#include "service/smtp_client.h"
#include "storage/user.h"
#include "submission/session.h"

/* So many recipients are with the relay at once. */
enum { COMMAND_MAX = 4096, ENVID_MAX = 100, AHEAD_MAX = 200 };

struct rcpt {
	struct submission *session;
	const char *address;
};

/* EHLO */

static void take_name(struct submission *session, struct str name)
{
	submission_reset(session);
	mem_free(session->helo);
	session->helo = smtp_helo_clean(session, name);
}

static void cmd_helo(struct submission *session, struct str args)
{
	struct str name;

	if (!str_word(&args, &name)) {
		submission_bad(session, "501 Missing hostname");
		return;
	}
	take_name(session, name);
	submission_reply(session, "250 %s", session->hostname);
}

static void cmd_ehlo(struct submission *session, struct str args)
{
	struct conn *conn = session->base.conn;
	struct str name;

	if (!str_word(&args, &name)) {
		submission_bad(session, "501 Missing hostname");
		return;
	}
	take_name(session, name);
	conn_printf(conn, "250-%s\r\n", session->hostname);
	if ((session->relay_has & RELAY_8BITMIME) != 0)
		conn_printf(conn, "250-8BITMIME\r\n");
	if ((session->relay_has & RELAY_BINARYMIME) != 0)
		conn_printf(conn, "250-BINARYMIME\r\n");
	conn_printf(conn, "250-CHUNKING\r\n");
	if ((session->relay_has & RELAY_DSN) != 0)
		conn_printf(conn, "250-DSN\r\n");
	conn_printf(conn, "250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n");
	if ((session->relay_has & RELAY_VRFY) != 0)
		conn_printf(conn, "250-VRFY\r\n");
	submission_reply(session, "250 SIZE %llu",
			 (unsigned long long)submission_max(session));
}

/* MAIL: each parameter is checked, and added to what the relay is told. NULL,
 * or what to answer. */

static const char *mail_size(struct submission *session, const char *value,
			     struct buf *out)
{
	uint64_t size;

	(void)out; /* ours is another one, with Received */
	if (value == NULL || !str_to_u64(str_of(value), &size))
		return "555 5.5.4 Unsupported SIZE parameter value";
	if (size > submission_own_max(session))
		return "552 5.2.3 Message size exceeds administrative limit";
	if (size > submission_max(session))
		return "552 5.3.4 Message size exceeds fixed maximum message "
		       "size";
	return NULL;
}

static const char *mail_body(struct submission *session, const char *value,
			     struct buf *out)
{
	static const char *const known[] = {"7BIT", "8BITMIME", "BINARYMIME"};
	static const unsigned needed[] = {0, RELAY_8BITMIME, RELAY_BINARYMIME};

	if (value == NULL)
		return "501 5.5.4 Missing BODY= parameter value";
	for (size_t i = 0; i < 3; i++) {
		if (!str_case_is(str_of(value), known[i]) ||
		    (session->relay_has & needed[i]) != needed[i])
			continue;
		session->binary = needed[i] == RELAY_BINARYMIME;
		if ((session->relay_has & RELAY_8BITMIME) != 0)
			buf_printf(out, " BODY=%s", known[i]);
		return NULL;
	}
	return "555 5.5.4 Unsupported mail BODY type";
}

static const char *mail_ret(struct submission *session, const char *value,
			    struct buf *out)
{
	if ((session->relay_has & RELAY_DSN) == 0)
		return "555 5.5.4 Unsupported parameters";
	if (value == NULL)
		return "501 5.5.4 Missing RET= parameter value";
	if (!str_case_is(str_of(value), "FULL") &&
	    !str_case_is(str_of(value), "HDRS"))
		return "555 5.5.4 Unsupported RET= parameter keyword";
	buf_printf(out, " RET=%s", value);
	return NULL;
}

static const char *mail_envid(struct submission *session, const char *value,
			      struct buf *out)
{
	const char *problem;
	char *text;

	if ((session->relay_has & RELAY_DSN) == 0)
		return "555 5.5.4 Unsupported parameters";
	if (value == NULL)
		return "501 5.5.4 Missing ENVID= parameter value";
	problem =
		strlen(value) > ENVID_MAX
			? "Too long"
			: smtp_xtext_decode(session->tmp, str_of(value), &text);
	if (problem != NULL)
		return mem_printf(session->tmp,
				  "501 5.5.4 Invalid ENVID= parameter value: "
				  "%s",
				  problem);
	buf_printf(out, " ENVID=%s", value);
	return NULL;
}

/* Who it is we know ourselves, and tell the relay. */
static const char *mail_auth(struct submission *session, const char *value,
			     struct buf *out)
{
	const char *problem;
	char *text;

	(void)out;
	if (value == NULL)
		return "501 5.5.4 Missing AUTH= parameter value";
	problem = smtp_xtext_decode(session->tmp, str_of(value), &text);
	if (problem == NULL)
		return NULL;
	return mem_printf(session->tmp,
			  "501 5.5.4 Invalid AUTH= parameter value: %s",
			  problem);
}

static const struct {
	const char *name;
	const char *(*take)(struct submission *session, const char *value,
			    struct buf *out);
} mail_params[] = {
	{"AUTH", mail_auth}, {"BODY", mail_body}, {"ENVID", mail_envid},
	{"RET", mail_ret},   {"SIZE", mail_size},
};
enum { MAIL_PARAMS = sizeof(mail_params) / sizeof(mail_params[0]) };

static const char *take_params(struct submission *session,
			       const struct smtp_param *params, struct buf *out)
{
	bool seen[MAIL_PARAMS] = {false};

	for (; params->name != NULL; params++) {
		const char *problem;
		size_t i = 0;

		while (i < MAIL_PARAMS &&
		       strcmp(params->name, mail_params[i].name) != 0)
			i++;
		if (i == MAIL_PARAMS)
			return "555 5.5.4 Unsupported parameters";
		if (seen[i])
			return mem_printf(session->tmp,
					  "501 5.5.4 Duplicate %s= parameter",
					  params->name);
		seen[i] = true;
		problem = mail_params[i].take(session, params->value, out);
		if (problem != NULL)
			return problem;
	}
	return NULL;
}

static void mail_answered(void *ctx, const struct smtp_reply *reply)
{
	struct submission *session = ctx;

	if (!relay_answered(session, reply))
		return;
	session->mail_refused = reply->code / 100 != 2;
	submission_pass(session, reply);
	relay_wake(session);
}

/* A relay that we have not proved ourselves to would refuse to hear who the
 * client is. */
static bool can_name_user(const struct submission *session)
{
	const struct submission_settings *set = session->set;
	struct str args;

	return smtp_client_can(session->relay, "AUTH", &args) &&
	       (set->submission_relay_user[0] != '\0' ||
		(set->submission_relay_trusted &&
		 smtp_client_can(session->relay, "XCLIENT", &args)));
}

static void send_mail(struct submission *session, struct buf *line)
{
	session->transaction_id =
		++session->transactions == 1
			? session->id
			: mem_printf(session->ctx, "%s:T%u", session->id,
				     session->transactions);
	session->state = SUBMISSION_MAIL;
	if (can_name_user(session)) {
		buf_add(line, " AUTH=");
		smtp_xtext_encode(str_of(user_name(session->base.user)), line);
	}
	relay_command(session, line->data, mail_answered, session);
}

static bool is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* Other addresses need SMTPUTF8, which is not offered (RFC 6531 section 3.4):
 * the relay might not know what to do with them. */
static bool take_path(struct submission *session, struct str args,
		      const char *keyword, struct smtp_path *path,
		      const char **problem_out)
{
	args = smtp_path_tolerate(session->tmp, args, keyword,
				  session->set->submission_client_workarounds);
	if (!smtp_path_parse(session->tmp, args, keyword, path, problem_out))
		return false;
	if (is_ascii(path->address))
		return true;
	*problem_out = mem_printf(
		session->tmp, "Invalid %s: Invalid character in %s", keyword,
		is_ascii(path->local) ? "domain" : "localpart");
	return false;
}

static void cmd_mail(struct submission *session, struct str args)
{
	CLEANUP(buf_free) struct buf line = buf_init(COMMAND_MAX);
	const char *problem;
	struct smtp_path path;

	if (session->from != NULL) {
		submission_reply(session, "503 5.5.0 MAIL already given");
		return;
	}
	session->binary = false;
	if (!take_path(session, args, "FROM", &path, &problem)) {
		submission_bad(session, mem_printf(session->tmp, "501 5.5.4 %s",
						   problem));
		return;
	}
	buf_printf(&line, "MAIL FROM:<%s>", path.address);
	problem = take_params(session, path.params, &line);
	if (problem == NULL && line.overflow)
		problem = "501 5.5.4 Invalid parameters";
	if (problem != NULL) {
		submission_reply(session, "%s", problem);
		return;
	}
	if (!relay_ready(session))
		return;
	session->from = mem_strdup(session->ctx, path.address);
	send_mail(session, &line);
}

/* RCPT */

static const char *rcpt_notify(struct submission *session, const char *value,
			       struct buf *out)
{
	static const char *const known[] = {"SUCCESS", "FAILURE", "DELAY"};
	struct str rest, word;
	bool never = false;
	size_t count = 0;

	if (value == NULL)
		return "501 5.5.4 Missing NOTIFY= parameter value";
	for (rest = str_of(value); str_split(&rest, ',', &word); count++) {
		bool found = str_case_is(word, "NEVER");

		never = never || found;
		for (size_t i = 0; i < 3; i++)
			found = found || str_case_is(word, known[i]);
		if (!found)
			return "555 5.5.4 Invalid NOTIFY= parameter value";
	}
	if (never && count > 1)
		return "501 5.5.4 Invalid NOTIFY= parameter value";
	buf_printf(out, " NOTIFY=%s", value);
	(void)session;
	return NULL;
}

static const char *rcpt_orcpt(struct submission *session, const char *value,
			      struct buf *out)
{
	const char *problem;
	char *address;

	problem = smtp_orcpt_parse(session->tmp, value, &address);
	if (problem != NULL)
		return mem_printf(session->tmp, "501 5.5.4 %s", problem);
	buf_printf(out, " ORCPT=%s", value);
	return NULL;
}

static const char *rcpt_params(struct submission *session,
			       const struct smtp_param *params, struct buf *out)
{
	const char *problem = NULL;
	bool dsn = (session->relay_has & RELAY_DSN) != 0;

	for (; params->name != NULL && problem == NULL; params++) {
		if (dsn && strcmp(params->name, "NOTIFY") == 0)
			problem = rcpt_notify(session, params->value, out);
		else if (dsn && strcmp(params->name, "ORCPT") == 0)
			problem = rcpt_orcpt(session, params->value, out);
		else
			problem = "555 5.5.4 Unsupported parameters";
	}
	return problem;
}

static void rcpt_answered(void *ctx, const struct smtp_reply *reply)
{
	struct rcpt *rcpt = ctx;
	struct submission *session = rcpt->session;

	if (!relay_answered(session, reply))
		return;
	if (reply->code / 100 == 2) {
		if (session->rcpt_count++ == 0)
			session->only_rcpt =
				mem_strdup(session->ctx, rcpt->address);
		session->state = SUBMISSION_RCPT;
	}
	mem_free(rcpt);
	submission_pass(session, reply);
	relay_wake(session);
}

/* Where a recipient may be without a domain (RFC 5321 section 4.1.1.3). */
static const char *path_problem(const struct smtp_path *path)
{
	if (path->local == NULL || path->local[0] == '\0')
		return "Invalid TO: Null path not allowed";
	if (path->domain == NULL &&
	    !str_case_is(str_of(path->local), "postmaster"))
		return "Invalid TO: Missing domain";
	return NULL;
}

/* False: what is wrong is to be said later, in its turn. */
static bool refuse_rcpt(struct submission *session, const char *problem,
			bool bad)
{
	if (session->waiting > 0)
		return false;
	if (bad)
		submission_bad(session, mem_printf(session->tmp, "501 5.5.4 %s",
						   problem));
	else
		submission_reply(session, "%s", problem);
	return true;
}

static bool cmd_rcpt(struct submission *session, struct str args)
{
	unsigned max = session->set->submission_max_recipients;
	CLEANUP(buf_free) struct buf line = buf_init(COMMAND_MAX);
	const char *problem;
	struct smtp_path path;
	struct rcpt *rcpt;

	if (session->from == NULL)
		return refuse_rcpt(session, "503 5.5.0 MAIL needed first",
				   false);
	if (session->chunking)
		return refuse_rcpt(session, "503 5.5.0 Not allowed after BDAT",
				   false);
	if (!take_path(session, args, "TO", &path, &problem) ||
	    (problem = path_problem(&path)) != NULL)
		return refuse_rcpt(session, problem, true);
	buf_printf(&line, "RCPT TO:<%s>", path.address);
	problem = rcpt_params(session, path.params, &line);
	if (problem == NULL && line.overflow)
		problem = "501 5.5.4 Invalid parameters";
	if (problem == NULL && max > 0 &&
	    session->rcpt_count + session->waiting >= max)
		problem = "451 4.5.3 Too many recipients";
	if (problem != NULL)
		return refuse_rcpt(session, problem, false);
	rcpt = mem_new(session->ctx, struct rcpt);
	rcpt->session = session;
	rcpt->address = mem_strdup(rcpt, path.address);
	relay_command(session, line.data, rcpt_answered, rcpt);
	return true;
}

/* the others */

static bool no_args(struct submission *session, struct str args)
{
	if (str_trim(args).len == 0)
		return true;
	submission_bad(session, "501 5.5.4 Invalid parameters");
	return false;
}

static void cmd_data(struct submission *session, struct str args)
{
	if (no_args(session, args))
		submission_data(session, args);
}

static void cmd_rset(struct submission *session, struct str args)
{
	if (!no_args(session, args))
		return;
	submission_reset(session);
	submission_reply(session, "250 2.0.0 OK");
}

static void cmd_noop(struct submission *session, struct str args)
{
	(void)args;
	submission_reply(session, "250 2.0.0 OK");
}

static void vrfy_answered(void *ctx, const struct smtp_reply *reply)
{
	struct submission *session = ctx;

	if (!relay_answered(session, reply))
		return;
	submission_pass(session, reply);
	relay_wake(session);
}

static void cmd_vrfy(struct submission *session, struct str args)
{
	struct str name = str_trim(args);

	if (name.len == 0)
		submission_bad(session, "501 5.5.4 Invalid parameters");
	else if ((session->relay_has & RELAY_VRFY) == 0)
		submission_reply(session, "252 2.3.3 Try RCPT instead");
	else if (relay_ready(session))
		relay_command(
			session,
			mem_printf(session->tmp, "VRFY %.*s", STR_FMT(name)),
			vrfy_answered, session);
}

static void cmd_quit(struct submission *session, struct str args)
{
	if (!no_args(session, args))
		return;
	session->command = NULL;
	submission_end(session, "221 2.0.0 Bye", "Logged out");
}

static void cmd_auth(struct submission *session, struct str args)
{
	(void)args;
	submission_reply(session, "503 5.5.0 Already authenticated");
}

static void cmd_starttls(struct submission *session, struct str args)
{
	if (no_args(session, args))
		submission_reply(session, session->base.login->tls
						  ? "502 5.5.1 TLS is already "
						    "active."
						  : "502 5.5.1 TLS support is "
						    "not enabled.");
}

static void cmd_xclient(struct submission *session, struct str args)
{
	(void)args;
	submission_reply(session, "502 5.5.1 Unsupported command");
}

static const struct {
	const char *name;
	void (*run)(struct submission *session, struct str args);
} commands[] = {
	{"AUTH", cmd_auth},         {"BDAT", submission_bdat},
	{"DATA", cmd_data},         {"EHLO", cmd_ehlo},
	{"HELO", cmd_helo},         {"MAIL", cmd_mail},
	{"NOOP", cmd_noop},         {"QUIT", cmd_quit},
	{"RSET", cmd_rset},         {"VRFY", cmd_vrfy},
	{"STARTTLS", cmd_starttls}, {"XCLIENT", cmd_xclient},
};

static void run(struct submission *session, const struct smtp_line *line)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_case_is(line->verb, commands[i].name))
			continue;
		session->command = commands[i].name;
		commands[i].run(session, line->args);
		return;
	}
	submission_bad(session, "500 5.5.1 Unknown command");
}

bool submission_command(struct submission *session,
			const struct smtp_line *line)
{
	bool rcpt = str_case_is(line->verb, "RCPT");
	unsigned bad = session->bad_commands;

	/* A recipient behind the mail itself is none of this transaction. */
	if (session->waiting > 0 &&
	    (!rcpt || session->from == NULL || session->spool != NULL ||
	     session->waiting >= AHEAD_MAX))
		return false;
	if (session->waiting == 0 && session->mail_refused)
		submission_reset(session);
	mem_free(session->tmp);
	session->tmp = mem_ctx(session, "command");
	if (rcpt) {
		session->command = "RCPT";
		if (!cmd_rcpt(session, line->args))
			return false;
	} else {
		run(session, line);
	}
	session->command_count++;
	if (session->bad_commands == bad)
		session->bad_commands = 0;
	if (session->waiting == 0 && session->state < SUBMISSION_DATA)
		session->command = NULL;
	return true;
}
