/* SPDX-License-Identifier: MIT */
#include "service/handover.h"

#include <string.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/pack.h"
#include "service/wire.h"

void pack_ip(struct buf *out, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	pack_str(out, str_of(ip_text(ip, text)));
	pack_u32(out, ip->port);
}

bool unpack_ip(struct unpack *in, struct ip *out)
{
	struct str text = unpack_str(in);
	char copy[IP_TEXT_MAX];
	uint32_t port = unpack_u32(in);

	*out = (struct ip){0};
	if (in->bad || text.len >= sizeof(copy) || port > UINT16_MAX)
		return false;
	if (text.len == 0)
		return true;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (!ip_parse(copy, out))
		return false;
	out->port = (uint16_t)port;
	return true;
}

void handover_pack(const struct handover *handover, struct buf *out)
{
	pack_u32(out, handover->id);
	pack_u32(out, handover->token.client_pid);
	pack_u32(out, handover->token.request_id);
	pack_str(out, str_of(handover->token.cookie));
	pack_ip(out, &handover->local);
	pack_ip(out, &handover->remote);
	pack_u32(out, handover->flags);
	pack_str(out, handover->session_id);
	pack_str(out, handover->tag);
	pack_str(out, handover->input);
}

/* Whoever took a login process over must not write a line for auth into it. */
static bool is_cookie(struct str cookie)
{
	for (size_t i = 0; i < cookie.len; i++) {
		if (hex_digit(cookie.data[i]) < 0)
			return false;
	}
	return true;
}

/* It goes to the log. */
static bool is_session_id(struct str id)
{
	for (size_t i = 0; i < id.len; i++) {
		if ((unsigned char)id.data[i] < ' ' || id.data[i] == 0x7f)
			return false;
	}
	return true;
}

bool handover_unpack(struct str in, struct handover *out)
{
	struct unpack un = {.in = in};
	struct str cookie;

	memset(out, 0, sizeof(*out));
	out->id = unpack_u32(&un);
	out->token.client_pid = unpack_u32(&un);
	out->token.request_id = unpack_u32(&un);
	cookie = unpack_str(&un);
	if (cookie.len >= sizeof(out->token.cookie) || !is_cookie(cookie))
		return false;
	memcpy(out->token.cookie, cookie.data, cookie.len);
	if (!unpack_ip(&un, &out->local) || !unpack_ip(&un, &out->remote))
		return false;
	out->flags = unpack_u32(&un);
	out->session_id = unpack_str(&un);
	out->tag = unpack_str(&un);
	out->input = unpack_str(&un);
	return !un.bad && un.in.len == 0 && is_session_id(out->session_id);
}

void handover_reply_pack(const struct handover_reply *reply, struct buf *out)
{
	pack_u32(out, reply->id);
	pack_u8(out, reply->ok ? 1 : 0);
	pack_u32(out, reply->pid);
	pack_str(out, reply->message);
	pack_str(out, reply->code);
}

bool handover_reply_unpack(struct str in, struct handover_reply *out)
{
	struct unpack un = {.in = in};

	out->id = unpack_u32(&un);
	out->ok = unpack_u8(&un) != 0;
	out->pid = unpack_u32(&un);
	out->message = unpack_str(&un);
	out->code = unpack_str(&un);
	return !un.bad && un.in.len == 0;
}
