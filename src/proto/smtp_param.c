/* SPDX-License-Identifier: MIT */
/*
 * proto/smtp_param.c - parameters of MAIL, RCPT and XCLIENT: "NAME=value", and
 * what their values are made of. The texts for the client are Dovecot's.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"
#include "proto/smtp.h"

enum { MAX_PARAMS = 20, MAX_XTEXT = 4096 };

/* esmtp-keyword and esmtp-value (RFC 5321 section 4.1.2). */
static bool is_keyword(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.data[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
		    (c != '-' || i == 0))
			return false;
	}
	return name.len > 0;
}

static bool is_value(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = value.data[i];

		if (c <= ' ' || c == '=' || c >= 0x7f)
			return false;
	}
	return true;
}

static const char *parse_one(const void *ctx, struct str word,
			     struct smtp_param *out)
{
	struct str name, value = word;

	str_split(&value, '=', &name);
	if (!is_keyword(name))
		return "Unexpected character in parameter keyword";
	out->name = str_upper(ctx, name);
	out->value = NULL;
	if (value.data == NULL)
		return NULL;
	if (!is_value(value))
		return "Unexpected character in parameter value";
	out->value = str_dup(ctx, value);
	return NULL;
}

const char *smtp_params_parse(const void *ctx, struct str in,
			      struct smtp_param **out)
{
	struct smtp_param *params =
		mem_array(ctx, struct smtp_param, MAX_PARAMS + 1);
	struct str word;
	unsigned count = 0;
	const char *problem;

	while (str_word(&in, &word)) {
		if (count == MAX_PARAMS)
			return "Too many parameters";
		problem = parse_one(params, word, &params[count++]);
		if (problem != NULL)
			return problem;
	}
	*out = params;
	return NULL;
}

/* xtext (RFC 3461 section 4) */

void smtp_xtext_encode(struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = in.data[i];

		if (c <= ' ' || c >= 0x7f || c == '+' || c == '=')
			buf_printf(out, "+%02X", c);
		else
			buf_putc(out, (char)c);
	}
}

const char *smtp_xtext_decode(const void *ctx, struct str in, char **out)
{
	CLEANUP(buf_free) struct buf text = buf_init(MAX_XTEXT);

	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] != '+') {
			buf_putc(&text, in.data[i]);
			continue;
		}
		if (i + 2 >= in.len ||
		    !hex_decode(str_n(in.data + i + 1, 2), &text))
			return "Invalid hexchar after '+' in xtext";
		i += 2;
		if (text.len > 0 && text.data[text.len - 1] == '\0')
			return "Encountered NUL character in xtext";
	}
	if (text.overflow)
		return "Too long";
	*out = buf_steal(ctx, &text);
	return NULL;
}

const char *smtp_orcpt_parse(const void *ctx, const char *value,
			     char **address_out)
{
	struct str rest, type;
	char *address;
	const char *problem;

	if (value == NULL)
		return "Missing ORCPT= parameter value";
	rest = str_of(value);
	str_split(&rest, ';', &type);
	for (size_t i = 0; i < type.len; i++) {
		if (strchr("()<>[]:@\\,\"", type.data[i]) != NULL)
			type.len = 0;
	}
	if (type.len == 0 || rest.data == NULL)
		return "Invalid addr-type for ORCPT= parameter";
	if (rest.len == 0)
		return "Invalid ORCPT= parameter: Empty address value";
	problem = smtp_xtext_decode(ctx, rest, &address);
	if (problem != NULL)
		return mem_printf(ctx, "Invalid ORCPT= parameter: %s", problem);
	for (const char *at = address; *at != '\0'; at++) {
		if ((*at > 0 && *at < ' ') || *at == 0x7f)
			return "Invalid ORCPT= address value: Contains "
			       "non-printable characters";
	}
	*address_out = str_case_is(type, "rfc822") ? address : NULL;
	return NULL;
}
