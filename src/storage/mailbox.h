/* SPDX-License-Identifier: MIT */
/*
 * storage/mailbox.h, part of storage/storage.h - a mailbox in any format, and
 * the view that one session has of it.
 *
 * Mails are addressed by their number in the view; numbers change only in
 * mailbox_sync() (RFC 9051 section 2.3.1.2). The view is the UIDs as ranges and
 * one modseq, so a million mails cost it kilobytes.
 */
#ifndef STORAGE_MAILBOX_H
#define STORAGE_MAILBOX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/range.h"
#include "index/index.h" /* flags, keywords */

struct err;
struct mailbox;
struct user;

enum {
	MAILBOX_READONLY = 1 << 0, /* EXAMINE: \Recent is left to others */
	/* For saving only: no view is taken, nothing is read. */
	MAILBOX_SAVE_ONLY = 1 << 1,
	/* Made if it is missing (lda_mailbox_autocreate), and subscribed. */
	MAILBOX_CREATE = 1 << 2,
	MAILBOX_SUBSCRIBE = 1 << 3,
	/* Leave \Recent as it is (STATUS, doveadm). */
	MAILBOX_KEEP_RECENT = 1 << 4,
};

/* Open `name` and take a first view; `user` must outlive it. *out is the
 * caller's, for mailbox_close(). ERR_NOT_FOUND, ERR_DENIED, ERR_INVALID for
 * \NoSelect, ERR_TEMPORARY. */
int mailbox_open(struct user *user, const char *name, unsigned flags,
		 struct mailbox **out, struct err *err);
/* Does nothing if *box is NULL already; for CLEANUP too. */
void mailbox_close(struct mailbox **box);
const char *mailbox_name(const struct mailbox *box);
/* Opened so, or nothing but reading is possible there. */
bool mailbox_readonly(const struct mailbox *box);

struct mailbox_status {
	uint32_t messages, recent, unseen, deleted;
	uint32_t uid_validity, uid_next;
	uint64_t highest_modseq, size;
	unsigned char guid[16];
	uint32_t first_unseen; /* number in the view; 0 if none. Only from
				  mailbox_get_status() */
	bool size_unknown;     /* of some mails, which are not in `size` */
	bool no_modseq; /* highest_modseq means nothing to the next session: the
			   index is in memory */
};

/* Of the view. */
int mailbox_get_status(struct mailbox *box, struct mailbox_status *out,
		       struct err *err);
/* Of a mailbox that is not open (STATUS): as on disk now, from the index. */
int mailbox_status(struct user *user, const char *name,
		   struct mailbox_status *out, struct err *err);

/* Whoever tells its size calls this before: of mails that others put there
 * without a size in the name, it is to be read first. */
int mailbox_status_size(struct user *user, const char *name,
			struct mailbox_status *status, struct err *err);
int mailbox_learn_sizes(struct user *user, const char *name, struct err *err);

/* Of many mailboxes in a row (LIST-STATUS). Holds a transaction of the index:
 * not to be kept while a client is waited for. Child of ctx. */
struct mailbox_statuses;
struct mailbox_statuses *mailbox_statuses_begin(const void *ctx,
						struct user *user);
/* As mailbox_status(). */
int mailbox_statuses_get(struct mailbox_statuses *statuses, const char *name,
			 struct mailbox_status *out, struct err *err);
int mailbox_statuses_size(struct mailbox_statuses *statuses, const char *name,
			  struct mailbox_status *status, struct err *err);
void mailbox_statuses_end(struct mailbox_statuses **statuses); /* CLEANUP */

/* what changed */

struct mailbox_changes {
	/* Numbers as they were before this sync, so that answers go out from
	 * the highest downwards. */
	struct range_set expunged;
	struct range_set expunged_uids;
	/* Numbers after the expunges: flags or keywords are other ones. */
	struct range_set changed;
	uint32_t messages, recent; /* after it */
	bool new_mails;            /* EXISTS is due */
	bool new_keywords;         /* FLAGS is due */
	/* All up to it has been told, or is in here: lower than the view's
	 * while expunges are kept back. */
	uint64_t highest_modseq;
};

enum {
	/* FETCH, STORE and SEARCH must not renumber (RFC 3501 section
	 * 7.4.1): expunged mails stay in the view for now. */
	SYNC_KEEP_EXPUNGED = 1 << 0,
	/* Look at the disk even when nothing says that it changed. */
	SYNC_FULL = 1 << 1,
	/* What only the index knows so far goes to the files (CHECK). */
	SYNC_WRITE = 1 << 2,
};

/* Bring index and view up to date; costs what changed. *out's sets belong to
 * ctx. */
int mailbox_sync(const void *ctx, struct mailbox *box, unsigned flags,
		 struct mailbox_changes *out, struct err *err);
/* The changes that this session makes itself by STORE are not told again by
 * mailbox_sync(): mailbox_store() answers them. */

/* The modseq up to which all is told: that of the view, or where expunged mails
 * are kept, the one before they went. And whether it will mean the same to the
 * next session. */
uint64_t mailbox_modseq(const struct mailbox *box);
bool mailbox_keeps_modseqs(const struct mailbox *box);

/* What happened after `modseq` (RFC 7162). */
struct mailbox_history {
	struct range_set seqs;     /* numbers of mails that changed */
	struct range_set vanished; /* UIDs that the view has no more */
	/* The index does not remember that far back: all mails are in seqs, and
	 * all UIDs that have no mail in vanished. */
	bool forgotten;
};
/* Costs what changed, unless that is forgotten. *out's sets belong to ctx. */
int mailbox_history(const void *ctx, struct mailbox *box, uint64_t modseq,
		    struct mailbox_history *out, struct err *err);

/* Files and directories whose change means that mailbox_sync() has something
 * to see; for IDLE. *paths_out is an array of *count, child of ctx. */
void mailbox_watch_paths(const void *ctx, struct mailbox *box,
			 const char *const **paths_out, unsigned *count_out);

/* numbers and UIDs */

uint32_t mailbox_messages(const struct mailbox *box);
/* 0 if there is no such number. */
uint32_t mailbox_uid_of(const struct mailbox *box, uint32_t seq);
/* 0 if there is no such UID in the view. */
uint32_t mailbox_seq_of(const struct mailbox *box, uint32_t uid);
/* Numbers of those UIDs in the set that are in the view. */
void mailbox_seqs_of(const struct mailbox *box, const struct range_set *uids,
		     struct range_set *seqs_out);
void mailbox_uids_of(const struct mailbox *box, const struct range_set *seqs,
		     struct range_set *uids_out);

/* flags */

/* Keyword names by bit (NULL where a bit has none), *count of them; valid up
 * to the next call on the mailbox. */
const char *const *mailbox_keywords(struct mailbox *box, unsigned *count);
/* Whether it can be the name of one. */
bool keyword_valid(const struct user *user, const char *name);
/* Whether names unknown so far can be stored ("\*" in PERMANENTFLAGS). */
bool mailbox_new_keywords_ok(const struct mailbox *box);

enum store_mode { STORE_ADD, STORE_REMOVE, STORE_REPLACE };

struct store {
	enum store_mode mode;
	uint8_t flags;
	const char *const *keywords; /* names, NULL at the end; may be NULL */
	/* Only mails with a modseq up to this one (RFC 7162);
	 * UINT64_MAX: all. */
	uint64_t unchanged_since;
	bool list_changes; /* fill `changes` of the result */
};

/* Mails that had the same flags and keywords set or removed. */
struct flag_change {
	uint8_t flags;
	struct keywords keywords;
	struct range_set seqs;
	struct flag_change *next;
};

/* Numbers of those that were to change. */
struct store_result {
	struct range_set changed;    /* others had those flags before */
	struct flag_change *changes; /* list: what in each of them */
	struct range_set modified;   /* left alone for unchanged_since */
	struct range_set gone;       /* expunged by others */
};

/* Change flags of those numbers. The sets of *out (may be NULL) belong to ctx.
 * ERR_INVALID for a keyword that cannot be. On disk when it returns. */
int mailbox_store(const void *ctx, struct mailbox *box,
		  const struct range_set *seqs, const struct store *store,
		  struct store_result *out, struct err *err);

/* Remove mails with \Deleted; only those of `uids` unless NULL. The view keeps
 * them until mailbox_sync(). */
int mailbox_expunge(struct mailbox *box, const struct range_set *uids,
		    struct err *err);

/* Remove those UIDs, whatever their flags; otherwise the same. */
int mailbox_remove(struct mailbox *box, const struct range_set *uids,
		   struct err *err);

/* From now on removals are on disk when they return, unless mail_fsync = never.
 * Formats that write files anew do that anyway. */
void mailbox_wait_for_disk(struct mailbox *box);

/* What UIDL (RFC 1939) said of a mail. */
struct mail_uidl {
	uint32_t uid;
	const char *uidl;
};
/* Keep these with the mails, where the format has a place for it; else nothing
 * is done. */
int mailbox_save_uidls(struct mailbox *box, const struct mail_uidl *uidls,
		       size_t count, struct err *err);

/* Keep other POP3 sessions out, Dovecot's too (pop3_lock_session): tries once,
 * ERR_IN_USE. *out is given back with mailbox_unlock_session(); NULL where the
 * index is in memory only. */
struct session_lock;
int mailbox_lock_session(struct user *user, const char *name,
			 struct session_lock **out, struct err *err);
void mailbox_unlock_session(struct session_lock **lock); /* for CLEANUP too */

struct copy_result {
	uint32_t uid_validity;
	struct range_set from_uids, to_uids; /* in the same order */
};

/* Copy (or move) those numbers into another mailbox, all or none.
 * ERR_NOT_FOUND: the client may create it ([TRYCREATE]). ERR_EXPUNGED: some
 * mails, or all with their mailbox, are gone. *out's sets belong to ctx. */
int mailbox_copy(const void *ctx, struct mailbox *box,
		 const struct range_set *seqs, const char *to_name, bool move,
		 struct copy_result *out, struct err *err);

/* The same into a mailbox of `to`, another user or the same one. */
int mailbox_copy_to(const void *ctx, struct mailbox *box,
		    const struct range_set *seqs, struct user *to,
		    const char *to_name, bool move, struct copy_result *out,
		    struct err *err);

/* mending */

/* Look at all that is on disk, and count anew. *mended_out (may be NULL) tells
 * whether counts were wrong. */
int mailbox_resync(struct mailbox *box, bool *mended_out, struct err *err);
/* Forget what the cache knows of those UIDs; of none of them if that fails. */
int mailbox_cache_remove(struct mailbox *box, const struct range_set *uids,
			 struct err *err);
/* And of mails that are gone. */
int mailbox_cache_purge(struct mailbox *box, struct err *err);

/* Fields of mails that may be cached: always, for as long as they are asked
 * for, or not. */
enum cache_decision { CACHE_NO, CACHE_TEMP, CACHE_YES };
const char *cache_decision_name(enum cache_decision decision);
struct cache_use {
	const char *field; /* "imap.envelope", "hdr.x-foo" */
	enum cache_decision decision;
	int64_t last_used; /* seconds; noted once a day */
};
/* *out is the mailbox's, up to its next use. */
int mailbox_cache_uses(struct mailbox *box, const struct cache_use **out,
		       size_t *count_out, struct err *err);
/* ERR_NOT_FOUND if there is no such field. */
int mailbox_cache_decide(struct mailbox *box, const struct cache_use *use,
			 struct err *err);

struct mailbox_update {
	const unsigned char *guid; /* 16 octets; NULL: as it is */
	uint32_t uid_validity;     /* 0: as it is */
	/* Raised if they are lower. */
	uint32_t min_next_uid, min_first_recent_uid;
	uint64_t min_highest_modseq;
};

/* Sessions that have it open lose it when UIDVALIDITY changes. ERR_NOT_FOUND,
 * ERR_UNSUPPORTED, ERR_IN_USE, ERR_CHANGED. */
int mailbox_update(struct user *user, const char *name,
		   const struct mailbox_update *update, struct err *err);

/* where it lies */

enum mailbox_place {
	PLACE_MAILBOX, /* directory or file of its mail */
	PLACE_CONTROL, /* directory of its control files */
	PLACE_INDEX,   /* directory of the index that it is in */
};

/* Whether it exists or not; child of ctx. *out is NULL if there is no such
 * place: an index in memory. */
int mailbox_path(const void *ctx, struct user *user, const char *name,
		 enum mailbox_place place, char **out, struct err *err);

#endif
