/* SPDX-License-Identifier: MIT */
/*
 * sieve/message.h - the message and its envelope, as tests see them.
 *
 * Nothing is parsed before it is asked for, and then once. Texts belong to the
 * message.
 */
#ifndef SIEVE_MESSAGE_H
#define SIEVE_MESSAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct address;
struct buf;
struct mime_message;
struct sieve_address;
struct sieve_message;

struct sieve_field {
	struct str name;  /* as written */
	struct str value; /* behind the colon, folded, without last EOL */
	struct str full;  /* with its EOL */
	struct str behind; /* lines that are no fields, up to the next one */
	struct sieve_field *next; /* in the header */
	struct sieve_field *same; /* the next of the same name */
	bool added, removed;      /* by editheader; removed ones are linked
				     until fields are asked for again */
	struct str flat, text;    /* for sieve_field_flat() and _text() */
	const struct sieve_address *addresses; /* NULL: not asked for yet */
	unsigned address_count, address_max;   /* the `max` of that time */
};

/* An address in pieces. */
struct sieve_address {
	struct str local, domain; /* without quotes; data NULL if missing */
	struct str all;           /* "local@domain", in quotes if need be */
	bool valid;
};

struct sieve_envelope {
	struct sieve_address from, to, original_to;
	bool null_sender;
	const char *auth; /* whose script it is, as Dovecot has it; or NULL */
	/* More parts by name (RFC 6009: "notify", "ret", "envid", "orcpt"
	 * decoded, "bytimerelative"...), up to NULL names; may be NULL. */
	const char *const (*extra)[2];
};

/* `raw` is the whole message, LF or CRLF; it must outlive what is returned,
 * which is a child of ctx. At most max_fields of the header are looked at. */
struct sieve_message *sieve_message_new(const void *ctx, struct str raw,
					unsigned max_fields);
struct str sieve_message_raw(const struct sieve_message *message);
/* RFC 5228 section 5.9: as if line ends were CRLF. */
uint64_t sieve_message_size(struct sieve_message *message);
/* Whether it can be the name of a field (RFC 5322 section 2.2). */
bool sieve_field_name_valid(struct str name);
/* The first field of the header, and the first of a name; NULL if none. */
struct sieve_field *sieve_message_fields(struct sieve_message *message);
struct sieve_field *sieve_message_field(struct sieve_message *message,
					struct str name);
/* The value on one line, blanks at both ends gone; and that with encoded words
 * decoded (RFC 2047), in UTF-8. */
struct str sieve_field_flat(struct sieve_message *message,
			    struct sieve_field *field);
struct str sieve_field_text(struct sieve_message *message,
			    struct sieve_field *field);
/* The addresses in a field's value: `max` at most, names of groups and what is
 * incomplete left out. If there is none, as Dovecot has it, one that is not
 * valid, whose `all` is the value. */
const struct sieve_address *sieve_field_addresses(struct sieve_message *message,
						  struct sieve_field *field,
						  unsigned max,
						  unsigned *count_out);
/* The body's parts; the tree's offsets are into sieve_message_raw(). */
const struct mime_message *sieve_message_mime(struct sieve_message *message);
/* The body: behind the header's empty line. */
struct str sieve_message_body(struct sieve_message *message);

/* RFC 5293. The value is as the field has it, its folds with "\n". */
void sieve_message_add(struct sieve_message *message, struct str name,
		       struct str value, bool last);
void sieve_message_remove(struct sieve_message *message,
			  struct sieve_field *field);
/* Another number for each message, and for each that has come in its place:
 * pointers into one with another are void. */
unsigned sieve_message_generation(const struct sieve_message *message);
/* As it came. */
void sieve_message_revert(struct sieve_message *message);
/* Another message in its place (vnd.dovecot.filter, RFC 5703 replace). */
void sieve_message_replace(struct sieve_message *message, struct str raw);
/* Octets of messages that were in its place, which actions still need. */
uint64_t sieve_message_kept(const struct sieve_message *message);

/* The message as it is now, header with the empty line and body; NULL if it is
 * as it came. Not touched by later edits. */
struct sieve_text {
	struct str header, body;
};
const struct sieve_text *sieve_message_now(struct sieve_message *message);
/* Append the message as it is now. */
void sieve_message_write(struct sieve_message *message, struct buf *out);
/* The same as one text, which is in `out` if it had to be made. */
struct str sieve_message_read(struct sieve_message *message, struct buf *out);
/* `text`, or (NULL) the message as it came; the whole is in one piece, which is
 * a child of ctx if it had to be made. */
void sieve_message_text(struct sieve_message *message,
			const struct sieve_text *text, struct sieve_text *out);
struct str sieve_message_whole(const void *ctx, struct sieve_message *message,
			       const struct sieve_text *text);

/* "local@domain", the way SMTP writes it (RFC 5321 section 4.1.2), maybe in
 * <>; false if it is none. Pieces are children of ctx. "<>" and "" are valid
 * with nothing in them if `null` allows. */
bool sieve_address_parse(const void *ctx, struct str text, bool null,
			 struct sieve_address *out);
/* The same as scripts may write it (RFC 5228 section 2.4.2.3): also a name with
 * <local@domain>, with comments and blanks, and with dots where Dovecot takes
 * them (a..b@c). */
bool sieve_address_read(const void *ctx, struct str text,
			struct sieve_address *out);
/* Whether it can be read so. */
bool sieve_address_valid(struct str text);
/* Append "local@domain" of a parsed one, the local part in quotes if it is no
 * dot-atom (RFC 5321 section 4.1.2); false if it has not both. */
bool sieve_address_put(const struct address *address, struct buf *out);

#endif
