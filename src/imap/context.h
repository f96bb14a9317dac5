/* SPDX-License-Identifier: MIT */
/*
 * imap/context.h - SEARCH and SORT RETURN (UPDATE): what comes into a result
 * and leaves it later is told, up to CANCELUPDATE (RFC 5267 section 4.3).
 */
#ifndef IMAP_CONTEXT_H
#define IMAP_CONTEXT_H

struct cmd;
struct context_look;
struct err;
struct mailbox_changes;
struct range_set;
struct search_args;
struct search_node;
struct session;

/* Before the result is told: NULL, or why there can't be one with this tag. */
const char *context_refused(struct cmd *cmd);
/* From now on, with `seqs` as the result. Takes over what `args` owns, `root`
 * in it. */
void context_begin(struct cmd *cmd, struct search_args *args,
		   struct search_node *root, const struct range_set *seqs);
/* Flags are other ones: by mailbox_sync(), and by the session itself, of which
 * that does not tell. */
void context_changed(struct session *session, const struct range_set *seqs);
/* Before mails are told to be expunged, in the numbers before that. */
void contexts_tell_expunged(struct session *session,
			    const struct mailbox_changes *changes);
/* After all else is told, of what changed and what is new. *look is NULL at
 * first, and a child of ctx. 1: all is told; 0: more is to be done, when others
 * had their turn; -1. */
int contexts_tell(const void *ctx, struct session *session,
		  struct context_look **look, struct err *err);
/* The mailbox is closed. */
void contexts_end(struct session *session);

#endif
