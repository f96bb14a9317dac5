/* SPDX-License-Identifier: MIT */
/*
 * lda/lda.h - dovetail-lda: its command line, its mail, whose it is.
 */
#ifndef LDA_LDA_H
#define LDA_LDA_H
#include <stdbool.h>

#include "base/log.h"
#include "delivery/settings.h"
#include "service/settings.h"
#include "storage/user.h"

struct account;
struct config;
struct err;
struct sender;
struct spool;

enum { LDA_MAX_OVERRIDES = 100 };

struct lda_options {
	const char *config_path; /* -c; NULL for the default */
	const char *user;        /* -d; NULL: who runs it */
	const char *mailbox;     /* -m */
	const char *path;        /* -p; NULL for standard input */
	const char *from;        /* -f, as given; NULL if not */
	const char *original_to; /* -a */
	const char *final_to;    /* -r */
	bool explain;            /* -e */
	bool keep_environment;   /* -k */
	const char *overrides[LDA_MAX_OVERRIDES]; /* -o */
	unsigned override_count;
};

struct lda {
	struct lda_options options;
	struct config *config;
	struct base_settings base;
	struct log_settings log;
	struct lda_settings set;
	struct mail_settings mail;
	struct account *account;
	struct user *user;
	struct spool *spool;
	struct sender *sender;
	const char *from; /* envelope sender */
};

/* lda_mail.c: read the mail into lda->spool. A line "From sender date" in
 * front is taken off standard input; it, or else Return-Path, names the sender
 * if -f did not. */
int lda_read(struct lda *lda, struct err *err);

#endif
