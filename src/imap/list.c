/* SPDX-License-Identifier: MIT */
/*
 * imap/list.c - LIST, LSUB (RFC 3501), LIST-EXTENDED (RFC 5258), LIST-STATUS
 * (RFC 5819), SPECIAL-USE (RFC 6154).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "imap/status.h"
#include "storage/storage.h"

struct list {
	unsigned flags;
	bool extended, lsub;
	unsigned status; /* items; 0: none */
	const char *ref; /* UTF-8 */
	const char **patterns;
	size_t pattern_count;
	struct list_entry *entries;
	size_t count, at;
};

/* arguments */

static const char *parse_select(const struct imap_arg *arg, struct list *list)
{
	unsigned flags = 0;

	for (; arg->kind != IMAP_ARG_END; arg++) {
		if (imap_arg_atom_is(arg, "SUBSCRIBED"))
			flags |=
				LIST_SELECT_SUBSCRIBED | LIST_RETURN_SUBSCRIBED;
		else if (imap_arg_atom_is(arg, "SPECIAL-USE"))
			flags |= LIST_SELECT_SPECIAL_USE |
				 LIST_RETURN_SPECIAL_USE;
		else if (imap_arg_atom_is(arg, "RECURSIVEMATCH"))
			flags |= LIST_RECURSIVE_MATCH;
		else if (!imap_arg_atom_is(arg, "REMOTE"))
			return "Unknown select options";
	}
	if ((flags & LIST_RECURSIVE_MATCH) != 0 &&
	    (flags & (LIST_SELECT_SUBSCRIBED | LIST_SELECT_SPECIAL_USE)) == 0)
		return "RECURSIVEMATCH must not be the only selection";
	list->flags |= flags;
	return NULL;
}

static const char *parse_return(struct cmd *cmd, const struct imap_arg *arg,
				struct list *list)
{
	const char *problem;

	for (; arg->kind != IMAP_ARG_END; arg++) {
		if (imap_arg_atom_is(arg, "SUBSCRIBED")) {
			list->flags |= LIST_RETURN_SUBSCRIBED;
		} else if (imap_arg_atom_is(arg, "CHILDREN")) {
			list->flags |= LIST_RETURN_CHILDREN;
		} else if (imap_arg_atom_is(arg, "SPECIAL-USE")) {
			list->flags |= LIST_RETURN_SPECIAL_USE;
		} else if (imap_arg_atom_is(arg, "STATUS") &&
			   arg[1].kind == IMAP_ARG_LIST) {
			arg++;
			problem = status_parse(cmd, arg->list, &list->status);
			if (problem != NULL)
				return problem;
		} else {
			return "Unknown return options";
		}
	}
	return NULL;
}

/* Reference and pattern together, decoded; what is no name matches nothing. */
static void add_pattern(struct cmd *cmd, struct list *list, struct str pattern)
{
	size_t max = pattern.len * 3 + strlen(list->ref) + 16;
	CLEANUP(buf_free) struct buf name = buf_init(max);

	buf_add(&name, list->ref);
	if (!utf7_decode(pattern, &name) || memchr(name.data, '\0', name.len))
		return;
	list->patterns[list->pattern_count++] = buf_steal(cmd, &name);
}

static const char *parse_patterns(struct cmd *cmd, const struct imap_arg *arg,
				  struct list *list)
{
	struct str pattern;
	size_t count = 0;

	if (arg->kind != IMAP_ARG_LIST) {
		if (!arg_string(arg, &pattern))
			return "Invalid pattern";
		list->patterns = mem_array(cmd, const char *, 2);
		add_pattern(cmd, list, pattern);
		return NULL;
	}
	list->extended = true;
	arg = arg->list;
	while (arg[count].kind != IMAP_ARG_END)
		count++;
	list->patterns = mem_array(cmd, const char *, count + 1);
	for (; arg->kind != IMAP_ARG_END; arg++) {
		if (!arg_string(arg, &pattern))
			return "Invalid pattern";
		add_pattern(cmd, list, pattern);
	}
	return NULL;
}

static const char *parse_ref(struct cmd *cmd, const struct imap_arg *arg,
			     struct list *list)
{
	struct str ref;
	CLEANUP(buf_free) struct buf name = buf_init(SIZE_MAX);

	if (!arg_string(arg, &ref))
		return "Invalid reference";
	if (!utf7_decode(ref, &name) || memchr(name.data, '\0', name.len))
		return "Invalid reference";
	list->ref = buf_steal(cmd, &name);
	return NULL;
}

static const char *parse_list(struct cmd *cmd, struct list *list)
{
	const struct imap_arg *arg = cmd->args;
	const char *problem;

	if (arg->kind == IMAP_ARG_LIST && !list->lsub) {
		list->extended = true;
		problem = parse_select(arg->list, list);
		if (problem != NULL)
			return problem;
		arg++;
	}
	problem = parse_ref(cmd, arg, list);
	if (problem == NULL)
		problem = parse_patterns(cmd, &arg[1], list);
	if (problem != NULL)
		return problem;
	arg += 2;
	if (imap_arg_atom_is(arg, "RETURN") && arg[1].kind == IMAP_ARG_LIST &&
	    !list->lsub) {
		list->extended = true;
		problem = parse_return(cmd, arg[1].list, list);
		if (problem != NULL)
			return problem;
		arg += 2;
	}
	return arg->kind == IMAP_ARG_END ? NULL : "Extra arguments";
}

/* answers */

static void add_separator(struct buf *line, char separator)
{
	buf_add(line, separator == '\\' || separator == '"' ? " \"\\" : " \"");
	buf_putc(line, separator);
	buf_add(line, "\" ");
}

static void add_word(struct buf *line, bool *first, const char *word)
{
	if (!*first)
		buf_putc(line, ' ');
	*first = false;
	buf_add(line, word);
}

static void add_attributes(const struct session *session, struct buf *line,
			   const struct list *list,
			   const struct list_entry *entry)
{
	bool lsub = list->lsub, first = true;
	bool no_select = !lsub ||
			 (session->workarounds & WORKAROUND_LSUB_FLAGS) != 0 ||
			 (entry->flags & ENTRY_SUBSCRIBED) == 0;

	if ((entry->flags & ENTRY_SUBSCRIBED) != 0 && !lsub &&
	    (list->flags & LIST_RETURN_SUBSCRIBED) != 0)
		add_word(line, &first, "\\Subscribed");
	if ((entry->flags & ENTRY_NONEXISTENT) != 0 && list->extended)
		add_word(line, &first, "\\NonExistent");
	else if ((entry->flags & (ENTRY_NOSELECT | ENTRY_NONEXISTENT)) != 0 &&
		 no_select)
		add_word(line, &first, "\\Noselect");
	if ((entry->flags & ENTRY_NOINFERIORS) != 0 && !lsub)
		add_word(line, &first, "\\NoInferiors");
	if ((list->flags & LIST_RETURN_CHILDREN) != 0) {
		if ((entry->flags & ENTRY_HAS_CHILDREN) != 0)
			add_word(line, &first, "\\HasChildren");
		if ((entry->flags & ENTRY_HAS_NO_CHILDREN) != 0)
			add_word(line, &first, "\\HasNoChildren");
	}
	if ((entry->flags & ENTRY_MARKED) != 0)
		add_word(line, &first, "\\Marked");
	if ((entry->flags & ENTRY_UNMARKED) != 0)
		add_word(line, &first, "\\UnMarked");
	if (entry->special_use != NULL && entry->special_use[0] != '\0' &&
	    (list->flags & LIST_RETURN_SPECIAL_USE) != 0)
		add_word(line, &first, entry->special_use);
}

static void tell_entry(struct session *session, const struct list *list,
		       const struct list_entry *entry)
{
	struct buf *line = &session->line;

	buf_add(line, list->lsub ? "* LSUB (" : "* LIST (");
	add_attributes(session, line, list, entry);
	buf_putc(line, ')');
	add_separator(line, entry->separator);
	buf_mailbox(line, entry->name);
	if ((entry->flags & ENTRY_CHILD_SUBSCRIBED) != 0 &&
	    (list->flags & LIST_RECURSIVE_MATCH) != 0)
		buf_add(line, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	buf_add(line, "\r\n");
}

/* One that cannot be read has no STATUS (RFC 5819 section 2). */
static void tell_status(struct session *session, const struct list *list,
			struct mailbox_statuses *statuses,
			const struct list_entry *entry)
{
	struct mailbox_status status;
	struct err err;

	if (list->status == 0 ||
	    (entry->flags & (ENTRY_NOSELECT | ENTRY_NONEXISTENT)) != 0)
		return;
	if (mailbox_statuses_get(statuses, entry->name, &status, &err) == 0 &&
	    (!status_tells_size(list->status) ||
	     mailbox_statuses_size(statuses, entry->name, &status, &err) == 0))
		status_write(&session->line, entry->name, list->status,
			     &status);
	else if (err.code == ERR_TEMPORARY || err.code == ERR_CORRUPT)
		log_error("Mailbox %s: %s", entry->name, err.text);
}

static enum cmd_result list_more(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct list *list = cmd->state;
	CLEANUP(mailbox_statuses_end)
	struct mailbox_statuses *statuses =
		mailbox_statuses_begin(cmd, session->user);

	while (list->at < list->count) {
		const struct list_entry *entry = &list->entries[list->at++];

		tell_entry(session, list, entry);
		tell_status(session, list, statuses, entry);
		if (output_full(session))
			return CMD_OUTPUT;
	}
	return cmd_reply(cmd, list->lsub ? "OK Lsub completed"
					 : "OK List completed");
}

/* LIST "" "": the separator, and the root of the reference. A reference of no
 * namespace has the separator of INBOX's: clients ask with an empty one. */
static void tell_root(struct session *session, const struct list *list)
{
	const struct namespace *ns = namespace_find(session->user, list->ref);
	struct buf *line = &session->line;
	const char *root = ns == NULL ? "" : ns->prefix;
	char separator;
	ptrdiff_t end;

	if (ns == NULL)
		ns = namespace_find(session->user, "INBOX");
	separator = ns->separator;
	end = str_find_char(str_of(list->ref), separator);
	if (root[0] == '\0' && end >= 0)
		root = mem_strndup(list->ref, list->ref, end + 1);
	buf_add(line, "* LIST (\\Noselect)");
	add_separator(line, separator);
	buf_mailbox(line, root);
	buf_add(line, "\r\n");
}

static enum cmd_result run_list(struct cmd *cmd, struct list *list)
{
	struct session *session = cmd->session;
	const char *problem = parse_list(cmd, list);
	struct err err;
	struct str text;

	if (problem != NULL)
		return cmd_bad(cmd, "%s", problem);
	if (!list->extended && arg_string(&cmd->args[1], &text) &&
	    text.len == 0) {
		if (!list->lsub)
			tell_root(session, list);
		return cmd_reply(cmd, list->lsub ? "OK Lsub completed"
						 : "OK List completed");
	}
	if (!list->extended)
		list->flags |= list->lsub ? LIST_RETURN_SPECIAL_USE
					  : LIST_RETURN_CHILDREN |
						    LIST_RETURN_SPECIAL_USE;
	if (list->pattern_count > 0 &&
	    mailbox_list(cmd, session->user, list->patterns, list->flags,
			 &list->entries, &list->count, &err) < 0)
		return cmd_error(cmd, &err, NULL);
	cmd->state = list;
	cmd->more = list_more;
	return list_more(cmd);
}

enum cmd_result cmd_list(struct cmd *cmd)
{
	return run_list(cmd, mem_new(cmd, struct list));
}

enum cmd_result cmd_lsub(struct cmd *cmd)
{
	struct list *list = mem_new(cmd, struct list);

	list->lsub = true;
	list->flags = LIST_LSUB | LIST_SELECT_SUBSCRIBED;
	return run_list(cmd, list);
}
