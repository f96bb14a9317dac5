/* SPDX-License-Identifier: MIT */
#include "sievetools/tool.h"

static void print_list(FILE *out, const char *title, const char *const *list)
{
	if (list == NULL || *list == NULL)
		return;
	fputs(title, out);
	for (; *list != NULL; list++)
		fprintf(out, " %s", *list);
	fputc('\n', out);
}

static void print_store(FILE *out, const struct sieve_store *store, bool copy,
			const char *mailbox)
{
	fprintf(out, " * store message in folder: %s\n",
		store->mailbox == NULL ? mailbox : store->mailbox);
	if (store->create)
		fputs("        + create mailbox if it does not exist\n", out);
	if (copy)
		fputs("        + preserve implicit keep\n", out);
	print_list(out, "        + add IMAP flags:", store->flags);
	if (store->special_use != NULL)
		fprintf(out, "        + use special-use mailbox: %s\n",
			store->special_use);
	if (store->mailbox_id != NULL)
		fprintf(out, "        + use mailbox with id: %s\n",
			store->mailbox_id);
}

static void print_vacation(FILE *out, const struct sieve_vacation *vacation)
{
	fputs(" * send vacation message:\n", out);
	fprintf(out, "    => seconds : %llu\n",
		(unsigned long long)vacation->seconds);
	if (vacation->subject != NULL)
		fprintf(out, "    => subject : %s\n", vacation->subject);
	if (vacation->from != NULL)
		fprintf(out, "    => from    : %s\n", vacation->from);
	if (vacation->handle != NULL)
		fprintf(out, "    => handle  : %s\n", vacation->handle);
	fprintf(out, "\nSTART MESSAGE\n%s\nEND MESSAGE\n", vacation->reason);
}

static void print_notify(FILE *out, const struct sieve_notify *notify)
{
	fputs(" * send notification:\n", out);
	fprintf(out, "    => method       : %s\n", notify->method);
	if (notify->from != NULL)
		fprintf(out, "    => from         : %s\n", notify->from);
	if (notify->importance != NULL)
		fprintf(out, "    => importance   : %s\n", notify->importance);
	if (notify->message != NULL)
		fprintf(out, "    => message      : %s\n", notify->message);
	if (notify->id != NULL && notify->id[0] != '\0')
		fprintf(out, "    => id           : %s\n", notify->id);
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
		fprintf(out, " * reject message with reason: %s\n",
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
		fprintf(out, " * pipe message to program: %s\n",
			action->pipe.program);
		print_list(out, "    => arguments:", action->pipe.args);
		break;
	case SIEVE_ACTION_CALENDAR:
		if (action->calendar.uid == NULL)
			break;
		fprintf(out, " * %s calendar object: %s\n",
			action->calendar.after.data == NULL ? "remove"
							    : "store",
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
