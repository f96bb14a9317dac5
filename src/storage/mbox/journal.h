/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/journal.h - what a write to a mailbox's file is going to do, in
 * a file of its own, so that a kill or a power cut at any moment loses nothing:
 * whoever finds it finishes the work. For journal.c, recover.c and shift.c;
 * doc/formats.md has the form.
 */
#ifndef STORAGE_MBOX_JOURNAL_H
#define STORAGE_MBOX_JOURNAL_H
#include "storage/mbox/mbox.h"

enum {
	JOURNAL_HEAD = 512, /* a sector, so that it changes at once */
	JOURNAL_CONTEXT = 64,
	JOURNAL_PIECE = 262144,
};

enum journal_phase {
	JOURNAL_NONE,
	JOURNAL_TEXT,   /* its text is the new end of the file from `start` */
	JOURNAL_CUT,    /* it is in place; what is behind it is to be cut */
	JOURNAL_APPEND, /* mails of `len` octets are put at `start`, the end */
	JOURNAL_PATCH,  /* its text has changes of a few octets each */
	JOURNAL_ROOM,   /* NULs are put at `start`, up to `from` */
	JOURNAL_SHIFT,  /* what is at `from` and behind it goes to `start` */
};

struct journal_head {
	enum journal_phase phase;
	uint64_t start, len;
	uint64_t from, old_size;
	unsigned char sum[16]; /* of the patches */
	/* Is this still the file it was? With TEXT and SHIFT: what is in front
	 * of `start`, and what was at `start` (TEXT) or is at `from`. With
	 * APPEND: what comes at `start`. */
	uint32_t context_len, probe_len;
	char context[JOURNAL_CONTEXT], probe[JOURNAL_CONTEXT];
};

char *journal_path(const void *ctx, const struct driver_box *box);
int journal_head_write(const struct driver_box *box, int journal,
		       const struct journal_head *head, struct err *err);
/* For one without text: its length says that there is one. Durable. */
int journal_head_only(const struct driver_box *box, int journal,
		      const struct journal_head *head, struct err *err);
/* False if there is nothing that makes sense. */
bool journal_head_read(int journal, struct journal_head *out);
int journal_take_context(const struct driver_box *box, int fd,
			 struct journal_head *head, struct err *err);
/* It is done; `durable`: and stays so after a power cut. */
int journal_clear(const struct driver_box *box, int journal, bool durable,
		  struct err *err);

int journal_copy_text(const struct driver_box *box, int from, uint64_t from_at,
		      int to, uint64_t to_at, uint64_t len, struct err *err);
int journal_cut(const struct driver_box *box, int fd, uint64_t size,
		struct err *err);
/* The steps of each kind that come when the journal is on disk. */
int journal_put_text(const struct driver_box *box, int journal,
		     struct journal_head *head, int fd, struct err *err);
int journal_put_patches(const struct driver_box *box, struct str text, int fd,
			bool check, struct err *err);
/* Move the rest from `from` to `start`, and cut. */
int journal_shift_rest(const struct driver_box *box, int journal,
		       struct journal_head *head, int fd, struct err *err);

/* append.c: mbox_journal of that kind */
int journal_append_add(struct mbox_journal *journal, const void *data,
		       size_t len, struct err *err);
int journal_append_commit(struct mbox_journal *journal, struct err *err);
/* Take back what was not committed. */
void journal_append_end(struct mbox_journal *journal);
/* Whether what such a journal tells of is not all there, as it is after a kill
 * or a power cut; ends where *end_out says. */
int journal_append_is_torn(const struct driver_box *box, int fd,
			   const struct journal_head *head, uint64_t size,
			   uint64_t *end_out, struct err *err);

/* shift.c: mbox_journal of that kind */
int journal_shift_begin(struct mbox_journal *journal, int fd, struct err *err);
int journal_shift_add(struct mbox_journal *journal, const void *data,
		      size_t len, struct err *err);
int journal_shift_copy(struct mbox_journal *journal, uint64_t at, uint64_t len,
		       struct err *err);
int journal_shift_commit(struct mbox_journal *journal, struct err *err);

#endif
