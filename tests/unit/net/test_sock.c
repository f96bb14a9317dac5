/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "net/sock.h"

static void test_a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	char path[] = "/tmp/test_sock.XXXXXX";
	struct err err;
	struct stat st;
	int fd, again;

	(void)state;
	fd = mkstemp(path);
	close(fd);
	assert_int_equal(sock_listen_unix(path, 0600, -1, -1, 8, &err), -1);
	assert_int_equal(err.code, ERR_EXISTS);
	unlink(path);
	fd = sock_listen_unix(path, 0620, -1, -1, 8, &err);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0620);
	assert_int_equal(sock_listen_unix(path, 0600, -1, -1, 8, &err), -1);
	assert_int_equal(err.code, ERR_IN_USE);
	close(fd);
	again = sock_listen_unix(path, 0600, -1, -1, 8, &err);
	assert_true(again >= 0);
	close(again);
	unlink(path);
}

static void test_accept_tells_both_addresses(void **state)
{
	struct ip any = {0}, local, remote, bound = {0};
	char text[IP_TEXT_MAX];
	struct err err;
	int listener, client, fd;

	(void)state;
	assert_true(ip_parse("127.0.0.1", &any));
	listener = sock_listen_ip(&any, 8, 0, &err);
	assert_true(listener >= 0);
	assert_int_equal(sock_accept(listener, &local, &remote, &err), -1);
	client = socket(AF_INET, SOCK_STREAM, 0);
	{
		struct sockaddr_in at;
		socklen_t len = sizeof(at);

		getsockname(listener, (struct sockaddr *)&at, &len);
		bound.port = ntohs(at.sin_port);
		assert_int_equal(connect(client, (struct sockaddr *)&at, len),
				 0);
	}
	fd = sock_accept(listener, &local, &remote, &err);
	assert_true(fd >= 0);
	assert_string_equal(ip_text(&remote, text), "127.0.0.1");
	assert_int_equal(local.port, bound.port);
	assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	close(fd);
	close(client);
	close(listener);
}

static void test_frames_arrive_whole_with_their_descriptor(void **state)
{
	CLEANUP(buf_free) struct buf in = buf_init(FRAME_MAX + 4);
	char *large = calloc(1, FRAME_MAX);
	int fds[2], pipes[2], got = -1;
	struct err err;
	size_t len;

	(void)state;
	assert_int_equal(sock_pair(fds, &err), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(frame_recv(fds[1], &in, &got, &len, &err), 0);
	assert_int_equal(frame_send(fds[0], "one", 3, -1, &err), 0);
	assert_int_equal(frame_send(fds[0], "two", 3, pipes[1], &err), 0);
	assert_int_equal(frame_send(fds[0], large, FRAME_MAX, -1, &err), 0);
	assert_int_equal(frame_send(fds[0], large, FRAME_MAX + 1, -1, &err),
			 -1);
	assert_int_equal(frame_recv(fds[1], &in, &got, &len, &err), 1);
	assert_int_equal(got, -1);
	assert_int_equal(len, 3);
	assert_memory_equal(in.data + 4, "one", 3);
	frame_done(&in, len);
	assert_int_equal(frame_recv(fds[1], &in, &got, &len, &err), 1);
	assert_true(got >= 0);
	assert_memory_equal(in.data + 4, "two", 3);
	frame_done(&in, len);
	close(got);
	got = -1;
	assert_int_equal(frame_wait(fds[1], &in, &got, &len, 1000, &err), 1);
	assert_int_equal(len, FRAME_MAX);
	frame_done(&in, len);
	assert_int_equal(frame_wait(fds[1], &in, &got, &len, 10, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	close(fds[0]);
	assert_int_equal(frame_recv(fds[1], &in, &got, &len, &err), -1);
	assert_int_equal(err.code, ERR_CLOSED);
	close(fds[1]);
	close(pipes[0]);
	close(pipes[1]);
	free(large);
}

static void test_whichever_has_something_to_say(void **state)
{
	int one[2], two[2], all[2];
	struct err err;

	(void)state;
	assert_int_equal(sock_pair(one, &err), 0);
	assert_int_equal(sock_pair(two, &err), 0);
	all[0] = one[0];
	all[1] = two[0];
	assert_int_equal(sock_wait_any(all, 2, clock_monotonic_ms() + 10, &err),
			 -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	assert_int_equal(frame_send(two[1], "x", 1, -1, &err), 0);
	assert_int_equal(
		sock_wait_any(all, 2, clock_monotonic_ms() + 1000, &err), 1);
	/* One that is gone has, too; and what is ready needs no time. */
	close(one[1]);
	assert_int_equal(sock_wait_any(all, 2, 0, &err), 0);
	close(one[0]);
	close(two[0]);
	close(two[1]);
}

static void test_a_frame_beyond_the_limit_is_refused_unread(void **state)
{
	CLEANUP(buf_free) struct buf in = buf_init(FRAME_MAX + 4);
	int fds[2], got = -1;
	struct err err;
	size_t len;

	(void)state;
	assert_int_equal(sock_pair(fds, &err), 0);
	assert_int_equal(write(fds[0], "\x01\x00\x02\x00", 4), 4);
	assert_int_equal(frame_recv(fds[1], &in, &got, &len, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_stale_socket_is_replaced_and_a_live_one_is_not),
		cmocka_unit_test(test_accept_tells_both_addresses),
		cmocka_unit_test(
			test_frames_arrive_whole_with_their_descriptor),
		cmocka_unit_test(test_whichever_has_something_to_say),
		cmocka_unit_test(
			test_a_frame_beyond_the_limit_is_refused_unread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
