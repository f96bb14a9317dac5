/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "auth/app/store.h"
#include "auth/request.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum {
	COLUMNS = 8,
	USED_DIGITS = 11,
	LOCK_WAIT_MS = 5000,
	LOCK_STEP_MS = 10,
	TRIES_MAX = 100,
};

/* rows */

bool app_is_gone(const struct app_row *row, int64_t now)
{
	return row->expires != 0 && row->expires <= now;
}

ptrdiff_t app_find(const struct app_rows *rows, const char *what, int64_t now)
{
	for (size_t i = 0; i < rows->count; i++) {
		if (strcmp(rows->list[i].id, what) == 0)
			return (ptrdiff_t)i;
	}
	for (size_t i = 0; i < rows->count; i++) {
		if (strcmp(rows->list[i].name, what) == 0 &&
		    strcmp(rows->list[i].id, APP_TOTP) != 0 &&
		    !app_is_gone(&rows->list[i], now))
			return (ptrdiff_t)i;
	}
	return -1;
}

struct app_row *app_row_add(struct app_rows *rows)
{
	rows->list = mem_resize(rows, rows->list, struct app_row,
				rows->count + 1);
	memset(&rows->list[rows->count], 0, sizeof(struct app_row));
	return &rows->list[rows->count++];
}

/* reading */

static int rows_destroy(struct app_rows *rows)
{
	fd_close(&rows->fd);
	if (rows->text != NULL)
		mem_wipe(rows->text, rows->text_len);
	return 0;
}

bool app_number(struct str text, int64_t *out)
{
	bool negative = str_starts(text, "-");
	uint64_t value;

	if (!str_to_u64(str_from(text, negative ? 1 : 0), &value) ||
	    value > INT64_MAX)
		return false;
	*out = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static bool parse(struct app_rows *rows, struct str line)
{
	struct str column[COLUMNS], rest = line;
	struct app_row *row;
	size_t n = 0;

	while (n < COLUMNS && str_split(&rest, '\t', &column[n]))
		n++;
	if (n < COLUMNS || rest.data != NULL || column[4].len != USED_DIGITS)
		return false;
	row = app_row_add(rows);
	row->id = str_tab_unescape(rows, column[1]);
	row->scopes = str_tab_unescape(rows, column[5]);
	row->hash = str_tab_unescape(rows, column[6]);
	row->name = str_tab_unescape(rows, column[7]);
	row->used_at = column[4].data - rows->text;
	return app_number(column[2], &row->created) &&
	       app_number(column[3], &row->expires) &&
	       app_number(column[4], &row->used);
}

/* "user TAB" in front of the lines that are meant. */
static char *prefix_of(const void *ctx, const struct request *request)
{
	return mem_printf(ctx, "%s\t",
			  str_tab_escape(ctx, str_of(request->user)));
}

/* The next of them; `rest` begins where a line does. It does not look at the
 * others one by one: there may be many. */
static bool next_line(struct str *rest, const char *prefix, struct str *out)
{
	char *needle = mem_printf(NULL, "\n%s", prefix);
	ptrdiff_t at = str_starts(*rest, prefix)
			       ? 0
			       : str_find(*rest, str_of(needle)) + 1;
	bool found = at > 0 || str_starts(*rest, prefix);

	mem_free(needle);
	*rest = str_from(*rest, (size_t)at);
	return found && str_split(rest, '\n', out);
}

static unsigned line_number(const struct app_rows *rows, struct str line)
{
	unsigned n = 1;

	for (const char *p = rows->text; p < line.data; p++)
		n += *p == '\n';
	return n;
}

static int find_rows(struct app_rows *rows, const char *prefix, struct err *err)
{
	struct str rest = str_n(rows->text, rows->text_len), line;

	while (next_line(&rest, prefix, &line)) {
		if (rows->count == APP_ROWS_MAX)
			return err_set(err, ERR_LIMIT,
				       "%s: the user has more than %d lines",
				       rows->path, APP_ROWS_MAX);
		if (!parse(rows, line))
			return err_set(err, ERR_CORRUPT, "%s line %u is broken",
				       rows->path, line_number(rows, line));
	}
	return 0;
}

static int find_path(const struct app_store *store, struct request *request,
		     const char **out, struct err *err)
{
	*out = request_expand(request, store->path);
	if (*out == NULL)
		return err_set(err, ERR_INVALID, "the path cannot be expanded");
	if (*out != store->path &&
	    (strchr(request->user, '/') != NULL || request->user[0] == '.' ||
	     strstr(*out, "/../") != NULL))
		return err_set(err, ERR_INVALID,
			       "the user's name cannot be in a path");
	return 0;
}

static int lock(int fd, const char *path, struct err *err)
{
	const struct timespec step = {0, LOCK_STEP_MS * 1000 * 1000};

	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0;
	     waited += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK || waited >= LOCK_WAIT_MS)
			return err_sys(err, "flock(%s)", path);
		nanosleep(&step, NULL);
	}
	return 0;
}

/* Whether the open file still is the one of that name. */
static bool is_current(int fd, const char *path)
{
	struct stat own, named;

	return fstat(fd, &own) == 0 && lstat(path, &named) == 0 &&
	       own.st_ino == named.st_ino && own.st_dev == named.st_dev;
}

static int open_file(struct app_rows *rows, bool locked, struct err *err)
{
	int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct stat st;

	rows->fd = open(rows->path, O_RDWR | flags | (locked ? O_CREAT : 0),
			0600);
	if (rows->fd < 0 && !locked &&
	    (errno == EACCES || errno == EROFS || errno == EPERM))
		rows->fd = open(rows->path, O_RDONLY | flags);
	if (rows->fd < 0)
		return err_sys(err, "open(%s)", rows->path);
	if (fstat(rows->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, "%s is not a file",
			       rows->path);
	return locked ? lock(rows->fd, rows->path, err) : 0;
}

/* At once and where it stays: for each login that is most of the work. */
static int read_text(struct app_rows *rows, struct err *err)
{
	struct stat st;
	ssize_t got = 1;

	if (fstat(rows->fd, &st) < 0)
		return err_sys(err, "fstat(%s)", rows->path);
	if (st.st_size > APP_FILE_MAX)
		return err_set(err, ERR_LIMIT, "%s is too large", rows->path);
	rows->text = mem_resize(rows, NULL, char, (size_t)st.st_size + 1);
	while (got > 0 && rows->text_len < (size_t)st.st_size) {
		got = pread(rows->fd, rows->text + rows->text_len,
			    (size_t)st.st_size - rows->text_len,
			    (off_t)rows->text_len);
		if (got < 0)
			return err_sys(err, "read(%s)", rows->path);
		rows->text_len += (size_t)got;
	}
	rows->text[rows->text_len] = '\0';
	return 0;
}

static int file_load(const struct app_store *store, struct request *request,
		     bool locked, struct app_rows **out, struct err *err)
{
	struct app_rows *rows = mem_new(request, struct app_rows);
	char *prefix = prefix_of(rows, request);
	const char *path;

	rows->fd = -1;
	talloc_set_destructor(rows, rows_destroy);
	if (find_path(store, request, &path, err) < 0)
		return -1;
	rows->path = mem_strdup(rows, path);
	*out = rows;
	for (int i = 0; i == 0 || (locked && !is_current(rows->fd, path));
	     i++) {
		fd_close(&rows->fd);
		if (i == TRIES_MAX)
			return err_set(err, ERR_IN_USE, "%s is busy", path);
		if (open_file(rows, locked, err) == 0)
			continue;
		/* Nobody has any yet. */
		return !locked && err->code == ERR_NOT_FOUND ? 0 : -1;
	}
	if (read_text(rows, err) < 0)
		return -1;
	return find_rows(rows, prefix, err);
}

/* writing */

static void write_row(struct buf *out, const char *prefix,
		      const struct app_row *row)
{
	TALLOC_CTX *ctx = mem_ctx(NULL, "row");

	buf_printf(out, "%s%s\t%lld\t%lld\t%0*lld\t%s\t%s\t%s\n", prefix,
		   str_tab_escape(ctx, str_of(row->id)),
		   (long long)row->created, (long long)row->expires,
		   USED_DIGITS, (long long)row->used,
		   str_tab_escape(ctx, str_of(row->scopes)),
		   str_tab_escape(ctx, str_of(row->hash)),
		   str_tab_escape(ctx, str_of(row->name)));
	mem_free(ctx);
}

static int file_save(const struct app_store *, struct request *request,
		     struct app_rows *rows, struct err *err)
{
	CLEANUP(buf_free) struct buf out = buf_init(APP_FILE_MAX);
	struct str rest = str_n(rows->text, rows->text_len), line;
	const char *prefix = prefix_of(rows, request);
	int ret;

	while (str_split(&rest, '\n', &line)) {
		if (line.len == 0 || str_starts(line, prefix))
			continue;
		buf_add_str(&out, line);
		buf_putc(&out, '\n');
	}
	for (size_t i = 0; i < rows->count; i++) {
		if (rows->list[i].change != APP_REMOVE)
			write_row(&out, prefix, &rows->list[i]);
	}
	if (out.overflow)
		ret = err_set(err, ERR_LIMIT, "%s would be too large",
			      rows->path);
	else
		ret = file_replace(rows->path, out.data, out.len, 0600, err);
	mem_wipe(out.data, out.len);
	return ret;
}

static int write_used(const struct app_rows *rows, const struct app_row *row,
		      int64_t used, struct err *err)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%0*lld", USED_DIGITS,
		 (long long)used);
	if (pwrite(rows->fd, digits, USED_DIGITS, row->used_at) != USED_DIGITS)
		return err_sys(err, "write(%s)", rows->path);
	return 0;
}

/* Nobody else has used that code, and nobody will: not after a crash either. */
static int use_once(const struct app_rows *rows, const struct app_row *row,
		    int64_t used, bool *raised_out, struct err *err)
{
	char digits[USED_DIGITS];
	int64_t before;

	if (lock(rows->fd, rows->path, err) < 0)
		return -1;
	/* Who replaced it meanwhile may have made another secret. */
	if (!is_current(rows->fd, rows->path))
		return err_set(err, ERR_IN_USE, "%s was changed", rows->path);
	if (pread(rows->fd, digits, USED_DIGITS, row->used_at) != USED_DIGITS ||
	    !app_number(str_n(digits, USED_DIGITS), &before))
		return err_set(err, ERR_CORRUPT, "%s is broken", rows->path);
	*raised_out = used > before;
	if (!*raised_out)
		return 0;
	if (write_used(rows, row, used, err) < 0)
		return -1;
	if (fdatasync(rows->fd) < 0)
		return err_sys(err, "fdatasync(%s)", rows->path);
	return 0;
}

static int file_use(const struct app_store *, struct request *,
		    struct app_rows *rows, size_t n, int64_t used,
		    bool *raised_out, struct err *err)
{
	if (raised_out == NULL)
		return write_used(rows, &rows->list[n], used, err);
	return use_once(rows, &rows->list[n], used, raised_out, err);
}

const struct app_store_kind app_store_file = {file_load, file_save, file_use};
