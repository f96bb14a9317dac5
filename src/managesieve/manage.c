/* SPDX-License-Identifier: MIT */
/*
 * managesieve/manage.c - LISTSCRIPTS, GETSCRIPT, DELETESCRIPT, RENAMESCRIPT
 * (RFC 5804 sections 2.7, 2.9 to 2.11).
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "managesieve/session.h"
#include "scripts/scripts.h"

void cmd_listscripts(struct session *session,
		     const struct msieve_command *command)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "list");
	struct script_entry *entries;
	size_t count;
	struct err err;

	(void)command;
	if (scripts_list(ctx, session->scripts, &entries, &count, &err) < 0) {
		reply_error(session, &err, "Failed to list scripts");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		msieve_write_string(&session->out, str_of(entries[i].name));
		buf_add(&session->out,
			entries[i].active ? " ACTIVE\r\n" : "\r\n");
	}
	reply_ok(session, "Listscripts completed.");
}

void cmd_getscript(struct session *session,
		   const struct msieve_command *command)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "get");
	struct str name = command->args[0].text, text;
	struct err err;

	if (scripts_get(ctx, session->scripts, name, &text, &err) < 0) {
		reply_error(session, &err, "Failed to retrieve script `%.*s'",
			    STR_FMT(name));
		return;
	}
	session->stats.get_count++;
	session->stats.get_bytes += text.len;
	msieve_write_literal(&session->out, text);
	buf_add(&session->out, "\r\n");
	reply_ok(session, "Getscript completed.");
}

void cmd_deletescript(struct session *session,
		      const struct msieve_command *command)
{
	struct str name = command->args[0].text;
	struct err err;

	if (scripts_delete(session->scripts, name, &err) < 0) {
		reply_error(session, &err, "Failed to delete script `%.*s'",
			    STR_FMT(name));
		return;
	}
	session->stats.deleted_count++;
	reply_ok(session, "Deletescript completed.");
}

void cmd_renamescript(struct session *session,
		      const struct msieve_command *command)
{
	struct str from = command->args[0].text, to = command->args[1].text;
	struct err err;

	if (scripts_rename(session->scripts, from, to, &err) < 0) {
		reply_error(session, &err,
			    "Failed to rename script `%.*s' to `%.*s'",
			    STR_FMT(from), STR_FMT(to));
		return;
	}
	session->stats.renamed_count++;
	reply_ok(session, "Renamescript completed.");
}
