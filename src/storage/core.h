/* SPDX-License-Identifier: MIT */
/*
 * storage/core.h - what the files of the storage core share; nobody outside
 * this folder includes it.
 */
#ifndef STORAGE_CORE_H
#define STORAGE_CORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/range.h"
#include "config/config.h"
#include "config/setting.h"
#include "index/index.h"
#include "storage/driver.h"
#include "storage/user.h"

struct account;
struct cache_policy;
struct err;
struct lazy;
struct mail_reader;
struct mail_stream;
struct mailbox;
struct mailbox_status;
struct quota;
struct save;
struct text;
struct var;

/* settings */

/* namespace NAME { }. */
struct namespace_settings {
	const char *type, *separator, *prefix, *location, *alias_for;
	bool inbox, hidden, subscriptions, ignore_on_failure, disabled;
	const char *list; /* yes, no, children */
	unsigned order;
};
extern const struct setting namespace_settings[];

/* mailbox NAME { } in it. */
struct mailbox_settings {
	const char *name, *autocreate, *special_use, *comment;
	struct duration autoexpunge;
	unsigned autoexpunge_max_mails;
};
extern const struct setting mailbox_settings[];

/* Lay `value` over the setting `key` of the struct that `rows` describe; does
 * nothing when there is no such row. Text is copied below ctx. */
int setting_override(const void *ctx, const struct setting *rows,
		     const char *key, const char *value, void *out,
		     struct err *err);

/* users and their places */

/* A mail location; namespaces with the same one share it. */
struct storage {
	struct storage *next;
	struct user *user;
	const char *text; /* as configured, for finding it again */
	struct location location;
	struct index *index; /* NULL until it is needed */
	bool in_memory;      /* the index; it goes with the session */
	bool corrupt;        /* to be closed and opened anew */
	unsigned epoch;      /* counts that: ids are other ones afterwards */
};

/* From the text of mail_location. Child of ctx. */
int location_parse(const void *ctx, const char *text, const struct user *user,
		   struct location *out, struct err *err);
/* For an empty mail_location: what is there below home. */
int location_detect(const void *ctx, const struct user *user, char **text_out,
		    struct err *err);

enum special_auto { AUTO_NO, AUTO_CREATE, AUTO_SUBSCRIBE };

/* A mailbox {} block. */
struct special {
	const char *name; /* of storage; with wildcards for autoexpunge */
	const char *use;  /* "\\Sent \\Archive"; NULL if none */
	const char *comment;
	enum special_auto autocreate;
	struct duration autoexpunge; /* 0: for ever */
	unsigned max_mails;          /* 0: any number */
};

struct ns {
	struct namespace pub; /* first: namespace_next() hands it out */
	struct ns *next;
	struct storage *store;
	const char *alias_for; /* prefix of the namespace it repeats, or NULL */
	bool list_children;    /* list = children */
	unsigned order, position; /* of the setting, and of the block */
	struct special *specials;
	size_t special_count;
};

struct user {
	const char *name, *home, *log_prefix;
	const struct config *config;
	const struct account *account;
	struct config_filter filter;
	struct mail_settings settings;
	struct var *vars;
	struct ns *namespaces;
	struct storage *stores;
	struct mailbox *boxes;   /* that are open */
	const struct lazy *lazy; /* lazy_expunge; NULL: mails just go */
	struct quota *quota;     /* NULL: none */
};

/* Where INBOX is. */
const struct location *inbox_location(const struct user *user);
/* The namespaces of the configuration, or the default one. */
int namespaces_open(struct user *user, struct err *err);
/* Whatever the configuration says: one without prefix. */
int namespace_open_default(struct user *user, struct err *err);
/* The namespace of a name as clients have it, and its storage name (child of
 * ctx). ERR_INVALID for what can't be a name, ERR_NOT_FOUND when it belongs to
 * no namespace. */
int name_resolve(const void *ctx, struct user *user, const char *name,
		 struct ns **ns_out, char **storage_out, struct err *err);
/* The other way. Child of ctx. */
char *name_public(const void *ctx, const struct ns *ns, const char *storage);
/* Its prefix, and these levels (with / between them) below it. */
char *name_below(const void *ctx, const struct ns *ns, const char *levels);
const struct special *special_find(const struct ns *ns, const char *storage);

/* the index of a location */

/* Begin a transaction; opens the index if need be, and anew when it was found
 * damaged. */
int store_begin(struct storage *store, enum index_mode mode,
		struct index_txn **out, struct err *err);
/* Remember what an index function said; returns -1. */
int store_failed(struct storage *store, struct err *err);
int store_open_index(struct storage *store, struct err *err);
void stores_close(struct user *user);
/* Make a mailbox on disk. Under the lock of the index: two that make the same
 * one would give it two UIDVALIDITYs. */
int store_create(struct storage *store, const char *storage, struct err *err);

/* A mailbox with its paths, existing or not. Child of ctx. */
int box_new(const void *ctx, struct storage *store, const char *storage,
	    struct driver_box **out, struct err *err);
void box_free(struct driver_box **box); /* for CLEANUP too */
/* The driver's sync; makes INBOX and `auto` mailboxes that are missing, and
 * rebuilds a damaged index. */
int box_sync(struct driver_box *box, struct ns *ns, struct storage *store,
	     bool full, struct err *err);
/* Read its row; ERR_NOT_FOUND if it was deleted. */
int box_get(struct driver_box *box, struct index_txn *txn,
	    struct index_box *out, struct err *err);

/* What a mailbox that was deleted had of attributes (storage/attribute.h). */
void attributes_forget(struct user *user, const struct mailbox_status *status);

/* driver.lock(), for as long as *locked_out is not given back; declare it
 * before the transaction, so that it outlives that. */
int box_lock(struct driver_box *box, bool flags, struct driver_box **locked_out,
	     struct err *err);
void box_unlock(struct driver_box **locked); /* for CLEANUP too */

/* subscriptions */

/* Names as clients have them; *out an array, child of ctx. */
int subscriptions_read(const void *ctx, struct user *user, char ***out,
		       size_t *count_out, struct err *err);
int subscriptions_set(struct user *user, const char *name, bool on,
		      struct err *err);

/* one mailbox */

/* The UIDs of a session's view, with the number before each range, so that both
 * ways are O(log ranges). */
struct view {
	struct range_set uids;
	uint32_t *before; /* messages before uids.ranges[i] */
	size_t before_cap;
	struct range_set gone;   /* expunged, but kept for now */
	struct range_set recent; /* claimed by this session */
	uint32_t messages;
	uint32_t uid_validity, uid_next;
	uint64_t modseq;
	uint64_t gone_modseq; /* before `gone`; meaningless if that is empty */
};

void view_init(struct view *view, const void *ctx);
/* After a change of uids at range `from` or behind it. */
void view_renumber(struct view *view, size_t from);
uint32_t view_uid(const struct view *view, uint32_t seq);
uint32_t view_seq(const struct view *view, uint32_t uid);
/* Numbers of a set of UIDs, and the other way. */
void view_seqs(const struct view *view, const struct range_set *uids,
	       struct range_set *seqs_out);
void view_uids(const struct view *view, const struct range_set *seqs,
	       struct range_set *uids_out);
/* Its recent mails. */
uint32_t view_recent(const struct view *view);

/* UIDs that this session changed itself at `modseq`. */
struct own_change {
	uint64_t modseq;
	struct range_set uids;
};
enum { OWN_CHANGES_MAX = 32 };

/* Where a stream stopped: clients fetch large mails piece by piece, and each
 * piece begins where the last one ended. */
struct stream_place {
	uint32_t uid;
	uint64_t start;             /* of the section in the file */
	uint64_t physical, virtual; /* read, and given, from there */
	bool last_cr;
};

struct mailbox {
	struct user *user;
	struct ns *ns;
	struct storage *store;
	const char *name; /* as the client calls it */
	unsigned flags;
	struct driver_box *disk;
	struct view view;
	uint64_t generation; /* of the index at the last look; 0: look */
	unsigned epoch;      /* of the store, then */
	const char **keywords;
	unsigned keyword_count;
	struct own_change own[OWN_CHANGES_MAX];
	unsigned own_count;
	struct range_set deleted; /* that this session marked \Deleted */
	struct text *spare;       /* memory for the next mail */
	struct cache_policy *policy; /* NULL: not looked at yet */
	struct stream_place place;
	/* What still uses the mailbox; closing it takes it away from them, so
	 * that the order in which contexts are freed does not matter. */
	struct save *saves;
	struct mail_reader *readers;
	struct mail_stream *streams;
	struct mailbox *prev, *next; /* of the user's */
};

/* The mailbox goes: end what is under way. */
void save_detach(struct save *save);
void reader_detach(struct mail_reader *reader);
void stream_detach(struct mail_stream *stream);

/* What may be done with an open mailbox: the one place that says no. */
enum right {
	RIGHT_READ,
	RIGHT_STORE,   /* flags */
	RIGHT_INSERT,  /* save, copy to it */
	RIGHT_EXPUNGE, /* and move away */
};
int mailbox_may(const struct mailbox *box, enum right right, struct err *err);

/* The same for the tree of mailboxes and what belongs to it. */
int user_may_write(const struct user *user, struct err *err);

/* What the driver put off goes to the files. */
int box_write_late(struct mailbox *box, struct err *err);
/* The index, with the view's modseq, has no record of a mail of the view:
 * ERR_CORRUPT, or 0 if it is known to be gone. */
int mailbox_lacks(struct mailbox *box, uint32_t uid, struct err *err);
/* Fresh row, under a transaction of the mailbox's own. */
int mailbox_begin(struct mailbox *box, enum index_mode mode,
		  struct index_txn **txn_out, struct index_box *row_out,
		  struct err *err);
/* A change failed for the `times`th time, and nobody can have seen any of it:
 * whether to begin again. So it is after ERR_CHANGED, when another program gave
 * a keyword's letter a meaning of its own; all of the mailbox was looked at
 * anew then. */
bool mailbox_begin_again(struct mailbox *box, int times, struct err *err);
/* What the index counts of a mailbox. */
void status_of_row(const struct storage *store, const struct index_box *row,
		   struct mailbox_status *out);
/* Whether mails of this mailbox are to be cached (mail_cache_*), and a value of
 * such a length. */
bool mailbox_caches(const struct mailbox *box, const struct index_box *row);
bool mailbox_caches_len(const struct mailbox *box, size_t len);
/* Take over the names of `txn`; *changed_out may be NULL. */
int mailbox_read_keywords(struct mailbox *box, struct index_txn *txn,
			  bool *changed_out, struct err *err);
/* \Recent of all that nobody claimed yet goes to this session. */
int mailbox_claim_recent(struct mailbox *box, const struct index_box *row,
			 struct err *err);

/* Remove mails from disk and index, in a write transaction. On failure, `gone`
 * has those that may not be on the disk any more. Without `gone` one that the
 * disk does not let go keeps no others: they are removed, and 1 is returned
 * with the reason. */
int expunge_uids(struct mailbox *box, struct index_txn *txn,
		 struct index_box *row, const struct range_set *uids,
		 struct range_set *gone, struct err *err);

/* The same, the transaction's last act; quotas learn of it. -1 also if some
 * stay. */
int expunge_and_commit(struct mailbox *box, struct index_txn **txn,
		       struct index_box *row, const struct range_set *uids,
		       struct range_set *gone, struct err *err);

/* The same, in a transaction of its own. */
int expunge_now(struct mailbox *box, const struct range_set *uids,
		struct range_set *gone, struct err *err);

/* The same; by way of lazy_expunge. */
int expunge_chosen(struct mailbox *box, const struct range_set *uids,
		   struct err *err);
/* Move mails out of an open mailbox to one that is made if need be; without
 * \Deleted. */
int move_uids(struct mailbox *box, const struct range_set *uids,
	      const char *to_name, struct err *err);
/* When a mailbox got its name; 0: never another one. */
int64_t box_renamed_at(struct index_txn *txn, uint32_t id);

/* lazy_expunge, if the user has it. */
void lazy_setup(struct user *user);
/* Where mails that are expunged from `box` go; NULL: nowhere. */
const char *lazy_target(const void *ctx, const struct mailbox *box);
/* Take out of `uids` what has copies elsewhere, if that just goes
 * (lazy_expunge_only_last_instance). */
int lazy_split(struct mailbox *box, struct range_set *uids,
	       struct range_set *copies_out, struct err *err);

/* keywords */

/* Bits of names in a mailbox, in a write transaction; new names get one.
 * *new_out tells whether there were any. A name that can't be had is an error
 * (ERR_INVALID, ERR_LIMIT) if `all` are wanted. */
int keywords_to_bits(const struct user *user, struct index_txn *txn,
		     uint32_t box, const char *const *names, bool all,
		     struct keywords *out, bool *new_out, struct err *err);
/* Names of the bits that are set, NULL at the end; child of ctx. */
const char **keywords_of_bits(const void *ctx, const char *const *names,
			      unsigned count, const struct keywords *bits);
void keyword_set(struct keywords *keywords, unsigned bit);
bool keyword_has(const struct keywords *keywords, unsigned bit);

#endif
