/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/config.h"
#include "imap/session.h"
#include "net/conn.h"
#include "net/loop.h"
#include "service/service.h"

enum { ANSWER_MAX = 64 * 1024 * 1024, GUARD_MS = 10000 };

static struct {
	TALLOC_CTX *ctx;
	char dir[64];
	struct loop *loop;
	struct config *config;
	struct account account;
	struct service_session login;
	int client;
	bool ended;
	struct buf in, shown;
	uint64_t modseq, uid_validity; /* the last that were told */
	const char *prefix;
} h;

/* what a session calls of service/ */

struct loop *service_loop(struct service_env *env)
{
	(void)env;
	return h.loop;
}

const struct config *service_config(struct service_env *env)
{
	(void)env;
	return h.config;
}

void service_may(struct service_env *env, unsigned sandbox)
{
	(void)env;
	(void)sandbox;
}

void service_title(struct service_env *env, const char *fmt, ...)
{
	(void)env;
	(void)fmt;
}

void service_session_end_of(struct service_env *env,
			    const struct service_session *session)
{
	(void)env;
	assert_ptr_equal(session, &h.login);
	h.ended = true;
	loop_stop(h.loop);
}

/* set-up */

static void write_config(const char *path, const char *settings)
{
	FILE *fp = fopen(path, "w");

	assert_non_null(fp);
	fprintf(fp,
		"mail_location = maildir:~/Maildir\n"
		"mail_fsync = never\n"
		"namespace inbox {\n"
		"  inbox = yes\n"
		"}\n%s",
		settings == NULL ? "" : settings);
	fclose(fp);
}

void harness_setup(const char *settings)
{
	CLEANUP(buf_free) struct buf errors = buf_init(10000);
	CLEANUP(buf_free) struct buf warnings = buf_init(10000);
	static const char *const no_fields[] = {NULL};
	struct err err;
	char *path;

	memset(&h, 0, sizeof(h));
	h.ctx = mem_ctx(NULL, "harness");
	snprintf(h.dir, sizeof(h.dir), "/tmp/dovetail-test-imap-XXXXXX");
	assert_non_null(mkdtemp(h.dir));
	path = mem_printf(h.ctx, "%s/dovecot.conf", h.dir);
	write_config(path, settings);
	if (config_load(h.ctx, path, 0, &errors, &warnings, &h.config, &err) <
	    0)
		fail_msg("%s\n%s", err.text, errors.data);
	h.loop = loop_new();
	h.account = (struct account){
		.name = "alice",
		.home = h.dir,
		.uid = getuid(),
		.gid = getgid(),
		.fields = no_fields,
	};
	h.in = buf_init(ANSWER_MAX);
	h.shown = buf_init(ANSWER_MAX);
	h.client = -1;
	if (imap_sessions_init(NULL, &err) < 0)
		fail_msg("%s", err.text);
}

void harness_teardown(void)
{
	struct err err;

	if (h.client >= 0)
		harness_hang_up();
	loop_free(&h.loop);
	buf_free(&h.in);
	buf_free(&h.shown);
	assert_int_equal(dir_remove(h.dir, &err), 0);
	mem_free(h.ctx);
}

void harness_login(void)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	h.client = fds[0];
	h.ended = false;
	buf_reset(&h.in);
	h.login = (struct service_session){
		.fd = fds[1],
		.account = &h.account,
		.session_id = "harness",
		.tag = STR("L"),
	};
	mail_session_start(NULL, &h.login);
	harness_expect("L OK ");
}

const char *harness_home(void)
{
	return h.dir;
}

bool harness_ended(void)
{
	return h.ended;
}

void harness_hang_up(void)
{
	fd_close(&h.client);
	if (!h.ended)
		loop_run(h.loop);
	assert_true(h.ended);
}

/* talking */

static void stop_loop(void *ctx)
{
	(void)ctx;
	loop_stop(h.loop);
}

void harness_run(unsigned ms)
{
	struct timer *timer =
		timer_new(h.loop, (struct duration){.ms = ms}, stop_loop, NULL);

	loop_run(h.loop);
	timer_free(&timer);
}

void harness_send(const char *text, size_t len)
{
	while (len > 0 && !h.ended) {
		ssize_t done = send(h.client, text, len, MSG_NOSIGNAL);

		if (done > 0) {
			text += done;
			len -= (size_t)done;
		} else {
			harness_run(1);
		}
	}
}

void harness_send_slowly(const char *text)
{
	for (; *text != '\0'; text++) {
		harness_send(text, 1);
		harness_run(0);
	}
}

/* The octets up to the end of the line that begins with the prefix; 0: it is
 * not there yet. */
static size_t whole(const char *prefix)
{
	size_t len = strlen(prefix), at = 0;
	const char *eol;

	while (at < h.in.len) {
		eol = memchr(h.in.data + at, '\n', h.in.len - at);
		if (eol == NULL)
			return 0;
		if (strncmp(h.in.data + at, prefix, len) == 0)
			return (size_t)(eol - h.in.data) + 1;
		at = (size_t)(eol - h.in.data) + 1;
	}
	return 0;
}

static bool take_answer(void)
{
	char *space = buf_space(&h.in, 65536);
	ssize_t got;

	assert_non_null(space);
	got = read(h.client, space, 65536);
	if (got > 0)
		buf_grew(&h.in, (size_t)got);
	return got > 0;
}

static void on_answer(void *ctx, unsigned events)
{
	(void)ctx;
	(void)events;
	if (!take_answer() || whole(h.prefix) > 0)
		loop_stop(h.loop);
}

static void on_guard(void *ctx)
{
	(void)ctx;
	fail_msg("no answer that begins with %s in: %s", h.prefix, h.in.data);
}

/* The length of " (0.001 + 0.000 secs)" at the start of `in`; else 0. */
static size_t times_at(struct str in)
{
	size_t at = 2;

	if (!str_starts(in, " (") || in.len < 3 ||
	    !isdigit((unsigned char)in.data[2]))
		return 0;
	while (at < in.len && strchr("0123456789.+ ", in.data[at]) != NULL)
		at++;
	return str_starts(str_from(in, at), "secs)") ? at + 5 : 0;
}

/* The length of "UIDVALIDITY " and the like at the start of `in`; else 0. What
 * follows is a number, or 32 hex digits. */
static size_t validity_at(struct str in)
{
	static const char *const words[] = {"UIDVALIDITY ", "APPENDUID ",
					    "COPYUID ", "MAILBOXID ("};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_starts(in, words[i]))
			return strlen(words[i]);
	}
	return 0;
}

static uint64_t number_at(struct str in, size_t *len_out)
{
	uint64_t number = 0;
	size_t len = 0;

	while (len < in.len && isdigit((unsigned char)in.data[len]))
		number = number * 10 + (uint64_t)(in.data[len++] - '0');
	*len_out = len;
	return number;
}

/* Modseqs count from the one that SELECT tells behind UIDNEXT. Returns what was
 * used of "MODSEQ 123" or "MODSEQ (123". */
static size_t modseq_at(struct str in, struct buf *out)
{
	static const char behind[] = "] Predicted next UID\r\n* OK [HIGHEST";
	size_t len = sizeof(behind) - 1, at = strlen("MODSEQ "), digits;
	uint64_t modseq;

	if (!str_starts(in, "MODSEQ "))
		return 0;
	if (at < in.len && in.data[at] == '(')
		at++;
	modseq = number_at(str_from(in, at), &digits);
	if (digits == 0)
		return 0;
	if (out->len >= len &&
	    memcmp(out->data + out->len - len, behind, len) == 0)
		h.modseq = modseq;
	buf_append(out, in.data, at);
	buf_printf(out, "~%lld", (long long)(modseq - h.modseq));
	return at + digits;
}

/* A number that harness_expand() may be asked for, or an id in hex. */
static void take_validity(struct str in, size_t *at)
{
	size_t len;
	uint64_t number = number_at(str_from(in, *at), &len);

	if (in.data[*at - 1] == ' ')
		h.uid_validity = number;
	while (*at < in.len && isxdigit((unsigned char)in.data[*at]))
		(*at)++;
}

static void normalize(struct str in, struct buf *out)
{
	size_t at = 0, len;

	buf_reset(out);
	while (at < in.len) {
		at += times_at(str_from(in, at));
		len = modseq_at(str_from(in, at), out);
		at += len;
		if (len > 0)
			continue;
		len = validity_at(str_from(in, at));
		if (len == 0) {
			if (at < in.len)
				buf_putc(out, in.data[at++]);
			continue;
		}
		buf_append(out, in.data + at, len);
		buf_putc(out, '0');
		at += len;
		take_validity(in, &at);
	}
}

const char *harness_expect(const char *prefix)
{
	struct watch *watch;
	struct timer *guard;
	size_t len;

	h.prefix = prefix;
	len = whole(prefix);
	if (len == 0 && !h.ended) {
		watch = watch_new(h.loop, h.client, WATCH_READ, on_answer,
				  NULL);
		guard = timer_new(h.loop, (struct duration){.ms = GUARD_MS},
				  on_guard, NULL);
		loop_run(h.loop);
		watch_free(&watch);
		timer_free(&guard);
		while (h.ended && take_answer())
			;
		len = whole(prefix);
	}
	if (len == 0)
		len = h.in.len;
	normalize(str_n(h.in.data, len), &h.shown);
	buf_shift(&h.in, len);
	return h.shown.data;
}

void harness_expand(const char *text, struct buf *out)
{
	const char *tilde;
	char *end;

	while ((tilde = strchr(text, '~')) != NULL) {
		buf_append(out, text, (size_t)(tilde - text));
		text = tilde + 1;
		if (*text == 'v') {
			text++;
			buf_printf(out, "%llu",
				   (unsigned long long)h.uid_validity);
		} else {
			long long n = strtoll(text, &end, 10);

			text = end;
			buf_printf(
				out, "%llu",
				(unsigned long long)(h.modseq + (uint64_t)n));
		}
	}
	buf_add(out, text);
}

const char *harness_command(const char *tag, const char *command)
{
	char prefix[32];

	harness_send(tag, strlen(tag));
	harness_send(" ", 1);
	harness_send(command, strlen(command));
	harness_send("\r\n", 2);
	snprintf(prefix, sizeof(prefix), "%s ", tag);
	return harness_expect(prefix);
}
