/* SPDX-License-Identifier: MIT */
/*
 * anvil/protocol.h - lines on the sockets `anvil` and `anvil-auth-penalty`,
 * fields divided by TAB, as Dovecot's anvil has them.
 *
 *	VERSION TAB anvil TAB 1 TAB 0
 *	CONNECT TAB pid TAB ident		no answer
 *	DISCONNECT TAB pid TAB ident		no answer
 *		ident is "service/ip/user"; a connection that closes takes what
 *		it had connected with it
 *	CONNECT-DUMP				"ident TAB pid TAB refcount"
 *						lines, then an empty one
 *	LOOKUP TAB ident			"number"
 *	KILL TAB pid				forget all sessions of a process
 *	PENALTY-GET TAB ip			"penalty SPACE last"
 *	PENALTY-INC TAB ip [TAB checksum [TAB value]]	no answer; without
 *						value: one more. A checksum
 *						other than 0 counts once
 *	PENALTY-SET-EXPIRE-SECS TAB seconds	no answer
 *	PENALTY-DUMP				"ip TAB penalty TAB last_penalty
 *						TAB last_update" lines, then an
 *						empty one
 *
 *	PROXY TAB id TAB row			no answer; the row is "user TAB
 *						service TAB ip TAB ip TAB port",
 *						then "TAB user_NAME=value" ...
 *	PROXY-END TAB id			no answer
 *	PROXY-DUMP				"serial TAB row" lines, then an
 *						empty one
 *	PROXY-KICK TAB serial			no answer; whoever reported it
 *						hears "KICK TAB id"
 *
 * Login processes have a socket of their own, on which they may say VERSION,
 * PROXY and PROXY-END only. Times are seconds since 1970. An unknown command
 *ends the connection.
 */
#ifndef ANVIL_PROTOCOL_H
#define ANVIL_PROTOCOL_H

enum {
	ANVIL_LINE_MAX = 1024,
	ANVIL_SESSIONS_MAX = 1000000,
	ANVIL_PROXIES_MAX = 65536,    /* of a login process */
	ANVIL_PENALTIES_MAX = 100000, /* the oldest is forgotten */
	ANVIL_PENALTY_MAX = 4,        /* the longest delay */
	ANVIL_EXPIRE_SECS = 3600,
	ANVIL_CHECKSUMS = 8, /* kept per address */
};

#endif
