/* SPDX-License-Identifier: MIT */
/*
 * storage/sort_value.h - what SORT, THREAD and SEARCH need of a mail, in one
 * value of the index (INDEX_SORT; doc/formats.md has the bytes).
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
	bool reply; /* its subject says that it is a reply or forwarded */
	bool has_subject;
	/* `subject` is all that SEARCH SUBJECT looks at. */
	bool subject_whole;
	struct str subject; /* for SEARCH: charset_fold() */
	/* collate()d */
	struct str base; /* of the subject */
	struct str from, to, cc, display_from, display_to;
};

/* From a header block that has these fields if the mail has them. Appends at
 * most SORT_VALUE_MAX octets. */
void sort_value_make(struct str header, struct buf *out);
/* Of a mail, with its file opened if need be: such are counted, and more than
 * mail_sort_max_read_count give ERR_LIMIT. *out is valid up to the next call on
 * the reader. */
int sort_value_of(const struct mail *mail, unsigned *opened,
		  struct sort_value *out, struct err *err);
/* False when it makes no sense. *out points into `value`. */
bool sort_value_read(struct str value, struct sort_value *out);

#endif
