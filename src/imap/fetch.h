/* SPDX-License-Identifier: MIT */
/*
 * imap/fetch.h - what one FETCH asks for, and how far it is.
 */
#ifndef IMAP_FETCH_H
#define IMAP_FETCH_H
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/range.h"
#include "mime/imap.h"

struct cmd;
struct imap_arg;
struct mail;
struct mail_reader;
struct mail_stream;

enum fetch_kind {
	/* Those that are told first, as they are at hand. */
	FETCH_UID,
	FETCH_FLAGS,
	FETCH_INTERNALDATE,
	FETCH_SIZE,
	FETCH_EMAIL_ID,
	FETCH_THREAD_ID,
	FETCH_X_GUID,
	FETCH_X_MAILBOX,
	FETCH_X_REAL_UID,
	FETCH_MODSEQ,
	FETCH_SAVEDATE,
	FETCH_PREVIEW,
	FETCH_SNIPPET, /* as PREVIEW, in the form of Dovecot before RFC 8970 */
	FETCH_EARLY = FETCH_SNIPPET,
	FETCH_ENVELOPE,
	FETCH_BODY,
	FETCH_BODYSTRUCTURE,
	FETCH_SECTION, /* BODY[...], RFC822, RFC822.HEADER, RFC822.TEXT */
};

struct fetch_item {
	enum fetch_kind kind;
	/* FLAGS that nobody asked for: told only with a new \Seen. */
	bool if_seen;
	bool lazy, fuzzy; /* of PREVIEW: if it costs little; the old form */
	struct section section;
	struct str label; /* "BODY[TEXT]<10>" */
	uint64_t offset, length;
};

struct fetch {
	struct cmd *cmd;
	struct fetch_item *items;
	size_t count, cap;
	bool sets_seen;
	/* Only mails that changed after it; and whether to tell what vanished
	 * since then (RFC 7162 sections 3.1.4.1 and 3.2.6). */
	bool changed_only, vanished;
	uint64_t changed_since;

	struct range_set seqs;
	struct range_set seen; /* numbers that are to get \Seen at the end */
	struct mail_reader *reader;
	const struct mail *mail; /* NULL: between two */
	bool new_seen;           /* this one is in `seen` */
	bool first;              /* no item of it has been told */
	size_t item;             /* the next of it */
	struct mail_stream *stream;
	uint64_t stream_left;
	struct buf scratch;
	bool gone;   /* others expunged some of them */
	bool failed; /* something could not be read */
};

/* The arguments behind the set. NULL, or what is wrong. */
const char *fetch_parse(struct fetch *fetch, const struct imap_arg *args);

#endif
