/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum err_code code_of_errno(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return ERR_NOT_FOUND;
	case EEXIST:
	case ENOTEMPTY:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case EINVAL:
	case ENAMETOOLONG:
	case ELOOP:
		return ERR_INVALID;
	case EOPNOTSUPP:
	case ENOSYS:
		return ERR_UNSUPPORTED;
	case E2BIG:
	case EFBIG:
	case EMSGSIZE:
		return ERR_LIMIT;
	case ENOSPC:
		return ERR_NO_SPACE;
	case EDQUOT:
		return ERR_QUOTA;
	case EBUSY:
	case ETXTBSY:
		return ERR_IN_USE;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case EPIPE:
	case ECONNRESET:
	case ECONNABORTED:
		return ERR_CLOSED;
	default:
		return ERR_TEMPORARY;
	}
}

__attribute__((format(printf, 2, 0))) static void
err_text(struct err *err, const char *fmt, va_list args)
{
	if (vsnprintf(err->text, sizeof(err->text), fmt, args) < 0)
		err->text[0] = '\0';
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	err_text(err, fmt, args);
	va_end(args);
	err->code = code;
	err->system = false;
	return -1;
}

int err_sys(struct err *err, const char *fmt, ...)
{
	int error = errno;
	va_list args;
	size_t len;

	va_start(args, fmt);
	err_text(err, fmt, args);
	va_end(args);
	err->code = code_of_errno(error);
	err->system = true;
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s",
		 strerror(error));
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list args;
	size_t len;

	memcpy(old, err->text, sizeof(old));
	va_start(args, fmt);
	err_text(err, fmt, args);
	va_end(args);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", old);
	return -1;
}
