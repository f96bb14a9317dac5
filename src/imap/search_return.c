/* SPDX-License-Identifier: MIT */
#include "imap/search_return.h"

#include "base/buf.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "proto/imap.h"

static const struct {
	const char *name;
	unsigned flag;
} options[] = {
	{"MIN", RETURN_MIN},   {"MAX", RETURN_MAX},
	{"ALL", RETURN_ALL},   {"COUNT", RETURN_COUNT},
	{"SAVE", RETURN_SAVE}, {"PARTIAL", RETURN_PARTIAL},
	/* CONTEXT is a hint: there is nothing to prepare for. */
	{"CONTEXT", 0},        {"UPDATE", RETURN_UPDATE},
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

/* "3:1" is as good as "1:3". */
static const char *parse_partial(const struct imap_arg *arg,
				 struct search_return *out)
{
	ptrdiff_t colon;

	if (arg->kind != IMAP_ARG_ATOM)
		return "PARTIAL range missing";
	colon = str_find_char(arg->text, ':');
	if (colon < 0 ||
	    !str_to_u32(str_n(arg->text.data, colon), &out->first) ||
	    !str_to_u32(str_from(arg->text, colon + 1), &out->last) ||
	    out->first == 0 || out->last == 0)
		return "PARTIAL range broken";
	if (out->first > out->last) {
		uint32_t swap = out->first;

		out->first = out->last;
		out->last = swap;
	}
	return NULL;
}

static const char *parse_option(const struct imap_arg **arg,
				struct search_return *out)
{
	const char *problem = NULL;
	size_t i = 0;

	while (i < OPTIONS && !imap_arg_atom_is(*arg, options[i].name))
		i++;
	if (i == OPTIONS)
		return "Unknown SEARCH return option";
	*arg += 1;
	if (options[i].flag == RETURN_PARTIAL) {
		if ((out->wanted & RETURN_PARTIAL) != 0)
			return "PARTIAL can be used only once";
		problem = parse_partial(*arg, out);
		*arg += 1;
	}
	out->wanted |= options[i].flag;
	return problem;
}

const char *search_return_parse(const struct imap_arg **arg,
				struct search_return *out)
{
	const struct imap_arg *list;
	const char *problem;

	*out = (struct search_return){0};
	if (!imap_arg_atom_is(&(*arg)[0], "RETURN") ||
	    (*arg)[1].kind != IMAP_ARG_LIST)
		return NULL;
	list = (*arg)[1].list;
	*arg += 2;
	out->extended = true;
	while (list->kind != IMAP_ARG_END) {
		problem = parse_option(&list, out);
		if (problem != NULL)
			return problem;
	}
	if (out->wanted == 0)
		out->wanted = RETURN_ALL;
	if ((out->wanted & RETURN_PARTIAL) != 0 &&
	    (out->wanted & RETURN_ALL) != 0)
		return "PARTIAL conflicts with ALL";
	return NULL;
}

bool search_return_tells(const struct search_return *ret)
{
	return (ret->wanted & ~(unsigned)RETURN_SAVE) != 0;
}

bool search_return_extremes(const struct search_return *ret)
{
	return (ret->wanted & (RETURN_MIN | RETURN_MAX)) != 0 &&
	       (ret->wanted & (RETURN_ALL | RETURN_COUNT | RETURN_PARTIAL)) ==
		       0;
}

bool search_return_saves_part(const struct search_return *ret)
{
	return (ret->wanted & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL)) !=
		       0 &&
	       (ret->wanted & (RETURN_ALL | RETURN_COUNT)) == 0;
}

void esearch_begin(struct cmd *cmd)
{
	struct buf *line = &cmd->session->line;

	buf_add(line, "* ESEARCH (TAG ");
	imap_write_nstring(line, str_of(cmd->tag));
	buf_add(line, cmd->uid ? ") UID" : ")");
}

void esearch_number(struct buf *line, const char *word, uint64_t number)
{
	buf_add(line, word);
	buf_number(line, number);
}

void esearch_partial(struct buf *line, const struct search_return *ret)
{
	buf_add(line, " PARTIAL (");
	buf_number(line, ret->first);
	buf_putc(line, ':');
	buf_number(line, ret->last);
	buf_putc(line, ' ');
}
