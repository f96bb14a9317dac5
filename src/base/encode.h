/* SPDX-License-Identifier: MIT */
/*
 * base/encode.h - base64 (RFC 4648), hex, UTF-8 and modified UTF-7.
 */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;

void base64_encode(struct str in, struct buf *out);
/* Strict: no white space, right padding. False when it is not base64; `out`
 * then holds a part. */
bool base64_decode(struct str in, struct buf *out);
void hex_encode(struct str in, struct buf *out);
bool hex_decode(struct str in, struct buf *out);
/* The value of a hex digit in either case; -1 if it is none. */
int hex_digit(char c);

/* Percent-encoding (RFC 3986 section 2): all but unreserved characters and
 * those in `keep`. */
void url_encode(struct str in, const char *keep, struct buf *out);

/* Well-formed UTF-8 by RFC 3629: no surrogates, nothing overlong. */
bool utf8_valid(struct str in);
/* The code point at the start of `in` and its length; 0 if it is none. */
size_t utf8_get(struct str in, uint32_t *code_out);
void utf8_put(struct buf *out, uint32_t code);
/* Characters; an octet that is none counts as one. */
size_t utf8_count(struct str in);
/* The first of them, at most `count`. */
struct str utf8_head(struct str in, uint64_t count);
/* Of C0 and C1, DEL, and the separators of lines and paragraphs. */
bool utf8_is_control(uint32_t code);
/* A name as RFC 5804 section 1.6 has those of scripts, that can be a file's:
 * UTF-8, not empty, with no control characters and no '/'. */
bool utf8_is_name(struct str in);

/* IMAP's modified UTF-7 (RFC 3501 section 5.1.3). Decoding refuses what is not
 * in the one right form, so that a name has one spelling only. */
bool utf7_decode(struct str in, struct buf *utf8_out);
bool utf7_encode(struct str utf8, struct buf *out);

#endif
