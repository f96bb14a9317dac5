/* SPDX-License-Identifier: MIT */
/*
 * mime/lex.h - the words of structured fields (RFC 5322 section 3.2, RFC 2045
 * section 5.1). Only for mime/.
 */
#ifndef MIME_LEX_H
#define MIME_LEX_H
#include <stdbool.h>

#include "base/str.h"

struct buf;

struct lex {
	struct str rest;
	struct str comment; /* the last one passed over, as written, without
			       its parentheses; data NULL if none */
};

/* `value` without CR, LF and blanks in front: itself if there are none, else in
 * `scratch` (which is emptied). */
struct str lex_flat(struct str value, struct buf *scratch);
/* Pass over blanks and comments. False when a comment does not end; nothing is
 * left then. */
bool lex_skip(struct lex *lex);
/* The first character; '\0' at the end. */
static inline char lex_peek(const struct lex *lex)
{
	return lex->rest.len > 0 ? lex->rest.data[0] : '\0';
}
static inline void lex_drop(struct lex *lex)
{
	lex->rest = str_from(lex->rest, 1);
}
/* Take atom characters and, if `dots`, dots; may be empty. */
struct str lex_atom(struct lex *lex, bool dots);
/* A token of RFC 2045; may be empty. */
struct str lex_token(struct lex *lex);
/* At a '"': append the string without quotes and escapes. False when it does
 * not end; nothing is left then. */
bool lex_quoted(struct lex *lex, struct buf *out);
/* At a '[': append the domain literal as written; false as above. */
bool lex_domain_literal(struct lex *lex, struct buf *out);
/* Append text without the backslashes that escape. */
void lex_unescape(struct str text, struct buf *out);

#endif
