/* SPDX-License-Identifier: MIT */
/*
 * mime/html.h - the text in HTML, for a preview. Only for mime/.
 *
 * No browser: tags are passed over, entities of HTML 4 and numbers decoded,
 * comments, scripts and styles left out. Takes anything, keeps nothing but a
 * name, and costs the same for each octet whatever they say.
 */
#ifndef MIME_HTML_H
#define MIME_HTML_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct html_sink {
	void (*text)(struct str utf8, void *ctx); /* whole characters */
	/* `name` in lower case, cut after some letters. */
	void (*tag)(const char *name, bool closing, void *ctx);
	void *ctx;
};

enum html_state {
	HTML_TEXT,
	HTML_ENTITY,   /* behind '&' */
	HTML_OPEN,     /* behind '<' */
	HTML_NAME,     /* of a tag */
	HTML_TAG,      /* behind the name */
	HTML_QUOTED,   /* the value of an attribute */
	HTML_MARKUP,   /* behind "<!" */
	HTML_COMMENT,  /* behind "<!--" */
	HTML_RAW,      /* a script or style, up to its "</" */
	HTML_RAW_OPEN, /* behind '<' in it */
	HTML_RAW_NAME, /* behind "</" in it */
};

struct html {
	enum html_state state;
	char name[16]; /* of a tag or an entity, as far as it was read */
	size_t name_len;
	bool closing;    /* it is "</name" */
	bool equals;     /* a value comes next */
	char quote;      /* that ends the value */
	unsigned dashes; /* of a comment's begin and end */
	char raw[8];     /* what HTML_RAW waits for */
};

/* Start with a zeroed struct. `utf8` has whole characters. */
void html_feed(struct html *html, struct str utf8,
	       const struct html_sink *sink);

/* There is no more: what could have become a tag or an entity is text. */
void html_end(struct html *html, const struct html_sink *sink);

/* The character of "amp"; 0 if there is none of that name. */
uint32_t html_entity(struct str name);

#endif
