/* SPDX-License-Identifier: MIT */
#include "auth/exchange.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "auth/auth.h"
#include "auth/cache.h"
#include "auth/db.h"
#include "auth/mech.h"
#include "auth/penalty.h"
#include "auth/policy.h"
#include "auth/proxy_host.h"
#include "auth/request.h"
#include "auth/verify.h"
#include "auth/workers.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "proto/auth.h"

enum {
	REPLY_MAX = 16 * 1024,
	EARLY_US = 1000, /* than a reply is due */
	SWEEP_MS = 1000
};

/* All exchanges of the process: the oldest may have to end, and those whose
 * answer is held back are due one after another. */
static struct exchange *all, *delayed;
static struct timer *sweep_timer;
static int due_fd = -1;

/* The initial response has been heard. */
static void forget_response(char **response)
{
	if (*response == NULL)
		return;
	mem_wipe(*response, strlen(*response));
	mem_free(*response);
	*response = NULL;
}

static int exchange_destroy(struct exchange *exchange)
{
	DL_DELETE(all, exchange);
	if (exchange->state == EXCHANGE_DELAYED)
		DL_DELETE2(delayed, exchange, delay_prev, delay_next);
	penalty_cancel(&exchange->penalty);
	forget_response(&exchange->response);
	return 0;
}

static void reply(struct exchange *exchange, const char *line, size_t len)
{
	exchange->reply(exchange->ctx, line, len);
}

static void end(struct exchange *exchange)
{
	exchange->ended(exchange->ctx, exchange);
}

/* time */

static void on_sweep(void *)
{
	uint64_t now = clock_monotonic_ms();
	struct exchange *exchange, *next;

	DL_FOREACH_SAFE(all, exchange, next)
	{
		if (now - exchange->since_ms < AUTH_TIMEOUT_MS)
			break;
		if (exchange->state == EXCHANGE_VERIFY ||
		    exchange->state == EXCHANGE_DELAYED)
			continue; /* they end by themselves */
		if (exchange->state != EXCHANGE_TOKEN) {
			char *line = mem_printf(
				NULL,
				"FAIL\t%u\treason=Authentication request "
				"timed out",
				exchange->id);

			reply(exchange, line, strlen(line));
			mem_free(line);
		}
		exchange->state = EXCHANGE_OVER;
		end(exchange);
	}
	if (all != NULL)
		timer_reset(sweep_timer, (struct duration){SWEEP_MS});
	else
		timer_free(&sweep_timer);
}

/* The loop's timers tick in milliseconds from when they are set, so that the
 * time a passdb took would show in the last one: this is set to the time. First
 * to a little earlier: who has slept for long takes some microseconds longer to
 * wake, and a passdb that hashes has just been heard of. */
static void set_due_timer(void)
{
	uint64_t due_us = delayed->due_us;
	struct itimerspec at = {0};

	if (due_us > clock_monotonic_us() + EARLY_US)
		due_us -= EARLY_US;
	at.it_value.tv_sec = (time_t)(due_us / 1000000);
	at.it_value.tv_nsec = (long)(due_us % 1000000 * 1000);

	if (timerfd_settime(due_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		log_fatal(EXIT_FAILURE, "timerfd_settime() failed: %m");
}

/* It is as young as if it had just begun. */
static void end_delay_ok(struct exchange *exchange)
{
	DL_DELETE2(delayed, exchange, delay_prev, delay_next);
	exchange->state = EXCHANGE_TOKEN;
	DL_DELETE(all, exchange);
	exchange->since_ms = clock_monotonic_ms();
	DL_APPEND(all, exchange);
}

static void on_due(void *, unsigned)
{
	uint64_t expired;

	if (read(due_fd, &expired, sizeof(expired)) < 0)
		return; /* it was set anew */
	while (delayed != NULL && delayed->due_us <= clock_monotonic_us()) {
		struct exchange *exchange = delayed;

		if (exchange->held_ok)
			end_delay_ok(exchange);
		reply(exchange, exchange->held_reply,
		      strlen(exchange->held_reply));
		end(exchange);
	}
	if (delayed != NULL)
		set_due_timer();
}

static void open_due_timer(struct loop *loop)
{
	due_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (due_fd < 0)
		log_fatal(EXIT_FAILURE, "timerfd_create() failed: %m");
	watch_new(loop, due_fd, WATCH_READ, on_due, NULL);
}

/* Most are due later than all others: look from the end. */
static void delay(struct exchange *exchange)
{
	struct exchange *at = delayed == NULL ? NULL : delayed->delay_prev;

	exchange->state = EXCHANGE_DELAYED;
	while (at != NULL && at->due_us > exchange->due_us)
		at = at == delayed ? NULL : at->delay_prev;
	if (at == NULL)
		DL_PREPEND2(delayed, exchange, delay_prev, delay_next);
	else
		DL_APPEND_ELEM2(delayed, at, exchange, delay_prev, delay_next);
	if (delayed == exchange)
		set_due_timer();
}

/* results */

static const char *fail_code(const struct request *request,
			     enum pass_result result)
{
	if (request->fail_code != NULL)
		return request->fail_code;
	switch (result) {
	case PASS_FAILURE:
		return "temp_fail";
	case PASS_DISABLED:
		return "user_disabled";
	case PASS_EXPIRED:
		return "pass_expired";
	default:
		return NULL;
	}
}

/* From the client's last word on: how long it took to say no tells nothing of
 * why, not even when it took longer than the delay. */
static uint64_t due_at(const struct exchange *exchange)
{
	uint64_t delay_us = exchange->auth->set.auth_failure_delay.ms * 1000;
	uint64_t took_us = clock_monotonic_us() - exchange->step_us;

	return exchange->step_us + (took_us / delay_us + 1) * delay_us;
}

static void fail(struct exchange *exchange, enum pass_result result)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);
	struct request *request = exchange->request;
	struct auth *auth = exchange->auth;
	const char *code = fail_code(request, result);
	const char *user =
		request->user != NULL ? request->user : request->original_user;
	const char *reason = fields_get(&request->pass_fields, "reason");

	buf_printf(&out, "FAIL\t%u", exchange->id);
	if (user != NULL)
		auth_write_value(&out, "user", user);
	if (code != NULL)
		auth_write_value(&out, "code", code);
	if (reason != NULL)
		auth_write_value(&out, "reason", reason);
	if (out.overflow) {
		buf_reset(&out);
		buf_printf(&out, "FAIL\t%u", exchange->id);
	}
	policy_report(auth, request, false, exchange->refused);
	if (result != PASS_FAILURE)
		penalty_add(auth, request);
	if (result == PASS_FAILURE ||
	    fields_get(&request->pass_fields, "nodelay") != NULL ||
	    auth->set.auth_failure_delay.ms == 0) {
		exchange->state = EXCHANGE_OVER;
		reply(exchange, out.data, out.len);
		end(exchange);
		return;
	}
	exchange->due_us = due_at(exchange);
	exchange->held_reply = buf_steal(exchange, &out);
	delay(exchange);
}

static void refuse_by_policy(struct exchange *exchange)
{
	exchange->refused = true;
	request_log(exchange->request, LOG_LEVEL_INFO,
		    "Authentication failure due to policy server refusal");
	fail(exchange, PASS_MISMATCH);
}

static void on_allowed(void *ctx, bool allowed);

/* `data` is what the mechanism says last. */
static void succeed(struct exchange *exchange, struct str data)
{
	exchange->state = EXCHANGE_VERIFY;
	exchange->last_data = str_dup(exchange, data);
	exchange->last_len = data.len;
	policy_ask(exchange->auth, exchange, exchange->request, true,
		   on_allowed, exchange);
}

static bool is_proxied(const struct request *request)
{
	return fields_get(&request->pass_fields, "proxy") != NULL ||
	       fields_get(&request->pass_fields, "proxy_maybe") != NULL;
}

/* What only the login process gets, who connects to the next server with it. */
static void add_proxied(const struct request *request, struct buf *out)
{
	const char *app = fields_get(&request->user_fields, "app_password");
	const char *read_only =
		fields_get(&request->user_fields, "mail_read_only");

	/* The next server asks for it again. */
	if (fields_get(&request->pass_fields, "pass") == NULL &&
	    request->password != NULL)
		auth_write_value(out, "pass", request->password);
	/* That is a master user's, and not of whom he wants to be. */
	if (request->master_user != NULL &&
	    fields_get(&request->pass_fields, "master") == NULL)
		auth_write_value(out, "master", request->master_user);
	/* For who revokes it: among the user's names in `doveadm proxy`. */
	if (app != NULL)
		auth_write_value(out, "user_app_password", app);
	if (app != NULL && read_only != NULL)
		auth_write_value(out, "app_read_only", read_only);
}

static void say_ok(struct exchange *exchange, struct str data)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);
	struct request *request = exchange->request;
	const char *given = request->original_user;

	buf_printf(&out, "OK\t%u", exchange->id);
	auth_write_value(&out, "user", request->user);
	fields_write(&request->pass_fields, &out);
	if (given != NULL && strcmp(given, request->user) != 0)
		auth_write_value(&out, "original_user", given);
	if (request->master_user != NULL)
		auth_write_value(&out, "auth_user", request->master_user);
	if (exchange->of_login && is_proxied(request))
		add_proxied(request, &out);
	if (data.len > 0) {
		buf_add(&out, "\tresp=");
		base64_encode(data, &out);
	}
	if (out.overflow) {
		request_log(request, LOG_LEVEL_ERROR, "too many fields");
		fail(exchange, PASS_FAILURE);
		return;
	}
	policy_report(exchange->auth, request, true, false);
	penalty_clear(exchange->auth, request);
	request_wipe(request);
	if (request->delay_until > time(NULL)) {
		exchange->held_ok = true;
		exchange->due_us =
			clock_monotonic_us() +
			(uint64_t)(request->delay_until - time(NULL)) * 1000000;
		exchange->held_reply = buf_steal(exchange, &out);
		delay(exchange);
		return;
	}
	exchange->state = EXCHANGE_TOKEN;
	reply(exchange, out.data, out.len);
	end(exchange);
}

static void on_host(void *ctx, bool ok)
{
	struct exchange *exchange = ctx;

	if (ok)
		say_ok(exchange,
		       str_n(exchange->last_data, exchange->last_len));
	else
		fail(exchange, PASS_FAILURE);
}

static void on_allowed(void *ctx, bool allowed)
{
	struct exchange *exchange = ctx;

	if (!allowed)
		refuse_by_policy(exchange);
	else if (exchange->of_login) /* who connects to it */
		proxy_host_find(exchange->auth, exchange->request, on_host,
				exchange);
	else
		on_host(exchange, true);
}

/* steps */

static void fail_base64(struct exchange *exchange, bool initial)
{
	CLEANUP(buf_free) struct buf out = buf_init(256);

	request_log(exchange->request, LOG_LEVEL_INFO,
		    "Invalid base64 data in %sresponse",
		    initial ? "initial " : "continued ");
	buf_printf(&out,
		   "FAIL\t%u\tcode=invalid_base64\treason=Invalid base64 data "
		   "in %sresponse",
		   exchange->id, initial ? "initial " : "continued ");
	reply(exchange, out.data, out.len);
	end(exchange);
}

static void challenge(struct exchange *exchange, const struct buf *data)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);

	exchange->state = EXCHANGE_CLIENT;
	buf_printf(&out, "CONT\t%u\t", exchange->id);
	base64_encode(str_n(data->data, data->len), &out);
	reply(exchange, out.data, out.len);
}

static void on_verified(void *ctx, struct request *request,
			enum pass_result result)
{
	struct exchange *exchange = ctx;
	CLEANUP(buf_free) struct buf out = buf_init(AUTH_RESPONSE_MAX);

	if (result == PASS_OK) {
		succeed(exchange, STR(""));
	} else if (exchange->mech->refusal != NULL && result != PASS_FAILURE) {
		const char *url = fields_get(&request->pass_fields,
					     "openid-configuration");

		exchange->result = result;
		buf_add(&out, exchange->mech->refusal);
		if (url != NULL && strpbrk(url, "\"\\") == NULL) {
			buf_truncate(&out, out.len - 1);
			buf_printf(&out, ",\"openid-configuration\":\"%s\"}",
				   url);
		}
		challenge(exchange, &out);
	} else {
		fail(exchange, result);
	}
}

/* What a lookup for credentials has found is of no use to who could not prove
 * to have them. */
static void forget_found(struct exchange *exchange)
{
	struct request *request = exchange->request;

	if (request->want_scheme == NULL && request->credentials == NULL)
		return;
	request->pass_fields = fields_init(request);
	request->user_fields = fields_init(request);
	request->fail_code = NULL;
}

static void mismatch(struct exchange *exchange)
{
	struct request *request = exchange->request;

	if (request->credentials != NULL)
		request_log(request, LOG_LEVEL_INFO, "Password mismatch");
	/* The password may have been changed: next time it is looked up. */
	if (request->remembered != NULL)
		cache_forget(exchange->auth->cache, request->remembered);
	forget_found(exchange);
	fail(exchange, PASS_MISMATCH);
}

static void accepted(struct exchange *exchange, const struct buf *data)
{
	struct request *request = exchange->request;

	if (request->master_user != NULL && request->verbose)
		log_info("Master user logging in as %s", request->user);
	if (data->len == 0 || request->final_resp_ok) {
		succeed(exchange, str_n(data->data, data->len));
		return;
	}
	/* The client's protocol cannot carry it with the success. */
	exchange->result = PASS_OK;
	exchange->at_end = true;
	challenge(exchange, data);
}

static void on_credentials(void *ctx, struct request *request,
			   enum pass_result result);

static void on_may_begin(void *ctx, bool allowed)
{
	struct exchange *exchange = ctx;

	if (!allowed) {
		refuse_by_policy(exchange);
		return;
	}
	exchange->request->lookup_only = exchange->looks_up;
	verify_begin(exchange->auth, exchange->request,
		     exchange->looks_up ? on_credentials : on_verified,
		     exchange);
}

static void on_hashed(void *ctx, const struct pass_answer *answer);

static void follow(struct exchange *exchange, enum mech_step step,
		   const struct buf *out, const struct err *err)
{
	struct request *request = exchange->request;

	switch (step) {
	case MECH_CONTINUE:
		challenge(exchange, out);
		break;
	case MECH_VERIFY:
	case MECH_LOOKUP:
		exchange->state = EXCHANGE_VERIFY;
		exchange->looks_up = step == MECH_LOOKUP;
		policy_ask(exchange->auth, exchange, request, false,
			   on_may_begin, exchange);
		break;
	case MECH_HASH:
		exchange->state = EXCHANGE_VERIFY;
		workers_hash(exchange->auth->workers, exchange, request,
			     on_hashed, exchange);
		break;
	case MECH_ACCEPT:
		accepted(exchange, out);
		break;
	case MECH_MISMATCH:
		mismatch(exchange);
		break;
	case MECH_FAIL:
		forget_found(exchange);
		request->user = NULL;
		request_log(request, LOG_LEVEL_INFO, "%s", err->text);
		fail(exchange, PASS_MISMATCH);
		break;
	}
}

static void on_credentials(void *ctx, struct request *request,
			   enum pass_result result)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(AUTH_RESPONSE_MAX);
	struct exchange *exchange = ctx;
	const char *found = NULL;
	struct err err;

	if (result == PASS_FAILURE) {
		forget_found(exchange);
		fail(exchange, result);
		return;
	}
	if (result == PASS_OK)
		found = request->credentials;
	else
		request_wipe(request);
	follow(exchange,
	       exchange->mech->check(exchange->mech_state, request, found, &out,
				     &err),
	       &out, &err);
}

static void on_hashed(void *ctx, const struct pass_answer *answer)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(AUTH_RESPONSE_MAX);
	struct exchange *exchange = ctx;
	struct err err;

	if (answer->result != PASS_OK) {
		forget_found(exchange);
		fail(exchange, PASS_FAILURE);
		return;
	}
	follow(exchange,
	       exchange->mech->check(exchange->mech_state, exchange->request,
				     answer->credentials, &out, &err),
	       &out, &err);
}

static void step(struct exchange *exchange, struct str response, bool initial,
		 bool has_response)
{
	CLEANUP(buf_wipe_free) struct buf decoded = buf_init(AUTH_RESPONSE_MAX);
	CLEANUP(buf_wipe_free) struct buf out = buf_init(AUTH_RESPONSE_MAX);
	struct err err;

	exchange->step_us = clock_monotonic_us();
	if (initial && !has_response && exchange->mech->client_first) {
		challenge(exchange, &out);
		return;
	}
	if (exchange->at_end) {
		succeed(exchange, STR(""));
		return;
	}
	if (exchange->result != PASS_OK) {
		fail(exchange, exchange->result);
		return;
	}
	if (!base64_decode(response, &decoded) || decoded.overflow) {
		fail_base64(exchange, initial);
		return;
	}
	follow(exchange,
	       exchange->mech->step(
		       exchange->mech_state, exchange->request,
		       str_n(decoded.data == NULL ? "" : decoded.data,
			     decoded.len),
		       has_response, &out, &err),
	       &out, &err);
}

static void on_penalty(void *ctx)
{
	CLEANUP(forget_response) char *response = NULL;
	struct exchange *exchange = ctx;
	static const char no_cert[] =
		"Client didn't present valid SSL certificate";
	struct request *request = exchange->request;

	if (request->set->auth_ssl_require_client_cert &&
	    !request->valid_cert) {
		request_log(request, LOG_LEVEL_INFO, "%s", no_cert);
		fields_set(&request->pass_fields, "reason", no_cert);
		exchange->step_us = clock_monotonic_us();
		fail(exchange, PASS_MISMATCH);
		return;
	}
	/* The exchange may be over before it is wiped. */
	response = mem_steal(NULL, exchange->response);
	exchange->response = NULL;
	step(exchange, str_of(response), true, exchange->has_response);
}

struct exchange *exchange_new(const void *ctx, struct auth *auth, uint32_t id,
			      const struct mech *mech)
{
	struct exchange *exchange = mem_new(ctx, struct exchange);

	exchange->auth = auth;
	exchange->id = id;
	exchange->mech = mech;
	exchange->mech_state =
		mem_zero(exchange, 1, mech->state_size + 1, "mech");
	exchange->request = request_new(exchange, &auth->set);
	exchange->request->mech = mech->name;
	exchange->since_ms = clock_monotonic_ms();
	DL_APPEND(all, exchange);
	talloc_set_destructor(exchange, exchange_destroy);
	if (due_fd < 0)
		open_due_timer(auth->loop);
	if (sweep_timer == NULL)
		sweep_timer = timer_new(auth->loop, (struct duration){SWEEP_MS},
					on_sweep, auth);
	return exchange;
}

void exchange_start(struct exchange *exchange, struct str response)
{
	exchange->state = EXCHANGE_PENALTY;
	exchange->has_response = response.data != NULL;
	exchange->response = str_dup(exchange, response);
	penalty_wait(exchange->auth, exchange->request, on_penalty, exchange,
		     &exchange->penalty);
}

void exchange_continue(struct exchange *exchange, struct str response)
{
	if (exchange->state != EXCHANGE_CLIENT) {
		char *line = mem_printf(
			NULL, "FAIL\t%u\treason=Unexpected continuation",
			exchange->id);

		exchange->request->user = NULL;
		request_log(exchange->request, LOG_LEVEL_INFO,
			    "Unexpected continuation");
		reply(exchange, line, strlen(line));
		mem_free(line);
		/* A session neither. */
		if (exchange->state == EXCHANGE_TOKEN)
			exchange->state = EXCHANGE_OVER;
		end(exchange);
		return;
	}
	step(exchange, response, false, true);
}
