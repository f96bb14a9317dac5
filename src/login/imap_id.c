/* SPDX-License-Identifier: MIT */
#include "proto/imap_id.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "login/client.h"
#include "login/imap.h"
#include "proto/imap.h"

enum {
	PAIRS_MAX = 30, /* RFC 2971 section 3.3 */
	FORWARD_LEN = sizeof("x-forward-") - 1,
};

/* What a proxy or webmail server in login_trusted_networks may say. */
static void take_trusted(struct client *client, struct str key,
			 struct str value)
{
	if (str_case_is(key, "x-originating-ip")) {
		client_take_ip(&client->remote, value);
	} else if (str_case_is(key, "x-originating-port")) {
		client_take_port(&client->remote, value);
	} else if (str_case_is(key, "x-connected-ip")) {
		client_take_ip(&client->local, value);
	} else if (str_case_is(key, "x-connected-port")) {
		client_take_port(&client->local, value);
	} else if (str_case_is(key, "x-proxy-ttl")) {
		str_to_unsigned(value, &client->ttl);
	} else if (str_case_is(key, "x-session-id")) {
		client_take_session_id(client, value);
	} else if (str_case_starts(key, "x-forward-")) {
		client_take_forward(client, str_from(key, FORWARD_LEN), value);
	}
}

bool imap_id_take(struct client *client, const struct imap_arg *arg)
{
	CLEANUP(buf_free) struct buf text = buf_init(8192);
	const struct imap_arg *list;
	struct str key, value;

	if (arg->kind == IMAP_ARG_NIL || arg->kind == IMAP_ARG_END)
		return true;
	if (arg->kind != IMAP_ARG_LIST)
		return false;
	list = arg->list;
	for (int i = 0;
	     i < PAIRS_MAX && client->trusted &&
	     imap_arg_astring(&list[0], &key) && list[1].kind != IMAP_ARG_END;
	     i++, list += 2) {
		if (imap_arg_astring(&list[1], &value))
			take_trusted(client, key, value);
	}
	imap_id_log_text(arg->list, client->set->imap_id_log, &text);
	if (text.len > 0) {
		char *line = mem_printf(NULL, "ID sent: %s", text.data);

		client_log(client, 0, line);
		mem_free(line);
	}
	return true;
}
