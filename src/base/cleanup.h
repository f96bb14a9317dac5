/* SPDX-License-Identifier: MIT */
/*
 * base/cleanup.h - destructors at the end of a scope.
 *
 * A destructor takes T **, so that one function serves both CLEANUP and an
 * explicit call; it does nothing for NULL and leaves NULL behind.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H
#include <stdio.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* For CLEANUP(fd_close) int fd = -1; sets it to -1. Keeps errno. */
void fd_close(int *fd);
/* For CLEANUP(file_close) FILE *fp. Keeps errno. */
void file_close(FILE **fp);
/* For malloc()ed text, as getline() makes it. */
void malloc_free(char **text);

#endif
