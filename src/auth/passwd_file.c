/* SPDX-License-Identifier: MIT */
#include "auth/passwd_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <uthash.h>

#include "auth/db.h"
#include "auth/request.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum { LINES_AT_ONCE = 64 };

struct line {
	UT_hash_handle hh; /* by entry.user, in the order of the file */
	struct passwd_entry entry;
};

struct passwd_file {
	UT_hash_handle hh;
	char *path;
	struct timespec mtime;
	off_t size;
	ino_t inode;
	uint64_t version; /* no other file that was ever read has it */
	char *text;       /* the file, cut into strings; parent of the lines */
	struct line *lines;
	struct line *spare; /* LINES_AT_ONCE are allocated at a time */
	unsigned spare_count;
};

static struct passwd_file *files;
static uint64_t last_version;

struct ids_path {
	UT_hash_handle hh;
	char path[];
};

static struct ids_path *ids_paths;

int passwd_file_args(const void *ctx, const char *args,
		     struct passwd_file_args *out, struct err *err)
{
	struct str rest = str_of(args), word;

	out->scheme = "CRYPT";
	out->username_format = "%u";
	for (;;) {
		rest = str_trim(rest);
		if (!str_starts(rest, "scheme=") &&
		    !str_starts(rest, "username_format="))
			break;
		if (!str_word(&rest, &word))
			break;
		if (str_starts(word, "scheme="))
			out->scheme = str_dup(ctx, str_from(word, 7));
		else
			out->username_format = str_dup(ctx, str_from(word, 16));
	}
	if (rest.len == 0)
		return err_set(err, ERR_INVALID, "args: Missing path");
	out->path = str_dup(ctx, rest);
	return 0;
}

/* The next field of a line, "\:" being a colon in it. NULL at the end. */
static char *next_field(char **rest)
{
	char *start = *rest, *to = start, *from = start;

	if (start == NULL)
		return NULL;
	for (; *from != '\0' && *from != ':'; from++) {
		if (from[0] == '\\' && from[1] == ':')
			from++;
		*to++ = *from;
	}
	*rest = *from == ':' ? from + 1 : NULL;
	*to = '\0';
	return start;
}

bool passwd_line_parse(char *line, struct passwd_entry *out)
{
	char *rest = line;

	memset(out, 0, sizeof(*out));
	if (*line == '\0' || *line == '#' || *line == ':')
		return false;
	out->user = next_field(&rest);
	out->password = next_field(&rest);
	out->uid = next_field(&rest);
	out->gid = next_field(&rest);
	next_field(&rest); /* GECOS */
	out->home = next_field(&rest);
	next_field(&rest); /* shell */
	out->extra = rest;
	return *out->user != '\0';
}

static void add_line(struct passwd_file *file, char *text)
{
	struct line *line, *other;

	if (file->spare_count == 0) {
		file->spare = mem_array(file->text, struct line, LINES_AT_ONCE);
		file->spare_count = LINES_AT_ONCE;
	}
	line = file->spare;
	if (!passwd_line_parse(text, &line->entry))
		return;
	HASH_FIND_STR(file->lines, line->entry.user, other);
	if (other != NULL) {
		log_warning("passwd-file %s: User %s exists more than once",
			    file->path, line->entry.user);
		return;
	}
	file->spare++;
	file->spare_count--;
	HASH_ADD_KEYPTR(hh, file->lines, line->entry.user,
			strlen(line->entry.user), line);
}

static void file_forget(struct passwd_file *file, size_t text_len)
{
	HASH_CLEAR(hh, file->lines);
	if (file->text != NULL && text_len > 0)
		mem_wipe(file->text, text_len);
	mem_free(file->text);
	file->text = NULL;
	file->spare_count = 0;
}

static int file_read_lines(struct passwd_file *file, int fd,
			   const struct stat *st, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(PASSWD_FILE_MAX);
	char *rest, *line;

	if (file_read_fd(fd, file->path, &text, err) < 0)
		return -1;
	file_forget(file, (size_t)file->size);
	file->mtime = st->st_mtim;
	file->size = st->st_size;
	file->inode = st->st_ino;
	file->version = ++last_version;
	file->text = mem_memdup(file, text.data, text.len + 1);
	if (text.len > 0)
		mem_wipe(text.data, text.len);
	rest = file->text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		size_t len = strlen(line);

		if (len > 0 && line[len - 1] == '\r')
			line[len - 1] = '\0';
		add_line(file, line);
	}
	return 0;
}

static bool is_same(const struct passwd_file *file, const struct stat *st)
{
	return file->text != NULL && st->st_size == file->size &&
	       st->st_ino == file->inode &&
	       st->st_mtim.tv_sec == file->mtime.tv_sec &&
	       st->st_mtim.tv_nsec == file->mtime.tv_nsec;
}

static int file_refresh(struct passwd_file *file, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	struct stat st;

	if (stat(file->path, &st) < 0)
		return err_sys(err, "stat(%s) failed", file->path);
	if (is_same(file, &st))
		return 0;
	/* A pipe in a user's home must hold nobody up. */
	fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(err, "open(%s) failed", file->path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s) failed", file->path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, "%s is no regular file",
			       file->path);
	return file_read_lines(file, fd, &st, err);
}

static void file_remove(struct passwd_file *file)
{
	HASH_DEL(files, file);
	file_forget(file, (size_t)file->size);
	mem_free(file);
}

static struct passwd_file *file_of(const char *path)
{
	struct passwd_file *file;

	HASH_FIND_STR(files, path, file);
	if (file != NULL)
		return file;
	if (HASH_COUNT(files) >= PASSWD_FILES_MAX)
		file_remove(files); /* the oldest */
	file = mem_new(NULL, struct passwd_file);
	file->path = mem_strdup(file, path);
	HASH_ADD_KEYPTR(hh, files, file->path, strlen(path), file);
	return file;
}

void passwd_file_load(const struct passwd_file_args *args)
{
	struct passwd_file *file;
	struct err err;

	if (strchr(args->path, '%') != NULL)
		return;
	file = file_of(args->path);
	if (file_refresh(file, &err) < 0)
		file_remove(file);
}

/* The file of that path, up to date: one that cannot be read lets nobody in
 * who was in it before, but the one file of all that is being replaced does.
 * Fails after logging why; *out is NULL if there is no file where there is one
 * per domain or user: they are not there either. */
static int file_get(const char *path, bool per_user, struct request *request,
		    struct passwd_file **out)
{
	struct passwd_file *file = file_of(path);
	struct err err;

	*out = file;
	if (file_refresh(file, &err) == 0)
		return 0;
	if (!per_user && err.code == ERR_NOT_FOUND && file->text != NULL) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return 0;
	}
	file_remove(file);
	if (per_user && err.code == ERR_NOT_FOUND) {
		if (request->verbose)
			log_info("missing passwd file: %s", path);
		*out = NULL;
		return 0;
	}
	request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
	return -1;
}

/* The file with the user's %-variables in its path; one that would lead
 * elsewhere ("/../") is not there. */
static int file_find(const struct passwd_file_args *args,
		     struct request *request, struct passwd_file **out)
{
	const char *path = request_expand(request, args->path);

	if (path == NULL)
		return -1;
	if (path == args->path || strstr(path, "/../") == NULL)
		return file_get(path, path != args->path, request, out);
	request_log(request, LOG_LEVEL_INFO, "Path has '..' in it");
	*out = NULL;
	return 0;
}

void passwd_file_has_ids(const struct passwd_file_args *args)
{
	size_t len = strlen(args->path);
	struct ids_path *one;

	HASH_FIND(hh, ids_paths, args->path, len, one);
	if (one != NULL)
		return;
	one = mem_zero(NULL, 1, sizeof(*one) + len + 1, "ids_path");
	memcpy(one->path, args->path, len);
	HASH_ADD_KEYPTR(hh, ids_paths, one->path, len, one);
}

static bool id_is_valid(struct request *request, const char *path,
			const struct passwd_entry *entry, bool group)
{
	const char *text = group ? entry->gid : entry->uid;
	const char *number;

	if (text == NULL || *text == '\0')
		return true;
	number = group ? db_gid(request, text) : db_uid(request, text);
	if (number != NULL && strcmp(number, "0") != 0)
		return true;
	request_log(request, LOG_LEVEL_ERROR, "%s: User %s has invalid %s '%s'",
		    path, entry->user, group ? "GID" : "UID", text);
	return false;
}

static bool ids_are_valid(struct request *request,
			  const struct passwd_file_args *args, const char *path,
			  const struct passwd_entry *entry)
{
	struct ids_path *one;

	HASH_FIND_STR(ids_paths, args->path, one);
	return one == NULL || (id_is_valid(request, path, entry, false) &&
			       id_is_valid(request, path, entry, true));
}

int passwd_file_find(const struct passwd_file_args *args,
		     struct request *request, const struct passwd_entry **out)
{
	const char *name = request_expand(request, args->username_format);
	struct passwd_file *file;
	struct line *line;

	if (name == NULL || file_find(args, request, &file) < 0)
		return -1;
	if (file == NULL)
		return 0;
	request_log(request, LOG_LEVEL_DEBUG, "lookup: user=%s file=%s", name,
		    file->path);
	HASH_FIND_STR(file->lines, name, line);
	if (line == NULL ||
	    !ids_are_valid(request, args, file->path, &line->entry)) {
		request_log_unknown(request);
		return 0;
	}
	*out = &line->entry;
	return 1;
}

static const struct line *line_at(const struct passwd_file *file,
				  const struct userdb_place *place)
{
	const struct line *line = file->lines;

	if (place->version == file->version)
		return place->next;
	for (size_t i = 0; i < place->count && line != NULL; i++)
		line = line->hh.next;
	return line;
}

int passwd_file_each(const struct passwd_file_args *args,
		     struct request *request,
		     bool (*fn)(void *ctx, const char *name), void *ctx,
		     struct userdb_place *place, struct err *err)
{
	struct passwd_file *file;
	const struct line *line;

	if (strchr(args->path, '%') != NULL)
		return err_set(err, ERR_UNSUPPORTED,
			       "passwd-file: User iteration isn't currently "
			       "supported with %%variable paths");
	if (file_get(args->path, false, request, &file) < 0)
		return err_set(err, ERR_TEMPORARY, "%s cannot be read",
			       args->path);
	for (line = line_at(file, place); line != NULL; line = place->next) {
		place->version = file->version;
		place->next = line->hh.next;
		place->count++;
		if (!fn(ctx, line->entry.user))
			return 1;
	}
	return 0;
}
