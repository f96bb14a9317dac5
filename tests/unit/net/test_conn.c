/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"

struct peer {
	struct loop *loop;
	struct conn *conn;
	int other; /* the test's end */
	char text[256];
	size_t len, eat; /* eat: consume no more than so much at once; 0: all */
	unsigned inputs, drained, closed, timeouts;
	char why[64];
};

static void on_input(void *ctx)
{
	struct peer *peer = ctx;
	struct str input = conn_input(peer->conn);
	size_t len =
		peer->eat > 0 && peer->eat < input.len ? peer->eat : input.len;

	peer->inputs++;
	if (peer->len + len < sizeof(peer->text)) {
		memcpy(peer->text + peer->len, input.data, len);
		peer->len += len;
	}
	conn_consume(peer->conn, len);
	loop_stop(peer->loop);
}

static void on_drained(void *ctx)
{
	struct peer *peer = ctx;

	peer->drained++;
	loop_stop(peer->loop);
}

static void on_closed(void *ctx, const char *why)
{
	struct peer *peer = ctx;

	peer->closed++;
	strncat(peer->why, why, sizeof(peer->why) - strlen(peer->why) - 1);
	conn_free(&peer->conn);
	loop_stop(peer->loop);
}

static void on_timeout(void *ctx)
{
	struct peer *peer = ctx;

	peer->timeouts++;
	loop_stop(peer->loop);
}

static const struct conn_events events = {
	.input = on_input,
	.drained = on_drained,
	.closed = on_closed,
	.timeout = on_timeout,
};

static struct peer *peer_with(size_t max_input, const struct conn_events *told)
{
	struct peer *peer = mem_new(NULL, struct peer);
	struct err err;
	int fds[2];

	assert_int_equal(sock_pair(fds, &err), 0);
	peer->loop = loop_new();
	peer->other = fds[1];
	peer->conn = conn_new(peer, peer->loop, fds[0], max_input, told, peer);
	return peer;
}

static struct peer *peer_new(size_t max_input)
{
	return peer_with(max_input, &events);
}

static void peer_free(struct peer *peer)
{
	if (peer->conn != NULL)
		conn_free(&peer->conn);
	loop_free(&peer->loop);
	close(peer->other);
	mem_free(peer);
}

static void say(struct peer *peer, const char *text)
{
	assert_int_equal(write(peer->other, text, strlen(text)), strlen(text));
}

static void stop_loop(void *ctx)
{
	loop_stop(ctx);
}

static void run_for(struct loop *loop, unsigned ms)
{
	struct timer *timer =
		timer_new(loop, (struct duration){ms}, stop_loop, loop);

	loop_run(loop);
	timer_free(&timer);
}

static void take_all_slowly(void *ctx)
{
	struct peer *peer = ctx;

	peer->inputs++;
	usleep(1000);
	conn_consume(peer->conn, conn_input(peer->conn).len);
}

static void test_a_flood_of_input_leaves_turns_for_others(void **state)
{
	static const struct conn_events slow = {.input = take_all_slowly};
	static const char flood[16 * 1000];
	struct peer *peer = peer_with(16, &slow);

	(void)state;
	assert_int_equal(write(peer->other, flood, sizeof(flood)),
			 sizeof(flood));
	run_for(peer->loop, 20);
	assert_in_range(peer->inputs, 1, 500);
	peer_free(peer);
}

static void test_what_is_written_arrives_without_a_flush(void **state)
{
	struct peer *peer = peer_new(100);
	char got[32] = "";

	(void)state;
	conn_write(peer->conn, "a", 1);
	conn_printf(peer->conn, "%s%d", "bc", 4);
	run_for(peer->loop, 5);
	assert_int_equal(read(peer->other, got, sizeof(got)), 4);
	assert_string_equal(got, "abc4");
	assert_int_equal(conn_bytes_out(peer->conn), 4);
	peer_free(peer);
}

static void test_a_full_input_buffer_waits_for_the_owner(void **state)
{
	struct peer *peer = peer_new(8);

	(void)state;
	peer->eat = 3;
	say(peer, "0123456789abcdef");
	loop_run(peer->loop);
	assert_int_equal(peer->len, 3);
	loop_run(peer->loop);
	assert_true(conn_input(peer->conn).len <= 8);
	peer->eat = 0;
	run_for(peer->loop, 5);
	run_for(peer->loop, 5);
	assert_int_equal(peer->len, 16);
	assert_string_equal(peer->text, "0123456789abcdef");
	assert_int_equal(conn_bytes_in(peer->conn), 16);
	peer_free(peer);
}

static char octet_at(size_t at)
{
	return (char)(at % 251);
}

/* Counts in `eat` what is not as it was sent. */
static void on_piece(void *ctx)
{
	struct peer *peer = ctx;
	struct str input = conn_input(peer->conn);

	for (size_t i = 0; i < input.len; i++, peer->len++)
		peer->eat += input.data[i] != octet_at(peer->len);
	conn_consume(peer->conn, input.len);
}

static void test_a_large_mail_arrives_whole(void **state)
{
	enum { SIZE = 3 << 20, PIECE = 100000 };
	const struct conn_events pieces = {.input = on_piece,
					   .closed = on_closed};
	struct peer *peer = peer_with(256 << 10, &pieces);
	size_t sent = 0;
	char piece[PIECE];

	(void)state;
	fcntl(peer->other, F_SETFL, O_NONBLOCK);
	while (peer->len < SIZE) {
		size_t len = SIZE - sent < PIECE ? SIZE - sent : PIECE;
		ssize_t done;

		for (size_t i = 0; i < len; i++)
			piece[i] = octet_at(sent + i);
		done = len == 0 ? 0 : write(peer->other, piece, len);
		sent += done > 0 ? (size_t)done : 0;
		run_for(peer->loop, 1);
	}
	assert_int_equal(peer->len, SIZE);
	assert_int_equal(peer->eat, 0);
	assert_int_equal(conn_bytes_in(peer->conn), SIZE);
	peer_free(peer);
}

static void test_a_paused_connection_keeps_its_input(void **state)
{
	struct peer *peer = peer_new(100);

	(void)state;
	conn_pause(peer->conn);
	say(peer, "hello");
	run_for(peer->loop, 5);
	assert_int_equal(peer->inputs, 0);
	conn_resume(peer->conn);
	run_for(peer->loop, 50);
	assert_string_equal(peer->text, "hello");
	peer_free(peer);
}

static void test_added_input_comes_first(void **state)
{
	struct peer *peer = peer_new(100);

	(void)state;
	say(peer, "second");
	conn_add_input(peer->conn, STR("first "));
	run_for(peer->loop, 50);
	run_for(peer->loop, 50);
	assert_string_equal(peer->text, "first second");
	peer_free(peer);
}

static void test_a_slow_reader_drains_in_the_end(void **state)
{
	struct peer *peer = peer_new(100);
	size_t sent = 0, got = 0;
	char block[4096];

	(void)state;
	memset(block, 'x', sizeof(block));
	while (!conn_output_full(peer->conn)) {
		conn_write(peer->conn, block, sizeof(block));
		sent += sizeof(block);
	}
	assert_int_equal(peer->drained, 0);
	while (got < sent) {
		ssize_t ret = read(peer->other, block, sizeof(block));

		if (ret > 0)
			got += (size_t)ret;
		else
			run_for(peer->loop, 1);
	}
	run_for(peer->loop, 1);
	assert_int_equal(got, sent);
	assert_int_equal(peer->drained, 1);
	peer_free(peer);
}

static void test_input_before_the_end_is_told_before_the_end(void **state)
{
	struct peer *peer = peer_new(100);

	(void)state;
	say(peer, "bye");
	shutdown(peer->other, SHUT_WR);
	loop_run(peer->loop);
	assert_string_equal(peer->text, "bye");
	assert_int_equal(peer->closed, 0);
	loop_run(peer->loop);
	assert_int_equal(peer->closed, 1);
	assert_string_equal(peer->why, "");
	peer_free(peer);
}

static void test_close_later_writes_all_and_reads_nothing(void **state)
{
	struct peer *peer = peer_new(100);
	char got[16] = "";

	(void)state;
	say(peer, "ignored");
	conn_write(peer->conn, "* BYE", 5);
	conn_close_later(peer->conn);
	loop_run(peer->loop);
	assert_int_equal(peer->drained, 1);
	assert_int_equal(peer->inputs, 0);
	assert_int_equal(read(peer->other, got, sizeof(got)), 5);
	assert_int_equal(read(peer->other, got, sizeof(got)), 0);
	peer_free(peer);
}

/* Writes for ever, and is read as fast. */
static void on_busy(void *ctx)
{
	struct peer *peer = ctx;
	char block[4096] = "";

	for (uint64_t since = clock_monotonic_ms();
	     clock_monotonic_ms() - since < 10 * 1000;) {
		if (conn_output_full(peer->conn)) {
			peer->drained++;
			return;
		}
		conn_write(peer->conn, block, sizeof(block));
		conn_flush(peer->conn);
		(void)!read(peer->other, block, sizeof(block));
	}
	loop_stop(peer->loop);
}

static void on_late(void *ctx)
{
	struct peer *peer = ctx;

	peer->timeouts++;
	loop_stop(peer->loop);
}

static void test_who_is_read_as_fast_as_he_writes_leaves_turns(void **state)
{
	static const struct conn_events busy = {
		.input = on_busy,
		.drained = on_busy,
		.closed = on_closed,
	};
	struct peer *peer = peer_with(100, &busy);
	struct timer *timer =
		timer_new(peer->loop, (struct duration){100}, on_late, peer);

	(void)state;
	say(peer, "go");
	loop_run(peer->loop);
	assert_int_equal(peer->timeouts, 1);
	assert_true(peer->drained > 1);
	timer_free(&timer);
	peer_free(peer);
}

static void on_closed_bye(void *ctx, const char *why)
{
	struct peer *peer = ctx;

	(void)why;
	peer->closed++;
	if (peer->closed == 1)
		conn_close_later(peer->conn);
	else
		loop_stop(peer->loop);
}

static void test_close_later_of_a_dead_connection_is_told(void **state)
{
	static const struct conn_events bye = {
		.input = on_input,
		.drained = on_drained,
		.closed = on_closed_bye,
	};
	struct peer *peer = peer_new(100);

	(void)state;
	conn_set_events(peer->conn, &bye, peer);
	shutdown(peer->other, SHUT_RDWR);
	loop_run(peer->loop);
	assert_int_equal(peer->closed, 2);
	peer_free(peer);
}

static void test_corked_output_leaves_in_one_piece(void **state)
{
	struct peer *peer = peer_new(100);
	char got[16] = "";

	(void)state;
	conn_cork(peer->conn, true);
	conn_write(peer->conn, "one", 3);
	run_for(peer->loop, 2);
	assert_int_equal(read(peer->other, got, sizeof(got)), -1);
	conn_write(peer->conn, "two", 3);
	conn_cork(peer->conn, false);
	run_for(peer->loop, 2);
	assert_int_equal(read(peer->other, got, sizeof(got)), 6);
	peer_free(peer);
}

static void test_silence_is_told_once_per_time_out(void **state)
{
	struct peer *peer = peer_new(100);

	(void)state;
	conn_set_timeout(peer->conn, (struct duration){20});
	loop_run(peer->loop);
	assert_int_equal(peer->timeouts, 1);
	say(peer, "x");
	loop_run(peer->loop);
	assert_int_equal(peer->inputs, 1);
	assert_int_equal(peer->timeouts, 1);
	loop_run(peer->loop);
	assert_int_equal(peer->timeouts, 2);
	peer_free(peer);
}

struct joined {
	struct loop *loop;
	uint64_t to_a, to_b;
	unsigned done;
};

static void on_done(void *ctx, uint64_t to_a, uint64_t to_b, const char *why)
{
	struct joined *joined = ctx;

	assert_string_equal(why, "");
	joined->to_a = to_a;
	joined->to_b = to_b;
	joined->done++;
	loop_stop(joined->loop);
}

/* A megabyte through two small sockets, one end of which reads slowly. */
static void test_joined_connections_pass_all_both_ways(void **state)
{
	struct peer *a = peer_new(100);
	struct joined joined = {.loop = a->loop};
	size_t sent = 0, got = 0, total = 1024 * 1024;
	char block[8192], small[8] = "";
	struct conn *b;
	struct err err;
	int fds[2];

	(void)state;
	memset(block, 'y', sizeof(block));
	assert_int_equal(sock_pair(fds, &err), 0);
	b = conn_new(a, a->loop, fds[0], 100, &events, a);
	conn_add_input(a->conn, STR("pre"));
	conn_join(a->conn, b, on_done, &joined);
	assert_int_equal(write(fds[1], "hi", 2), 2);
	while (got < total + 3) {
		ssize_t ret;

		if (sent < total) {
			ret = write(a->other, block, sizeof(block));
			if (ret > 0)
				sent += (size_t)ret;
		}
		run_for(a->loop, 0);
		ret = read(fds[1], block, 1000);
		if (ret > 0 && got == 0)
			assert_memory_equal(block, "pre", 3);
		if (ret > 0)
			got += (size_t)ret;
	}
	assert_true(got >= total + 3);
	assert_int_equal(read(a->other, small, sizeof(small)), 2);
	close(fds[1]);
	loop_run(a->loop);
	assert_int_equal(joined.done, 1);
	assert_int_equal(joined.to_a, 2);
	assert_int_equal(joined.to_b, got);
	conn_free(&b);
	peer_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_arrives_without_a_flush),
		cmocka_unit_test(test_a_full_input_buffer_waits_for_the_owner),
		cmocka_unit_test(test_a_large_mail_arrives_whole),
		cmocka_unit_test(test_a_paused_connection_keeps_its_input),
		cmocka_unit_test(test_added_input_comes_first),
		cmocka_unit_test(test_a_slow_reader_drains_in_the_end),
		cmocka_unit_test(
			test_input_before_the_end_is_told_before_the_end),
		cmocka_unit_test(test_close_later_writes_all_and_reads_nothing),
		cmocka_unit_test(test_close_later_of_a_dead_connection_is_told),
		cmocka_unit_test(test_a_flood_of_input_leaves_turns_for_others),
		cmocka_unit_test(
			test_who_is_read_as_fast_as_he_writes_leaves_turns),
		cmocka_unit_test(test_corked_output_leaves_in_one_piece),
		cmocka_unit_test(test_silence_is_told_once_per_time_out),
		cmocka_unit_test(test_joined_connections_pass_all_both_ways),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
