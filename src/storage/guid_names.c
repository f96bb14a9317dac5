/* SPDX-License-Identifier: MIT */
#include "storage/guid_names.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/control_file.h"
#include "storage/driver.h"
#include "storage/layout.h"

enum { FILE_MAX = 64 * 1048576, NAMES_MAX = 1 << 17 };

static const char header[] = "V\t1\n";

struct entry {
	const char *name; /* of storage */
	char guid[GUID_HEX_LEN + 1];
	UT_hash_handle hh;
};

struct table {
	struct entry *entries; /* hash by name */
	const char **names;
	size_t count, cap;
};

struct guid_names {
	struct table *table; /* NULL: not read */
	/* The file it was read from. */
	uint64_t ino, size;
	struct timespec mtime;
};

struct guid_names *guid_names_new(const void *ctx)
{
	return mem_new(ctx, struct guid_names);
}

static char *file_path(const void *ctx, const struct location *location)
{
	return mem_printf(ctx, "%s/dovetail.names",
			  layout_control_root(location));
}

/* the table */

static int table_destroy(struct table *table)
{
	HASH_CLEAR(hh, table->entries);
	return 0;
}

static struct table *table_new(const void *ctx)
{
	struct table *table = mem_new(ctx, struct table);

	talloc_set_destructor(table, table_destroy);
	return table;
}

static struct entry *table_find(const struct table *table, const char *name)
{
	struct entry *entry;

	HASH_FIND_STR(table->entries, name, entry);
	return entry;
}

static void table_add(struct table *table, const char *name, struct str guid)
{
	struct entry *entry = mem_new(table, struct entry);

	entry->name = mem_strdup(entry, name);
	memcpy(entry->guid, guid.data, GUID_HEX_LEN);
	HASH_ADD_KEYPTR(hh, table->entries, entry->name, strlen(entry->name),
			entry);
	if (table->count == table->cap) {
		table->cap = table->cap == 0 ? 64 : table->cap * 2;
		table->names = mem_resize(table, table->names, const char *,
					  table->cap);
	}
	table->names[table->count++] = entry->name;
}

/* the file */

static bool is_guid(struct str s)
{
	if (s.len != GUID_HEX_LEN)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (strchr("0123456789abcdef", s.data[i]) == NULL ||
		    s.data[i] == '\0')
			return false;
	}
	return true;
}

/* "GUID<tab>name"; what makes no sense is passed over. */
static void parse_line(struct table *table, struct str line)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "line");
	struct str guid;
	char *name;

	if (!str_split(&line, '\t', &guid) || !is_guid(guid) || line.len == 0)
		return;
	name = str_tab_unescape(ctx, line);
	if (utf8_valid(str_of(name)) && table_find(table, name) == NULL)
		table_add(table, name, guid);
}

static int parse(struct table *table, const char *path, struct str text,
		 struct err *err)
{
	struct str line;

	if (!str_starts(text, header))
		return err_set(err, ERR_TEMPORARY, "%s: unknown version", path);
	text = str_from(text, sizeof(header) - 1);
	while (str_split(&text, '\n', &line)) {
		if (table->count == NAMES_MAX)
			return err_set(err, ERR_LIMIT, "%s: too many names",
				       path);
		parse_line(table, line);
	}
	return 0;
}

/* Mail that Dovecot keeps there is not to be taken for no mail. */
static int check_foreign(const struct location *location, struct err *err)
{
	static const char *const files[] = {"dovecot.list.index",
					    "dovecot.list.index.log"};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "foreign");
	const char *const dirs[] = {location->index, location->root};
	struct stat st;

	for (size_t i = 0; i < 4; i++) {
		const char *path =
			mem_printf(ctx, "%s/%s", dirs[i / 2], files[i % 2]);

		if (stat(path, &st) == 0)
			return err_set(err, ERR_TEMPORARY,
				       "%s has the names of mailboxes, which "
				       "only Dovecot reads; doc/formats.md "
				       "tells how to write them to "
				       "dovetail.names",
				       path);
	}
	return 0;
}

static bool is_as_read(const struct guid_names *names, const struct stat *st)
{
	return names->table != NULL && names->ino == st->st_ino &&
	       names->size == (uint64_t)st->st_size &&
	       names->mtime.tv_sec == st->st_mtim.tv_sec &&
	       names->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

static int read_file(const struct location *location, const char *path,
		     const struct stat *st, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "names");
	struct guid_names *names = location->names;
	struct table *table = table_new(ctx);

	if (file_read_regular(path, &text, err) < 0 ||
	    parse(table, path, str_n(text.data, text.len), err) < 0)
		return -1;
	mem_free(names->table);
	names->table = mem_steal(names, table);
	names->ino = st->st_ino;
	names->size = (uint64_t)st->st_size;
	names->mtime = st->st_mtim;
	return 0;
}

static int load(const struct location *location, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "names");
	struct guid_names *names = location->names;
	char *path = file_path(ctx, location);
	struct stat st;

	if (stat(path, &st) == 0)
		return is_as_read(names, &st)
			       ? 0
			       : read_file(location, path, &st, err);
	if (errno != ENOENT)
		return err_sys(err, "stat(%s)", path);
	mem_free(names->table);
	names->table = table_new(names);
	names->ino = 0;
	return check_foreign(location, err);
}

/* changes */

static void write_line(struct buf *text, const char *guid, const char *name)
{
	char *escaped = str_tab_escape(NULL, str_of(name));

	buf_printf(text, "%s\t%s\n", guid, escaped);
	mem_free(escaped);
}

static int replace(struct control_file *file, const struct buf *text,
		   struct err *err)
{
	if (text->overflow)
		return err_set(err, ERR_LIMIT, "%s would be too large",
			       file->path);
	return control_file_replace(file, str_n(text->data, text->len), err);
}

/* Take the lock, and write what is there but for `gone` (may be NULL) to
 * `text`. */
static int change_begin(const void *ctx, const struct location *location,
			const char *gone, struct control_file **file,
			struct buf *text, struct err *err)
{
	struct entry *entry;

	if (control_file_lock(ctx, location, file_path(ctx, location), file,
			      err) < 0 ||
	    load(location, err) < 0)
		return -1;
	buf_add(text, header);
	for (entry = location->names->table->entries; entry != NULL;
	     entry = entry->hh.next) {
		if (gone == NULL || strcmp(entry->name, gone) != 0)
			write_line(text, entry->guid, entry->name);
	}
	return 0;
}

int guid_names_add(const struct location *location, const char *name,
		   const char *guid, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "names");
	CLEANUP(control_file_unlock) struct control_file *file = NULL;
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);

	if (change_begin(ctx, location, NULL, &file, &text, err) < 0)
		return -1;
	if (table_find(location->names->table, name) != NULL)
		return err_set(err, ERR_EXISTS, "mailbox %s exists", name);
	if (location->names->table->count >= NAMES_MAX)
		return err_set(err, ERR_LIMIT, "%s: too many names",
			       file->path);
	write_line(&text, guid, name);
	return replace(file, &text, err);
}

int guid_names_remove(const struct location *location, const char *name,
		      struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "names");
	CLEANUP(control_file_unlock) struct control_file *file = NULL;
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);

	if (change_begin(ctx, location, name, &file, &text, err) < 0)
		return -1;
	return replace(file, &text, err);
}

static bool is_at_or_below(const char *name, const char *parent)
{
	size_t len = strlen(parent);

	return strncmp(name, parent, len) == 0 &&
	       (name[len] == '\0' || name[len] == '/');
}

/* Their lines with other names. */
static int renamed(const struct table *table, const char *from, const char *to,
		   struct buf *text, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "names");
	bool found = false;

	buf_add(text, header);
	for (struct entry *entry = table->entries; entry != NULL;
	     entry = entry->hh.next) {
		char *name;

		if (!is_at_or_below(entry->name, from)) {
			write_line(text, entry->guid, entry->name);
			continue;
		}
		found = true;
		name = mem_printf(ctx, "%s%s", to, entry->name + strlen(from));
		if (table_find(table, name) != NULL)
			return err_set(err, ERR_EXISTS, "mailbox %s exists",
				       name);
		write_line(text, entry->guid, name);
	}
	if (found)
		return 0;
	return err_set(err, ERR_NOT_FOUND, "mailbox %s does not exist", from);
}

int guid_names_rename(const struct location *location, const char *from,
		      const char *to, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "names");
	CLEANUP(control_file_unlock) struct control_file *file = NULL;
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);

	if (control_file_lock(ctx, location, file_path(ctx, location), &file,
			      err) < 0 ||
	    load(location, err) < 0 ||
	    renamed(location->names->table, from, to, &text, err) < 0)
		return -1;
	return replace(file, &text, err);
}

/* questions */

int guid_names_find(const struct location *location, const char *name,
		    const char **guid_out, struct err *err)
{
	struct entry *entry;

	if (load(location, err) < 0)
		return -1;
	entry = table_find(location->names->table, name);
	if (entry == NULL)
		return err_set(err, ERR_NOT_FOUND, "mailbox %s does not exist",
			       name);
	*guid_out = entry->guid;
	return 0;
}

int guid_names_all(const struct location *location,
		   const char *const **names_out, size_t *count_out,
		   struct err *err)
{
	if (load(location, err) < 0)
		return -1;
	*names_out = location->names->table->names;
	*count_out = location->names->table->count;
	return 0;
}
