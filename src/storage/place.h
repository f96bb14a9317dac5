/* SPDX-License-Identifier: MIT */
/*
 * storage/place.h - whether an index may lie where it is to lie.
 *
 * LMDB's locks and maps are those of one host: on a file system that others
 * share, two hosts would destroy each other's index.
 */
#ifndef STORAGE_PLACE_H
#define STORAGE_PLACE_H

struct err;
struct statfs;

/* Tests give their own. */
struct place_probe {
	int (*statfs)(const char *path, struct statfs *out);
	const char *mountinfo; /* "/proc/self/mountinfo" */
};
extern const struct place_probe place_system;

/* ERR_TEMPORARY, with what can be done, if `dir`, which exists, is on a
 * network or cluster file system. */
int place_check(const struct place_probe *probe, const char *dir,
		struct err *err);

#endif
