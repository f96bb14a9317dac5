/* SPDX-License-Identifier: MIT */
/*
 * service/handover.h - a client on its way from login to a session.
 *
 * login --(request, client's fd)--> the service's template
 *       <--(reply: pid or reason)--
 * template --(session, client's fd)--> a worker of that uid
 *
 * login decides nothing: user, uid and home come from auth, which the template
 * asks with the token. What travels is packed (base/pack.h) in one frame
 * (net/sock.h) and bounded by FRAME_MAX.
 */
#ifndef SERVICE_HANDOVER_H
#define SERVICE_HANDOVER_H
#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"
#include "service/auth_master.h"

struct buf;

enum {
	/* The client's connection is in TLS, or local: nothing on it can be
	 * read by others. The fd is then login's proxy or the client's. */
	HANDOVER_SECURED = 1 << 0,
	HANDOVER_TLS = 1 << 1,
};

struct handover {
	uint32_t id; /* of login's choice; comes back in the reply */
	struct auth_token token;
	struct ip local, remote;
	uint32_t flags;
	struct str session_id;
	struct str tag;   /* IMAP: the tag of the command that logged in;
			     ManageSieve: SASL data for its OK */
	struct str input; /* what login read and did not use */
};

void handover_pack(const struct handover *handover, struct buf *out);
/* The strings point into `in`. False when it is malformed. */
bool handover_unpack(struct str in, struct handover *out);

struct handover_reply {
	uint32_t id;
	bool ok;
	uint32_t pid;       /* of the worker, for mpid=%e */
	struct str message; /* not ok: for the client and the log */
	/* not ok: "[UNAVAILABLE]", "[LIMIT]"... response code or "" */
	struct str code;
};

void handover_reply_pack(const struct handover_reply *reply, struct buf *out);
bool handover_reply_unpack(struct str in, struct handover_reply *out);

#endif
