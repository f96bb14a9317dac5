/* SPDX-License-Identifier: MIT */
/*
 * imap/modseq.h - mod-sequences (RFC 7162): who gets them, and how they are
 * told.
 *
 * A session gets MODSEQ in its answers from the first command on that shows
 * that the client knows of them (CONDSTORE), and UIDs in all of them and
 * VANISHED instead of EXPUNGE after ENABLE QRESYNC.
 */
#ifndef IMAP_MODSEQ_H
#define IMAP_MODSEQ_H
#include <stdbool.h>
#include <stdint.h>

#include "imap/cmd.h"

struct buf;
struct err;
struct imap_arg;
struct mail;
struct range_set;
struct session;

/* The client has shown that it knows of them; tells HIGHESTMODSEQ if that is
 * new and a mailbox is selected. */
void modseq_enable(struct session *session);
/* Whether answers have MODSEQ. */
bool modseq_shown(const struct session *session);
/* For what cannot be without modseqs that last. False: answered BAD, with
 * `what` in it. */
bool modseq_wanted(struct cmd *cmd, const char *what);
/* "123"; false: it is none. */
bool modseq_parse(const struct imap_arg *arg, uint64_t *out);

/* The highest of those numbers; 0 if there is none of them any more. */
int modseq_highest_of(struct cmd *cmd, const struct range_set *seqs,
		      uint64_t *out, struct err *err);

/* " (MODSEQ 123)" behind the numbers of a SEARCH; nothing for 0. */
void modseq_write_highest(struct buf *line, uint64_t modseq);
/* "MODSEQ (123)" */
void modseq_write(struct session *session, uint64_t modseq);
/* "* OK [HIGHESTMODSEQ 123] Highest", or NOMODSEQ. */
void modseq_tell_highest(struct session *session);
/* "* VANISHED 1:3" or "* VANISHED (EARLIER) 1:3"; nothing for an empty set. */
void modseq_tell_vanished(struct session *session, bool earlier,
			  const struct range_set *uids);
/* A line for a mail that changed: "* 1 FETCH (UID 2 MODSEQ (3) FLAGS ())". */
void modseq_tell_mail(struct cmd *cmd, const struct mail *mail, bool flags);
/* The same in answer to QRESYNC; Dovecot has MODSEQ at its end there. */
void modseq_tell_resync(struct session *session, const struct mail *mail);
/* The end of a command that may have told changes: all up to `modseq` is known
 * to the client now. With HIGHESTMODSEQ if it could not know that. */
enum cmd_result modseq_reply(struct cmd *cmd, uint64_t modseq,
			     const char *reply);

#endif
