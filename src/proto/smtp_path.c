/* SPDX-License-Identifier: MIT */
/*
 * proto/smtp_path.c - reverse-path and forward-path with their parameters
 * (RFC 5321 section 4.1.2). The texts for the client are Dovecot's.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/smtp.h"

/* Lengths of RFC 5321 section 4.5.3.1 are exceeded in practice. */
enum { MAX_PATH = 1000, HELO_MAX = 255 };

/* Octets of UTF-8 are let through: SMTPUTF8 is for those above to ask. */
static bool is_atom_char(unsigned char c)
{
	return c > ' ' && c != 0x7f && strchr("()<>[]:;@\\,\"", c) == NULL;
}

static bool is_local_char(unsigned char c)
{
	/* Not in the grammar, but seen: ":" and "," as in "a:b@c". */
	return is_atom_char(c) || c == ':' || c == ',' || c == ';' ||
	       c == '[' || c == ']';
}

/* "\"a b\"" at the start of `in`; appends it without quotes. 0: it is none. */
static size_t take_quoted(struct str in, struct buf *out)
{
	for (size_t i = 1; i < in.len; i++) {
		unsigned char c = in.data[i];

		if (c == '"')
			return i + 1;
		if (c == '\\' && i + 1 < in.len)
			c = in.data[++i];
		if (c < ' ' || c == 0x7f)
			return 0;
		buf_putc(out, (char)c);
	}
	return 0;
}

static size_t take_local(struct str in, struct buf *out)
{
	size_t len = 0;

	if (in.len > 0 && in.data[0] == '"')
		return take_quoted(in, out);
	while (len < in.len && is_local_char(in.data[len]))
		len++;
	buf_append(out, in.data, len);
	return len;
}

/* A name, or an address in brackets. */
static size_t take_domain(struct str in)
{
	size_t len = 0;

	if (in.len > 0 && in.data[0] == '[') {
		while (len < in.len && in.data[len] != ']' &&
		       in.data[len] > ' ')
			len++;
		return len < in.len && in.data[len] == ']' ? len + 1 : 0;
	}
	while (len < in.len && is_atom_char(in.data[len]))
		len++;
	return len;
}

/* "a.b", not "a..b" or "a."; "[x]", not "[]". */
static bool is_domain(struct str domain)
{
	struct str label;

	if (domain.data[0] == '[')
		return domain.len > 2;
	while (str_split(&domain, '.', &label)) {
		if (label.len == 0)
			return false;
	}
	return true;
}

/* "@a,@b:" is passed over (RFC 5321 appendix C). */
static size_t take_route(struct str in)
{
	size_t len = 0;

	while (len < in.len && in.data[len] == '@') {
		size_t domain = take_domain(str_from(in, len + 1));

		len += 1 + domain;
		if (domain == 0 || len >= in.len)
			return 0;
		if (in.data[len] == ':')
			return len + 1;
		if (in.data[len++] != ',')
			return 0;
	}
	return 0;
}

/* What is between < and >. Returns NULL or what is wrong. */
static const char *parse_address(const void *ctx, struct str in,
				 struct smtp_path *out)
{
	CLEANUP(buf_free) struct buf local = buf_init(MAX_PATH);
	size_t len, domain;

	if (in.len == 0) {
		out->address = mem_strdup(ctx, "");
		return NULL;
	}
	if (in.len > MAX_PATH)
		return "Path is too long";
	if (in.data[0] == '@') {
		len = take_route(in);
		if (len == 0)
			return "Invalid character in path";
		in = str_from(in, len);
	}
	len = take_local(in, &local);
	if (len == 0)
		return "Invalid character in localpart";
	if (len < in.len) {
		domain = in.data[len] == '@'
				 ? take_domain(str_from(in, len + 1))
				 : 0;
		if (domain == 0 || len + 1 + domain != in.len)
			return "Invalid character in path";
		if (!is_domain(str_from(in, len + 1)))
			return "Invalid domain";
		out->domain = str_dup(ctx, str_from(in, len + 1));
	}
	out->address = str_dup(ctx, in);
	out->local = buf_steal(ctx, &local);
	return NULL;
}

/* Where the '>' is that ends the path at the start of `in`; -1 if none. */
static ptrdiff_t path_end(struct str in)
{
	bool quoted = false;

	for (size_t i = 1; i < in.len; i++) {
		if (in.data[i] == '\\' && quoted)
			i++;
		else if (in.data[i] == '"')
			quoted = !quoted;
		else if (in.data[i] == '>' && !quoted)
			return (ptrdiff_t)i;
		else if (in.data[i] == ' ' && !quoted)
			break;
	}
	return -1;
}

/* The same for a path of any characters, but blanks and controls. */
static ptrdiff_t broken_path_end(struct str in)
{
	for (size_t i = 1; i < in.len; i++) {
		unsigned char c = in.data[i];

		if (c == '>')
			return (ptrdiff_t)i;
		if (c <= ' ' || c == 0x7f)
			break;
	}
	return -1;
}

static const char *parse_path(const void *ctx, struct str in, bool tolerant,
			      struct smtp_path *out, struct str *params_out)
{
	ptrdiff_t end;
	const char *problem = "Missing '>' at end of path";

	if (in.len == 0)
		return "Path is empty string";
	if (in.data[0] == ' ' || in.data[0] == '\t')
		return "Unexpected whitespace before path";
	if (in.data[0] != '<')
		return "Missing '<' at beginning of path";
	end = path_end(in);
	if (end >= 0)
		problem = parse_address(ctx, str_n(in.data + 1, end - 1), out);
	if (problem == NULL && tolerant && !str_is_ascii(str_of(out->address)))
		problem = "Non-ASCII character in path";
	if (problem != NULL && tolerant) {
		end = broken_path_end(in);
		*out = (struct smtp_path){.address = mem_strdup(ctx, ""),
					  .broken = true};
	}
	if (problem != NULL && (!tolerant || end < 0))
		return problem;
	in = str_from(in, end + 1);
	if (in.len > 0 && in.data[0] != ' ')
		return "Invalid character in path";
	*params_out = in.len > 0 ? str_from(in, 1) : in;
	return NULL;
}

static bool parse(const void *ctx, struct str args, const char *keyword,
		  bool tolerant, struct smtp_path *out,
		  const char **problem_out)
{
	const char *problem;
	size_t len = strlen(keyword);
	struct str params;

	*out = (struct smtp_path){0};
	if (!str_case_starts(args, keyword) || args.len <= len ||
	    args.data[len] != ':') {
		*problem_out = "Invalid parameters";
		return false;
	}
	problem = parse_path(ctx, str_from(args, len + 1), tolerant, out,
			     &params);
	if (problem != NULL) {
		*problem_out =
			mem_printf(ctx, "Invalid %s: %s", keyword, problem);
		return false;
	}
	problem = smtp_params_parse(ctx, params, &out->params);
	if (problem == NULL)
		return true;
	*problem_out = mem_printf(
		ctx, "Invalid %s parameter: %s",
		strcmp(keyword, "FROM") == 0 ? "MAIL" : "RCPT", problem);
	return false;
}

bool smtp_path_parse(const void *ctx, struct str args, const char *keyword,
		     struct smtp_path *out, const char **problem_out)
{
	return parse(ctx, args, keyword, false, out, problem_out);
}

bool smtp_sender_parse(const void *ctx, struct str args, struct smtp_path *out,
		       const char **problem_out)
{
	return parse(ctx, args, "FROM", true, out, problem_out);
}

struct str smtp_path_tolerate(const void *ctx, struct str args,
			      const char *keyword, const char *workarounds)
{
	size_t len = strlen(keyword) + 1;
	struct str rest, word;

	if (args.len < len || args.data[len - 1] != ':')
		return args;
	rest = str_from(args, len);
	if (rest.len > 0 && rest.data[0] == ' ' &&
	    str_has_word(workarounds, STR("whitespace-before-path")))
		rest = str_trim(rest);
	if (rest.len > 0 && rest.data[0] != '<' && rest.data[0] != ' ' &&
	    str_has_word(workarounds, STR("mailbox-for-path")) &&
	    str_word(&rest, &word)) {
		char *path = mem_printf(ctx, "%s:<%.*s> %.*s", keyword,
					STR_FMT(word), STR_FMT(rest));

		return str_trim(str_of(path));
	}
	if (rest.data == args.data + len)
		return args;
	return str_of(mem_printf(ctx, "%s:%.*s", keyword, STR_FMT(rest)));
}

char *smtp_helo_clean(const void *ctx, struct str name)
{
	char *clean = str_sanitize(ctx, name, HELO_MAX);

	for (char *at = clean; *at != '\0'; at++) {
		if (strchr("()<>@,;\\\"", *at) != NULL || *at == ' ' || *at < 0)
			*at = '?';
	}
	return clean;
}

const char *smtp_bdat_parse(struct str args, uint64_t *octets_out,
			    bool *last_out)
{
	struct str size, last;

	*octets_out = 0;
	*last_out = false;
	if (!str_word(&args, &size) || !str_to_u64(size, octets_out)) {
		*octets_out = 0;
		return "Invalid chunk size parameter";
	}
	if (!str_word(&args, &last))
		return NULL;
	if (str_trim(args).len > 0)
		return "Invalid parameters";
	*last_out = str_case_is(last, "LAST");
	return *last_out ? NULL : "Invalid end marker parameter";
}
