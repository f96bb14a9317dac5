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
	SESSION_ID_MAX = 64,
};

static void set_ip(struct ip *ip, struct str value)
{
	char text[IP_TEXT_MAX];
	struct ip parsed;

	if (value.len >= sizeof(text))
		return;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	if (!ip_parse(text, &parsed))
		return;
	parsed.port = ip->port;
	*ip = parsed;
}

static void set_port(struct ip *ip, struct str value)
{
	uint32_t port;

	if (str_to_u32(value, &port) && port <= UINT16_MAX)
		ip->port = (uint16_t)port;
}

/* What a proxy or webmail server in login_trusted_networks may say. */
static void take_trusted(struct client *client, struct str key,
			 struct str value)
{
	if (str_case_is(key, "x-originating-ip")) {
		set_ip(&client->remote, value);
	} else if (str_case_is(key, "x-originating-port")) {
		set_port(&client->remote, value);
	} else if (str_case_is(key, "x-connected-ip")) {
		set_ip(&client->local, value);
	} else if (str_case_is(key, "x-connected-port")) {
		set_port(&client->local, value);
	} else if (str_case_is(key, "x-session-id") && value.len > 0 &&
		   value.len <= SESSION_ID_MAX) {
		mem_free(client->session_id);
		client->session_id =
			str_sanitize(client, value, SESSION_ID_MAX);
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
