/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/mem.h"
#include "sievetools/tool.h"

enum { SHOWN_MAX = 64 * 1024 };

/* Texts are the script's, and the mail's: they move no cursor. */
static void print_line(FILE *out, struct str line)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "line");

	fputs(str_sanitize(ctx, line, SHOWN_MAX), out);
}

static void print_text(FILE *out, const char *title, const char *text)
{
	fputs(title, out);
	print_line(out, str_of(text));
	fputc('\n', out);
}

static void print_lines(FILE *out, const char *title, const char *text)
{
	struct str rest = str_of(text), line;

	fputs(title, out);
	while (str_split(&rest, '\n', &line)) {
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		print_line(out, line);
		fputc('\n', out);
	}
}

static void print_list(FILE *out, const char *title, const char *const *list)
{
	if (list == NULL || *list == NULL)
		return;
	fputs(title, out);
	for (; *list != NULL; list++) {
		fputc(' ', out);
		print_line(out, str_of(*list));
	}
	fputc('\n', out);
}

static void print_store(FILE *out, const struct sieve_store *store, bool copy,
			const char *mailbox)
{
	print_text(out, " * store message in folder: ",
		   store->mailbox == NULL ? mailbox : store->mailbox);
	if (store->create)
		fputs("        + create mailbox if it does not exist\n", out);
	if (copy)
		fputs("        + preserve implicit keep\n", out);
	print_list(out, "        + add IMAP flags:", store->flags);
	if (store->special_use != NULL)
		print_text(out, "        + use special-use mailbox: ",
			   store->special_use);
	if (store->mailbox_id != NULL)
		print_text(out, "        + use mailbox with id: ",
			   store->mailbox_id);
}

static void print_vacation(FILE *out, const struct sieve_vacation *vacation)
{
	fputs(" * send vacation message:\n", out);
	fprintf(out, "    => seconds : %llu\n",
		(unsigned long long)vacation->seconds);
	if (vacation->subject != NULL)
		print_text(out, "    => subject : ", vacation->subject);
	if (vacation->from != NULL)
		print_text(out, "    => from    : ", vacation->from);
	if (vacation->handle != NULL)
		print_text(out, "    => handle  : ", vacation->handle);
	print_lines(out, "\nSTART MESSAGE\n", vacation->reason);
	fputs("END MESSAGE\n", out);
}

static void print_notify(FILE *out, const struct sieve_notify *notify)
{
	fputs(" * send notification:\n", out);
	print_text(out, "    => method       : ", notify->method);
	if (notify->from != NULL)
		print_text(out, "    => from         : ", notify->from);
	if (notify->importance != NULL)
		print_text(out, "    => importance   : ", notify->importance);
	if (notify->message != NULL)
		print_text(out, "    => message      : ", notify->message);
	if (notify->id != NULL && notify->id[0] != '\0')
		print_text(out, "    => id           : ", notify->id);
}

static void print_action(FILE *out, const struct sieve_action *action,
			 const char *mailbox)
{
	switch (action->kind) {
	case SIEVE_ACTION_KEEP:
	case SIEVE_ACTION_FILEINTO:
		print_store(out, &action->store, action->copy, mailbox);
		return;
	case SIEVE_ACTION_REDIRECT:
		fprintf(out, " * redirect message to: <%s>\n",
			action->redirect.address);
		break;
	case SIEVE_ACTION_DISCARD:
		fputs(" * discard\n", out);
		break;
	case SIEVE_ACTION_REJECT:
		print_lines(out, " * reject message with reason: ",
			    action->reject.reason);
		break;
	case SIEVE_ACTION_VACATION:
		print_vacation(out, &action->vacation);
		break;
	case SIEVE_ACTION_NOTIFY:
		print_notify(out, &action->notify);
		break;
	case SIEVE_ACTION_REPORT:
		fprintf(out, " * report message to: <%s>\n",
			action->report.address);
		break;
	case SIEVE_ACTION_PIPE:
		print_text(out, " * pipe message to program: ",
			   action->pipe.program);
		print_list(out, "    => arguments:", action->pipe.args);
		break;
	case SIEVE_ACTION_CALENDAR:
		if (action->calendar.uid == NULL)
			break;
		print_text(out,
			   action->calendar.after.data == NULL
				   ? " * remove calendar object: "
				   : " * store calendar object: ",
			   action->calendar.uid);
		break;
	case SIEVE_ACTION_DUPLICATE_MARK:
		fprintf(out, " * track duplicate: %zu octets of id, %llu s\n",
			action->mark.id.len,
			(unsigned long long)action->mark.seconds);
		break;
	case SIEVE_ACTION_COUNT:
		break;
	}
	if (action->copy)
		fputs("        + preserve implicit keep\n", out);
}

void tool_print(FILE *out, const struct sieve_result *result,
		const char *mailbox)
{
	struct sieve_store keep = {.flags = result->flags};

	fputs("\nPerformed actions:\n\n", out);
	if (result->actions == NULL)
		fputs("  (none)\n", out);
	for (const struct sieve_action *a = result->actions; a; a = a->next)
		print_action(out, a, mailbox);
	fputs("\nImplicit keep:\n\n", out);
	if (result->keep_cancelled)
		fputs("  (none)\n", out);
	else
		print_store(out, &keep, false, mailbox);
	fputc('\n', out);
}
