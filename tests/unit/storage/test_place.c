/* SPDX-License-Identifier: MIT */
#include "storage/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"

static uint32_t magic;

static int fake_statfs(const char *path, struct statfs *out)
{
	(void)path;
	memset(out, 0, sizeof(*out));
	/* As the kernel gives it, sign and all. */
	out->f_type = (__fsword_t)(int32_t)magic;
	return 0;
}

static const struct place_probe fake = {
	.statfs = fake_statfs,
	.mountinfo = "/nowhere",
};

static void test_local_disks_are_fine(void **state)
{
	/* ext4, xfs, btrfs, tmpfs, overlay, zfs, f2fs, bcachefs */
	static const uint32_t local[] = {0xef53,     0x58465342, 0x9123683e,
					 0x01021994, 0x794c7630, 0x2fc12fc1,
					 0xf2f52010, 0xca451a4e};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		magic = local[i];
		assert_int_equal(place_check(&fake, "/", &err), 0);
	}
	assert_int_equal(place_check(&place_system, "/", &err), 0);
}

static void test_network_is_refused_with_the_ways_out(void **state)
{
	static const uint32_t network[] = {0x6969, 0xff534d42, 0xfe534d42,
					   0x5346414f, 0x0bd00bd0};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(network) / sizeof(network[0]); i++) {
		magic = network[i];
		assert_int_equal(place_check(&fake, "/srv/mail", &err), -1);
		assert_int_equal(err.code, ERR_TEMPORARY);
		assert_non_null(strstr(err.text, "/srv/mail"));
		assert_non_null(strstr(err.text, "INDEX=/"));
		assert_non_null(strstr(err.text, "INDEX=MEMORY"));
	}
}

/* A mount table in which the root's device has that type. */
static int check_fuse(const char *type, struct err *err)
{
	char path[] = "/tmp/mountinfo-XXXXXX";
	struct place_probe probe = {fake_statfs, path};
	int fd = mkstemp(path), ret;
	FILE *file = fdopen(fd, "w");
	struct stat st;

	assert_non_null(file);
	assert_return_code(stat("/", &st), 0);
	fprintf(file,
		"20 1 999:999 / /other rw shared:1 - fuse.sshfs x rw\n"
		"21 1 %u:%u / / rw,relatime shared:2 master:3 - %s x rw\n",
		major(st.st_dev), minor(st.st_dev), type);
	fclose(file);
	magic = 0x65735546;
	ret = place_check(&probe, "/", err);
	unlink(path);
	return ret;
}

static void test_file_systems_in_user_space_go_by_name(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(check_fuse("fuse.sshfs", &err), -1);
	assert_non_null(strstr(err.text, "sshfs"));
	assert_int_equal(check_fuse("fuse.glusterfs", &err), -1);
	assert_int_equal(check_fuse("fuse.mergerfs", &err), 0);
	assert_int_equal(check_fuse("fuseblk", &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local_disks_are_fine),
		cmocka_unit_test(test_network_is_refused_with_the_ways_out),
		cmocka_unit_test(test_file_systems_in_user_space_go_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
