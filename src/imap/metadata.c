/* SPDX-License-Identifier: MIT */
/*
 * imap/metadata.c - GETMETADATA, SETMETADATA (RFC 5464).
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "storage/storage.h"

enum depth { DEPTH_0, DEPTH_1, DEPTH_INFINITY };

struct metadata {
	const char *mailbox;
	uint64_t max_size;
	enum depth depth;
	/* What is told, NULL for NIL; and the longest that was not. */
	struct attribute *found;
	size_t count, at;
	uint64_t too_long;
};

/* "" is the server. */
static char *owner_name(struct cmd *cmd, struct str arg)
{
	return arg.len == 0 ? mem_strdup(cmd, "") : cmd_mailbox_name(cmd, arg);
}

/* An entry in lower case, child of cmd; NULL: it was answered. */
static char *take_entry(struct cmd *cmd, const struct imap_arg *arg)
{
	struct str text;
	struct err err;
	char *entry;

	if (!arg_string(arg, &text) ||
	    memchr(text.data, '\0', text.len) != NULL) {
		cmd_bad(cmd, "Entry name must be a string");
		return NULL;
	}
	entry = str_lower(cmd, text);
	if (attribute_check(entry, &err) < 0) {
		cmd_bad(cmd, "%s", err.text);
		return NULL;
	}
	if (!attribute_is_internal(entry))
		return entry;
	cmd_reply(cmd, "NO [CANNOT] Internal mailbox attributes cannot be "
		       "accessed");
	return NULL;
}

static bool is_off(struct cmd *cmd)
{
	if (cmd->session->set->imap_metadata)
		return false;
	cmd_reply(cmd, "NO [CANNOT] Generic mailbox attributes not enabled");
	return true;
}

/* ERR_DENIED and ERR_INVALID have a text that is for clients. */
static enum cmd_result fail(struct cmd *cmd, const struct err *err,
			    const char *mailbox)
{
	const struct mail_settings *set = user_settings(cmd->session->user);

	if (err->code == ERR_LIMIT)
		return cmd_reply(
			cmd, "NO [METADATA MAXSIZE %llu] Value is too long",
			(unsigned long long)set->mail_attribute_max_value_size);
	if (err->code == ERR_QUOTA)
		return cmd_reply(cmd, "NO [METADATA TOOMANY] There are too "
				      "many annotations");
	if (err->code == ERR_DENIED && !err->system)
		return cmd_reply(cmd, "NO [CANNOT] %s", err->text);
	return cmd_error(cmd, err, mailbox);
}

/* GETMETADATA */

static const char *parse_options(const struct imap_arg *arg,
				 struct metadata *get)
{
	for (; arg->kind != IMAP_ARG_END; arg += 2) {
		if (imap_arg_atom_is(arg, "MAXSIZE")) {
			if (arg[1].kind != IMAP_ARG_ATOM ||
			    !str_to_u64(arg[1].text, &get->max_size))
				return "Invalid value for MAXSIZE option";
		} else if (imap_arg_atom_is(arg, "DEPTH")) {
			if (imap_arg_atom_is(&arg[1], "0"))
				get->depth = DEPTH_0;
			else if (imap_arg_atom_is(&arg[1], "1"))
				get->depth = DEPTH_1;
			else if (imap_arg_atom_is(&arg[1], "infinity"))
				get->depth = DEPTH_INFINITY;
			else
				return "Invalid value for DEPTH option";
		} else {
			return "Unknown option";
		}
	}
	return NULL;
}

static void found(struct cmd *cmd, struct metadata *get, const char *entry,
		  const char *value)
{
	size_t len = value == NULL ? 0 : strlen(value);

	if (len > get->max_size) {
		if (len > get->too_long)
			get->too_long = len;
		return;
	}
	get->found =
		mem_resize(cmd, get->found, struct attribute, get->count + 1);
	get->found[get->count++] = (struct attribute){entry, value};
}

static int find_below(struct cmd *cmd, struct metadata *get, const char *entry,
		      struct err *err)
{
	struct attribute *all;
	size_t count;

	if (attribute_list(cmd, cmd->session->user, get->mailbox, entry, &all,
			   &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const char *below = all[i].entry + strlen(entry);

		if (attribute_is_internal(all[i].entry) ||
		    (get->depth == DEPTH_1 && below[0] == '/' &&
		     strchr(below + 1, '/') != NULL))
			continue;
		found(cmd, get, all[i].entry, all[i].value);
	}
	return 0;
}

static int find(struct cmd *cmd, struct metadata *get, const char *entry,
		struct err *err)
{
	const char *value;

	if (get->depth != DEPTH_0)
		return find_below(cmd, get, entry, err);
	if (attribute_get(cmd, cmd->session->user, get->mailbox, entry, &value,
			  err) < 0)
		return -1;
	found(cmd, get, entry, value);
	return 0;
}

static enum cmd_result tell(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct metadata *get = cmd->state;
	struct buf *line = &session->line;

	for (; get->at < get->count; get->at++) {
		const struct attribute *one = &get->found[get->at];

		if (output_full(session))
			return CMD_OUTPUT;
		if (get->at == 0) {
			buf_add(line, "* METADATA ");
			if (get->mailbox[0] == '\0')
				buf_add(line, "\"\"");
			else
				buf_mailbox(line, get->mailbox);
		}
		buf_add(line, get->at == 0 ? " (" : " ");
		imap_write_astring(line, str_of(one->entry));
		if (one->value == NULL)
			buf_add(line, " NIL");
		else
			buf_printf(line, " {%zu}\r\n%s", strlen(one->value),
				   one->value);
		if (get->at + 1 == get->count)
			buf_add(line, ")\r\n");
	}
	if (get->too_long > 0)
		return cmd_reply(cmd,
				 "OK [METADATA LONGENTRIES %llu] Getmetadata "
				 "completed",
				 (unsigned long long)get->too_long);
	return cmd_reply(cmd, "OK Getmetadata completed");
}

enum cmd_result cmd_getmetadata(struct cmd *cmd)
{
	struct metadata *get = mem_new(cmd, struct metadata);
	const struct imap_arg *args = cmd->args, *entry;
	const char *problem = NULL;
	struct imap_arg one[2] = {{.kind = IMAP_ARG_END}};
	struct str name;
	struct err err;

	if (is_off(cmd))
		return CMD_DONE;
	get->max_size = UINT64_MAX;
	if (args[0].kind == IMAP_ARG_LIST)
		problem = parse_options((args++)->list, get);
	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	if (!arg_string(&args[0], &name) || args[1].kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Invalid arguments");
	get->mailbox = owner_name(cmd, name);
	if (get->mailbox == NULL)
		return CMD_DONE;
	one[0] = args[1];
	one[1].kind = IMAP_ARG_END;
	entry = args[1].kind == IMAP_ARG_LIST ? args[1].list : one;
	for (; entry->kind != IMAP_ARG_END; entry++) {
		char *text = take_entry(cmd, entry);

		if (text == NULL)
			return CMD_DONE;
		if (find(cmd, get, text, &err) < 0)
			return fail(cmd, &err, get->mailbox);
	}
	cmd->state = get;
	cmd->more = tell;
	return tell(cmd);
}

/* SETMETADATA */

enum cmd_result cmd_setmetadata(struct cmd *cmd)
{
	const struct imap_arg *arg = cmd->args;
	struct attribute *changes;
	size_t count = 0;
	const char *name;
	struct str text;
	struct err err;

	if (is_off(cmd))
		return CMD_DONE;
	if (!arg_string(&arg[0], &text) || arg[1].kind != IMAP_ARG_LIST)
		return cmd_bad(cmd, "Invalid arguments");
	name = owner_name(cmd, text);
	if (name == NULL)
		return CMD_DONE;
	for (arg = arg[1].list; arg[count].kind != IMAP_ARG_END; count++)
		;
	changes = mem_array(cmd, struct attribute, count + 1);
	count = 0;
	for (; arg->kind != IMAP_ARG_END; arg += 2) {
		struct attribute *change = &changes[count++];

		change->entry = take_entry(cmd, arg);
		if (change->entry == NULL)
			return CMD_DONE;
		if (arg[1].kind == IMAP_ARG_END)
			return cmd_bad(cmd, "Entry value missing");
		if (arg[1].kind == IMAP_ARG_NIL)
			continue;
		if (!arg_string(&arg[1], &text))
			return cmd_bad(cmd, "Entry value can't be a list");
		if (memchr(text.data, '\0', text.len) != NULL)
			return cmd_reply(cmd, "NO [CANNOT] Value has NULs");
		change->value = str_dup(cmd, text);
	}
	if (attribute_set(cmd->session->user, name, changes, count, &err) < 0)
		return fail(cmd, &err, name);
	return cmd_reply(cmd, "OK Setmetadata completed");
}
