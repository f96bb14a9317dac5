/* SPDX-License-Identifier: MIT */
/*
 * doveadm/save.c - `doveadm save`: one mail from a file or from stdin.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "storage/storage.h"

enum { PIECE = 65536 };

struct saving {
	const char *mailbox; /* -m */
	FILE *text;          /* read anew for each user */
};

static int save_text(struct save *save, FILE *text, struct err *err)
{
	const struct save_options options = {.flags = 0};
	char data[PIECE];
	size_t len;

	if (save_mail_begin(save, &options, err) < 0)
		return -1;
	rewind(text);
	while ((len = fread(data, 1, sizeof(data), text)) > 0) {
		if (save_mail_write(save, data, len, err) < 0)
			return -1;
	}
	if (ferror(text) != 0)
		return err_sys(err, "read(msg input)");
	return save_mail_finish(save, err);
}

static int save_user(void *ctx, struct user *user)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	CLEANUP(save_rollback) struct save *save = NULL;
	const struct saving *saving = ctx;
	uint32_t uid_validity;
	struct err err;

	if (mailbox_open(user, saving->mailbox, MAILBOX_SAVE_ONLY, &box, &err) <
	    0)
		return log_failure(&err, "Failed to open mailbox %s",
				   saving->mailbox);
	save = save_begin(NULL, box);
	if (save_text(save, saving->text, &err) == 0 &&
	    save_commit(&save, &uid_validity, NULL, &err) == 0)
		return EX_OK;
	return log_failure(&err, "Mailbox %s: Saving mail", saving->mailbox);
}

/* stdin cannot be read a second time, and who reads it is root still. */
static FILE *keep_stdin(struct err *err)
{
	FILE *file = tmpfile();
	char data[PIECE];
	size_t len;

	if (file == NULL) {
		err_sys(err, "tmpfile()");
		return NULL;
	}
	while ((len = fread(data, 1, sizeof(data), stdin)) > 0)
		fwrite(data, 1, len, file);
	if (ferror(stdin) != 0 || fflush(file) != 0) {
		err_sys(err, "read(stdin)");
		file_close(&file);
	}
	return file;
}

static FILE *text_open(const char *path, struct err *err)
{
	FILE *file;

	if (path == NULL)
		return keep_stdin(err);
	file = fopen(path, "re");
	if (file == NULL)
		err_sys(err, "open(%s)", path);
	return file;
}

int cmd_save(struct doveadm *adm, int, char **argv)
{
	const char *mailbox = doveadm_value(adm, 'm');
	struct saving saving = {.mailbox = mailbox != NULL ? mailbox : "INBOX"};
	CLEANUP(file_close) FILE *text = NULL;
	struct err err;

	text = text_open(argv[0], &err);
	if (text == NULL) {
		complain("%s", err.text);
		return EX_TEMPFAIL;
	}
	saving.text = text;
	return mail_run(adm, NULL, save_user, &saving);
}
