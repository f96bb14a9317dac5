/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../fixture.h"
#include "base/file.h"
#include "storage/core.h"
#include "storage/mbox/mbox.h"

static char *make_dir(struct fixture *f, const char *name)
{
	char *path = mem_printf(f->ctx, "%s/%s", f->dir, name);

	assert_int_equal(mkdir(path, 0700), 0);
	return path;
}

/* RENAME of the mailbox above, by another session. */
static void test_a_dotlock_goes_with_its_directory(void **state)
{
	struct fixture *f = *state;
	struct location location;
	char *dir = make_dir(f, "above");
	char *path = mem_printf(f->ctx, "%s/box", dir);
	struct driver_box box = {.location = &location, .path = path};
	struct mbox_lock lock;
	struct err err;
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_ok(location_parse(f->ctx, "mbox:~/mail", f->user, &location,
				 &err));
	assert_ok(mbox_lock_now(&box, fd, MBOX_WRITE, &lock, &err));
	assert_int_equal(
		access(mem_printf(f->ctx, "%s/above/box.lock", f->dir), F_OK),
		0);
	assert_int_equal(rename(dir, mem_printf(f->ctx, "%s/other", f->dir)),
			 0);
	mbox_unlock(&lock);
	assert_int_equal(
		access(mem_printf(f->ctx, "%s/other/box", f->dir), F_OK), 0);
	assert_int_equal(
		access(mem_printf(f->ctx, "%s/other/box.lock", f->dir), F_OK),
		-1);
	close(fd);
}

static pid_t rename_to_and_fro(const char *a, const char *b)
{
	pid_t pid = fork();

	while (pid == 0) {
		rename(a, b);
		rename(b, a);
	}
	return pid;
}

static void test_a_dotlock_is_found_while_its_directory_moves(void **state)
{
	struct fixture *f = *state;
	struct location location;
	char *a = make_dir(f, "a"), *b = mem_printf(f->ctx, "%s/b", f->dir);
	char *path = mem_printf(f->ctx, "%s/box", a);
	struct driver_box box = {.location = &location, .path = path};
	int fd = open(path, O_RDWR | O_CREAT, 0600), locked = 0;
	struct mbox_lock lock;
	struct err err;
	pid_t pid;

	assert_true(fd >= 0);
	assert_ok(location_parse(f->ctx, "mbox:~/mail", f->user, &location,
				 &err));
	pid = rename_to_and_fro(a, b);
	for (int i = 0; i < 3000; i++) {
		if (mbox_lock_now(&box, fd, MBOX_WRITE, &lock, &err) < 0)
			continue;
		locked++;
		mbox_unlock(&lock);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(locked > 0);
	assert_int_equal(
		access(mem_printf(f->ctx, "%s/a/box.lock", f->dir), F_OK), -1);
	assert_int_equal(
		access(mem_printf(f->ctx, "%s/b/box.lock", f->dir), F_OK), -1);
	close(fd);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_dotlock_goes_with_its_directory),
		TEST(test_a_dotlock_is_found_while_its_directory_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
