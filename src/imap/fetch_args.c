/* SPDX-License-Identifier: MIT */
/*
 * imap/fetch_args.c - the items of FETCH (RFC 3501 section 6.4.5), those of
 * RFC 7162, 8514 and 8970 included.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/fetch.h"
#include "imap/modseq.h"
#include "imap/session.h"
#include "proto/imap.h"

enum {
	ITEMS_MAX = 1000,
	PATH_MAX_PARTS = 200, /* "1.1.1..." deeper than any mail */
	FIELDS_MAX = 1000,
};

static struct fetch_item *add_item(struct fetch *fetch, enum fetch_kind kind)
{
	struct fetch_item *item;

	if (fetch->count == fetch->cap) {
		fetch->cap = fetch->cap == 0 ? 8 : fetch->cap * 2;
		fetch->items = mem_resize(fetch, fetch->items,
					  struct fetch_item, fetch->cap);
	}
	item = &fetch->items[fetch->count++];
	*item = (struct fetch_item){.kind = kind, .length = UINT64_MAX};
	return item;
}

static void add_once(struct fetch *fetch, enum fetch_kind kind)
{
	for (size_t i = 0; i < fetch->count; i++) {
		if (fetch->items[i].kind == kind)
			return;
	}
	add_item(fetch, kind);
}

/* sections */

static const char bad_section[] = "Invalid BODY[..] section";

/* "1.2." of "1.2.HEADER"; leaves the rest. */
static bool parse_path(struct fetch *fetch, struct str *text,
		       struct section *section)
{
	uint32_t *path = NULL, number;
	unsigned len = 0;

	while (text->len > 0 && text->data[0] >= '0' && text->data[0] <= '9') {
		ptrdiff_t dot = str_find_char(*text, '.');
		struct str digits = dot < 0 ? *text : str_n(text->data, dot);

		if (len == PATH_MAX_PARTS || !str_to_u32(digits, &number) ||
		    number == 0)
			return false;
		path = mem_resize(fetch, path, uint32_t, len + 1);
		path[len++] = number;
		if (dot < 0) {
			*text = STR("");
			break;
		}
		*text = str_from(*text, dot + 1);
		if (text->len == 0)
			return false; /* "1." */
	}
	section->path = path;
	section->path_len = len;
	return true;
}

static bool parse_kind(struct str text, struct section *section)
{
	static const struct {
		const char *name;
		enum section_kind kind;
	} kinds[] = {
		{"", SECTION_ALL},
		{"HEADER", SECTION_HEADER},
		{"TEXT", SECTION_TEXT},
		{"MIME", SECTION_MIME},
		{"HEADER.FIELDS", SECTION_HEADER_FIELDS},
		{"HEADER.FIELDS.NOT", SECTION_HEADER_FIELDS_NOT},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (str_case_is(text, kinds[i].name)) {
			section->kind = kinds[i].kind;
			return section->kind != SECTION_MIME ||
			       section->path_len > 0;
		}
	}
	return false;
}

static bool has_fields(const struct section *section)
{
	return section->kind == SECTION_HEADER_FIELDS ||
	       section->kind == SECTION_HEADER_FIELDS_NOT;
}

/* The names of HEADER.FIELDS, and as they are told: " (TO SUBJECT)". */
static bool parse_fields(struct fetch *fetch, const struct imap_arg *list,
			 struct section *section, struct buf *label)
{
	const char **fields;
	size_t count = 0;
	struct str text;

	while (list[count].kind != IMAP_ARG_END)
		count++;
	if (count == 0 || count > FIELDS_MAX)
		return false;
	fields = mem_array(fetch, const char *, count + 1);
	for (size_t i = 0; i < count; i++) {
		if (!arg_string(&list[i], &text) || text.len == 0)
			return false;
		fields[i] = str_upper(fetch, text);
		buf_add(label, i == 0 ? " (" : " ");
		if (list[i].kind == IMAP_ARG_ATOM)
			buf_add(label, fields[i]);
		else
			imap_write_nstring(label, str_of(fields[i]));
	}
	buf_putc(label, ')');
	section->fields = fields;
	return true;
}

static const char bad_partial[] =
	"Invalid BODY[..] parameter: Unexpected data after ']'";
static const char no_end[] = "Invalid BODY[..] parameter: Missing ']'";

/* "<10.20>", "<10>", or nothing. */
static const char *parse_partial(struct str text, struct fetch_item *item,
				 struct buf *label)
{
	ptrdiff_t dot;

	if (text.len == 0)
		return NULL;
	if (text.len < 2 || text.data[0] != '<' ||
	    text.data[text.len - 1] != '>')
		return bad_partial;
	text = str_n(text.data + 1, text.len - 2);
	dot = str_find_char(text, '.');
	if (!str_to_u64(dot < 0 ? text : str_n(text.data, dot), &item->offset))
		return "Invalid BODY[..] parameter: Too big partial start";
	if (dot >= 0 && !str_to_u64(str_from(text, dot + 1), &item->length))
		return "Invalid BODY[..] parameter: Too big partial end";
	buf_putc(label, '<');
	buf_number(label, item->offset);
	buf_putc(label, '>');
	return NULL;
}

/* The list of field names behind "BODY[HEADER.FIELDS"; *rest_out is what
 * follows the "]". Moves *arg to the last one it took. */
static const char *take_fields(struct fetch *fetch, const struct imap_arg **arg,
			       struct section *section, struct buf *label,
			       struct str *rest_out)
{
	const struct imap_arg *list = &(*arg)[1], *end = &(*arg)[2];

	if (list->kind != IMAP_ARG_LIST)
		return bad_section;
	if (end->kind != IMAP_ARG_ATOM || !str_starts(end->text, "]"))
		return no_end;
	if (!parse_fields(fetch, list->list, section, label))
		return bad_section;
	*arg = end;
	*rest_out = str_from(end->text, 1);
	return NULL;
}

/* "BODY[1.TEXT]<0.100>", or "BODY[HEADER.FIELDS", list, "]<0.100>". Moves *arg
 * to the last one it took. */
static const char *parse_section(struct fetch *fetch,
				 const struct imap_arg **arg, size_t open,
				 bool peek)
{
	CLEANUP(buf_free) struct buf label = buf_init(SIZE_MAX);
	struct str text = str_from((*arg)->text, open + 1), rest, kind;
	struct fetch_item item = {.kind = FETCH_SECTION, .length = UINT64_MAX};
	ptrdiff_t close = str_find_char(text, ']');
	const char *problem = NULL;

	kind = close < 0 ? text : str_n(text.data, close);
	buf_printf(&label, "BODY[%s", str_upper(fetch, kind));
	if (!parse_path(fetch, &kind, &item.section) ||
	    !parse_kind(kind, &item.section))
		return close < 0 ? no_end : bad_section;
	if (close < 0 && !has_fields(&item.section))
		return no_end;
	if (close >= 0 && has_fields(&item.section))
		return bad_section;
	if (close < 0)
		problem = take_fields(fetch, arg, &item.section, &label, &rest);
	else
		rest = str_from(text, close + 1);
	if (problem != NULL)
		return problem;
	buf_putc(&label, ']');
	problem = parse_partial(rest, &item, &label);
	if (problem != NULL)
		return problem;
	fetch->sets_seen |= !peek;
	item.label.len = label.len;
	item.label.data = buf_steal(fetch, &label);
	*add_item(fetch, FETCH_SECTION) = item;
	return NULL;
}

/* Whether a list is that of FETCH's modifiers. */
static bool is_modifier(const struct imap_arg *list)
{
	return imap_arg_atom_is(list, "CHANGEDSINCE") ||
	       imap_arg_atom_is(list, "VANISHED");
}

/* items */

static void add_rfc822(struct fetch *fetch, const char *label,
		       enum section_kind kind)
{
	struct fetch_item *item = add_item(fetch, FETCH_SECTION);

	item->label = str_of(label);
	item->section.kind = kind;
	fetch->sets_seen |= kind != SECTION_HEADER;
}

static bool parse_rfc822(struct fetch *fetch, struct str word)
{
	if (str_case_is(word, "RFC822"))
		add_rfc822(fetch, "RFC822", SECTION_ALL);
	else if (str_case_is(word, "RFC822.HEADER"))
		add_rfc822(fetch, "RFC822.HEADER", SECTION_HEADER);
	else if (str_case_is(word, "RFC822.TEXT"))
		add_rfc822(fetch, "RFC822.TEXT", SECTION_TEXT);
	else
		return false;
	return true;
}

/* A word that stands for one item. */
static bool parse_word(struct fetch *fetch, struct str word)
{
	static const struct {
		const char *name;
		enum fetch_kind kind;
	} words[] = {
		{"UID", FETCH_UID},
		{"FLAGS", FETCH_FLAGS},
		{"INTERNALDATE", FETCH_INTERNALDATE},
		{"RFC822.SIZE", FETCH_SIZE},
		{"MODSEQ", FETCH_MODSEQ},
		{"SAVEDATE", FETCH_SAVEDATE},
		{"ENVELOPE", FETCH_ENVELOPE},
		{"BODY", FETCH_BODY},
		{"BODYSTRUCTURE", FETCH_BODYSTRUCTURE},
		{"EMAILID", FETCH_EMAIL_ID},
		{"THREADID", FETCH_THREAD_ID},
		{"X-GUID", FETCH_X_GUID},
		{"X-MAILBOX", FETCH_X_MAILBOX},
		{"X-REAL-UID", FETCH_X_REAL_UID},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_case_is(word, words[i].name)) {
			add_once(fetch, words[i].kind);
			return true;
		}
	}
	return parse_rfc822(fetch, word);
}

/* "PREVIEW", "PREVIEW (LAZY)". FUZZY and LAZY=FUZZY are those of drafts before
 * RFC 8970, and so is the form that they ask for. Moves *arg to the last one it
 * took. */
static const char *parse_preview(struct fetch *fetch,
				 const struct imap_arg **arg,
				 enum fetch_kind kind)
{
	const struct imap_arg *list = &(*arg)[1];
	struct fetch_item *item = add_item(fetch, kind);

	item->fuzzy = kind == FETCH_SNIPPET;
	if (list->kind != IMAP_ARG_LIST || list->list[0].kind == IMAP_ARG_END ||
	    is_modifier(list->list))
		return NULL;
	*arg = list;
	for (list = list->list; list->kind != IMAP_ARG_END; list++) {
		if (imap_arg_atom_is(list, "LAZY")) {
			item->lazy = true;
		} else if (imap_arg_atom_is(list, "FUZZY")) {
			item->fuzzy = true;
		} else if (imap_arg_atom_is(list, "LAZY=FUZZY")) {
			item->lazy = item->fuzzy = true;
		} else {
			return mem_printf(
				fetch,
				"'%s' is not a supported PREVIEW modifier",
				str_sanitize(fetch, list->text, 100));
		}
	}
	return NULL;
}

static const char *parse_item(struct fetch *fetch, const struct imap_arg **arg)
{
	struct str word = (*arg)->text;
	ptrdiff_t open = str_find_char(word, '[');

	if ((*arg)->kind != IMAP_ARG_ATOM)
		return "FETCH list contains non-atoms";
	if (fetch->count >= ITEMS_MAX)
		return "Too many items";
	if (open >= 0 && str_case_is(str_n(word.data, open), "BODY"))
		return parse_section(fetch, arg, open, false);
	if (open >= 0 && str_case_is(str_n(word.data, open), "BODY.PEEK"))
		return parse_section(fetch, arg, open, true);
	if (parse_word(fetch, word))
		return NULL;
	if (str_case_is(word, "PREVIEW"))
		return parse_preview(fetch, arg, FETCH_PREVIEW);
	if (str_case_is(word, "SNIPPET"))
		return parse_preview(fetch, arg, FETCH_SNIPPET);
	if (str_case_is(word, "BODY.PEEK"))
		return "Invalid BODY[..] parameter: Missing '['";
	return mem_printf(fetch, "Unknown parameter: %s",
			  str_upper(fetch, word));
}

/* ALL, FULL and FAST stand alone. */
static bool parse_macro(struct fetch *fetch, struct str word)
{
	bool all = str_case_is(word, "ALL"), full = str_case_is(word, "FULL");

	if (!all && !full && !str_case_is(word, "FAST"))
		return false;
	add_once(fetch, FETCH_FLAGS);
	add_once(fetch, FETCH_INTERNALDATE);
	add_once(fetch, FETCH_SIZE);
	if (all || full)
		add_once(fetch, FETCH_ENVELOPE);
	if (full)
		add_once(fetch, FETCH_BODY);
	return true;
}

/* What is at hand goes first, else in the order asked for, as Dovecot does. */
static void put_in_order(struct fetch *fetch)
{
	struct fetch_item *items =
		mem_array(fetch, struct fetch_item, fetch->count + 1);
	bool flags = false;
	size_t n = 0;

	for (size_t i = 0; i < fetch->count; i++) {
		if (fetch->items[i].kind > FETCH_EARLY)
			continue;
		flags |= fetch->items[i].kind == FETCH_FLAGS;
		items[n++] = fetch->items[i];
	}
	if (fetch->sets_seen && !flags)
		items[n++] = (struct fetch_item){.kind = FETCH_FLAGS,
						 .if_seen = true};
	for (size_t i = 0; i < fetch->count; i++) {
		if (fetch->items[i].kind > FETCH_EARLY)
			items[n++] = fetch->items[i];
	}
	mem_free(fetch->items);
	fetch->items = items;
	fetch->count = n;
}

static const char *parse_all(struct fetch *fetch, const struct imap_arg **at)
{
	const struct imap_arg *arg = *at;
	const char *problem;

	*at += 1;
	if (arg->kind == IMAP_ARG_LIST) {
		arg = arg->list;
		if (arg->kind == IMAP_ARG_END)
			return "FETCH list is empty";
		for (; arg->kind != IMAP_ARG_END; arg++) {
			problem = parse_item(fetch, &arg);
			if (problem != NULL)
				return problem;
		}
		return NULL;
	}
	if (arg->kind != IMAP_ARG_ATOM)
		return "Invalid arguments";
	if (parse_macro(fetch, arg->text))
		return NULL;
	problem = parse_item(fetch, &arg);
	*at = arg + 1;
	return problem;
}

/* "(CHANGEDSINCE 123 VANISHED)" */
static const char *parse_modifiers(struct fetch *fetch,
				   const struct imap_arg *arg)
{
	const struct cmd *cmd = fetch->cmd;

	for (; arg->kind != IMAP_ARG_END; arg++) {
		if (imap_arg_atom_is(arg, "CHANGEDSINCE")) {
			if (!modseq_parse(++arg, &fetch->changed_since))
				return "Invalid CHANGEDSINCE modseq";
			fetch->changed_only = true;
		} else if (imap_arg_atom_is(arg, "VANISHED") && cmd->uid) {
			if (!cmd->session->qresync)
				return "QRESYNC not enabled";
			fetch->vanished = true;
		} else {
			return "Unknown FETCH modifier";
		}
	}
	if (fetch->vanished && !fetch->changed_only)
		return "VANISHED used without CHANGEDSINCE";
	if (fetch->changed_only)
		add_once(fetch, FETCH_MODSEQ);
	return NULL;
}

const char *fetch_parse(struct fetch *fetch, const struct imap_arg *args)
{
	const char *problem;

	if (fetch->cmd->uid)
		add_once(fetch, FETCH_UID);
	problem = parse_all(fetch, &args);
	if (problem != NULL)
		return problem;
	if (args->kind == IMAP_ARG_LIST) {
		problem = parse_modifiers(fetch, args->list);
		if (problem != NULL)
			return problem;
		args++;
	}
	if (args->kind != IMAP_ARG_END)
		return "Invalid arguments";
	put_in_order(fetch);
	return NULL;
}
