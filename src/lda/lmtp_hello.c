/* SPDX-License-Identifier: MIT */
/*
 * lda/lmtp_hello.c - who the client is: LHLO, STARTTLS, and XCLIENT, by which a
 * proxy in login_trusted_networks tells whom it speaks for (Postfix's XCLIENT,
 * with Dovecot's SESSION, TTL and TIMEOUT).
 */
#include "base/mem.h"
#include "lda/lmtp.h"
#include "net/conn.h"

enum { LHLO_MAX_LINES = 10, SESSION_MAX = 255, LOGIN_MAX = 255 };

static bool offers_tls(const struct lmtp_session *session)
{
	return session->process->tls != NULL && !conn_has_tls(session->conn);
}

void lmtp_lhlo(struct lmtp_session *session, struct str args)
{
	struct lmtp_process *process = session->process;
	struct str rest = args, name;
	const char *lines[LHLO_MAX_LINES];
	size_t count = 0;

	if (!str_word(&rest, &name)) {
		lmtp_bad(session, "501 Missing hostname");
		return;
	}
	lmtp_reset(session);
	session->begun = true;
	mem_free(session->helo);
	session->helo = smtp_helo_clean(session, name);
	lines[count++] = process->hostname;
	lines[count++] = "8BITMIME";
	lines[count++] = "BINARYMIME";
	lines[count++] = "CHUNKING";
	lines[count++] = "ENHANCEDSTATUSCODES";
	lines[count++] = "PIPELINING";
	lines[count++] = mem_printf(
		session->ctx, "SIZE %llu",
		(unsigned long long)process->set.lmtp_max_message_size);
	if (offers_tls(session))
		lines[count++] = "STARTTLS";
	if (session->trusted) {
		lines[count++] = "XCLIENT ADDR PORT PROTO HELO LOGIN SESSION "
				 "TTL TIMEOUT";
		lines[count++] = "XRCPTFORWARD";
	}
	for (size_t i = 0; i < count; i++)
		lmtp_reply(session, "250%c%s", i + 1 < count ? '-' : ' ',
			   lines[i]);
}

/* XCLIENT: each takes one value, false if that is none */

static bool take_addr(struct lmtp_session *session, const char *value)
{
	struct ip ip;

	if (str_case_starts(str_of(value), "IPV6:"))
		value += 5;
	if (!ip_parse(value, &ip))
		return false;
	ip.port = session->remote.port;
	session->remote = ip;
	return true;
}

static bool take_port(struct lmtp_session *session, const char *value)
{
	uint32_t port;

	if (!str_to_u32(str_of(value), &port) || port > UINT16_MAX)
		return false;
	session->remote.port = (uint16_t)port;
	return true;
}

static bool take_proto(struct lmtp_session *session, const char *value)
{
	static const char *const known[] = {"SMTP", "ESMTP", "LMTP"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (str_case_is(str_of(value), known[i])) {
			session->proxied.proto = known[i];
			return true;
		}
	}
	return false;
}

static bool take_helo(struct lmtp_session *session, const char *value)
{
	session->proxied.helo = smtp_helo_clean(session, str_of(value));
	return true;
}

static bool take_login(struct lmtp_session *session, const char *value)
{
	session->proxied.login =
		value[0] == '\0'
			? NULL
			: str_sanitize(session, str_of(value), LOGIN_MAX);
	return true;
}

/* It goes into Received fields, replies and the log. */
static bool take_session(struct lmtp_session *session, const char *value)
{
	char *id = str_sanitize(session, str_of(value), SESSION_MAX);

	for (char *at = id; *at != '\0'; at++) {
		if (*at <= ' ' || strchr("()<>;\\\"", *at) != NULL)
			*at = '?';
	}
	if (id[0] != '\0')
		session->id = id;
	return true;
}

static bool take_ttl(struct lmtp_session *session, const char *value)
{
	return str_to_unsigned(str_of(value), &session->proxied.ttl);
}

static bool take_timeout(struct lmtp_session *session, const char *value)
{
	return str_to_unsigned(str_of(value), &session->proxied.timeout_secs);
}

static const struct {
	const char *name;
	bool (*take)(struct lmtp_session *session, const char *value);
} attributes[] = {
	{"ADDR", take_addr},       {"PORT", take_port},
	{"PROTO", take_proto},     {"HELO", take_helo},
	{"LOGIN", take_login},     {"TTL", take_ttl},
	{"SESSION", take_session}, {"TIMEOUT", take_timeout},
};

/* NULL, or what is wrong. */
static const char *take_attribute(struct lmtp_session *session,
				  const struct smtp_param *param)
{
	const char *problem;
	char *value;

	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]);
	     i++) {
		if (strcmp(param->name, attributes[i].name) != 0 ||
		    param->value == NULL)
			continue;
		if (strcmp(param->value, "[UNAVAILABLE]") == 0)
			return NULL;
		problem = smtp_xtext_decode(session->ctx, str_of(param->value),
					    &value);
		if (problem != NULL)
			return mem_printf(session->ctx,
					  "Invalid %s parameter: %s",
					  param->name, problem);
		if (!attributes[i].take(session, value))
			return mem_printf(session->ctx, "Invalid %s parameter",
					  param->name);
	}
	return NULL;
}

void lmtp_xclient(struct lmtp_session *session, struct str args)
{
	struct smtp_param *params;
	const char *problem;

	if (session->state != LMTP_READY) {
		lmtp_reply(session, "503 5.5.0 XCLIENT not permitted during a "
				    "mail transaction");
		return;
	}
	if (!session->trusted) {
		lmtp_reply(session, "550 5.7.14 You are not from trusted IP");
		return;
	}
	problem = smtp_params_parse(session->ctx, args, &params);
	if (problem != NULL) {
		lmtp_bad(session, "501 5.5.4 Invalid parameter: %s", problem);
		return;
	}
	for (; params->name != NULL; params++) {
		problem = take_attribute(session, params);
		if (problem != NULL) {
			lmtp_bad(session, "501 5.5.4 %s", problem);
			return;
		}
	}
	mem_free(session->helo);
	session->helo = NULL;
	lmtp_reset(session);
	lmtp_known_forget(session, true);
	lmtp_greet(session);
}

void lmtp_starttls(struct lmtp_session *session, struct str args)
{
	if (!lmtp_no_args(session, args))
		return;
	if (conn_has_tls(session->conn)) {
		lmtp_reply(session, "502 5.5.1 TLS is already active.");
	} else if (session->process->tls == NULL) {
		lmtp_reply(session, "502 5.5.1 TLS support is not enabled.");
	} else {
		lmtp_reply(session, "220 2.0.0 Begin TLS negotiation now.");
		lmtp_start_tls(session);
	}
}
