/* SPDX-License-Identifier: MIT */
/*
 * doveadm/who.c - `doveadm who` and `kick`: the sessions that anvil knows.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/mask.h"
#include "doveadm/client.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/print.h"
#include "service/anvil.h"

enum { SESSIONS_MAX = 1000000, LIST_MAX = 1 << 20 };

/* Processes of one user, service and address. */
struct session {
	const char *user, *service, *ip;
	uint32_t pid;
	unsigned count;
};

struct sessions {
	const void *ctx;
	struct session *at;
	size_t count, room;
	bool marks; /* those of ANVIL_APP_PASSWORD, and no others */
};

struct filter {
	const char *user;    /* a mask; NULL is all */
	const char *network; /* NULL is all */
};

/* asking anvil */

/* "imap/192.0.2.1/alice <tab> pid <tab> count" */
static bool session_parse(const void *ctx, struct str line, struct session *out)
{
	struct str rest = str_of(line_word(ctx, line, 0)), service, ip;

	if (!str_split(&rest, '/', &service) || !str_split(&rest, '/', &ip) ||
	    rest.data == NULL)
		return false;
	out->service = str_dup(ctx, service);
	out->ip = str_dup(ctx, ip);
	out->user = str_dup(ctx, rest);
	return str_to_u32(str_of(line_word(ctx, line, 1)), &out->pid) &&
	       str_to_unsigned(str_of(line_word(ctx, line, 2)), &out->count);
}

static bool filter_matches(const struct filter *filter,
			   const struct session *session)
{
	struct ip ip;

	if (filter->user != NULL &&
	    !mask_match_any_case(filter->user, session->user))
		return false;
	return filter->network == NULL || (ip_parse(session->ip, &ip) &&
					   ip_in_network(&ip, filter->network));
}

static int sessions_add(void *ctx, struct str line, struct err *err)
{
	struct sessions *list = ctx;
	struct session session;

	if (list->count == SESSIONS_MAX)
		return err_set(err, ERR_LIMIT, "Too many sessions");
	if (!session_parse(list->ctx, line, &session) ||
	    list->marks != (strcmp(session.service, ANVIL_APP_PASSWORD) == 0))
		return 0;
	if (list->count == list->room) {
		list->room = list->room == 0 ? 64 : 2 * list->room;
		list->at = mem_resize(list->ctx, list->at, struct session,
				      list->room);
	}
	list->at[list->count++] = session;
	return 0;
}

/* All sessions, whatever the filter says; returns the exit status. */
static int sessions_get(struct doveadm *adm, const char *socket,
			struct sessions *out)
{
	struct client *client;
	struct err err;

	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	out->ctx = adm->ctx;
	if (client_open(adm->ctx, doveadm_socket(adm, socket, "anvil"), &client,
			&err) < 0 ||
	    client_ask_anvil(client, "CONNECT-DUMP", sessions_add, out, &err) <
		    0)
		return give_up("%s", err.text);
	return EX_OK;
}

/* Words of the command line; returns the exit status. */
static int filter_take(struct filter *filter, int count, char **words)
{
	for (int i = 0; i < count; i++) {
		if (ip_network_valid(words[i])) {
			if (filter->network != NULL) {
				complain("Multiple network masks not "
					 "supported");
				return EX_USAGE;
			}
			filter->network = words[i];
		} else if (filter->user != NULL) {
			complain("Multiple username masks not supported");
			return EX_USAGE;
		} else {
			filter->user = words[i];
		}
	}
	return EX_OK;
}

/* who */

static bool same_group(const struct session *a, const struct session *b)
{
	return strcmp(a->user, b->user) == 0 &&
	       strcmp(a->service, b->service) == 0;
}

/* Append a word once to "(a b c". */
static void list_add(struct buf *list, const char *word)
{
	struct str rest = str_n(list->data, list->len), known;

	if (list->len > 0)
		rest = str_from(rest, 1);
	while (str_word(&rest, &known)) {
		if (str_is(known, word))
			return;
	}
	buf_printf(list, "%c%s", list->len == 0 ? '(' : ' ', word);
}

/* As in Dovecot all of a group is shown if one of its sessions matches. */
static bool group_matches(const struct sessions *list, size_t first,
			  const struct filter *filter)
{
	for (size_t i = first; i < list->count; i++) {
		if (same_group(&list->at[i], &list->at[first]) &&
		    filter_matches(filter, &list->at[i]))
			return true;
	}
	return false;
}

/* The group of the first session that is not shown yet. */
static void who_group(struct printer *printer, struct sessions *list,
		      size_t first)
{
	CLEANUP(buf_free) struct buf pids = buf_init(LIST_MAX);
	CLEANUP(buf_free) struct buf ips = buf_init(LIST_MAX);
	struct session group = list->at[first];
	unsigned count = 0;
	char pid[16];

	for (size_t i = first; i < list->count; i++) {
		struct session *session = &list->at[i];

		if (session->count == 0 || !same_group(session, &group))
			continue;
		snprintf(pid, sizeof(pid), "%u", (unsigned)session->pid);
		list_add(&pids, pid);
		if (session->ip[0] != '\0')
			list_add(&ips, session->ip);
		count += session->count;
		session->count = 0; /* shown */
	}
	if (ips.len == 0)
		buf_putc(&ips, '(');
	buf_putc(&pids, ')');
	buf_putc(&ips, ')');
	print_value(printer, group.user);
	print_number(printer, count);
	print_value(printer, group.service);
	print_value(printer, pids.data);
	print_value(printer, ips.data);
	print_flush(printer);
}

static void who_grouped(struct printer *printer, struct sessions *list,
			const struct filter *filter)
{
	print_column(printer, "username", "username", 0);
	print_column(printer, "connections", "#", PRINT_RIGHT);
	print_column(printer, "service", "proto", 0);
	print_column(printer, "pids", "(pids)", 0);
	print_column(printer, "ips", "(ips)", 0);
	for (size_t i = 0; i < list->count; i++) {
		if (list->at[i].count > 0 && group_matches(list, i, filter))
			who_group(printer, list, i);
	}
}

static void who_single(struct printer *printer, const struct sessions *list,
		       const struct filter *filter)
{
	print_column(printer, "username", "username", PRINT_EXPAND);
	print_column(printer, "service", "proto", 0);
	print_columns(printer, 0, "pid", "ip", NULL);
	for (size_t i = 0; i < list->count; i++) {
		const struct session *session = &list->at[i];

		if (!filter_matches(filter, session))
			continue;
		for (unsigned n = 0; n < session->count; n++) {
			print_value(printer, session->user);
			print_value(printer, session->service);
			print_number(printer, session->pid);
			print_value(printer, session->ip);
		}
	}
}

int cmd_who(struct doveadm *adm, int argc, char **argv)
{
	struct sessions all = {.count = 0};
	struct filter filter = {NULL, NULL};
	struct printer *printer;
	int status = filter_take(&filter, argc, argv);

	if (status != EX_OK)
		return status;
	printer = doveadm_printer(adm, "table");
	status = printer != NULL
			 ? sessions_get(adm, doveadm_value(adm, 'a'), &all)
			 : EX_TEMPFAIL;
	if (status != EX_OK)
		return status;
	if (doveadm_value(adm, '1') != NULL)
		who_single(printer, &all, &filter);
	else
		who_grouped(printer, &all, &filter);
	print_end(&printer);
	return EX_OK;
}

/* kick */

/* A process that serves somebody else too is spared without -f. */
static bool spared(const struct sessions *all, const struct filter *filter,
		   uint32_t pid, bool force)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct session *session = &all->at[i];

		if (session->pid == pid && session->count > 0 &&
		    !filter_matches(filter, session) && !force)
			return true;
	}
	return false;
}

static bool was_kicked(const struct sessions *all, const char *user)
{
	for (size_t i = 0; i < all->count; i++) {
		if (all->at[i].count == 0 && strcmp(all->at[i].user, user) == 0)
			return true;
	}
	return false;
}

/* The users of one process, who lose their sessions together. */
static void tell_kicked(struct printer *printer, struct sessions *all,
			uint32_t pid, bool first)
{
	bool told;

	if (printer == NULL && first)
		puts("kicked connections from the following users:");
	for (size_t i = 0; i < all->count; i++) {
		struct session *session = &all->at[i];

		if (session->pid != pid || session->count == 0)
			continue;
		told = was_kicked(all, session->user);
		session->count = 0; /* done */
		if (told)
			continue;
		if (printer != NULL)
			print_value(printer, session->user);
		else
			printf("%s ", session->user);
	}
}

static bool end_process(uint32_t pid)
{
	if (kill((pid_t)pid, SIGTERM) == 0 || errno == ESRCH)
		return true;
	complain("kill(%u) failed: %s", (unsigned)pid, strerror(errno));
	return false;
}

int doveadm_end_sessions(struct doveadm *adm, const char *app_password)
{
	struct sessions marks = {.marks = true};
	int status = sessions_get(adm, NULL, &marks);

	for (size_t i = 0; i < marks.count; i++) {
		const struct session *mark = &marks.at[i];

		if (strcmp(mark->user, app_password) == 0 && mark->pid > 0 &&
		    mark->pid <= INT32_MAX && !end_process(mark->pid))
			status = EX_TEMPFAIL;
	}
	return status;
}

static int kick_matching(struct printer *printer, struct sessions *all,
			 const struct filter *filter, bool force)
{
	unsigned kicked = 0;

	for (size_t i = 0; i < all->count; i++) {
		const struct session *session = &all->at[i];
		uint32_t pid = session->pid;

		if (session->count == 0 || pid == 0 || pid > INT32_MAX ||
		    !filter_matches(filter, session) ||
		    spared(all, filter, pid, force))
			continue;
		if (!end_process(pid))
			continue;
		tell_kicked(printer, all, pid, kicked == 0);
		kicked++;
	}
	if (kicked == 0)
		puts("no users kicked");
	else if (printer == NULL)
		putchar('\n');
	return kicked > 0 ? EX_OK : EX_NOHOST;
}

int cmd_kick(struct doveadm *adm, int argc, char **argv)
{
	struct sessions all = {.count = 0};
	struct filter filter = {NULL, NULL};
	struct printer *printer = NULL;
	int status;

	if (argc == 0) {
		complain("user and/or ip[/bits] must be specified.");
		return EX_USAGE;
	}
	status = filter_take(&filter, argc, argv);
	if (status != EX_OK)
		return status;
	if (adm->formatter != NULL) {
		printer = doveadm_printer(adm, NULL);
		if (printer == NULL)
			return EX_TEMPFAIL;
		print_column(printer, "result", "result", 0);
		print_begin(printer);
	}
	status = sessions_get(adm, doveadm_value(adm, 'a'), &all);
	if (status != EX_OK)
		return status;
	status = kick_matching(printer, &all, &filter,
			       doveadm_value(adm, 'f') != NULL);
	print_end(&printer);
	return status;
}
