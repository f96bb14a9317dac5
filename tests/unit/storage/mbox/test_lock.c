/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/stat.h>
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

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_dotlock_goes_with_its_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
