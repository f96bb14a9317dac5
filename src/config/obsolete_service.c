/* SPDX-License-Identifier: MIT */
/*
 * config/obsolete_service.c - settings of version 1 about processes and ports,
 * which have become service { } blocks.
 */
#include <string.h>

#include "base/cleanup.h"
#include "config/obsolete.h"

struct node *obsolete_service(struct parser *parser, const char *name)
{
	return parse_open(parser, parser->config->root, "service", name);
}

struct node *obsolete_listener(struct parser *parser, const char *service,
			       const char *name)
{
	return parse_open(parser, obsolete_service(parser, service),
			  "inet_listener", name);
}

enum change {
	AS_IT_IS,
	MEGABYTES,
	YES_IS_LOGIN, /* chroot */
	YES_IS_1,     /* service_count */
};

static const struct {
	const char *name, *setting;
	const char *services; /* "auth", or the kind of service */
	enum change change;
} moved[] = {
	{"login_chroot", "chroot", "login", YES_IS_LOGIN},
	{"login_user", "user", "login", AS_IT_IS},
	{"login_executable", "executable", "login", AS_IT_IS},
	{"login_process_size", "vsz_limit", "login", MEGABYTES},
	{"login_process_per_connection", "service_count", "login", YES_IS_1},
	{"login_processes_count", "process_min_avail", "login", AS_IT_IS},
	{"login_max_processes_count", "process_limit", "login", AS_IT_IS},
	{"login_max_connections", "client_limit", "login", AS_IT_IS},
	{"max_mail_processes", "process_limit", "mail", AS_IT_IS},
	{"mail_process_size", "vsz_limit", "mail", MEGABYTES},
	{"mail_executable", "executable", "mail", AS_IT_IS},
	{"mail_drop_priv_before_exec", "drop_priv_before_exec", "mail",
	 AS_IT_IS},
	{"auth_executable", "executable", "auth", AS_IT_IS},
	{"auth_process_size", "vsz_limit", "auth", MEGABYTES},
	{"auth_user", "user", "auth", AS_IT_IS},
	{"auth_chroot", "chroot", "auth", AS_IT_IS},
};

static const char *new_value(const void *ctx, const char *value,
			     enum change change)
{
	bool yes = str_case_is(str_of(value), "yes");

	switch (change) {
	case MEGABYTES:
		return mem_printf(ctx, "%s M", value);
	case YES_IS_LOGIN:
		return yes ? "login" : "";
	case YES_IS_1:
		return yes ? "1" : "0";
	case AS_IT_IS:
		break;
	}
	return value;
}

/* Protocols of version 1 and their services. */
static const struct {
	const char *protocol, *mail, *login;
} protocols[] = {
	{"imap", "imap", "imap-login"},
	{"sieve", "managesieve", "managesieve-login"},
	{"pop3", "pop3", "pop3-login"},
};

enum { PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]) };

/* In protocol {} a setting is for that protocol's service only. */
static bool protocol_meant(const struct node *node, size_t i)
{
	if (strcmp(node->section.kind, "protocol") != 0)
		return true;
	return strcmp(node->section.name, protocols[i].protocol) == 0;
}

static bool set_moved(struct parser *parser, struct node *node,
		      const struct statement *statement, size_t row)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "obsolete");
	const char *value = new_value(ctx, statement->value, moved[row].change);
	bool login = strcmp(moved[row].services, "login") == 0;

	if (strcmp(moved[row].services, "auth") == 0) {
		parse_obsolete(parser,
			       "%s has been replaced by service auth { %s }",
			       moved[row].name, moved[row].setting);
		parse_set_text(parser, obsolete_service(parser, "auth"),
			       moved[row].setting, value);
		return true;
	}
	parse_obsolete(parser, "%s has been replaced by service { %s }",
		       moved[row].name, moved[row].setting);
	for (size_t i = 0; i < PROTOCOLS; i++) {
		if (!protocol_meant(node, i))
			continue;
		parse_set_text(
			parser,
			obsolete_service(parser, login ? protocols[i].login
						       : protocols[i].mail),
			moved[row].setting, value);
	}
	return true;
}

/* "*:143": where the port begins; NULL if there is none. */
static const char *port_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	if (colon == NULL || colon[1] == '\0' ||
	    colon[1 + strspn(colon + 1, "0123456789")] != '\0')
		return NULL;
	/* A bare IPv6 address is no address with a port. */
	if (strchr(address, ':') != colon && strchr(address, ']') == NULL &&
	    strchr(address, ',') == NULL)
		return NULL;
	return colon + 1;
}

static void set_listener(struct parser *parser, struct node *node, bool ssl,
			 const char *setting, const char *value)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "obsolete");

	for (size_t i = 0; i < PROTOCOLS; i++) {
		const char *name = protocols[i].protocol;
		struct node *listener;

		if (!protocol_meant(node, i) || strcmp(name, "sieve") == 0)
			continue;
		if (ssl)
			name = mem_printf(ctx, "%ss", name);
		listener = obsolete_listener(parser, protocols[i].login, name);
		parse_set_text(parser, listener, setting, value);
	}
}

static bool set_listen(struct parser *parser, struct node *node,
		       const struct statement *statement)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "obsolete");
	bool ssl = strcmp(statement->key, "ssl_listen") == 0;
	bool in_protocol = strcmp(node->section.kind, "protocol") == 0;
	const char *address = statement->value, *port = port_of(address);

	if (!ssl && strcmp(statement->key, "listen") != 0)
		return false;
	if (port == NULL && !ssl && !in_protocol)
		return false;
	if (port != NULL) {
		parse_obsolete(parser,
			       "%s=..:port has been replaced by service { "
			       "inet_listener { port } }",
			       statement->key);
		set_listener(parser, node, ssl, "port", port);
		address =
			mem_strndup(ctx, address, (size_t)(port - 1 - address));
	}
	if (!ssl && !in_protocol) {
		parse_set_text(parser, node, "listen", address);
		return true;
	}
	parse_obsolete(parser,
		       "protocol { %s } has been replaced by service { "
		       "inet_listener { address } }",
		       statement->key);
	set_listener(parser, node, ssl, "address", address);
	return true;
}

bool obsolete_service_set(struct parser *parser, struct node *node,
			  const struct statement *statement)
{
	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		if (strcmp(moved[i].name, statement->key) == 0)
			return set_moved(parser, node, statement, i);
	}
	return set_listen(parser, node, statement);
}
