/* SPDX-License-Identifier: MIT */
#include "service/auth_master_line.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/auth.h"
#include "service/auth_master.h"

bool master_reply_parse(struct str line, struct master_reply *out)
{
	struct str rest = line, id;

	if (!str_split(&rest, '\t', &out->command) ||
	    !str_split(&rest, '\t', &id) || !str_to_u32(id, &out->id))
		return false;
	if (str_is(out->command, "VERSION") || str_is(out->command, "SPID"))
		return false;
	out->rest = rest.data == NULL ? STR("") : rest;
	return true;
}

bool master_greeting_ok(struct str line)
{
	struct auth_line parsed;

	return auth_line_parse(line, &parsed) &&
	       str_is(parsed.command, "VERSION") &&
	       parsed.id == AUTH_PROTOCOL_MAJOR;
}

int master_reply_error(const struct master_reply *reply, struct err *err)
{
	struct str rest = reply->rest, field;

	if (str_is(reply->command, "NOTFOUND"))
		return err_set(err, ERR_NOT_FOUND, "Unknown user");
	if (!str_is(reply->command, "FAIL"))
		return err_set(err, ERR_CORRUPT, "auth: unknown reply %.*s",
			       STR_FMT(reply->command));
	while (str_split(&rest, '\t', &field)) {
		CLEANUP(ctx_free) TALLOC_CTX *text = NULL;

		if (!str_starts(field, "reason="))
			continue;
		text = str_tab_unescape(NULL, str_from(field, 7));
		return err_set(err, ERR_DENIED, "%s", (const char *)text);
	}
	return err_set(err, ERR_TEMPORARY, "auth could not look up the user");
}

int master_reply_account(const void *ctx, const struct master_reply *reply,
			 struct account **out, struct err *err)
{
	struct str rest = reply->rest, name;

	/* The name stands among the fields. */
	if (str_is(reply->command, "PASS")) {
		if (account_parse(ctx, STR(""), rest, out, err) < 0)
			return -1;
		(*out)->name = account_field(*out, "user");
		return (*out)->name != NULL
			       ? 0
			       : err_set(err, ERR_CORRUPT,
					 "auth: a user has no name");
	}
	if (!str_is(reply->command, "USER"))
		return master_reply_error(reply, err);
	if (!str_split(&rest, '\t', &name) || name.len == 0)
		return err_set(err, ERR_CORRUPT, "auth: a user has no name");
	return account_parse(ctx, name, rest.data == NULL ? STR("") : rest, out,
			     err);
}

static void write_ip(struct buf *out, const char *key, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	if (ip->family != 0)
		auth_write_value(out, key, ip_text(ip, text));
}

static void write_port(struct buf *out, const char *key, const struct ip *ip)
{
	if (ip->family != 0 && ip->port != 0)
		buf_printf(out, "\t%s=%u", key, ip->port);
}

/* Its fields, each with a tab in front. */
static void write_info(struct buf *out, const struct auth_request_info *info)
{
	auth_write_value(out, "service",
			 info == NULL || info->service == NULL ? "doveadm"
							       : info->service);
	if (info == NULL)
		return;
	if (info->session_id != NULL)
		auth_write_value(out, "session", info->session_id);
	write_ip(out, "lip", &info->local);
	write_ip(out, "rip", &info->remote);
	write_port(out, "lport", &info->local);
	write_port(out, "rport", &info->remote);
	for (const char *const *more = info->more; more != NULL && *more != NULL;
	     more++) {
		char *escaped = str_tab_escape(NULL, str_of(*more));

		buf_printf(out, "\t%s", escaped);
		mem_free(escaped);
	}
}

void master_write_user(struct buf *out, const char *user,
		       const struct auth_request_info *info)
{
	char *escaped = str_tab_escape(NULL, str_of(user));

	buf_add(out, escaped);
	write_info(out, info);
	mem_free(escaped);
}
