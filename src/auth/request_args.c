/* SPDX-License-Identifier: MIT */
/*
 * auth/request_args.c - a request in the lines of the protocol: from a client,
 * and on to a worker.
 */
#include "auth/request.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/auth.h"

#define FIELD(name) offsetof(struct request, name)
#define AT(type, request, offset)                                              \
	((type *)(void *)((char *)(request) + (offset)))

static const struct {
	const char *ip, *port;
	size_t offset;
} addresses[] = {
	{"rip", "rport", FIELD(remote)},
	{"lip", "lport", FIELD(local)},
	{"real_rip", "real_rport", FIELD(real_remote)},
	{"real_lip", "real_lport", FIELD(real_local)},
};

/* Who may say it: all who ask, or only auth to its workers; and whether these
 * need to know. */
enum { TOLD = 1, SENT = 2 };

static const struct {
	const char *key;
	size_t offset;
	int ways;
} texts[] =
	{
		{"service", FIELD(service), TOLD | SENT},
		{"session", FIELD(session_id), TOLD | SENT},
		{"local_name", FIELD(local_name), TOLD | SENT},
		{"client_id", FIELD(client_id), TOLD | SENT},
		{"session_pid", FIELD(session_pid), TOLD | SENT},
		{"client_pid", FIELD(client_pid), SENT},
		{"mech", FIELD(mech), SENT},
		{"user", FIELD(user), SENT},
		{"original_user", FIELD(original_user), SENT},
		{"login_user", FIELD(login_user), SENT},
		{"master_user", FIELD(master_user), SENT},
		{"auth_user", FIELD(auth_user), SENT},
		{"forward_fields", FIELD(forward_fields), TOLD | SENT},
		{"cert_username", FIELD(cert_user), TOLD},
		{"cb-tls-exporter", FIELD(tls_exporter), TOLD},
		{"cb-tls-server-end-point", FIELD(tls_server_end_point), TOLD},
},
  flags[] = {
	  {"secured", FIELD(secured), TOLD | SENT},
	  {"in_master", FIELD(in_master), SENT},
	  {"debug", FIELD(debug), TOLD | SENT},
	  {"no-penalty", FIELD(no_penalty), TOLD},
	  {"final-resp-ok", FIELD(final_resp_ok), TOLD},
	  {"valid-client-cert", FIELD(valid_cert), TOLD | SENT},
};

enum {
	ADDRESSES = sizeof(addresses) / sizeof(addresses[0]),
	TEXTS = sizeof(texts) / sizeof(texts[0]),
	FLAGS = sizeof(flags) / sizeof(flags[0]),
};

static void set_ip(struct ip *ip, struct str value)
{
	char *text = str_tab_unescape(NULL, value);
	uint16_t port = ip->port;

	if (ip_parse(text, ip))
		ip->port = port;
	mem_free(text);
}

static void set_port(struct ip *ip, struct str value)
{
	uint32_t port;

	if (str_to_u32(value, &port) && port <= UINT16_MAX)
		ip->port = (uint16_t)port;
}

/* Each is a field forward_* of the passdb, that no later one takes back. */
static void take_forwarded(struct request *request)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "forwarded");
	struct fields forwarded = fields_init(ctx);

	fields_parse(&forwarded, str_of(request->forward_fields));
	for (size_t i = 0; i < forwarded.count; i++)
		fields_set(&request->pass_fields,
			   mem_printf(ctx, "forward_%s", forwarded.list[i].key),
			   forwarded.list[i].value);
	request_fields_save(request);
}

static void set_arg(struct request *request, struct str key, struct str value,
		    int way)
{
	for (size_t i = 0; i < ADDRESSES; i++) {
		struct ip *ip = AT(struct ip, request, addresses[i].offset);

		if (str_is(key, addresses[i].ip))
			set_ip(ip, value);
		else if (str_is(key, addresses[i].port))
			set_port(ip, value);
	}
	for (size_t i = 0; i < FLAGS; i++) {
		if ((flags[i].ways & way) != 0 && str_is(key, flags[i].key))
			*AT(bool, request, flags[i].offset) = true;
	}
	for (size_t i = 0; i < TEXTS; i++) {
		if ((texts[i].ways & way) != 0 && str_is(key, texts[i].key))
			*AT(const char *, request, texts[i].offset) =
				str_tab_unescape(request, value);
	}
	if (str_is(key, "forward_fields"))
		take_forwarded(request);
	if (str_is(key, "secured") && str_is(value, "tls"))
		request->is_tls = true;
	if (str_is(key, "debug"))
		request->verbose = true;
}

void request_set_arg(struct request *request, struct str key, struct str value)
{
	set_arg(request, key, value, TOLD);
}

void request_read(struct request *request, struct str in)
{
	struct str key, value;

	while (str_split(&in, '\t', &value)) {
		str_split(&value, '=', &key);
		set_arg(request, key, value, SENT);
	}
}

static void write_address(struct buf *out, const char *ip_key,
			  const char *port_key, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	if (ip->family == 0)
		return;
	auth_write_value(out, ip_key, ip_text(ip, text));
	if (ip->port != 0)
		buf_printf(out, "\t%s=%u", port_key, ip->port);
}

void request_write(const struct request *request, struct buf *out)
{
	for (size_t i = 0; i < TEXTS; i++) {
		const char *text = *AT(const char *, request, texts[i].offset);

		if ((texts[i].ways & SENT) != 0 && text != NULL &&
		    *text != '\0')
			auth_write_value(out, texts[i].key, text);
	}
	for (size_t i = 0; i < ADDRESSES; i++)
		write_address(out, addresses[i].ip, addresses[i].port,
			      AT(struct ip, request, addresses[i].offset));
	for (size_t i = 0; i < FLAGS; i++) {
		if ((flags[i].ways & SENT) != 0 &&
		    *AT(bool, request, flags[i].offset))
			buf_printf(out, "\t%s", flags[i].key);
	}
}
