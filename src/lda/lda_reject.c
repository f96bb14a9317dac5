/* SPDX-License-Identifier: MIT */
/*
 * lda/lda_reject.c - a mail to the sender about one that was not taken
 * (RFC 8098), sent by sendmail_path.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vars.h"
#include "lda/deliver.h"
#include "lda/lda.h"
#include "lda/spool.h"
#include "mime/address.h"
#include "mime/date.h"
#include "mime/header.h"

enum { REPORT_MAX = 256 * 1024, HEADER_MAX = 64 * 1024, MAX_ARGS = 20 };

static char *field_text(struct lda *lda, const char *name)
{
	CLEANUP(buf_free) struct buf text = buf_init(HEADER_MAX);
	struct header_field field;

	if (!header_find(spool_header(lda->spool), name, &field))
		return NULL;
	header_unfold(field.value, &text);
	return buf_steal(lda, &text);
}

/* Nothing that ends a field or is an option. */
static bool is_usable(const char *address)
{
	for (const char *at = address; *at != '\0'; at++) {
		if (*at <= ' ' && *at > 0)
			return false;
		if (strchr("<>\x7f", *at) != NULL)
			return false;
	}
	return address[0] != '\0' && address[0] != '-';
}

/* The envelope sender; NULL for <> and when nobody told. */
static const char *sender(struct lda *lda)
{
	const char *from = lda->from;
	struct address *list;
	size_t count;

	if (from == NULL) {
		from = field_text(lda, "Return-Path");
		if (from == NULL)
			return NULL;
		address_parse(lda, str_of(from), 1, &list, &count);
		if (count == 0 || list[0].mailbox == NULL ||
		    list[0].domain == NULL)
			return NULL;
		from = mem_printf(lda, "%s@%s", list[0].mailbox,
				  list[0].domain);
	}
	return is_usable(from) ? from : NULL;
}

static const char *expand(struct lda *lda, const char *format,
			  const char *reason, const char *to)
{
	const struct var vars[] = {
		{'n', NULL, "\n"},
		{'r', "reason", reason},
		{'s', "subject", field_text(lda, "Subject")},
		{'t', "to", to},
		{'d', "domain",
		 strchr(to, '@') == NULL ? "" : strchr(to, '@') + 1},
		{0, "hostname", lda_hostname(lda, &lda->set)},
		{0, NULL, NULL},
	};
	struct err err;
	char *text;

	if (vars_expand(lda, format, vars, &text, &err) < 0)
		return reason;
	return text;
}

static void write_top(struct lda *lda, const char *to, const char *subject,
		      const char *boundary, const char *recipient,
		      struct buf *out)
{
	const char *host = lda_hostname(lda, &lda->set);

	buf_printf(out,
		   "Message-ID: <dovetail-%s@%s>\nDate: ", delivery_id(lda),
		   host);
	date_write(time(NULL), out);
	buf_printf(out,
		   "\nFrom: Mail Delivery Subsystem <%s>\nTo: <%s>\n"
		   "MIME-Version: 1.0\n"
		   "Content-Type: multipart/report;\n"
		   "\treport-type=disposition-notification;\n"
		   "\tboundary=\"%s\"\n"
		   "Subject: %s\n"
		   "Auto-Submitted: auto-replied (rejected)\n"
		   "Precedence: bulk\n\n"
		   "This is a MIME-encapsulated message\n\n",
		   expand(lda, lda->set.postmaster_address, "postmaster",
			  recipient),
		   to, boundary, subject);
}

static void write_report(struct lda *lda, const char *to, const char *recipient,
			 const char *reason, struct buf *out)
{
	const char *boundary = delivery_id(lda);
	const char *id = field_text(lda, "Message-ID");
	CLEANUP(buf_free) struct buf subject = buf_init(HEADER_MAX);

	/* What stands in a field is one line. */
	header_unfold(str_of(expand(lda, lda->set.rejection_subject, reason,
				    recipient)),
		      &subject);
	write_top(lda, to, subject.data, boundary, recipient, out);
	buf_printf(out,
		   "--%s\nContent-Type: text/plain; charset=utf-8\n"
		   "Content-Disposition: inline\n"
		   "Content-Transfer-Encoding: 8bit\n\n%s\n\n",
		   boundary,
		   expand(lda, lda->set.rejection_reason, reason, recipient));
	buf_printf(out,
		   "--%s\nContent-Type: message/disposition-notification\n\n"
		   "Reporting-UA: %s; Dovetail Mail Delivery Agent\n"
		   "Final-Recipient: rfc822; %s\n",
		   boundary, lda_hostname(lda, &lda->set), recipient);
	if (id != NULL)
		buf_printf(out, "Original-Message-ID: %s\n", id);
	buf_printf(out,
		   "Disposition: "
		   "automatic-action/MDN-sent-automatically; deleted\n\n"
		   "--%s\nContent-Type: text/rfc822-headers\n\n",
		   boundary);
	buf_add_str(out, spool_header(lda->spool));
	buf_printf(out, "\n--%s--\n", boundary);
}

/* sending */

static void split_command(struct lda *lda, const char *to, char **args)
{
	struct str rest = str_of(lda->set.sendmail_path), word;
	size_t count = 0;

	while (count < MAX_ARGS && str_word(&rest, &word))
		args[count++] = str_dup(lda, word);
	args[count++] = mem_strdup(lda, "-i");
	args[count++] = mem_strdup(lda, "-f");
	args[count++] = mem_strdup(lda, "<>");
	args[count++] = mem_strdup(lda, "--");
	args[count++] = mem_strdup(lda, to);
	args[count] = NULL;
}

static int start(char **args, int input, pid_t *pid, struct err *err)
{
	posix_spawn_file_actions_t actions;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	error = posix_spawn(pid, args[0], &actions, NULL, args, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error == 0)
		return 0;
	errno = error;
	return err_sys(err, "exec(%s)", args[0]);
}

/* The text goes through a file: a program that stops reading stops nobody. */
static int send_mail(struct lda *lda, const char *to, const struct buf *mail,
		     struct err *err)
{
	char path[] = "/tmp/dovetail-lda.XXXXXX";
	char *args[MAX_ARGS + 6];
	CLEANUP(fd_close) int fd = mkostemp(path, O_CLOEXEC);
	int status;
	pid_t pid;

	if (fd < 0)
		return err_sys(err, "mkstemp(%s)", path);
	unlink(path);
	if (file_write_all(fd, mail->data, mail->len, path, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "lseek(%s)", path);
	split_command(lda, to, args);
	if (start(args, fd, &pid, err) < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return err_sys(err, "waitpid(%s)", args[0]);
	}
	if (status != 0)
		return err_set(err, ERR_TEMPORARY, "%s failed with status %d",
			       args[0], status);
	return 0;
}

int lda_reject(struct lda *lda, const char *recipient, const char *reason,
	       struct err *err)
{
	CLEANUP(buf_free) struct buf mail = buf_init(REPORT_MAX);
	const char *to = sender(lda);

	if (to == NULL || lda->set.sendmail_path[0] == '\0')
		return err_set(err, ERR_UNSUPPORTED,
			       "nobody to tell of the rejection: %s", reason);
	write_report(lda, to, recipient, reason, &mail);
	if (mail.overflow)
		return err_set(err, ERR_LIMIT, "the header is too large");
	if (send_mail(lda, to, &mail, err) < 0)
		return -1;
	log_info("rejected: %s; told <%s>", reason, to);
	return 0;
}
