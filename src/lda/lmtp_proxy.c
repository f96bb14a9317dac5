/* SPDX-License-Identifier: MIT */
#include "lda/lmtp_proxy.h"

#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/spool.h"
#include "lda/lmtp.h"
#include "net/conn.h"
#include "net/sock.h"
#include "service/account.h"
#include "service/service.h"
#include "service/smtp_client.h"

enum {
	LMTP_PORT = 24,
	SMTP_PORT = 25,
	TIMEOUT_MS = 125 * 1000, /* Dovecot's */
	REPLY_MAX = 500,
	REPLY_TEXT_MAX = 64 * 1024, /* more than a reply may have */
	FORWARD_MAX = 4096,
	ORCPT_MAX = 16 * 1024, /* more than an address may have */
	XCLIENT_PARAMS = 8,
};

struct lmtp_proxy {
	struct tls *tls, *any_cert;
};

/* Where to, as the passdb has it. */
struct target {
	bool lmtp;
	const char *host;
	struct ip ip, source;
	bool has_source, any_cert;
	enum smtp_tls tls_mode;
	struct duration timeout;
};

struct lmtp_backend {
	struct lmtp_session *session;
	struct target target;
	struct smtp_client *client;
	struct lmtp_rcpt *rcpts;   /* whose reply to the mail is the next */
	struct smtp_reply refusal; /* to MAIL; code 0: none */
	bool error_logged;
	void (*done)(struct lmtp_session *session);
	struct lmtp_backend *next;
};

int lmtp_proxy_new(struct lmtp_process *process, const struct config *config,
		   const struct config_filter *filter, struct lmtp_proxy **out,
		   struct err *err)
{
	struct lmtp_proxy *proxy = mem_new(process, struct lmtp_proxy);
	struct tls_client_settings client;
	struct tls_settings tls;

	if (config_read(proxy, config, filter, tls_settings, &tls, err) < 0 ||
	    config_read(proxy, config, filter, tls_client_settings, &client,
			err) < 0 ||
	    tls_client_new(proxy, &tls, &client, &proxy->tls, err) < 0)
		return -1;
	client.ssl_client_require_valid_cert = false;
	if (tls_client_new(proxy, &tls, &client, &proxy->any_cert, err) < 0)
		return -1;
	*out = proxy;
	return 0;
}

/* answers and the log */

static const char *peer_of(const void *ctx, const struct lmtp_session *session)
{
	char ip[IP_TEXT_MAX];

	if (session->remote.family == 0)
		return "local";
	return mem_printf(
		ctx, session->remote.family == AF_INET6 ? "[%s]:%u" : "%s:%u",
		ip_text(&session->remote, ip), session->remote.port);
}

static void log_rcpt(enum log_level level, const struct lmtp_session *session,
		     const struct lmtp_rcpt *rcpt, const char *text)
{
	log_line(level, "lmtp-server: conn %s [%u]: rcpt %s: %s",
		 peer_of(rcpt, session), session->number, rcpt->address, text);
}

/* Once for each connection; its recipients hear what it means for them. */
static void log_lost(struct lmtp_backend *backend)
{
	char ip[IP_TEXT_MAX];

	if (backend->error_logged)
		return;
	backend->error_logged = true;
	log_error("lmtp-client: conn %s:%u [%u]: %s",
		  ip_text(&backend->target.ip, ip), backend->target.ip.port,
		  backend->session->number, smtp_client_error(backend->client));
}

/* What an LMTP server says of a recipient begins with whom it knows him as. */
static struct str without_address(struct str line)
{
	ptrdiff_t end = str_find_char(line, '>');
	struct str rest;

	if (line.len == 0 || line.data[0] != '<' || end < 0)
		return line;
	rest = str_from(line, (size_t)end + 1);
	return rest.len == 0 || rest.data[0] == ' ' ? str_trim(rest) : line;
}

/* Its lines in one, without the status that each has (RFC 2034) and, if it is
 * about a recipient, without the address. The first status is *status_out: ""
 * if there is none, or one of another class. */
static char *text_of(const void *ctx, const struct smtp_reply *reply,
		     bool with_address, const char **status_out)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_TEXT_MAX);
	struct str rest = str_of(reply->text), line;
	size_t len = 0;

	*status_out = "";
	for (bool first = true; str_split(&rest, '\n', &line); first = false) {
		const char *text = str_dup(ctx, line);

		len = smtp_status_length(text);
		if (first && len > 0 &&
		    (unsigned)(text[0] - '0') == reply->code / 100)
			*status_out = mem_strndup(ctx, text, len);
		if (!first)
			buf_putc(&out, ' ');
		line = str_trim(str_from(line, len));
		if (with_address)
			line = without_address(line);
		buf_append(&out, line.data, line.len);
	}
	return str_sanitize(ctx, str_n(out.data, out.len), REPLY_MAX);
}

/* With the status in front; `address` (may be NULL) behind that. */
static char *reply_text(const struct lmtp_rcpt *rcpt,
			const struct smtp_reply *reply, const char *address)
{
	const char *status;
	const char *text = text_of(rcpt, reply, address != NULL, &status);

	if (status[0] == '\0')
		status = reply->code / 100 == 2 ? "2.1.0"
						: mem_printf(rcpt, "%u.0.0",
							     reply->code / 100);
	if (address == NULL)
		return mem_printf(rcpt, "%u %s %s", reply->code, status, text);
	return mem_printf(rcpt, "%u %s <%s> %s", reply->code, status, address,
			  text);
}

/* 421 says of the connection, not of the mail; to our client it would be ours
 * (RFC 5321 section 3.8). */
static bool is_lost(const struct smtp_reply *reply)
{
	return reply->code == 0 || reply->code == 421;
}

static char *lost_text(const struct lmtp_rcpt *rcpt,
		       const struct smtp_reply *reply)
{
	return mem_printf(rcpt, "451 4.4.0 Proxy failed (%s, session=%s)",
			  reply->code == 0 ? reply->text : "connection lost",
			  rcpt->session_id);
}

/* the target */

static bool parse_number(const char *text, uint64_t *out)
{
	return text == NULL || str_to_u64(str_of(text), out);
}

/* "30" seconds, "500ms"... */
static bool parse_timeout(const char *text, struct duration *out)
{
	uint64_t seconds = 0;
	struct err err;

	*out = (struct duration){TIMEOUT_MS};
	if (text == NULL)
		return true;
	if (!str_to_u64(str_of(text), &seconds))
		return setting_parse_duration(text, out, &err) == 0;
	out->ms = seconds * 1000;
	return true;
}

static void parse_tls(const struct account *pass, struct target *target)
{
	const char *ssl = account_field(pass, "ssl");
	const char *starttls = account_field(pass, "starttls");

	if (starttls != NULL && strcmp(starttls, "no") != 0)
		target->tls_mode = SMTP_TLS_STARTTLS;
	else if (ssl != NULL && strcmp(ssl, "no") != 0)
		target->tls_mode = SMTP_TLS_AT_ONCE;
	target->any_cert =
		(ssl != NULL && strcmp(ssl, "any-cert") == 0) ||
		(starttls != NULL && strcmp(starttls, "any-cert") == 0);
}

static int parse_address(struct lmtp_session *session,
			 const struct account *pass, struct target *target,
			 struct err *err)
{
	const char *ip = account_field(pass, "hostip");
	const char *source = account_field(pass, "source_ip");
	uint64_t port = target->lmtp ? LMTP_PORT : SMTP_PORT;

	if (target->lmtp && session->local.family != 0)
		port = session->local.port;
	if (!parse_number(account_field(pass, "port"), &port) || port == 0 ||
	    port > UINT16_MAX)
		return err_set(err, ERR_INVALID, "Invalid port number %s",
			       account_field(pass, "port"));
	if (source != NULL && !ip_parse(source, &target->source))
		return err_set(err, ERR_INVALID, "Invalid source_ip value %s",
			       source);
	target->has_source = source != NULL;
	target->source.port = 0;
	target->ip.port = (uint16_t)port;
	return sock_resolve(ip != NULL ? ip : target->host, &target->ip, err);
}

static int target_parse(struct lmtp_session *session,
			const struct account *pass, struct target *target,
			struct err *err)
{
	const char *protocol = account_field(pass, "protocol");

	target->lmtp = protocol == NULL || strcmp(protocol, "lmtp") == 0;
	if (!target->lmtp && strcmp(protocol, "smtp") != 0)
		return err_set(err, ERR_INVALID, "Unknown protocol %s",
			       protocol);
	target->host = account_field(pass, "host");
	if (target->host == NULL || target->host[0] == '\0')
		return err_set(err, ERR_INVALID, "host not given");
	if (!parse_timeout(account_field(pass, "proxy_timeout"),
			   &target->timeout))
		return err_set(err, ERR_INVALID,
			       "Invalid proxy_timeout value "
			       "%s",
			       account_field(pass, "proxy_timeout"));
	parse_tls(pass, target);
	return parse_address(session, pass, target, err);
}

static bool is_self(const struct lmtp_session *session,
		    const struct target *target)
{
	return ip_equal(&session->local, &target->ip) &&
	       session->local.port == target->ip.port;
}

/* the server */

static bool same_target(const struct target *a, const struct target *b)
{
	return a->lmtp == b->lmtp && ip_equal(&a->ip, &b->ip) &&
	       a->ip.port == b->ip.port && a->tls_mode == b->tls_mode &&
	       a->any_cert == b->any_cert && strcmp(a->host, b->host) == 0 &&
	       a->has_source == b->has_source &&
	       (!a->has_source || ip_equal(&a->source, &b->source));
}

static const struct smtp_param *xclient_params(struct lmtp_backend *backend,
					       unsigned number)
{
	struct smtp_param *all =
		mem_array(backend, struct smtp_param, XCLIENT_PARAMS + 1);
	struct lmtp_session *session = backend->session;
	const struct lmtp_proxied *proxied = &session->proxied;
	const char *helo =
		proxied->helo != NULL ? proxied->helo : session->helo;
	char ip[IP_TEXT_MAX];
	size_t n = 0;

	if (helo != NULL)
		all[n++] = (struct smtp_param){"HELO", helo};
	all[n++] = (struct smtp_param){
		"PROTO", proxied->proto == NULL ? "LMTP" : proxied->proto};
	if (proxied->login != NULL)
		all[n++] = (struct smtp_param){"LOGIN", proxied->login};
	all[n++] = (struct smtp_param){
		"SESSION",
		mem_printf(all, "%s:P%u", session->session_id, number)};
	all[n++] = (struct smtp_param){"TTL",
				       mem_printf(all, "%u", proxied->ttl - 1)};
	if (session->remote.family == 0)
		return all;
	all[n++] = (struct smtp_param){
		"PORT", mem_printf(all, "%u", session->remote.port)};
	all[n++] = (struct smtp_param){
		"ADDR",
		mem_printf(all, "%s%s",
			   session->remote.family == AF_INET6 ? "IPV6:" : "",
			   ip_text(&session->remote, ip))};
	return all;
}

/* What it says to MAIL, all its recipients are told. */
static void mail_answered(void *ctx, const struct smtp_reply *reply)
{
	struct lmtp_backend *backend = ctx;

	if (is_lost(reply) || reply->code / 100 == 2)
		return;
	backend->refusal = *reply;
	backend->refusal.text = mem_strdup(backend, reply->text);
}

static struct lmtp_backend *connect_to(struct lmtp_session *session,
				       const struct target *target)
{
	struct lmtp_process *process = session->process;
	struct lmtp_backend *backend =
		mem_new(session->ctx, struct lmtp_backend);
	struct smtp_client_options options = {
		.lmtp = target->lmtp,
		.host = target->host,
		.ip = target->ip,
		.source = target->has_source ? &backend->target.source : NULL,
		.tls_mode = target->tls_mode,
		.tls = target->any_cert ? process->proxy->any_cert
					: process->proxy->tls,
		.hello = process->hostname,
		.timeout = target->timeout,
		.rawlog_dir = process->set.lmtp_proxy_rawlog_dir,
	};
	unsigned number = 1;

	for (struct lmtp_backend *at = session->backends; at != NULL;
	     at = at->next)
		number++;
	backend->session = session;
	backend->target = *target;
	backend->target.host = mem_strdup(backend, target->host);
	options.xclient = xclient_params(backend, number);
	backend->client =
		smtp_client_new(backend, service_loop(process->env), &options);
	LL_APPEND(session->backends, backend);
	smtp_client_mail(backend->client, session->from, session->body,
			 mail_answered, backend);
	return backend;
}

static struct lmtp_backend *backend_for(struct lmtp_session *session,
					const struct target *target)
{
	struct lmtp_backend *backend;

	LL_FOREACH (session->backends, backend) {
		if (same_target(&backend->target, target))
			return backend;
	}
	return connect_to(session, target);
}

/* a recipient */

static void rcpt_answered(void *ctx, const struct smtp_reply *reply)
{
	struct lmtp_rcpt *rcpt = ctx;
	struct lmtp_backend *backend = rcpt->backend;
	struct lmtp_session *session = backend->session;
	const struct smtp_reply *refusal;

	if (backend->refusal.code != 0)
		reply = &backend->refusal;
	if (is_lost(reply)) {
		log_lost(backend);
		refusal = smtp_client_refusal(backend->client);
		lmtp_rcpt_refuse(session, refusal == NULL
						  ? lost_text(rcpt, reply)
						  : reply_text(rcpt, refusal,
							       rcpt->address));
	} else if (reply->code / 100 != 2) {
		lmtp_rcpt_refuse(session,
				 reply_text(rcpt, reply, rcpt->address));
	} else {
		if (backend->rcpts == NULL)
			backend->rcpts = rcpt;
		lmtp_rcpt_accept(session, rcpt, reply_text(rcpt, reply, NULL));
	}
}

/* "other@dom" and the detail of "user+x": "other+x@dom". */
static char *with_detail(const struct lmtp_rcpt *rcpt, const char *address,
			 const char *delimiters)
{
	const char *at = strrchr(address, '@');
	size_t local = at == NULL ? strlen(address) : (size_t)(at - address);

	if (rcpt->detail == NULL || delimiters[0] == '\0')
		return mem_strdup(rcpt, address);
	return mem_printf(rcpt, "%.*s%c%s%s", (int)local, address,
			  delimiters[0], rcpt->detail, at == NULL ? "" : at);
}

static void choose_address(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
			   const struct account *pass)
{
	CLEANUP(buf_free) struct buf orcpt = buf_init(ORCPT_MAX);
	const char *other = account_field(pass, "destuser");

	if (other == NULL && strcmp(pass->name, rcpt->user) != 0)
		other = pass->name;
	rcpt->destination = rcpt->address;
	if (other == NULL || other[0] == '\0')
		return;
	rcpt->destination = with_detail(
		rcpt, other, session->process->lda.recipient_delimiter);
	if (rcpt->orcpt != NULL)
		return;
	rcpt->original = rcpt->address;
	buf_add(&orcpt, "rfc822;");
	smtp_xtext_encode(str_of(rcpt->address), &orcpt);
	rcpt->orcpt = buf_steal(rcpt, &orcpt);
}

/* Fields of the passdb, in which XRCPTFORWARD's are. */
static char *forward_fields(struct lmtp_rcpt *rcpt, const struct account *pass)
{
	CLEANUP(buf_free) struct buf out = buf_init(FORWARD_MAX);

	for (size_t i = 0; pass->fields[i] != NULL; i++) {
		if (!str_starts(str_of(pass->fields[i]), "forward_"))
			continue;
		if (out.len > 0)
			buf_putc(&out, '\t');
		buf_add(&out,
			str_tab_escape(rcpt, str_of(pass->fields[i] + 8)));
	}
	return out.len == 0 || out.overflow ? NULL : buf_steal(rcpt, &out);
}

static void refuse_loop(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
			const char *text)
{
	log_rcpt(LOG_LEVEL_ERROR, session, rcpt,
		 mem_printf(rcpt, "Proxying to <%s> %s", rcpt->destination,
			    text));
	lmtp_rcpt_refuse(session, mem_printf(rcpt, "554 5.4.6 <%s> Proxying %s",
					     rcpt->address, text));
}

bool lmtp_proxy_rcpt(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
		     const struct account *pass)
{
	bool maybe = account_field(pass, "proxy_maybe") != NULL;
	struct target target = {0};
	struct duration limit;
	struct err err;

	if (account_field(pass, "proxy") == NULL && !maybe)
		return false;
	if (target_parse(session, pass, &target, &err) < 0) {
		/* As Dovecot has it: then it is a user of this server. */
		log_rcpt(LOG_LEVEL_ERROR, session, rcpt,
			 mem_printf(rcpt, "proxy: %s", err.text));
		if (err.code != ERR_TEMPORARY)
			return false;
		lmtp_rcpt_refuse(session,
				 mem_printf(rcpt,
					    "451 4.3.0 <%s> Temporary user "
					    "lookup failure",
					    rcpt->address));
		return true;
	}
	/* The proxy before us gives up after that. */
	limit.ms = (uint64_t)session->proxied.timeout_secs * 1000;
	if (limit.ms > 0 && limit.ms < target.timeout.ms)
		target.timeout = limit;
	if (maybe && is_self(session, &target))
		return false;
	choose_address(session, rcpt, pass);
	if (is_self(session, &target)) {
		refuse_loop(session, rcpt, "loops to itself");
		return true;
	}
	if (session->proxied.ttl == 0) {
		refuse_loop(session, rcpt, "appears to be looping (TTL=0)");
		return true;
	}
	rcpt->backend = backend_for(session, &target);
	rcpt->started_ms = clock_monotonic_ms();
	smtp_client_rcpt(rcpt->backend->client, rcpt->destination, rcpt->orcpt,
			 forward_fields(rcpt, pass), rcpt_answered, rcpt);
	return true;
}

/* the mail */

static void log_outcome(const struct lmtp_rcpt *rcpt,
			const struct smtp_reply *reply)
{
	const struct lmtp_backend *backend = rcpt->backend;
	const struct lmtp_session *session = backend->session;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "outcome");
	const char *status, *text = text_of(ctx, reply, false, &status);
	char *said = is_lost(reply)
			     ? mem_strdup(ctx, lost_text(rcpt, reply))
			     : mem_printf(ctx, "%u %s%s%s", reply->code, status,
					  status[0] == '\0' ? "" : " ", text);

	log_rcpt(LOG_LEVEL_INFO, session, rcpt,
		 mem_printf(ctx,
			    "<%s>: %s message to <%s> at %s:%u: %s (%u/%u at "
			    "%llu ms)",
			    rcpt->session_id,
			    reply->code / 100 == 2 ? "Sent" : "Failed to send",
			    rcpt->destination, backend->target.host,
			    backend->target.ip.port, said, rcpt->index,
			    session->rcpt_count,
			    (unsigned long long)(clock_monotonic_ms() -
						 rcpt->started_ms)));
}

static void data_answered(void *ctx, const struct smtp_reply *reply)
{
	struct lmtp_backend *backend = ctx;
	struct lmtp_rcpt *rcpt = backend->rcpts;

	/* The next of this server. */
	do {
		backend->rcpts = backend->rcpts->next;
	} while (backend->rcpts != NULL && backend->rcpts->backend != backend);
	log_outcome(rcpt, reply);
	if (is_lost(reply)) {
		log_lost(backend);
		rcpt->reply = lost_text(rcpt, reply);
	} else if (reply->code / 100 != 2) {
		rcpt->reply = reply_text(rcpt, reply, rcpt->address);
	} else {
		rcpt->reply = mem_printf(rcpt, "250 2.0.0 <%s> %s Saved",
					 rcpt->address, rcpt->session_id);
	}
	backend->done(backend->session);
}

unsigned lmtp_proxy_data(struct lmtp_session *session,
			 void (*done)(struct lmtp_session *session))
{
	const struct smtp_source source = {
		.read = spool_read,
		.ctx = session->spool,
		.at = session->trace_local,
	};
	struct lmtp_backend *backend;
	unsigned count = 0;

	LL_FOREACH (session->backends, backend) {
		backend->done = done;
		if (backend->rcpts != NULL)
			smtp_client_data(backend->client, &source,
					 data_answered, backend);
	}
	for (struct lmtp_rcpt *rcpt = session->rcpts; rcpt != NULL;
	     rcpt = rcpt->next)
		count += rcpt->backend != NULL;
	return count;
}

void lmtp_proxy_end(struct lmtp_session *session)
{
	struct lmtp_backend *backend;

	LL_FOREACH (session->backends, backend) {
		mem_steal(session->process, backend->client);
		smtp_client_quit(&backend->client);
	}
	session->backends = NULL;
}
