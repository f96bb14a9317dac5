/* SPDX-License-Identifier: MIT */
/*
 * lda/main_lda.c - dovetail-lda(1): what an MTA runs for one mail to one user.
 * Its exit statuses are those of sysexits.h, which MTAs know.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/deliver.h"
#include "delivery/reject.h"
#include "delivery/send.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "lda/lda.h"
#include "mime/address.h"
#include "mime/header.h"
#include "proto/smtp.h"
#include "service/account.h"
#include "service/auth_master.h"
#include "service/privs.h"
#include "service/service.h"
#include "storage/quota.h"
#include "storage/settle.h"

static const char usage[] =
	"Usage: dovetail-lda [-c <config file>] [-d <username>] [-p <path>]\n"
	"                    [-m <mailbox>] [-e] [-k] [-f <envelope sender>]\n"
	"                    [-a <original envelope recipient>]\n"
	"                    [-r <final envelope recipient>]\n"
	"                    [-o <setting>=<value>]\n";

/* the command line */

static bool take_override(struct lda_options *options, const char *text)
{
	if (options->override_count == LDA_MAX_OVERRIDES)
		return false;
	options->overrides[options->override_count++] = text;
	return true;
}

static bool take_option(struct lda_options *options, int option)
{
	switch (option) {
	case 'a':
		options->original_to = optarg;
		return true;
	case 'c':
		options->config_path = optarg;
		return true;
	case 'd':
		options->user = optarg;
		return true;
	case 'e':
		options->explain = true;
		return true;
	case 'f':
		options->from = optarg;
		return true;
	case 'k':
		options->keep_environment = true;
		return true;
	case 'm':
		/* Some MTAs give "" for no detail. */
		if (optarg[0] != '\0')
			options->mailbox = optarg;
		return true;
	case 'o':
		return take_override(options, optarg);
	case 'p':
		options->path = optarg;
		return true;
	case 'r':
		options->final_to = optarg;
		return true;
	}
	return false;
}

static void read_options(struct lda_options *options, int argc, char **argv)
{
	int option;

	options->mailbox = "INBOX";
	while ((option = getopt(argc, argv, "a:c:d:ef:km:o:p:r:")) != -1) {
		if (!take_option(options, option)) {
			fputs(usage, stderr);
			exit(EX_USAGE);
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		log_fatal(EX_USAGE, "Unknown argument: %s", argv[optind]);
	}
}

/* settings and log */

static int read_config(struct lda *lda, struct err *err)
{
	const struct config_filter filter = {.protocol = "lda"};

	if (config_open(lda, lda->options.config_path, &lda->config, err) < 0)
		return -1;
	for (unsigned i = 0; i < lda->options.override_count; i++) {
		if (config_override(lda->config, lda->options.overrides[i],
				    err) < 0)
			return -1;
	}
	if (config_read(lda, lda->config, &filter, base_settings, &lda->base,
			err) < 0 ||
	    config_read(lda, lda->config, &filter, log_settings, &lda->log,
			err) < 0 ||
	    config_read(lda, lda->config, &filter, lda_settings, &lda->set,
			err) < 0 ||
	    config_read(lda, lda->config, &filter, mail_settings, &lda->mail,
			err) < 0)
		return -1;
	return 0;
}

/* Not for whoever sent the mail to decide about us; PATH and the like are. */
static void clean_environment(const struct lda *lda)
{
	static const char *const kept[] = {"HOME", "USER", "TZ"};
	char *values[sizeof(kept) / sizeof(kept[0])];
	size_t count = sizeof(kept) / sizeof(kept[0]);

	if (lda->options.keep_environment)
		return;
	for (size_t i = 0; i < count; i++) {
		const char *value = getenv(kept[i]);

		values[i] = value == NULL ? NULL : mem_strdup(lda, value);
	}
	clearenv();
	for (size_t i = 0; i < count; i++) {
		if (values[i] != NULL)
			setenv(kept[i], values[i], 1);
	}
}

/* the user */

static int find_account(struct lda *lda, const char *session_id,
			struct err *err)
{
	const struct auth_request_info info = {
		.service = "lda",
		.session_id = session_id,
		.pid = getpid(),
	};

	if (lda->options.user == NULL)
		return account_own(lda, &lda->account, err);
	return auth_user_lookup(lda,
				path_expand(lda, lda->base.auth_socket_path,
					    lda->base.base_dir),
				lda->options.user, &info, &lda->account, err);
}

static int open_user(struct lda *lda, const char *session_id, struct err *err)
{
	const struct config_filter filter = {.protocol = "lda"};
	const struct user_context context = {
		.service = "lda",
		.session_id = session_id,
	};

	/* With ssl_client_key, which only root may read. */
	if (sender_new(lda, lda->config, &filter, &lda->set, &lda->sender,
		       err) < 0)
		return -1;
	lda_sieve_load_calendars(lda->config, &filter);
	if (lda->options.user != NULL &&
	    privs_drop_for_exec(lda->account, lda->config, err) < 0)
		return -1;
	if (lda->account->home != NULL)
		setenv("HOME", lda->account->home, 1);
	setenv("USER", lda->account->name, 1);
	return user_open(lda, lda->config, lda->account, &context, &lda->user,
			 err);
}

/* the delivery */

/* The MTA returns the mail, with this as the reason. */
static int explain(const char *reason)
{
	fprintf(stderr, "%s\n", reason);
	return EX_NOPERM;
}

static int reject(struct lda *lda, const struct delivery *delivery,
		  const char *status, const char *reason)
{
	struct err err;

	delivery_log(delivery, &lda->set, LOG_LEVEL_INFO, "",
		     mem_printf(lda, "rejected: %s", reason));
	if (lda->options.explain)
		return explain(reason);
	if (reject_send(delivery, &lda->set, lda->sender, status, reason,
			&err) == 0)
		return EX_OK;
	log_error("%s", err.text);
	return err.code == ERR_UNSUPPORTED ? explain(reason) : EX_TEMPFAIL;
}

static int exit_status(struct lda *lda, const struct delivery *delivery,
		       const struct err *err)
{
	if (err->code == ERR_LIMIT)
		return reject(lda, delivery, "5.2.3", err->text);
	if (err->code == ERR_QUOTA && !lda->set.quota_full_tempfail)
		return reject(lda, delivery, "5.2.2", quota_told(err));
	return EX_TEMPFAIL;
}

/* Who the mail was for before the MTA's aliases, if nothing says more. */
static const char *header_recipient(struct lda *lda)
{
	const char *name = lda->set.lda_original_recipient_header;
	struct header_field field;
	struct address *list;
	size_t count;

	if (name[0] == '\0' ||
	    !header_find(spool_header(lda->spool), name, &field))
		return NULL;
	address_parse(lda, field.value, 1, &list, &count);
	if (count == 0 || list[0].mailbox == NULL)
		return NULL;
	if (list[0].domain == NULL)
		return list[0].mailbox;
	return address_written(lda, &list[0]);
}

static const char *original_recipient(struct lda *lda)
{
	const char *original = lda->options.original_to;

	if (original == NULL)
		original = header_recipient(lda);
	if (original == NULL)
		original = lda->account->name;
	return strchr(original, '@') != NULL
		       ? original
		       : mem_printf(lda, "%s@%s", original,
				    lda_hostname(lda, &lda->set));
}

/* With <> around it or not; what is no address is nobody's, as in LMTP. */
static const char *sender_of(struct lda *lda)
{
	const char *given = lda->options.from, *problem;
	size_t len = given == NULL ? 0 : strlen(given);
	struct smtp_path path;

	if (len > 1 && given[0] == '<' && given[len - 1] == '>')
		given = mem_strndup(lda, given + 1, len - 2);
	if (given == NULL || !str_is_ascii(str_of(given)))
		return given;
	return smtp_sender_parse(lda,
				 str_of(mem_printf(lda, "FROM:<%s>", given)),
				 &path, &problem)
		       ? path.address
		       : "";
}

static int run(struct lda *lda)
{
	uint64_t started = clock_monotonic_ms();
	char *session_id = delivery_id(lda);
	struct delivery delivery = {
		.service = "lda",
		.session_id = session_id,
		.mailbox = lda->options.mailbox,
		.session_started_ms = started,
	};
	const char *refusal = NULL;
	struct err err;

	if (find_account(lda, session_id, &err) < 0) {
		if (err.code == ERR_NOT_FOUND)
			return EX_NOUSER;
		log_error("user %s: %s", lda->options.user, err.text);
		return EX_TEMPFAIL;
	}
	lda->from = sender_of(lda);
	if (account_settings(lda, lda->account, lda_settings, &lda->set, &err) <
		    0 ||
	    open_user(lda, session_id, &err) < 0 || lda_read(lda, &err) < 0) {
		log_error("user %s: %s", lda->account->name, err.text);
		return EX_TEMPFAIL;
	}
	delivery.user = lda->user;
	delivery.from = lda->from == NULL ? "" : lda->from;
	delivery.original_to = original_recipient(lda);
	delivery.to = lda->options.final_to != NULL ? lda->options.final_to
						    : delivery.original_to;
	delivery.spool = lda->spool;
	delivery.sender = lda->sender;
	if (lda->options.explain)
		delivery.refusal = &refusal;
	delivery.refusal_ctx = lda;
	delivery.started_ms = clock_monotonic_ms();
	if (lda_sieve_wanted(lda->user, &lda->mail) &&
	    lda_sieve_new(lda->user, lda->user, &lda->set, NULL,
			  &delivery.sieve, &err) < 0) {
		log_error("%s", err.text);
		return EX_TEMPFAIL;
	}
	if (deliver(&delivery, &lda->set, &err) < 0)
		return exit_status(lda, &delivery, &err);
	if (refusal != NULL)
		return explain(refusal);
	user_autoexpunge(lda->user);
	return EX_OK;
}

int main(int argc, char **argv)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "lda");
	struct lda *lda = mem_new(ctx, struct lda);
	struct err err;

	log_open("lda", LOG_TO_STDERR);
	read_options(&lda->options, argc, argv);
	if (read_config(lda, &err) < 0)
		log_fatal(EX_TEMPFAIL, "%s", err.text);
	if (lda->options.user == NULL && geteuid() == 0)
		log_fatal(EX_USAGE,
			  "destination user parameter (-d user) not given");
	clean_environment(lda);
	log_open_files("lda", lda->base.instance_name, &lda->log);
	log_debug_set(lda->mail.mail_debug);
	storage_settle_at_end();
	return run(lda);
}
