/* SPDX-License-Identifier: MIT */
/*
 * auth/exchange.h - one SASL exchange of a client, from AUTH to OK or FAIL, and
 * for login processes on to the token's end.
 */
#ifndef AUTH_EXCHANGE_H
#define AUTH_EXCHANGE_H
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "auth/request.h"
#include "base/str.h"

struct auth;
struct mech;
struct penalty;

enum { AUTH_TIMEOUT_MS = 150 * 1000 };

enum exchange_state {
	EXCHANGE_PENALTY, /* waits for the penalty of its address */
	EXCHANGE_CLIENT,  /* waits for the client's CONT */
	EXCHANGE_VERIFY,  /* the passdbs are asked */
	EXCHANGE_DELAYED, /* FAIL, or OK until delay_until, is held back */
	EXCHANGE_TOKEN,   /* OK was sent; waits for REQUEST */
	EXCHANGE_OVER,
};

struct exchange {
	UT_hash_handle hh;            /* among those of its client, by id */
	struct exchange *prev, *next; /* of all, oldest first */
	struct exchange *delay_prev, *delay_next; /* by due_us */
	uint32_t id;
	enum exchange_state state;
	struct auth *auth;
	struct request *request;
	const struct mech *mech;
	void *mech_state;
	uint64_t since_ms; /* AUTH */
	uint64_t step_us;  /* the client's last word */
	uint64_t due_us;
	const char *held_reply;
	bool held_ok; /* it is an OK */
	/* The last word was said to the client: its answer ends all, with this
	 * result. */
	bool at_end;
	bool of_login;   /* the client is a login process */
	bool refused;    /* by the policy server */
	bool looks_up;   /* credentials are wanted, not a verdict */
	char *last_data; /* said with OK */
	size_t last_len;
	enum pass_result result; /* PASS_OK: goes on, but for at_end */
	struct penalty *penalty;
	size_t octets;  /* what its client counts for it */
	char *response; /* the initial one, while a penalty is waited for */
	bool has_response;
	/* To the client, one line without LF. */
	void (*reply)(void *ctx, const char *line, size_t len);
	/* It is over, or is a token now. */
	void (*ended)(void *ctx, struct exchange *exchange);
	void *ctx;
};

/* Begin; child of ctx. `response` is base64; {NULL, 0} if there was none. */
struct exchange *exchange_new(const void *ctx, struct auth *auth, uint32_t id,
			      const struct mech *mech);
void exchange_start(struct exchange *exchange, struct str response);
/* The client's CONT. */
void exchange_continue(struct exchange *exchange, struct str response);

#endif
