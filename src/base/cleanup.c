/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

void fd_close(int *fd)
{
	int error = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = error;
}

void file_close(FILE **fp)
{
	int error = errno;

	if (*fp != NULL)
		fclose(*fp);
	*fp = NULL;
	errno = error;
}

void malloc_free(char **text)
{
	free(*text);
	*text = NULL;
}
