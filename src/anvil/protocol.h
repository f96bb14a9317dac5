/* SPDX-License-Identifier: MIT */
/*
 * anvil/protocol.h - what is spoken on the sockets `anvil` and
 * `anvil-auth-penalty`: lines, words divided by tabs and escaped
 * (str_tab_escape()), as Dovecot 2.3 has them. Either side starts with
 *
 *	VERSION	anvil	1	0
 *
 * IDENT is "service/ip/user". No answer where none is named.
 *
 *	CONNECT	PID	IDENT		a session begins
 *	DISCONNECT	PID	IDENT	it ends
 *	KILL	PID			a process is gone, with its sessions
 *	LOOKUP	IDENT			answer: how many sessions, "3"
 *	CONNECT-DUMP			answer: lines "IDENT	PID	COUNT",
 *					then an empty one
 *	PENALTY-INC	IP		a failed login from there
 *	PENALTY-RESET	IP		all is forgiven
 *	PENALTY-GET	IP		answer: "COUNT LAST", seconds since 1970
 *	PENALTY-DUMP			answer: lines "IP	COUNT	LAST
 *					UPDATED", then an empty one
 *
 * The sessions that a connection told of are forgotten when it closes.
 */
#ifndef ANVIL_PROTOCOL_H
#define ANVIL_PROTOCOL_H

enum {
	ANVIL_VERSION_MAJOR = 1,
	ANVIL_VERSION_MINOR = 0,
	ANVIL_LINE_MAX = 2048,
	/* Bounds of what is kept; the oldest penalties make room. */
	ANVIL_SESSIONS_MAX = 1000000,
	ANVIL_PENALTIES_MAX = 100000,
	ANVIL_PENALTY_SECS = 3600,
};

#endif
