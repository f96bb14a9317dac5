/* SPDX-License-Identifier: MIT */
/*
 * sieve-filter: runs scripts on the mails of a mailbox
 * (doc/man/sieve-filter.1).
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/filter.h"
#include "delivery/send.h"
#include "delivery/sieve.h"
#include "mime/header.h"
#include "sievetools/tool.h"
#include "storage/settle.h"
#include "storage/storage.h"

enum { PIECE = 32 * 1024, SHOWN_MAX = 200 };

enum discard { DISCARD_KEEP, DISCARD_MOVE, DISCARD_DELETE, DISCARD_EXPUNGE };

struct job {
	struct tool tool;
	struct filter *filter;
	struct mailbox *box;
	struct lda_script *scripts, **scripts_end;
	const char *script, *mailbox, *keep, *trash, *outgoing;
	enum discard discard;
	bool execute, write, compile, verbose;
};

static _Noreturn void usage(const char *problem)
{
	fputs("Usage: sieve-filter [-c <config-file>] [-C] [-D] [-e] "
	      "[-m <default-mailbox>]\n\t[-o <setting=value>] "
	      "[-P <plugin>] [-q <output-mailbox>] [-s <script-file>]\n\t"
	      "[-u <user>] [-v] [-W] [-x <extensions>] <script-file> "
	      "<source-mailbox>\n\t"
	      "[<discard-action>]\n",
	      stderr);
	fprintf(stderr, "sieve-filter: %s\n", problem);
	exit(EXIT_USAGE);
}

/* the command line */

static void add_script(struct job *job, const char *path)
{
	lda_script_add(job->tool.ctx, &job->scripts_end, path, false);
}

static void take_option(struct job *job, int option, const char *value)
{
	switch (option) {
	case 'C':
		job->compile = true;
		break;
	case 'e':
		job->execute = true;
		break;
	case 'm':
		job->keep = value;
		break;
	case 'q':
		job->outgoing = value;
		break;
	case 's':
		add_script(job, value);
		break;
	case 'v':
		job->verbose = true;
		break;
	case 'W':
		job->write = true;
		break;
	default:
		if (!tool_option(&job->tool, option, value))
			usage("Unknown argument");
	}
}

static void take_discard(struct job *job, int argc, char **argv)
{
	static const char *const names[] = {"keep", "move", "delete",
					    "expunge"};
	int count = argc - optind;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (count > 0 && strcmp(argv[optind], names[i]) == 0)
			job->discard = (enum discard)i;
	}
	if (count > 0 && strcmp(argv[optind], names[job->discard]) != 0)
		usage("Invalid <discard-action> argument");
	if (job->discard == DISCARD_MOVE) {
		if (count != 2)
			usage("Invalid <discard-action> argument: missing "
			      "mailbox");
		job->trash = argv[optind + 1];
	} else if (count > 1) {
		usage("Unknown argument");
	}
}

static void read_arguments(struct job *job, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, TOOL_OPTIONS "Cem:q:s:vW")) != -1)
		take_option(job, option, optarg);
	if (argc - optind < 1)
		usage("Missing <script-file> argument");
	if (argc - optind < 2)
		usage("Missing <source-mailbox> argument");
	job->script = argv[optind];
	job->mailbox = argv[optind + 1];
	add_script(job, job->script);
	optind += 2;
	take_discard(job, argc, argv);
}

/* mails that scripts send: into a mailbox (-q) */

static int store_outgoing(struct job *, struct save *save,
			  const struct smtp_source *source, struct err *err)
{
	const struct save_options options = {0};
	char piece[PIECE];
	uint64_t at = source->at;
	ssize_t got;

	if (save_mail_begin(save, &options, err) < 0)
		return -1;
	while ((got = source->read(source->ctx, at, piece, sizeof(piece))) >
	       0) {
		if (save_mail_write(save, piece, (size_t)got, err) < 0)
			return -1;
		at += (uint64_t)got;
	}
	if (got < 0)
		return err_set(err, ERR_TEMPORARY, "can't read the mail");
	return save_mail_finish(save, err);
}

static int send_outgoing(void *ctx, const char *, const char *,
			 const struct smtp_source *source, struct err *err)
{
	struct job *job = ctx;
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	CLEANUP(save_rollback) struct save *save = NULL;
	uint32_t uid_validity;

	if (mailbox_open(job->tool.owner, job->outgoing, MAILBOX_SAVE_ONLY,
			 &box, err) < 0)
		return -1;
	save = save_begin(job->tool.ctx, box);
	if (store_outgoing(job, save, source, err) < 0)
		return -1;
	return save_commit(&save, &uid_validity, NULL, err);
}

/* telling */

static void tell(const struct job *job, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void tell(const struct job *job, const char *fmt, ...)
{
	va_list args;

	if (!job->verbose)
		return;
	va_start(args, fmt);
	fputs("info: ", stderr);
	vfprintf(stderr, fmt, args);
	fputs(".\n", stderr);
	va_end(args);
}

struct shown {
	char *id, *date, *subject;
	uint64_t size;
	bool deleted;
};

static char *field_of(const void *ctx, struct str header, const char *name)
{
	CLEANUP(buf_free) struct buf text = buf_init(64 * 1024);
	struct header_field field;

	if (!header_find(header, name, &field))
		return mem_strdup(ctx, "");
	header_unfold(field.value, &text);
	return str_sanitize(ctx, str_n(text.data, text.len), SHOWN_MAX);
}

static int show(const void *ctx, struct job *job, uint32_t seq,
		struct shown *out, struct err *err)
{
	CLEANUP(mail_reader_end) struct mail_reader *reader = NULL;
	struct range_set seqs = range_set_init(ctx);
	const struct mail *mail;
	struct str header;
	int ret;

	range_set_add(&seqs, seq, seq);
	reader = mail_reader_begin(ctx, job->box, &seqs);
	ret = mail_reader_next(reader, &mail, err);
	if (ret == 0)
		return err_set(err, ERR_EXPUNGED, "the message is gone");
	if (ret < 0 || mail_header(mail, &header, err) < 0)
		return -1;
	out->deleted = (mail->flags & MAIL_DELETED) != 0;
	out->id = field_of(ctx, header, "Message-ID");
	out->date = field_of(ctx, header, "Date");
	out->subject = field_of(ctx, header, "Subject");
	return mail_size(mail, &out->size, err);
}

static void print_result(void *ctx, const struct sieve_result *result)
{
	const struct job *job = ctx;

	tool_print(stdout, result,
		   job->keep != NULL ? job->keep : job->mailbox);
}

/* the mails */

static int discard(const void *ctx, struct job *job, uint32_t uid,
		   struct err *err)
{
	static const struct filter_outcome gone;
	struct range_set seqs = range_set_init(ctx);
	uint32_t seq = mailbox_seq_of(job->box, uid);
	struct copy_result copied;

	switch (job->discard) {
	case DISCARD_KEEP:
		tell(job, "message left in source mailbox");
		return 0;
	case DISCARD_MOVE:
		tell(job, "message in source mailbox moved to mailbox `%s'",
		     job->trash);
		range_set_add(&seqs, seq, seq);
		return mailbox_copy(ctx, job->box, &seqs, job->trash, true,
				    &copied, err);
	case DISCARD_DELETE:
		tell(job, "message flagged as deleted in source mailbox");
		break;
	case DISCARD_EXPUNGE:
		tell(job, "message expunged from source mailbox");
		break;
	}
	return filter_settle(ctx, job->box, uid, &gone,
			     job->discard == DISCARD_EXPUNGE, NULL, err);
}

static int settle(const void *ctx, struct job *job, uint32_t uid,
		  const struct filter_outcome *outcome, struct err *err)
{
	if (outcome->failed)
		fprintf(stderr,
			"error: sieve script execution failed for this "
			"message; message %s.\n",
			outcome->kept ? "left in source mailbox"
				      : "moved to default mailbox");
	if (!job->write || !job->execute || (outcome->failed && outcome->kept))
		return 0;
	if (outcome->kept || outcome->replaced) {
		tell(job, "message kept in source mailbox");
	} else if (outcome->taken) {
		tell(job, "message expunged from source mailbox upon "
			  "successful move");
	} else {
		return discard(ctx, job, uid, err);
	}
	return filter_settle(ctx, job->box, uid, outcome, true, NULL, err);
}

static int filter_one(struct job *job, uint32_t seq, uint32_t uid,
		      struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "mail");
	struct filter_outcome outcome;
	struct shown shown;

	if (show(ctx, job, seq, &shown, err) < 0)
		return -1;
	if (shown.deleted) /* as if it was gone, as Dovecot has it */
		return 0;
	if (job->execute)
		tell(job, "filtering: [%s; %llu bytes] `%s'", shown.date,
		     (unsigned long long)shown.size, shown.subject);
	else
		printf(">> Filtering message:\n\n  ID:      %s\n  Date:    %s\n"
		       "  Size:    %llu bytes\n  Subject: %s\n",
		       shown.id, shown.date, (unsigned long long)shown.size,
		       shown.subject);
	if (filter_mail(ctx, job->filter, job->box, uid, job->scripts,
			job->keep, job->execute ? NULL : print_result, &outcome,
			err) < 0)
		return -1;
	return settle(ctx, job, uid, &outcome, err);
}

/* Those that are there at the begin. */
static int filter_all(struct job *job)
{
	uint32_t messages = mailbox_messages(job->box);
	struct err err;
	int status = EXIT_SUCCESS;

	for (uint32_t seq = 1; seq <= messages; seq++) {
		if (filter_one(job, seq, mailbox_uid_of(job->box, seq), &err) ==
			    0 ||
		    err.code == ERR_EXPUNGED)
			continue;
		log_error("%s", err.text);
		status = EXIT_FAILURE;
	}
	return status;
}

static const char *setting(void *ctx, const char *name)
{
	struct job *job = ctx;

	return tool_override(&job->tool, name);
}

static int prepare(struct job *job, struct err *err)
{
	const struct filter_options options = {
		.config = job->tool.config,
		.service = "sieve-filter",
		.sender_of = FILTER_SENDER_HEADER,
		.send = job->outgoing != NULL,
		.sender = sender_new_with(job->tool.ctx, send_outgoing, job),
		.scripts = {.setting = setting, .ctx = job},
		.ctx = job,
	};
	bool write = job->write && job->execute;
	struct lda_script *script;

	if (filter_new(job->tool.ctx, job->tool.owner, &options, &job->filter,
		       err) < 0)
		return -1;
	filter_listen(job->filter, &job->tool.log);
	for (script = job->scripts; script != NULL; script = script->next)
		script->program =
			tool_script(&job->tool, script->path, job->compile);
	if (mailbox_open(job->tool.owner, job->mailbox,
			 MAILBOX_KEEP_RECENT | (write ? 0 : MAILBOX_READONLY),
			 &job->box, err) < 0)
		return err_wrap(err, "Couldn't open source mailbox '%s'",
				job->mailbox);
	if (write && job->trash != NULL &&
	    sieve_same_mailbox(job->trash, job->mailbox))
		return err_set(err, ERR_INVALID,
			       "Source mailbox and mailbox for move action are "
			       "identical.");
	if (write && job->trash != NULL &&
	    mailbox_exists(job->tool.owner, job->trash, err) < 0)
		return err_wrap(err, "Couldn't open mailbox '%s'", job->trash);
	return 0;
}

int main(int argc, char **argv)
{
	struct job job = {0};
	struct err err;
	int status;

	job.scripts_end = &job.scripts;
	job.tool.ctx = mem_ctx(NULL, "sieve-filter");
	job.tool.become = tool_open_user;
	read_arguments(&job, argc, argv);
	tool_open(&job.tool, "sieve-filter");
	storage_settle_at_end();
	if (job.tool.config == NULL)
		log_fatal(EXIT_FAILED, "There is no configuration");
	if (prepare(&job, &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	status = filter_all(&job);
	mailbox_close(&job.box);
	mem_free(job.tool.ctx);
	return status;
}
