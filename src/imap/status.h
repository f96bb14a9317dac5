/* SPDX-License-Identifier: MIT */
/*
 * imap/status.h - the items of STATUS, for STATUS itself and for LIST.
 */
#ifndef IMAP_STATUS_H
#define IMAP_STATUS_H
#include <stdbool.h>

struct buf;
struct cmd;
struct imap_arg;
struct mailbox_status;

/* A list of items to bits; NULL, or what is wrong. HIGHESTMODSEQ tells that the
 * client knows of modseqs. */
const char *status_parse(struct cmd *cmd, const struct imap_arg *list,
			 unsigned *items_out);
/* Whether mailbox_status_size() is to be called before. */
bool status_tells_size(unsigned bits);
/* The whole line "* STATUS name (...)". */
void status_write(struct buf *out, const char *mailbox, unsigned items,
		  const struct mailbox_status *status);

#endif
