/* SPDX-License-Identifier: MIT */
/*
 * mime/preview.h - the begin of a message's text for a list of messages
 * (PREVIEW, RFC 8970): up to 200 characters of its first text part, in UTF-8,
 * each run of blanks and line ends one blank. In multipart/alternative,
 * text/plain goes before text/html, and that before others. Of HTML the tags
 * are left out. Lines that begin with '>' and block quotes are shown only if
 * there is nothing else, with one '>' before them.
 *
 * It sees bodies pass by while a message is parsed, and looks at no more than
 * is needed, up to a bound.
 */
#ifndef MIME_PREVIEW_H
#define MIME_PREVIEW_H
#include <stdbool.h>
#include <stddef.h>

struct mime_parser;
struct preview;

enum { PREVIEW_MAX = 200 }; /* characters */

/* Before the parser is fed: mime_parser_end() will put a preview into the
 * message; "" if there is no text. Looks at up to `max_look` octets of a part:
 * mail programs put much of styles before the first word. Child of the
 * parser. */
struct preview *preview_new(struct mime_parser *parser, size_t max_look);
/* What comes will not change it: nobody needs to parse on for its sake. */
bool preview_done(const struct preview *preview);

#endif
