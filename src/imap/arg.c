/* SPDX-License-Identifier: MIT */
/*
 * imap/arg.c - arguments that many commands have: mailbox names, sets of
 * messages, flags.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "storage/storage.h"

bool arg_string(const struct imap_arg *arg, struct str *out)
{
	if (arg->kind != IMAP_ARG_NIL)
		return imap_arg_astring(arg, out);
	*out = arg->text;
	return true;
}

bool cmd_strings(struct cmd *cmd, size_t count, struct str *out)
{
	for (size_t i = 0; i < count; i++) {
		if (cmd->args[i].kind == IMAP_ARG_END) {
			cmd_bad(cmd, "Missing arguments");
			return false;
		}
		if (!arg_string(&cmd->args[i], &out[i])) {
			cmd_bad(cmd, "Invalid arguments");
			return false;
		}
	}
	return true;
}

/* Thunderbird was seen to ask for "Trash/" (tb-extra-mailbox-sep). */
static void cut_separators(struct session *session, struct buf *name)
{
	const struct namespace *ns = namespace_find(session->user, name->data);

	while (ns != NULL && name->len > 1 &&
	       name->data[name->len - 1] == ns->separator)
		buf_truncate(name, name->len - 1);
}

char *cmd_mailbox_name(struct cmd *cmd, struct str arg)
{
	CLEANUP(buf_free) struct buf name = buf_init(arg.len * 3 + 16);

	if (!utf7_decode(arg, &name) || memchr(name.data, '\0', name.len)) {
		cmd_reply(cmd, "NO Mailbox name is not valid mUTF-7");
		return NULL;
	}
	if ((cmd->session->workarounds & WORKAROUND_EXTRA_MAILBOX_SEP) != 0)
		cut_separators(cmd->session, &name);
	return buf_steal(cmd, &name);
}

static void encode_mailbox(const char *name, struct buf *utf7)
{
	if (!utf7_encode(str_of(name), utf7))
		buf_reset(utf7); /* not UTF-8: storage lists no such name */
}

void buf_mailbox(struct buf *out, const char *name)
{
	CLEANUP(buf_free) struct buf utf7 = buf_init(SIZE_MAX);

	encode_mailbox(name, &utf7);
	imap_write_astring(out, str_n(utf7.data, utf7.len));
}

void buf_quoted_mailbox(struct buf *out, const char *name)
{
	CLEANUP(buf_free) struct buf utf7 = buf_init(SIZE_MAX);

	encode_mailbox(name, &utf7);
	imap_write_nstring(out, str_n(utf7.data, utf7.len));
}

/* sets */

static bool uid_set(struct cmd *cmd, struct str text, struct range_set *out)
{
	struct mailbox *box = cmd->session->box;
	struct range_set uids = range_set_init(cmd);
	uint32_t messages = mailbox_messages(box);
	uint32_t last = messages == 0 ? 1 : mailbox_uid_of(box, messages);

	if (!imap_sequence_set(text, last, &uids))
		return false;
	if (messages > 0)
		mailbox_seqs_of(box, &uids, out);
	return true;
}

static bool seq_set(struct cmd *cmd, struct str text, struct range_set *out)
{
	uint32_t messages = mailbox_messages(cmd->session->box);

	return messages > 0 && imap_sequence_set(text, messages, out) &&
	       out->count > 0 && out->ranges[out->count - 1].last <= messages;
}

bool cmd_set(struct cmd *cmd, const struct imap_arg *arg,
	     struct range_set *seqs_out)
{
	struct session *session = cmd->session;

	*seqs_out = range_set_init(cmd);
	if (imap_arg_atom_is(arg, "$")) {
		mailbox_seqs_of(session->box, &session->saved, seqs_out);
		return true;
	}
	if (arg->kind != IMAP_ARG_ATOM) {
		cmd_bad(cmd, "Invalid arguments");
		return false;
	}
	if (cmd->uid ? uid_set(cmd, arg->text, seqs_out)
		     : seq_set(cmd, arg->text, seqs_out))
		return true;
	cmd_bad(cmd, cmd->uid ? "Invalid uidset" : "Invalid messageset");
	return false;
}

/* flags */

static const struct {
	const char *name;
	uint8_t flag;
} system_flags[] = {
	/* in the order in which they are told */
	{"\\Answered", MAIL_ANSWERED}, {"\\Flagged", MAIL_FLAGGED},
	{"\\Deleted", MAIL_DELETED},   {"\\Seen", MAIL_SEEN},
	{"\\Draft", MAIL_DRAFT},       {"\\Recent", MAIL_RECENT},
};
enum { SYSTEM_FLAGS = sizeof(system_flags) / sizeof(system_flags[0]) };

static const char *parse_system_flag(const void *ctx, struct str text,
				     uint8_t *flags)
{
	for (size_t i = 0; i < SYSTEM_FLAGS; i++) {
		if (str_case_is(text, system_flags[i].name) &&
		    system_flags[i].flag != MAIL_RECENT) {
			*flags |= system_flags[i].flag;
			return NULL;
		}
	}
	return mem_printf(ctx, "Invalid system flag %s", str_upper(ctx, text));
}

const char *flags_parse(const void *ctx, const struct imap_arg *args,
			uint8_t *flags_out, const char *const **keywords_out)
{
	const struct imap_arg *arg =
		args[0].kind == IMAP_ARG_LIST ? args[0].list : args;
	size_t count = 0, words = 0;
	const char **keywords, *problem;
	uint8_t flags = 0;

	while (arg[count].kind != IMAP_ARG_END)
		count++;
	keywords = mem_array(ctx, const char *, count + 1);
	for (; arg->kind != IMAP_ARG_END; arg++) {
		if (arg->kind != IMAP_ARG_ATOM && arg->kind != IMAP_ARG_NIL)
			return "Flags list contains non-atoms";
		if (!str_starts(arg->text, "\\")) {
			keywords[words++] = str_dup(ctx, arg->text);
			continue;
		}
		problem = parse_system_flag(ctx, arg->text, &flags);
		if (problem != NULL)
			return problem;
	}
	*flags_out = flags;
	*keywords_out = keywords;
	return NULL;
}

bool cmd_flags(struct cmd *cmd, const struct imap_arg *args, uint8_t *flags_out,
	       const char *const **keywords_out)
{
	const char *problem = flags_parse(cmd, args, flags_out, keywords_out);

	if (problem != NULL)
		cmd_bad(cmd, "%s", problem);
	return problem == NULL;
}

static void add_keywords(struct buf *out, struct session *session,
			 const struct keywords *keywords, bool first)
{
	const char *const *names = NULL;
	unsigned count = 0;

	for (unsigned word = 0; word < INDEX_KEYWORDS_MAX / 64; word++) {
		uint64_t bits = keywords->bits[word];

		if (bits != 0 && names == NULL)
			names = mailbox_keywords(session->box, &count);
		while (bits != 0) {
			unsigned bit =
				word * 64 + (unsigned)__builtin_ctzll(bits);

			bits &= bits - 1;
			if (bit >= count || names[bit] == NULL)
				continue;
			if (!first)
				buf_putc(out, ' ');
			buf_add(out, names[bit]);
			first = false;
		}
	}
}

void buf_flags(struct buf *out, struct session *session, uint8_t flags,
	       const struct keywords *keywords)
{
	bool first = true;

	buf_putc(out, '(');
	for (size_t i = 0; i < SYSTEM_FLAGS; i++) {
		if ((flags & system_flags[i].flag) == 0)
			continue;
		if (!first)
			buf_putc(out, ' ');
		buf_add(out, system_flags[i].name);
		first = false;
	}
	add_keywords(out, session, keywords, first);
	buf_putc(out, ')');
}

static void add_flag_names(struct session *session, struct buf *out)
{
	unsigned count;
	const char *const *names = mailbox_keywords(session->box, &count);

	buf_add(out, "\\Answered \\Flagged \\Deleted \\Seen \\Draft");
	for (unsigned i = 0; i < count; i++) {
		if (names[i] == NULL || names[i][0] == '\0')
			continue;
		buf_putc(out, ' ');
		buf_add(out, names[i]);
	}
	session->keywords_told = count;
}

void tell_flags(struct session *session)
{
	struct buf *line = &session->line;

	buf_add(line, "* FLAGS (");
	add_flag_names(session, line);
	buf_add(line, ")\r\n");
	if (mailbox_readonly(session->box)) {
		buf_add(line,
			"* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n");
		return;
	}
	buf_add(line, "* OK [PERMANENTFLAGS (");
	add_flag_names(session, line);
	if (mailbox_new_keywords_ok(session->box))
		buf_add(line, " \\*");
	buf_add(line, ")] Flags permitted.\r\n");
}

void tell_new_keywords(struct session *session)
{
	unsigned count;

	mailbox_keywords(session->box, &count);
	if (count != session->keywords_told)
		tell_flags(session);
}
