/* SPDX-License-Identifier: MIT */
#include "delivery/send.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/deliver.h"
#include "delivery/send_program.h"
#include "delivery/settings.h"
#include "net/loop.h"
#include "net/sock.h"
#include "net/tls.h"

enum { SMTP_PORT = 25, SMTPS_PORT = 465 };

struct sender {
	const struct lda_settings *set;
	const char *hostname;
	struct tls *tls; /* NULL unless submission_ssl wants it */
	/* In place of all that, if it is not NULL. */
	int (*fn)(void *fn_ctx, const char *from, const char *to,
		  const struct smtp_source *source, struct err *err);
	void *fn_ctx;
};

/* One mail on its way. */
struct sending {
	struct loop *loop;
	struct smtp_client *client;
	struct err *err;
	int ret;
};

int sender_new(const void *ctx, const struct config *config,
	       const struct config_filter *filter,
	       const struct lda_settings *set, struct sender **out,
	       struct err *err)
{
	struct sender *sender = mem_new(ctx, struct sender);
	struct tls_client_settings client;
	struct tls_settings tls;

	sender->set = set;
	sender->hostname = lda_hostname(sender, set);
	*out = sender;
	if (set->submission_host[0] == '\0' ||
	    strcmp(set->submission_ssl, "no") == 0)
		return 0;
	if (config_read(sender, config, filter, tls_settings, &tls, err) < 0 ||
	    config_read(sender, config, filter, tls_client_settings, &client,
			err) < 0)
		return -1;
	return tls_client_new(sender, &tls, &client, &sender->tls, err);
}

struct sender *
sender_new_with(const void *ctx,
		int (*fn)(void *fn_ctx, const char *from, const char *to,
			  const struct smtp_source *source, struct err *err),
		void *fn_ctx)
{
	struct sender *sender = mem_new(ctx, struct sender);

	sender->fn = fn;
	sender->fn_ctx = fn_ctx;
	return sender;
}

bool sender_address_ok(const char *address)
{
	bool quoted = false;

	for (const char *at = address; *at != '\0'; at++) {
		if ((*at < ' ' && *at > 0) || strchr("<>\x7f", *at) != NULL ||
		    (*at == ' ' && !quoted))
			return false;
		if (*at == '"')
			quoted = !quoted;
		else if (*at == '\\' && at[1] > ' ')
			at++;
	}
	return address[0] != '\0' && address[0] != '-';
}

/* submission_host */

static void done(struct sending *sending)
{
	smtp_client_quit(&sending->client);
	loop_stop(sending->loop);
}

static void failed(struct sending *sending, const struct smtp_reply *reply)
{
	if (reply->code == 0)
		err_set(sending->err, ERR_TEMPORARY, "%s",
			smtp_client_error(sending->client));
	else
		err_set(sending->err,
			reply->code / 100 == 5 ? ERR_DENIED : ERR_TEMPORARY,
			"%u %s", reply->code, reply->text);
	done(sending);
}

/* What MAIL says again with each recipient. */
static void mail_answered(void *ctx, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 2)
		failed(ctx, reply);
}

static void rcpt_answered(void *ctx, const struct smtp_reply *reply)
{
	struct sending *sending = ctx;

	if (sending->client != NULL && reply->code / 100 != 2)
		failed(sending, reply);
}

static void data_answered(void *ctx, const struct smtp_reply *reply)
{
	struct sending *sending = ctx;

	if (sending->client == NULL)
		return;
	if (reply->code / 100 != 2) {
		failed(sending, reply);
		return;
	}
	sending->ret = 0;
	done(sending);
}

/* "name", "name:port", "[::1]:port", "::1". */
static int parse_host(const void *ctx, const char *text, bool smtps,
		      char **host_out, struct ip *ip_out, struct err *err)
{
	const char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');
	uint32_t port = smtps ? SMTPS_PORT : SMTP_PORT;
	size_t len = strlen(text);

	if (colon != NULL &&
	    (bracket != NULL ? colon > bracket : strchr(text, ':') == colon)) {
		if (!str_to_u32(str_of(colon + 1), &port) || port == 0 ||
		    port > UINT16_MAX)
			return err_set(err, ERR_INVALID,
				       "submission_host: Invalid port: %s",
				       text);
		len = (size_t)(colon - text);
	}
	if (bracket != NULL && text[0] == '[') {
		text++;
		len = (size_t)(bracket - text);
	}
	*host_out = mem_strndup(ctx, text, len);
	ip_out->port = (uint16_t)port;
	return sock_resolve(*host_out, ip_out, err);
}

static int send_smtp(struct sender *sender, const char *from, const char *to,
		     const char *ret, const char *notify,
		     const struct smtp_source *source, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "submission");
	CLEANUP(loop_free) struct loop *loop = NULL;
	const struct lda_settings *set = sender->set;
	bool smtps = strcmp(set->submission_ssl, "smtps") == 0;
	struct smtp_client_options options = {
		.tls_mode = smtps                 ? SMTP_TLS_AT_ONCE
			    : sender->tls != NULL ? SMTP_TLS_STARTTLS
						  : SMTP_TLS_NONE,
		.tls = sender->tls,
		.hello = sender->hostname,
		.timeout = set->submission_timeout,
	};
	struct sending sending = {.err = err, .ret = -1};
	char *host = NULL;

	if (parse_host(ctx, set->submission_host, smtps, &host, &options.ip,
		       err) < 0)
		return -1;
	options.host = host;
	sending.loop = loop = loop_new();
	sending.client = smtp_client_new(ctx, loop, &options);
	smtp_client_dsn(sending.client, ret, notify);
	smtp_client_mail(sending.client, from, "8BITMIME", mail_answered,
			 &sending);
	smtp_client_rcpt(sending.client, to, NULL, NULL, rcpt_answered,
			 &sending);
	smtp_client_data(sending.client, source, data_answered, &sending);
	loop_run(loop);
	ctx_free(&ctx); /* before the loop */
	return sending.ret < 0 ? err_wrap(err, "submission_host(%s)",
					  set->submission_host)
			       : 0;
}

int sender_send(struct sender *sender, const char *from, const char *to,
		const char *ret, const char *notify,
		const struct smtp_source *source, struct err *err)
{
	if (!sender_address_ok(to) ||
	    (from[0] != '\0' && !sender_address_ok(from)))
		return err_set(err, ERR_DENIED, "Bad address");
	if (sender->fn != NULL)
		return sender->fn(sender->fn_ctx, from, to, source, err);
	if (sender->set->submission_host[0] != '\0')
		return send_smtp(sender, from, to, ret, notify, source, err);
	return send_program(sender->set, from, to, source, err);
}

static ssize_t read_text(void *ctx, uint64_t at, char *out, size_t size)
{
	const struct buf *text = ctx;
	size_t left = text->len - (size_t)at;

	if (size > left)
		size = left;
	memcpy(out, text->data + at, size);
	return (ssize_t)size;
}

int sender_send_text(struct sender *sender, const char *from, const char *to,
		     const struct buf *text, struct err *err)
{
	const struct smtp_source source = {.read = read_text,
					   .ctx = (void *)text};

	return sender_send(sender, from, to, NULL, NULL, &source, err);
}
