/* SPDX-License-Identifier: MIT */
/*
 * doveadm/fetch.h - the fields of `doveadm fetch`.
 */
#ifndef DOVEADM_FETCH_H
#define DOVEADM_FETCH_H
#include <stdbool.h>

#include "mime/imap.h"

struct err;
struct mail;
struct mailbox;
struct printer;
struct fetch_field;
struct user;

/* Where a field's value comes from and goes to. */
struct fetch {
	struct printer *printer;
	struct user *user;
	struct mailbox *box;
	const char *mailbox_guid; /* of the box, in hex */
	const struct mail *mail;
};

struct fetch_field {
	const char *name; /* as the column is called */
	/* Print the value as the next column. One that fails has printed
	 * nothing, or pieces of it. */
	int (*print)(const struct fetch *fetch, const struct fetch_field *field,
		     struct err *err);
	bool pieces; /* it may be long: comes in pieces */
	int what;    /* for functions that print several */
	/* hdr.NAME.FILTER */
	const char *header, *filter;
	/* body.SECTION, binary.SECTION */
	struct section section;
	bool binary;
};

/* One word of the list of fields; text is copied below ctx. ERR_INVALID. */
int fetch_field_parse(const void *ctx, const char *word,
		      struct fetch_field *out, struct err *err);

/* fetch_header.c: hdr.NAME */
int fetch_header(const struct fetch *fetch, const struct fetch_field *field,
		 struct err *err);
/* Whether there is such a filter. */
bool fetch_filter_known(const char *filter);
/* fetch_text.c: hdr, body, text, sections, and the text in UTF-8 */
int fetch_hdr(const struct fetch *fetch, const struct fetch_field *field,
	      struct err *err);
int fetch_body(const struct fetch *fetch, const struct fetch_field *field,
	       struct err *err);
int fetch_text(const struct fetch *fetch, const struct fetch_field *field,
	       struct err *err);
int fetch_section(const struct fetch *fetch, const struct fetch_field *field,
		  struct err *err);
/* fetch_utf8.c */
int fetch_utf8(const struct fetch *fetch, const struct fetch_field *field,
	       struct err *err);

#endif
