/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "login/client.h"
#include "login/imap.h"
#include "proto/imap.h"

enum {
	PAIRS_MAX = 30, /* RFC 2971 section 3.3 */
	KEY_SHOWN = 30,
	VALUE_SHOWN = 200,
	SESSION_ID_MAX = 64,
};

static const char *preset(struct str key, struct utsname *system)
{
	if (str_case_is(key, "name"))
		return "Dovetail";
	if (str_case_is(key, "version"))
		return PACKAGE_VERSION;
	if (str_case_is(key, "os"))
		return system->sysname;
	if (str_case_is(key, "os-version"))
		return system->release;
	return NULL;
}

void imap_id_write(const struct client *client, struct buf *out)
{
	struct str rest = str_of(client->set->imap_id_send), key, value;
	struct utsname system;
	bool any = false;

	if (uname(&system) < 0)
		memset(&system, 0, sizeof(system));
	buf_add(out, "* ID ");
	while (str_word(&rest, &key) && str_word(&rest, &value)) {
		if (str_is(value, "*")) {
			const char *text = preset(key, &system);

			if (text == NULL)
				continue;
			value = str_of(text);
		}
		buf_putc(out, any ? ' ' : '(');
		imap_write_nstring(out, key);
		buf_putc(out, ' ');
		imap_write_nstring(out, value);
		any = true;
	}
	buf_add(out, any ? ")\r\n" : "NIL\r\n");
}

static bool is_wanted(const char *list, struct str key)
{
	struct str rest = str_of(list), word;

	while (str_word(&rest, &word)) {
		if (str_is(word, "*") || str_case_equal(word, key))
			return true;
	}
	return false;
}

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
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "ID");
	struct str key, value;

	if (arg->kind == IMAP_ARG_NIL || arg->kind == IMAP_ARG_END)
		return true;
	if (arg->kind != IMAP_ARG_LIST)
		return false;
	buf_add(&text, "ID sent: ");
	arg = arg->list;
	for (int i = 0; i < PAIRS_MAX && imap_arg_astring(&arg[0], &key) &&
			arg[1].kind != IMAP_ARG_END;
	     i++, arg += 2) {
		bool is_nil = !imap_arg_astring(&arg[1], &value);

		if (client->trusted && !is_nil)
			take_trusted(client, key, value);
		if (!is_wanted(client->set->imap_id_log, key))
			continue;
		buf_printf(&text, "%s%s=%s", i == 0 ? "" : ", ",
			   str_sanitize(ctx, key, KEY_SHOWN),
			   is_nil ? "NIL"
				  : str_sanitize(ctx, value, VALUE_SHOWN));
	}
	if (text.len > strlen("ID sent: "))
		client_log(client, 0, text.data);
	return true;
}
