/* SPDX-License-Identifier: MIT */
/*
 * storage/rights.h - whose and how readable new files are: as the directory of
 * their mailbox, or the root of the location. So a mailbox that an
 * administrator gave to a group stays the group's. As Dovecot has it, also
 * whose group changes nothing: what others may do as well. The index is the
 * user's own in any case.
 */
#ifndef STORAGE_RIGHTS_H
#define STORAGE_RIGHTS_H
#include <sys/types.h>

struct driver_box;
struct err;

struct rights {
	mode_t dir_mode, file_mode;
	gid_t gid;        /* (gid_t)-1: the one that they get anyway */
	const char *from; /* the directory; not copied */
};

/* Those of a directory; private ones and -1 if there is none. */
int rights_read(const char *dir, struct rights *out);
/* Those of the mailbox's own directory, or else the location's. */
const struct rights *rights_of_box(struct driver_box *box);
/* For a file that was just made. A group that this process may not give it to
 * gets nothing instead, which the log tells once. */
int rights_give(const struct rights *rights, int fd, const char *path,
		struct err *err);
/* mkdir: 1; what exists, of whatever kind: 0. */
int rights_make_dir(const struct rights *rights, const char *path,
		    struct err *err);

#endif
