/* SPDX-License-Identifier: MIT */
/*
 * mime/imap.h - what IMAP tells of a message's structure, in the form in which
 * it is sent (RFC 3501 section 7.4.2), so that the index can keep it so.
 */
#ifndef MIME_IMAP_H
#define MIME_IMAP_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "mime/parse.h"

struct buf;

/* "(date subject from ...)", without the word ENVELOPE. */
void mime_envelope(struct str header, struct buf *out);
/* "(...)" of BODYSTRUCTURE (extended) or BODY; `message` must have its header
 * texts. */
void mime_body_structure(const struct mime_message *message, bool extended,
			 struct buf *out);
/* BODY from the text of BODYSTRUCTURE, so that one of them is kept. False when
 * `structure` is malformed. */
bool mime_body_of_structure(struct str structure, struct buf *out);
/* A string as IMAP sends it: NIL for NULL data, quoted, or a literal. */
void mime_nstring(struct str value, struct buf *out);

/* sections: BODY[1.2.HEADER.FIELDS (To)]<0.100> */

enum section_kind {
	SECTION_ALL, /* [], [1.2] */
	SECTION_HEADER,
	SECTION_HEADER_FIELDS,
	SECTION_HEADER_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,
};

struct section {
	const uint32_t *path; /* {1, 2}; NULL for none */
	unsigned path_len;
	enum section_kind kind;
	const char *const *fields; /* names, NULL at the end */
};

/* Where a section lies in the stored message: `len` octets as stored from
 * `offset`, `virtual_len` with CRLF. For the *_FIELDS kinds it is where the
 * whole header lies, which section_filter() then filters. False: there is no
 * such part (the answer is NIL). */
bool section_find(const struct mime_message *message,
		  const struct section *section, uint64_t *offset_out,
		  uint64_t *len_out, uint64_t *virtual_len_out);
/* The fields that a *_FIELDS section asks for, with CRLF and the empty line. */
void section_filter(const struct section *section, struct str header,
		    struct buf *out);
/* Append with every bare LF made CRLF; *last_cr carries over calls. */
void crlf_append(struct str in, bool *last_cr, struct buf *out);
/* The octets that crlf_append() would add. */
uint64_t crlf_size(struct str in, bool last_cr);

#endif
