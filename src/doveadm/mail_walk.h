/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mail_walk.h - the mails that a search query finds, mailbox after
 * mailbox.
 */
#ifndef DOVEADM_MAIL_WALK_H
#define DOVEADM_MAIL_WALK_H
#include <stdbool.h>

struct doveadm;
struct mailbox;
struct query;
struct range_set;
struct user;

struct mail_walk {
	const struct query *query;
	bool readonly;
	/* What is told of a mailbox that is missing: both around its name, the
	 * reason behind; NULL: Dovecot's usual words. */
	const char *before, *after;
	bool missing_ok; /* it has no mails, then */
	bool unmatched_too; /* fn is called for mailboxes without such mails */
	/* Called for each mailbox with mails that match, by their numbers;
	 * returns an exit status. */
	int (*fn)(void *ctx, struct mailbox *box, const struct range_set *seqs);
	void *ctx;
};

/* Words of a command line to a query, child of the run; complains and returns a
 * status that is not 0. */
int mail_query(struct doveadm *adm, int argc, char **argv, struct query **out);
/* The same, for commands that destroy. */
int mail_query_guarded(struct doveadm *adm, int argc, char **argv,
		       struct query **out);

/* Return the first status that is not 0; the other mailboxes are done all the
 * same. */
int mail_walk(struct user *user, const struct mail_walk *walk);
int mail_walk_query(struct user *user, const struct query *query,
		    int (*fn)(void *ctx, struct mailbox *box,
			      const struct range_set *seqs),
		    void *ctx);
/* Call `fn` for each mailbox that matches one of the patterns (NULL at the
 * end) and can be opened. */
int mail_each_box(struct user *user, const char *const *patterns,
		  int (*fn)(void *ctx, struct user *user, const char *name),
		  void *fn_ctx);
/* '/' for what is in no namespace. */
char mail_separator(struct user *user, const char *name);

#endif
