/* SPDX-License-Identifier: MIT */
/*
 * storage/sort_value.h - what SORT, THREAD and SEARCH need of a mail, in
 * values of the index: two for its subject, and INDEX_SORT for all else
 * (doc/formats.md has the bytes).
 *
 * Texts are ready to be compared octet by octet. Message ids are the first 16
 * octets of their SHA-256: nobody can make two that are the same, and so draw
 * others' mails into a thread.
 */
#ifndef STORAGE_SORT_VALUE_H
#define STORAGE_SORT_VALUE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "index/index.h"

struct buf;
struct err;
struct mail;

enum {
	SORT_ID_LEN = 16,
	/* References kept: the first, and the last ones of more. */
	SORT_REFERENCES_MAX = 256,
	/* Texts are cut here; a digest of what is missing follows. */
	SORT_TEXT_MAX = 512,
	SORT_VALUE_MAX = 16384,
};

struct sort_value {
	bool has_date; /* sent, in seconds of 1970, and its zone in minutes */
	int64_t date;
	int zone;
	bool has_id;
	const unsigned char *id;         /* SORT_ID_LEN octets */
	const unsigned char *references; /* SORT_ID_LEN octets each */
	uint32_t reference_count;
	/* collate()d */
	struct str from, to, cc, display_from, display_to;
	/* SORT_SUBJECT_PART, for SEARCH */
	bool has_subject;
	bool subject_whole; /* `subject` is all that it looks at */
	struct str subject; /* charset_fold() */
	/* SORT_BASE_PART */
	bool reply; /* its subject says that it is a reply or forwarded */
	struct str base; /* of the subject; collate()d */
};

enum sort_part {
	SORT_OTHER_PART,
	SORT_SUBJECT_PART,
	SORT_BASE_PART,
	SORT_PARTS,
};

/* What a part is in the index. */
enum index_field sort_part_field(enum sort_part part);

struct sort_made {
	struct str part[SORT_PARTS];
};

/* From a header block that has these fields if the mail has them. Uses up to
 * SORT_VALUE_MAX octets of `buf`, in which *out is. */
void sort_value_make(struct str header, struct buf *buf, struct sort_made *out);
/* Parts (1 << part) of a mail, with its file opened if need be: such are
 * counted, and more than mail_sort_max_read_count give ERR_LIMIT. *out is valid
 * up to the next call on the reader. */
int sort_value_of(const struct mail *mail, unsigned parts, unsigned *opened,
		  struct sort_value *out, struct err *err);
/* Fill in a part. False when it makes no sense. *out points into `value`. */
bool sort_value_read(struct str value, enum sort_part part,
		     struct sort_value *out);
/* Whether SEARCH SUBJECT finds `folded` in a SORT_SUBJECT_PART; -1: that does
 * not tell. */
int sort_subject_has(struct str value, struct str folded);

#endif
