/* SPDX-License-Identifier: MIT */
/*
 * storage/mail.h, part of storage/storage.h - reading mails of a view.
 *
 * A reader walks a set of numbers under one read transaction. Whoever stops in
 * between (a client that does not read) calls mail_reader_pause(), for no read
 * transaction may wait for a client.
 */
#ifndef STORAGE_MAIL_H
#define STORAGE_MAIL_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/range.h"
#include "base/str.h"
#include "index/index.h"
#include "mime/imap.h"

struct buf;
struct err;
struct mailbox;
struct mail_reader;
struct mail_stream;

struct mail {
	uint32_t seq, uid;
	uint8_t flags; /* MAIL_RECENT too */
	struct keywords keywords;
	uint64_t modseq;
	struct mail_reader *reader;
};

/* Child of ctx; mail_reader_end() writes what was learnt to the cache. */
struct mail_reader *mail_reader_begin(const void *ctx, struct mailbox *box,
				      const struct range_set *seqs);
/* 1 and the next mail, which is valid up to the next call; 0 at the end. A mail
 * that was expunged meanwhile is passed over and counted. -1 on failure. */
int mail_reader_next(struct mail_reader *reader, const struct mail **out,
		     struct err *err);
void mail_reader_pause(struct mail_reader *reader);
/* A hint: no more than flags and modseqs will be asked for. */
void mail_reader_flags_only(struct mail_reader *reader);
unsigned mail_reader_gone(const struct mail_reader *reader);
/* For CLEANUP too. */
void mail_reader_end(struct mail_reader **reader);

/* INTERNALDATE, and when it was saved (0: not known), in seconds of 1970. Of
 * the file if the index does not have them yet. */
int mail_times(const struct mail *mail, int64_t *received_out,
	       int64_t *saved_out, struct err *err);
/* RFC822.SIZE: octets with CRLF line ends. */
int mail_size(const struct mail *mail, uint64_t *octets_out, struct err *err);
/* As sent to clients. From the cache if it is there; *out is valid up to the
 * next call on the reader. */
int mail_envelope(const struct mail *mail, struct str *out, struct err *err);
int mail_body_structure(const struct mail *mail, bool extended, struct str *out,
			struct err *err);
/* The begin of its text (mime/preview.h): *out.data is NULL if `lazy` and the
 * cache has none. Valid up to the next call on the reader. */
int mail_preview(const struct mail *mail, bool lazy, struct str *out,
		 struct err *err);
/* The header block as stored, valid up to the next call on the reader. */
int mail_header(const struct mail *mail, struct str *out, struct err *err);
/* Up to `len` octets of the mail as stored, from `offset` on, which are valid
 * up to the next call on the reader; none at its end. The body follows what
 * mail_header() gives. */
int mail_text(const struct mail *mail, uint64_t offset, size_t len,
	      struct str *out, struct err *err);
/* RFC822.SIZE, as whoever read all of its text found it. */
void mail_size_is(const struct mail *mail, uint64_t octets);
/* Octets of the file. */
int mail_size_physical(const struct mail *mail, uint64_t *octets_out,
		       struct err *err);
/* The fields of a HEADER.FIELDS section with CRLF and the empty line; from the
 * cache where it has all of them. */
int mail_header_fields(const struct mail *mail, const struct section *section,
		       struct buf *out, struct err *err);
/* The same, or octets of the file where that would have to be read: what
 * pop3_fast_size_lookups asks for. */
int mail_size_fast(const struct mail *mail, uint64_t *octets_out,
		   struct err *err);
/* What formats keep of a mail for POP3. */
enum mail_special {
	MAIL_POP3_UIDL,  /* saved by Dovecot or mailbox_save_uidls() */
	MAIL_POP3_ORDER, /* a number, by which mails are listed */
	MAIL_FILE_NAME,  /* without flags: %f */
	MAIL_HEADER_MD5, /* mbox_md5: %m */
};
/* 1 and *out, a child of ctx; 0 if there is none; -1. */
int mail_special(const void *ctx, const struct mail *mail,
		 enum mail_special what, char **out, struct err *err);
/* Message and mailbox identity: Dovecot's GUID as text; child of ctx. */
int mail_guid(const void *ctx, const struct mail *mail, char **out,
	      struct err *err);
/* What RFC 8474 calls EMAILID and THREADID: hex digits. The GUID if that is
 * so already, else a hash of it, as Dovecot makes 128-bit GUIDs; and a hash of
 * the message id that its thread begins with. */
enum { OBJECT_ID_LEN = 32 };
int mail_email_id(const struct mail *mail, char out[OBJECT_ID_LEN + 1],
		  struct err *err);
int mail_thread_id(const struct mail *mail, char out[OBJECT_ID_LEN + 1],
		   struct err *err);

/* text */

/* A section of the mail, CRLF line ends. `offset` and `length` are the partial
 * <offset.length> (UINT64_MAX for all). *size_out is what mail_stream_read()
 * will give, neither more nor less: should the file turn out shorter, reading
 * fails. ERR_NOT_FOUND: no such part (NIL). The stream lives on when the reader
 * is paused or goes on; child of ctx, mail_stream_close() ends it. */
int mail_stream_open(const void *ctx, const struct mail *mail,
		     const struct section *section, uint64_t offset,
		     uint64_t length, struct mail_stream **out,
		     uint64_t *size_out, struct err *err);
/* Up to `room` octets; 0 at the end; -1. */
ssize_t mail_stream_read(struct mail_stream *stream, char *data, size_t room,
			 struct err *err);
void mail_stream_close(struct mail_stream **stream);

#endif
