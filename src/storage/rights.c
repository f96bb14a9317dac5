/* SPDX-License-Identifier: MIT */
#include "storage/rights.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "storage/driver.h"

enum { PATH_TOLD_MAX = 4096 };

int rights_read(const char *dir, struct rights *out)
{
	struct stat st;

	*out = (struct rights){0700, 0600, (gid_t)-1, dir};
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return -1;
	out->dir_mode = st.st_mode & 0777;
	out->file_mode = st.st_mode & 0666;
	/* setgid: the kernel sees to it. */
	if ((st.st_mode & S_ISGID) == 0 && st.st_gid != getegid() &&
	    (st.st_mode & 070) >> 3 != (st.st_mode & 07))
		out->gid = st.st_gid;
	return 0;
}

const struct rights *rights_of_box(struct driver_box *box)
{
	if (box->rights.from == NULL &&
	    rights_read(box->path, &box->rights) < 0) {
		box->rights.from = NULL;
		return &box->location->rights;
	}
	return &box->rights;
}

static void tell(const struct rights *rights, const char *path)
{
	static char told[PATH_TOLD_MAX];
	int error = errno;

	if (strncmp(told, rights->from, sizeof(told) - 1) == 0)
		return;
	snprintf(told, sizeof(told), "%s", rights->from);
	log_error("fchown(%s, group=%u) failed: %s (egid=%u, group based on "
		  "%s): the group gets no rights",
		  path, (unsigned)rights->gid, strerror(error),
		  (unsigned)getegid(), rights->from);
}

/* What the mode may be. */
static mode_t give_group(const struct rights *rights, int fd, const char *path,
			 mode_t mode)
{
	if (rights->gid == (gid_t)-1)
		return mode;
	if ((fd >= 0 ? fchown(fd, (uid_t)-1, rights->gid)
		     : chown(path, (uid_t)-1, rights->gid)) == 0)
		return mode;
	tell(rights, path);
	return mode & (mode_t)~070;
}

int rights_give(const struct rights *rights, int fd, const char *path,
		struct err *err)
{
	mode_t mode = give_group(rights, fd, path, rights->file_mode);

	/* The umask cuts off group and others. */
	if ((mode & 077) != 0 && fchmod(fd, mode) < 0)
		return err_sys(err, "fchmod(%s)", path);
	return 0;
}

int rights_make_dir(const struct rights *rights, const char *path,
		    struct err *err)
{
	mode_t mode = rights->dir_mode;
	struct stat st;

	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : err_sys(err, "mkdir(%s)", path);
	mode = give_group(rights, -1, path, mode);
	/* setgid comes from above, where the group does. */
	if (rights->gid == (gid_t)-1 && stat(path, &st) == 0)
		mode |= st.st_mode & S_ISGID;
	if ((mode & 077) != 0 && chmod(path, mode) < 0)
		return err_sys(err, "chmod(%s)", path);
	return 1;
}
