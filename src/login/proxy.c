/* SPDX-License-Identifier: MIT */
#include "login/proxy.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "login/auth_link.h"
#include "login/login.h"
#include "login/protocol.h"
#include "login/proxy_list.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "net/tls.h"
#include "proto/auth.h"

enum {
	RECONNECT_MS = 1000,
	DOWN_AFTER_MS = 30 * 1000,
	TEXT_MAX = 1024,
	ALIASES_MAX = 400,
	SAID_MAX = 256, /* of what the other server said, for the log */
};

static const char unavailable[] = "Account is temporarily unavailable.";
static const char read_only[] =
	"Read-only app passwords are of no use for this account.";

/* TLS */

void login_proxy_preload(struct login *login)
{
	const struct config_filter filter = {.protocol = login->protocol->name};
	struct tls_client_settings client;
	struct tls_settings tls;
	struct err err;

	proxy_notify_open(login);
	proxy_sources_load(login);
	if (config_read(login, login->config, &filter, tls_settings, &tls,
			&err) < 0 ||
	    config_read(login, login->config, &filter, tls_client_settings,
			&client, &err) < 0 ||
	    tls_client_new(login, &tls, &client, &login->proxy_tls, &err) < 0) {
		log_error("Failed to initialize SSL client context: %s",
			  err.text);
		return;
	}
	client.ssl_client_require_valid_cert = false;
	if (tls_client_new(login, &tls, &client, &login->proxy_tls_any_cert,
			   &err) < 0)
		log_error("Failed to initialize SSL client context: %s",
			  err.text);
}

/* the log */

/* "proxy(alice,192.0.2.1:143): TEXT" */
static char *name_it(const struct login_proxy *proxy, const char *text)
{
	char ip[IP_TEXT_MAX];

	if (proxy->ip.family == 0)
		return mem_printf(proxy, "proxy(%s): %s", proxy->client->user,
				  text);
	return mem_printf(proxy, "proxy(%s,%s:%u): %s", proxy->client->user,
			  ip_text(&proxy->ip, ip), proxy->ip.port, text);
}

static void log_started(const struct login_proxy *proxy)
{
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MAX);
	uint64_t took = clock_monotonic_ms() - proxy->started_ms;
	char ip[IP_TEXT_MAX];

	buf_printf(&text, "Started proxying to <%s>", ip_text(&proxy->ip, ip));
	if (strcmp(proxy->host, ip) != 0)
		buf_printf(&text, " (<%s>)", proxy->host);
	if (strcmp(proxy->user, proxy->client->user) != 0)
		buf_printf(&text, " as user %s", proxy->user);
	if (proxy->master != NULL)
		buf_printf(&text, " (master %s)", proxy->master);
	if (proxy->has_source)
		buf_printf(&text, " from %s", ip_text(&proxy->source, ip));
	buf_printf(&text, " (%llu.%03llu secs",
		   (unsigned long long)(took / 1000),
		   (unsigned long long)(took % 1000));
	if (proxy->reconnects > 0)
		buf_printf(&text, ", %u reconnects", proxy->reconnects);
	buf_putc(&text, ')');
	client_log(proxy->client, 0, name_it(proxy, text.data));
}

/* the end of a try */

void login_proxy_free(struct client *client)
{
	struct login_proxy *proxy = client->to;

	if (proxy == NULL)
		return;
	proxy_list_remove(client->login->proxied, client);
	proxy_host_tried(proxy, PROXY_LEFT);
	client->to = NULL;
	if (proxy->password != NULL)
		mem_wipe(proxy->password, strlen(proxy->password));
	timer_free(&proxy->timer);
	timer_free(&proxy->notify_timer);
	conn_free(&proxy->conn);
	buf_free(&proxy->aliases);
	mem_free(proxy);
}

static void answer(struct login_proxy *proxy, enum login_result result,
		   const char *text)
{
	struct client *client = proxy->client;
	char *copy = mem_strdup(client, text);

	login_proxy_free(client);
	client_refuse(client, result, copy);
	mem_free(copy);
}

void login_proxy_refused(struct login_proxy *proxy, const char *text)
{
	proxy->client->dest_failed = true;
	proxy->client->attempts++;
	answer(proxy, LOGIN_REMOTE, text);
}

static void give_up(struct login_proxy *proxy, const char *text)
{
	client_log_error(proxy->client, name_it(proxy, text));
	answer(proxy, LOGIN_TEMPORARY, unavailable);
}

void login_proxy_failed(struct login_proxy *proxy, const char *why)
{
	give_up(proxy, why);
}

static void proxy_connect(void *ctx);

/* Another address at once; from the last one on, the first again after a while.
 * False: it was tried often enough. */
static bool try_again(struct login_proxy *proxy, uint64_t took)
{
	struct duration wait = {RECONNECT_MS};
	uint16_t port = proxy->ip.port;

	if (proxy->reconnects + 1 < proxy->ip_count)
		wait.ms = 0;
	else if (proxy->reconnects >=
		 proxy->client->set->login_proxy_max_reconnects)
		return false;
	if (took + wait.ms >= proxy->timeout.ms)
		return false;
	proxy->reconnects++;
	if (proxy->ip_count > 0) {
		proxy->ip = proxy->ips[proxy->reconnects % proxy->ip_count];
		proxy->ip.port = port;
	}
	conn_free(&proxy->conn);
	timer_free(&proxy->timer);
	proxy->timer = timer_new(proxy->client->login->loop, wait,
				 proxy_connect, proxy);
	return true;
}

bool login_proxy_retry(struct login_proxy *proxy)
{
	return try_again(proxy, clock_monotonic_ms() - proxy->started_ms);
}

void login_proxy_unexpected(struct login_proxy *proxy, struct str line)
{
	/* Busy, or just being started. */
	if (proxy->step == 0 && login_proxy_retry(proxy))
		return;
	give_up(proxy,
		mem_printf(proxy, "Remote server sent invalid input: %s%s",
			   proxy->step == 0 ? "Invalid banner: " : "",
			   str_sanitize(proxy, line, SAID_MAX)));
}

void login_proxy_aborted(struct login_proxy *proxy, const char *what,
			 struct str line)
{
	give_up(proxy,
		mem_printf(proxy, "Aborting due to remote server: %s: %s", what,
			   str_sanitize(proxy, line, SAID_MAX)));
}

/* Whether somebody is at the other end, although he says nothing: the log shall
 * not send the administrator to the network. */
static bool reached(const struct login_proxy *proxy)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	return proxy->conn != NULL &&
	       getpeername(conn_fd(proxy->conn), (struct sockaddr *)&peer,
			   &len) == 0;
}

static void lost(struct login_proxy *proxy, const char *why)
{
	uint64_t took = clock_monotonic_ms() - proxy->started_ms;
	bool there = proxy->connected || *why == '\0' || reached(proxy);
	char ip[IP_TEXT_MAX];

	proxy_host_tried(proxy, PROXY_SILENT);
	conn_free(&proxy->conn);
	if (try_again(proxy, took))
		return;
	if (there)
		give_up(proxy, mem_printf(proxy,
					  "Disconnected by server: Connection "
					  "closed%s%s (duration=%llus)",
					  *why == '\0' ? "" : ": ", why,
					  (unsigned long long)(took / 1000)));
	else
		give_up(proxy,
			mem_printf(proxy,
				   "connect(%s, %u) failed: %s (after %llu "
				   "secs, %u reconnects)",
				   ip_text(&proxy->ip, ip), proxy->ip.port, why,
				   (unsigned long long)(took / 1000),
				   proxy->reconnects));
}

static void too_late(void *ctx)
{
	struct login_proxy *proxy = ctx;
	uint64_t took = clock_monotonic_ms() - proxy->started_ms;

	proxy_host_tried(proxy, PROXY_SILENT);
	if (proxy->connected || reached(proxy))
		give_up(proxy,
			mem_printf(proxy, "Login timed out (after %llu secs)",
				   (unsigned long long)(took / 1000)));
	else /* and there is no more time for another try */
		lost(proxy, "Connection timed out");
}

/* the conversation */

static void on_input(void *ctx)
{
	struct login_proxy *proxy = ctx;
	struct client *client = proxy->client;

	proxy->connected = true;
	proxy_host_tried(proxy, PROXY_ANSWERED);
	/* Each line may end the proxy, or this connection. */
	while (client->to == proxy && proxy->conn != NULL && !proxy->joined) {
		CLEANUP(ctx_free) TALLOC_CTX *copy = NULL;
		struct str in = conn_input(proxy->conn);
		ptrdiff_t end = str_find_char(in, '\n');
		struct str line;

		if (end < 0 && in.len >= CLIENT_INPUT_MIN) {
			login_proxy_failed(proxy,
					   "Remote server sent invalid input: "
					   "Too long input line");
			return;
		}
		if (end < 0)
			return;
		copy = str_dup(NULL, str_n(in.data, (size_t)end));
		conn_consume(proxy->conn, (size_t)end + 1);
		line = str_of((const char *)copy);
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		client->protocol->proxy_line(proxy, line);
	}
}

static void on_closed(void *ctx, const char *why)
{
	lost(ctx, why);
}

static const struct conn_events events = {
	.input = on_input,
	.closed = on_closed,
};

static void on_secured(void *ctx)
{
	struct login_proxy *proxy = ctx;

	if (proxy->tls_mode == PROXY_STARTTLS)
		proxy->client->protocol->proxy_secured(proxy);
}

void login_proxy_start_tls(struct login_proxy *proxy)
{
	struct login *login = proxy->client->login;

	conn_start_tls_to(proxy->conn,
			  proxy->any_cert ? login->proxy_tls_any_cert
					  : login->proxy_tls,
			  proxy->host, on_secured);
}

/* It would only wait with the others; another address may do. */
static void down(struct login_proxy *proxy, uint64_t took)
{
	if (proxy->reconnects + 1 >= proxy->ip_count || !try_again(proxy, took))
		give_up(proxy, "Host is down");
}

static void proxy_connect(void *ctx)
{
	struct login_proxy *proxy = ctx;
	struct login *login = proxy->client->login;
	uint64_t took = clock_monotonic_ms() - proxy->started_ms;
	struct err err;
	int fd;

	timer_free(&proxy->timer);
	proxy->step = proxy->capabilities = proxy->responses = 0;
	proxy->xclient = NULL;
	proxy->connected = false;
	if (!proxy_host_try(proxy)) {
		down(proxy, took);
		return;
	}
	proxy->timer =
		timer_new(login->loop,
			  (struct duration){took < proxy->timeout.ms
						    ? proxy->timeout.ms - took
						    : 1},
			  too_late, proxy);
	fd = sock_connect_ip(&proxy->ip,
			     proxy->has_source ? &proxy->source : NULL, &err);
	if (fd < 0) {
		lost(proxy, err.text);
		return;
	}
	proxy->conn = conn_new(proxy, login->loop, fd, CLIENT_INPUT_MAX,
			       &events, proxy);
	conn_rawlog(proxy->conn, proxy->client->set->login_proxy_rawlog_dir);
	if (proxy->tls_mode == PROXY_TLS)
		login_proxy_start_tls(proxy);
}

/* joined */

static void log_end(struct client *client, const char *by)
{
	struct login_proxy *proxy = client->to;
	uint64_t in = conn_bytes_out(proxy->conn);
	uint64_t out = conn_bytes_out(client->conn);
	uint64_t idle = conn_idle_ms(proxy->conn) < conn_idle_ms(client->conn)
				? conn_idle_ms(proxy->conn)
				: conn_idle_ms(client->conn);

	client_log(
		client, 0,
		name_it(proxy, mem_printf(proxy,
					  "Disconnected by %s (%llus idle, "
					  "in=%llu, out=%llu)",
					  by, (unsigned long long)(idle / 1000),
					  (unsigned long long)in,
					  (unsigned long long)out)));
}

static void end_later(void *ctx)
{
	client_free(ctx);
}

/* The server went away, with all its other users too: they shall not come back
 * all at once. */
static void ended(void *ctx, uint64_t to_client, uint64_t to_server,
		  const char *why)
{
	struct client *client = ctx;
	struct login_proxy *proxy = client->to;
	uint64_t most = client->set->login_proxy_max_disconnect_delay.ms;
	bool by_server = conn_closed(proxy->conn);

	(void)to_client;
	(void)to_server;
	(void)why;
	log_end(client, by_server ? "server" : "client");
	if (!by_server || most == 0) {
		client_free(client);
		return;
	}
	conn_free(&proxy->conn);
	proxy->timer = timer_new(client->login->loop,
				 (struct duration){random_u64() % most},
				 end_later, client);
}

void login_proxy_kick(struct client *client)
{
	client_log(
		client, 0,
		name_it(client->to, "Disconnected by proxy: Kicked by admin"));
	client_free(client);
}

void login_proxy_done(struct login_proxy *proxy)
{
	struct client *client = proxy->client;

	timer_free(&proxy->timer);
	if (proxy->password != NULL)
		mem_wipe(proxy->password, strlen(proxy->password));
	auth_link_cancel(client->login->auth, client);
	log_started(proxy);
	proxy->joined = true;
	client->state = CLIENT_PROXY;
	client->login->proxies++;
	login_counted(client->login);
	mem_free(client->data);
	client->data = NULL;
	proxy_list_add(client->login->proxied, client);
	proxy_notify_begin(proxy);
	conn_join(client->conn, proxy->conn, ended, client);
}

/* the target */

static const char *field(const struct login_proxy *proxy,
			 const struct auth_line *fields, const char *key)
{
	struct str value = auth_line_value(fields, key);

	return value.data == NULL ? NULL : str_tab_unescape(proxy, value);
}

/* "30" seconds, "500 msecs"... */
static int parse_timeout(struct login_proxy *proxy, const char *text,
			 struct err *err)
{
	uint64_t seconds;

	proxy->timeout = proxy->client->set->login_proxy_timeout;
	if (text == NULL)
		return 0;
	if (str_to_u64(str_of(text), &seconds))
		proxy->timeout.ms = seconds * 1000;
	else if (setting_parse_duration(text, &proxy->timeout, err) < 0)
		return err_set(err, ERR_INVALID,
			       "Invalid proxy_timeout value %s", text);
	return 0;
}

static void parse_tls(struct login_proxy *proxy, const char *ssl,
		      const char *starttls)
{
	if (starttls != NULL && strcmp(starttls, "no") != 0)
		proxy->tls_mode = PROXY_STARTTLS;
	else if (ssl != NULL && strcmp(ssl, "no") != 0)
		proxy->tls_mode = PROXY_TLS;
	proxy->any_cert =
		(ssl != NULL && strcmp(ssl, "any-cert") == 0) ||
		(starttls != NULL && strcmp(starttls, "any-cert") == 0);
}

static void parse_refresh(struct login_proxy *proxy, const char *text)
{
	uint64_t seconds;

	if (text == NULL)
		return;
	if (str_to_u64(str_of(text), &seconds) && seconds < UINT32_MAX)
		proxy->refresh.ms = seconds * 1000;
	else
		client_log_error(proxy->client,
				 mem_printf(proxy,
					    "BUG: Auth service returned "
					    "invalid proxy_refresh value: %s",
					    text));
}

static void parse_down_after(struct login_proxy *proxy, const char *text)
{
	struct err err;

	proxy->down_after.ms = DOWN_AFTER_MS;
	if (text != NULL &&
	    setting_parse_duration(text, &proxy->down_after, &err) < 0)
		client_log_error(
			proxy->client,
			mem_printf(proxy,
				   "BUG: Auth service returned invalid "
				   "proxy_host_immediate_failure_after value "
				   "'%s': %s",
				   text, err.text));
}

/* One of login_source_ips, if the passdb has none. */
static int parse_source(struct login_proxy *proxy, const char *text,
			struct err *err)
{
	if (text == NULL) {
		proxy->has_source = proxy_source_get(
			proxy->client->login, proxy->ip.family, &proxy->source);
		return 0;
	}
	proxy->has_source = true;
	if (!ip_parse(text, &proxy->source))
		return err_set(err, ERR_INVALID, "Invalid source_ip value %s",
			       text);
	return 0;
}

/* All of the host, beginning with that of hostip. */
static void parse_addresses(struct login_proxy *proxy, const char *text)
{
	struct str rest = str_of(text), word;

	proxy->ips[proxy->ip_count++] = proxy->ip;
	while (proxy->ip_count < PROXY_IPS_MAX && str_word(&rest, &word)) {
		struct ip *ip = &proxy->ips[proxy->ip_count];

		if (ip_parse(str_dup(proxy, word), ip) &&
		    !ip_equal(ip, &proxy->ip))
			proxy->ip_count++;
	}
}

static int parse_address(struct login_proxy *proxy,
			 const struct auth_line *fields, struct err *err)
{
	const struct login_protocol *protocol = proxy->client->protocol;
	const char *port = field(proxy, fields, "port");
	const char *ip = field(proxy, fields, "hostip");
	uint32_t number = proxy->tls_mode == PROXY_TLS ? protocol->tls_port
						       : protocol->port;

	if (port != NULL && (!str_to_u32(str_of(port), &number) ||
			     number > UINT16_MAX || number == 0))
		return err_set(err, ERR_INVALID, "Invalid port number: %s",
			       port);
	proxy->host = field(proxy, fields, "host");
	if (proxy->host == NULL || proxy->host[0] == '\0')
		return err_set(err, ERR_INVALID, "host not given");
	if (!ip_parse(ip != NULL ? ip : proxy->host, &proxy->ip))
		return err_set(err, ERR_INVALID,
			       "host %s is not an IP and hostip is not given",
			       proxy->host);
	proxy->ip.port = (uint16_t)number;
	ip = field(proxy, fields, "hostips");
	if (ip != NULL)
		parse_addresses(proxy, ip);
	return 0;
}

static int parse_mech(struct login_proxy *proxy, const char *mech,
		      struct err *err)
{
	static const char *const known[] = {"PLAIN", "LOGIN", "EXTERNAL",
					    "XOAUTH2", "OAUTHBEARER"};

	if (mech == NULL)
		return 0;
	proxy->mech = str_upper(proxy, str_of(mech));
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(proxy->mech, known[i]) == 0)
			return 0;
	}
	return err_set(err, ERR_INVALID, "Unsupported SASL mechanism %s", mech);
}

static void take_forward(struct login_proxy *proxy,
			 const struct auth_line *fields)
{
	size_t count = 0;

	proxy->forward = mem_array(proxy, const char *, fields->count + 1);
	for (size_t i = 0; i < fields->count; i++) {
		if (str_starts(fields->args[i], "forward_"))
			proxy->forward[count++] = str_tab_unescape(
				proxy, str_from(fields->args[i], 8));
	}
}

/* For `doveadm proxy`; what would be too much for a line is left out. */
static void take_aliases(struct login_proxy *proxy,
			 const struct auth_line *fields)
{
	proxy->aliases = buf_init(ALIASES_MAX);
	for (size_t i = 0; i < fields->count; i++) {
		struct str one = fields->args[i];

		if (!str_starts(one, "user_") || str_find_char(one, '=') < 0 ||
		    proxy->aliases.len + 1 + one.len > ALIASES_MAX)
			continue;
		buf_putc(&proxy->aliases, '\t');
		buf_add_str(&proxy->aliases, one);
	}
}

static int parse(struct login_proxy *proxy, const struct auth_line *fields,
		 struct err *err)
{
	const char *user = field(proxy, fields, "destuser");
	const char *password = field(proxy, fields, "pass");

	/* The client's name here may be cut: it is for the log. */
	if (user == NULL)
		user = field(proxy, fields, "user");
	proxy->user = user != NULL ? user : proxy->client->user;
	proxy->master = field(proxy, fields, "master");
	/* A query may have a column for it. */
	if (proxy->master != NULL && proxy->master[0] == '\0')
		proxy->master = NULL;
	proxy->password = (char *)(password != NULL ? password : "");
	proxy->password = mem_strdup(proxy, proxy->password);
	proxy->not_trusted = field(proxy, fields, "proxy_not_trusted") != NULL;
	proxy->no_auth = field(proxy, fields, "proxy_noauth") != NULL;
	proxy->no_pipelining =
		field(proxy, fields, "proxy_nopipelining") != NULL;
	take_forward(proxy, fields);
	take_aliases(proxy, fields);
	parse_refresh(proxy, field(proxy, fields, "proxy_refresh"));
	parse_down_after(proxy, field(proxy, fields,
				      "proxy_host_immediate_failure_after"));
	parse_tls(proxy, field(proxy, fields, "ssl"),
		  field(proxy, fields, "starttls"));
	if (parse_mech(proxy, field(proxy, fields, "proxy_mech"), err) < 0 ||
	    parse_address(proxy, fields, err) < 0 ||
	    parse_source(proxy, field(proxy, fields, "source_ip"), err) < 0 ||
	    parse_timeout(proxy, field(proxy, fields, "proxy_timeout"), err) <
		    0)
		return -1;
	if (password == NULL && proxy->mech == NULL)
		return err_set(err, ERR_INVALID, "password not given");
	if (proxy->tls_mode != PROXY_PLAIN &&
	    (proxy->any_cert ? proxy->client->login->proxy_tls_any_cert
			     : proxy->client->login->proxy_tls) == NULL)
		return err_set(err, ERR_INVALID, "TLS is not to be had");
	return 0;
}

static bool is_self(const struct login_proxy *proxy, bool any_port)
{
	const struct ip *local = &proxy->client->real_local;

	return (ip_equal(local, &proxy->ip) &&
		(any_port || local->port == proxy->ip.port)) ||
	       (any_port &&
		ip_in_networks(&proxy->ip,
			       proxy->client->set->auth_proxy_self));
}

/* Sessions there would change mail, if that server does not know what the
 * password is good for. */
static bool loses_read_only(const struct login_proxy *proxy,
			    const struct auth_line *fields)
{
	return field(proxy, fields, "app_read_only") != NULL &&
	       field(proxy, fields, "proxy_read_only") == NULL;
}

static void begin(void *ctx)
{
	struct login_proxy *proxy = ctx;

	timer_free(&proxy->timer);
	if (is_self(proxy, false))
		give_up(proxy, "Proxying loops to itself");
	else if (proxy->client->ttl <= 1)
		give_up(proxy, "TTL reached zero - proxies appear to be "
			       "looping?");
	else
		proxy_connect(proxy);
}

bool login_proxy_begin(struct client *client, const struct auth_line *fields)
{
	struct login_proxy *proxy = mem_new(client, struct login_proxy);
	bool maybe = auth_line_value(fields, "proxy").data == NULL &&
		     auth_line_value(fields, "proxy_always").data == NULL;
	struct err err;
	int ret;

	proxy->client = client;
	client->to = proxy;
	client->state = CLIENT_CONNECTING;
	proxy->started_ms = clock_monotonic_ms();
	ret = parse(proxy, fields, &err);
	if (ret == 0 && maybe && is_self(proxy, true)) {
		login_proxy_free(client);
		return false;
	}
	auth_link_cancel(client->login->auth, client);
	if (ret < 0) {
		give_up(proxy, err.text);
	} else if (loses_read_only(proxy, fields)) {
		client_log_error(client,
				 name_it(proxy, "Read-only app password, and "
						"no proxy_read_only"));
		answer(proxy, LOGIN_REFUSED, read_only);
	} else {
		begin(proxy);
	}
	return true;
}
