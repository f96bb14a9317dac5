/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "net/loop.h"

struct probe {
	struct loop *loop;
	struct watch *watch;
	struct timer *timer;
	unsigned calls;
	unsigned stop_after;
};

static void count(struct probe *probe)
{
	if (++probe->calls >= probe->stop_after)
		loop_stop(probe->loop);
}

static void on_ready(void *ctx, unsigned events)
{
	struct probe *probe = ctx;

	assert_int_equal(events, WATCH_READ);
	watch_free(&probe->watch);
	count(probe);
}

static void on_signal(void *ctx, unsigned signal)
{
	assert_int_equal(signal, SIGUSR1);
	count(ctx);
}

static void on_timer(void *ctx)
{
	struct probe *probe = ctx;

	count(probe);
	timer_reset(probe->timer, (struct duration){1});
}

static void on_change(void *ctx)
{
	count(ctx);
}

static void test_a_callback_may_free_its_watch(void **state)
{
	struct probe probe = {.loop = loop_new(), .stop_after = 1};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	probe.watch =
		watch_new(probe.loop, fds[0], WATCH_READ, on_ready, &probe);
	loop_run(probe.loop);
	assert_int_equal(probe.calls, 1);
	assert_null(probe.watch);
	loop_free(&probe.loop);
	close(fds[0]);
	close(fds[1]);
}

static void test_a_timer_fires_again_after_reset(void **state)
{
	struct probe probe = {.loop = loop_new(), .stop_after = 3};

	(void)state;
	probe.timer =
		timer_new(probe.loop, (struct duration){1}, on_timer, &probe);
	loop_run(probe.loop);
	assert_int_equal(probe.calls, 3);
	timer_free(&probe.timer);
	loop_free(&probe.loop);
}

static void test_signals_come_from_the_loop(void **state)
{
	struct probe probe = {.loop = loop_new(), .stop_after = 1};

	(void)state;
	probe.watch = watch_signal(probe.loop, SIGUSR1, on_signal, &probe);
	raise(SIGUSR1);
	assert_int_equal(probe.calls, 0);
	loop_run(probe.loop);
	assert_int_equal(probe.calls, 1);
	watch_free(&probe.watch);
	loop_free(&probe.loop);
}

static void test_a_stop_before_the_run_counts(void **state)
{
	struct loop *loop = loop_new();

	(void)state;
	loop_stop(loop);
	loop_run(loop);
	loop_free(&loop);
}

static void touch(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	unlink(path);
}

static void test_two_watches_of_one_directory_both_see_a_burst(void **state)
{
	char dir[] = "/tmp/test_loop.XXXXXX";
	const char *paths[] = {dir};
	struct loop *loop = loop_new();
	struct probe one = {.loop = loop, .stop_after = 100};
	struct probe two = {.loop = loop, .stop_after = 1};
	struct notify *first, *second;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	first = notify_new(loop, paths, 1, on_change, &one, &err);
	second = notify_new(loop, paths, 1, on_change, &two, &err);
	touch(dir, "a");
	touch(dir, "b");
	loop_run(loop);
	assert_int_equal(one.calls, 1);
	assert_int_equal(two.calls, 1);
	/* One goes; the other still sees what happens. */
	notify_free(&first);
	touch(dir, "c");
	loop_run(loop);
	assert_int_equal(two.calls, 2);
	notify_free(&second);
	loop_free(&loop);
	rmdir(dir);
}

static void test_a_forked_child_has_watches_of_its_own(void **state)
{
	char dir[] = "/tmp/test_loop.XXXXXX";
	const char *paths[] = {dir};
	struct probe probe = {.loop = loop_new(), .stop_after = 1};
	struct notify *notify;
	struct err err;
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	notify = notify_new(probe.loop, paths, 1, on_change, &probe, &err);
	pid = fork();
	if (pid == 0) {
		loop_reinit(probe.loop);
		touch(dir, "a");
		loop_run(probe.loop);
		_exit(probe.calls == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* The child has not read what is the parent's. */
	loop_run(probe.loop);
	assert_int_equal(probe.calls, 1);
	notify_free(&notify);
	loop_free(&probe.loop);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_callback_may_free_its_watch),
		cmocka_unit_test(test_a_timer_fires_again_after_reset),
		cmocka_unit_test(test_signals_come_from_the_loop),
		cmocka_unit_test(test_a_stop_before_the_run_counts),
		cmocka_unit_test(
			test_two_watches_of_one_directory_both_see_a_burst),
		cmocka_unit_test(test_a_forked_child_has_watches_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
