/* SPDX-License-Identifier: MIT */
/*
 * delivery/trace.c - the fields that a delivery puts on top of a mail (RFC 5321
 * section 4.4), in Dovecot's form.
 */
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vars.h"
#include "delivery/deliver.h"
#include "delivery/settings.h"
#include "mime/address.h"
#include "mime/date.h"

enum { HOST_MAX = 256, PHRASE_MAX = 512 };

/* A GUID in base64, without its padding. */
char *delivery_id(const void *ctx)
{
	unsigned char guid[16];
	CLEANUP(buf_free) struct buf text = buf_init(32);

	guid128_new(guid);
	base64_encode(str_n(guid, sizeof(guid)), &text);
	buf_truncate(&text, 22);
	return buf_steal(ctx, &text);
}

static void add_from(const struct trace *trace, struct buf *out)
{
	char ip[IP_TEXT_MAX];

	buf_printf(out, "Received: from %s", trace->helo);
	if (trace->remote.family == AF_INET6)
		buf_printf(out, " ([IPv6:%s])", ip_text(&trace->remote, ip));
	else if (trace->remote.family == AF_INET)
		buf_printf(out, " ([%s])", ip_text(&trace->remote, ip));
	buf_putc(out, '\n');
}

size_t trace_write(const struct trace *trace, struct buf *out)
{
	size_t local;

	buf_printf(out, "Return-Path: <%s>\n", trace->from);
	if (trace->delivered_to != NULL)
		buf_printf(out, "Delivered-To: %s\n", trace->delivered_to);
	local = out->len;
	if (trace->hostname == NULL)
		return local;
	add_from(trace, out);
	if (trace->tls != NULL && trace->tls[0] != '\0')
		buf_printf(out, "\t(using %s)\n", trace->tls);
	buf_printf(out, "\tby %s with %s\n\tid %s\n\t(envelope-from <%s>)",
		   trace->hostname, trace->with, trace->session_id,
		   trace->from);
	if (trace->to != NULL)
		buf_printf(out, "\n\tfor <%s>", trace->to);
	buf_add(out, "; ");
	date_write(trace->time, out);
	buf_putc(out, '\n');
	return local;
}

const char *lda_hostname(const void *ctx, const struct lda_settings *set)
{
	char name[HOST_MAX];

	if (set->hostname[0] != '\0')
		return set->hostname;
	if (gethostname(name, sizeof(name)) < 0)
		return "localhost";
	name[sizeof(name) - 1] = '\0';
	return mem_strdup(ctx, name);
}

/* As it stands in front of <address>. */
static const char *shown_name(const void *ctx, const char *name)
{
	CLEANUP(buf_free) struct buf out = buf_init(PHRASE_MAX);

	if (name == NULL || name[0] == '\0' || !str_is_ascii(str_of(name)))
		return "Postmaster";
	buf_add_quoted(&out, str_of(name));
	return out.overflow ? "Postmaster" : buf_steal(ctx, &out);
}

const char *lda_postmaster(const void *ctx, const struct lda_settings *set,
			   const char *to, const char **name_out)
{
	const char *at = strrchr(to, '@');
	const struct var vars[] = {
		{'d', "domain", at == NULL ? "" : at + 1},
		{0, "hostname", lda_hostname(ctx, set)},
		{0, NULL, NULL},
	};
	struct address *list;
	struct err err;
	size_t count;
	char *text, *address;

	*name_out = "Postmaster";
	if (vars_expand(ctx, set->postmaster_address, vars, &text, &err) < 0) {
		log_error("Failed to expand postmaster_address=%s: %s",
			  set->postmaster_address, err.text);
		text = "";
	}
	address_parse(ctx, str_of(text), 1, &list, &count);
	address = count == 1 ? address_written(ctx, &list[0]) : NULL;
	if (address != NULL) {
		*name_out = shown_name(ctx, list[0].name);
		return address;
	}
	if (text[0] != '\0')
		log_error("Invalid postmaster_address: invalid address `%s' "
			  "specified for the postmaster_address setting",
			  text);
	return mem_printf(ctx, "postmaster@%s", lda_hostname(ctx, set));
}
