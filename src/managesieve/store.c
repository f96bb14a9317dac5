/* SPDX-License-Identifier: MIT */
/*
 * managesieve/store.c - HAVESPACE, PUTSCRIPT, CHECKSCRIPT, SETACTIVE (RFC 5804
 * sections 2.5, 2.6, 2.8, 2.12): sizes, and what the compiler says.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "managesieve/session.h"
#include "scripts/scripts.h"
#include "sieve/host.h"

enum { REPORT_MAX = 1 << 20 };

/* what the compiler says */

struct report {
	struct buf text; /* a line for each error and warning */
	unsigned errors, max;
};

/* "NAME: line 3, column 5: error: text." */
static void add_line(void *ctx, enum log_level level, const char *where,
		     const char *text)
{
	struct report *report = ctx;
	bool is_error = level >= LOG_LEVEL_ERROR;
	size_t len = strlen(text);

	if (is_error && report->max > 0 && report->errors++ >= report->max)
		return;
	/* A script without a name. */
	if (str_starts(str_of(where), ": "))
		where += 2;
	buf_printf(&report->text, "%s%s%s: %s%s\r\n", where,
		   where[0] == '\0' ? "" : ": ", is_error ? "error" : "warning",
		   text, len > 0 && text[len - 1] == '.' ? "" : ".");
}

static void report_free(struct report *report)
{
	buf_free(&report->text);
}

static struct report report_for(const struct session *session)
{
	return (struct report){
		.text = buf_init(REPORT_MAX),
		.max = session->set->managesieve_max_compile_errors,
	};
}

static struct sieve_log log_to(struct report *report)
{
	return (struct sieve_log){.line = add_line, .ctx = report};
}

/* As a literal: it has line ends. */
static void reply_report(struct session *session, const char *word,
			 const struct report *report)
{
	buf_printf(&session->out, "%s ", word);
	msieve_write_literal(&session->out,
			     str_n(report->text.data, report->text.len));
	buf_add(&session->out, "\r\n");
}

static void reply_done(struct session *session, const struct report *report,
		       const char *text)
{
	if (report->text.len > 0)
		reply_report(session, "OK (WARNINGS)", report);
	else
		reply_ok(session, text);
}

static void reply_failed(struct session *session, const struct report *report,
			 const char *what, struct str name, struct err *err)
{
	if (err->code == ERR_CORRUPT && report->text.len > 0)
		reply_report(session, "NO", report);
	else
		reply_error(session, err, "Failed to %s script `%.*s'", what,
			    STR_FMT(name));
}

/* sizes */

static void reply_no_space(struct session *session, const char *quota,
			   struct str name, struct err *err)
{
	if (err->code == ERR_LIMIT)
		reply_no(session, quota, err->text);
	else
		reply_error(session, err, "Failed to store script `%.*s'",
			    STR_FMT(name));
}

static bool has_space(struct session *session, struct str name, uint64_t size)
{
	const char *quota;
	struct err err;

	if (scripts_has_space(session->scripts, name, size, &quota, &err) == 0)
		return true;
	reply_no_space(session, quota, name, &err);
	return false;
}

static bool is_number(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	}
	return text.len > 0;
}

void cmd_havespace(struct session *session,
		   const struct msieve_command *command)
{
	struct str name = command->args[0].text;
	struct str number = command->args[1].text;
	uint64_t size;

	if (command->args[0].kind != MSIEVE_STRING) {
		reply_bad(session, "Invalid arguments.");
		return;
	}
	if (command->args[1].kind != MSIEVE_ATOM || !is_number(number)) {
		reply_no(session, "", "Invalid scriptsize argument.");
		return;
	}
	if (!str_to_u64(number, &size))
		size = UINT64_MAX;
	if (!script_name_valid(name))
		reply_no(session, "", "Invalid script name.");
	else if (size == 0)
		reply_no(session, "", "Cannot upload empty script.");
	else if (has_space(session, name, size))
		reply_ok(session, "Putscript would succeed.");
}

void refuse_script(struct session *session,
		   const struct msieve_command *command, uint64_t size)
{
	struct str name = command->count > 0 ? command->args[0].text : STR("");
	const char *quota = "QUOTA/MAXSIZE";
	struct err err;

	if (scripts_check_size(session->scripts, size, &quota, &err) == 0)
		err_set(&err, ERR_LIMIT, "Script is too large.");
	reply_no_space(session, quota, name, &err);
}

/* commands */

void cmd_putscript(struct session *session,
		   const struct msieve_command *command)
{
	struct str name = command->args[0].text, text = command->args[1].text;
	CLEANUP(report_free) struct report report = report_for(session);
	const struct sieve_log log = log_to(&report);
	struct err err;

	if (!has_space(session, name, text.len))
		return;
	if (scripts_put(session->scripts, name, text, false, &log, &err) < 0) {
		reply_failed(session, &report, "store", name, &err);
		return;
	}
	session->stats.put_count++;
	session->stats.put_bytes += text.len;
	reply_done(session, &report, "PUTSCRIPT completed.");
}

void cmd_checkscript(struct session *session,
		     const struct msieve_command *command)
{
	CLEANUP(report_free) struct report report = report_for(session);
	const struct sieve_log log = log_to(&report);
	struct str text = command->args[0].text;
	const char *quota;
	struct err err;

	if (scripts_check_size(session->scripts, text.len, &quota, &err) < 0) {
		reply_no_space(session, quota, STR(""), &err);
		return;
	}
	if (scripts_check(session->scripts, STR(""), text, &log, &err) < 0) {
		reply_failed(session, &report, "check", STR(""), &err);
		return;
	}
	session->stats.check_count++;
	session->stats.check_bytes += text.len;
	reply_done(session, &report, "Script checked successfully.");
}

void cmd_setactive(struct session *session,
		   const struct msieve_command *command)
{
	CLEANUP(report_free) struct report report = report_for(session);
	const struct sieve_log log = log_to(&report);
	struct str name = command->args[0].text;
	bool changed;
	struct err err;

	if (scripts_activate(session->scripts, name, &log, &changed, &err) < 0)
		reply_failed(session, &report, "activate", name, &err);
	else if (name.len == 0)
		reply_ok(session, changed ? "Active script is now deactivated."
					  : "No scripts currently active.");
	else if (changed)
		reply_done(session, &report, "Setactive completed.");
	else
		reply_ok(session, "Script is already active.");
}
