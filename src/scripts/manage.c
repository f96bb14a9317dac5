/* SPDX-License-Identifier: MIT */
/*
 * scripts/manage.c - what users do with their scripts.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "scripts/store.h"
#include "sieve/sieve.h"

enum { SUFFIX_LEN = sizeof(".sieve") - 1 };

static int check_name(struct str name, const char *what, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;

	if (script_name_valid(name))
		return 0;
	ctx = mem_ctx(NULL, "name");
	return err_set(err, ERR_INVALID, "%s `%s'.", what,
		       str_sanitize(ctx, name, 80));
}

static int check_old_name(struct str name, struct err *err)
{
	return check_name(name, "Invalid script name", err);
}

static int check_new_name(const struct scripts *scripts, struct str name,
			  const char *what, struct err *err)
{
	if (check_name(name, what, err) < 0)
		return -1;
	if (store_reserved(scripts, name))
		return err_set(err, ERR_INVALID,
			       "Script name `%.*s' is reserved for internal "
			       "use.",
			       STR_FMT(name));
	return 0;
}

static struct buf text_buf(const struct scripts *scripts)
{
	uint64_t max =
		sieve_engine_settings(scripts->engine)->sieve_max_script_size;

	return buf_init(max == 0 || max > INT32_MAX ? INT32_MAX : (size_t)max);
}

/* the default script */

/* Whether the name is the default script's, which is there under that name
 * unless the user has one of it. */
static bool is_default(const struct scripts *scripts, struct str name)
{
	const char *own = scripts->set.sieve_default_name;

	return own[0] != '\0' && str_is(name, own) &&
	       scripts->fallback != NULL &&
	       access(scripts->fallback, R_OK) == 0;
}

/* The user's script of that name, or the default one. */
static int read_script(const struct store *store, struct str name,
		       struct buf *out, bool *default_out, struct err *err)
{
	*default_out = false;
	if (store_read(store, name, out, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND || !is_default(store->scripts, name))
		return -1;
	*default_out = true;
	return file_read_regular(store->scripts->fallback, out, err) < 0
		       ? store_internal(err)
		       : 0;
}

/* listing */

static int compare_entries(const void *a, const void *b)
{
	const struct script_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int open_list(const struct store *store, DIR **out, struct err *err)
{
	int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*out = fd < 0 ? NULL : fdopendir(fd);
	if (*out != NULL)
		return 0;
	store_sys(err, "open(%s)", store->scripts->dir);
	fd_close(&fd);
	return -1;
}

/* "x.sieve" is script "x". False: it is none. */
static bool name_of(const char *file, struct str *out)
{
	size_t len = strlen(file);

	if (len <= SUFFIX_LEN || strcmp(file + len - SUFFIX_LEN, ".sieve") != 0)
		return false;
	*out = str_n(file, len - SUFFIX_LEN);
	return script_name_valid(*out);
}

/* Each script with its size; `fn` returns false to stop. */
static int walk(const struct store *store,
		bool (*fn)(void *ctx, struct str name, uint64_t size),
		void *ctx, struct err *err)
{
	const struct dirent *entry;
	struct str name;
	struct stat st;
	DIR *dir;

	if (store->fd < 0)
		return 0;
	if (open_list(store, &dir, err) < 0)
		return -1;
	while ((entry = readdir(dir)) != NULL) {
		if (!name_of(entry->d_name, &name) ||
		    store_reserved(store->scripts, name) ||
		    fstatat(store->fd, entry->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0 ||
		    !(S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)))
			continue;
		if (!fn(ctx, name, (uint64_t)st.st_size))
			break;
	}
	closedir(dir);
	return 0;
}

struct listing {
	const void *ctx;
	struct active active;
	struct script_entry *entries;
	size_t count;
	bool any_active, has_default;
	const char *default_name;
};

static bool list_one(void *ctx, struct str name, uint64_t)
{
	struct listing *listing = ctx;
	bool active = listing->active.kind == ACTIVE_SCRIPT &&
		      str_equal(name, listing->active.name);

	listing->entries = mem_resize(listing->ctx, listing->entries,
				      struct script_entry, listing->count + 1);
	listing->entries[listing->count++] =
		(struct script_entry){str_dup(listing->ctx, name), active};
	listing->any_active |= active;
	listing->has_default |= str_is(name, listing->default_name);
	return true;
}

int scripts_list(const void *ctx, const struct scripts *scripts,
		 struct script_entry **out, size_t *count_out, struct err *err)
{
	CLEANUP(store_close) struct store store = {scripts, -1};
	const char *name = scripts->set.sieve_default_name;
	struct listing listing = {.ctx = ctx, .default_name = name};

	if (store_open(scripts, false, &store, err) < 0 ||
	    active_read(ctx, &store, &listing.active, err) < 0 ||
	    walk(&store, list_one, &listing, err) < 0)
		return -1;
	if (listing.count > 0)
		qsort(listing.entries, listing.count, sizeof(*listing.entries),
		      compare_entries);
	if (!listing.has_default && is_default(scripts, str_of(name))) {
		listing.any_active |= listing.active.kind != ACTIVE_NONE;
		list_one(&listing, str_of(name), 0);
		listing.entries[listing.count - 1].active = !listing.any_active;
	}
	*out = listing.entries;
	*count_out = listing.count;
	return 0;
}

int scripts_get(const void *ctx, const struct scripts *scripts, struct str name,
		struct str *text_out, struct err *err)
{
	CLEANUP(store_close) struct store store = {scripts, -1};
	CLEANUP(buf_free) struct buf text = text_buf(scripts);
	bool is_default_one;

	if (check_old_name(name, err) < 0 ||
	    store_open(scripts, false, &store, err) < 0 ||
	    read_script(&store, name, &text, &is_default_one, err) < 0)
		return -1;
	text_out->len = text.len;
	text_out->data = buf_steal(ctx, &text);
	return 0;
}

/* quota */

struct usage {
	struct str but; /* what is going to be replaced */
	uint64_t scripts, size;
};

static bool count_one(void *ctx, struct str name, uint64_t size)
{
	struct usage *usage = ctx;

	if (!str_equal(name, usage->but)) {
		usage->scripts++;
		usage->size += size;
	}
	return true;
}

int scripts_check_size(const struct scripts *scripts, uint64_t size,
		       const char **quota_out, struct err *err)
{
	uint64_t max =
		sieve_engine_settings(scripts->engine)->sieve_max_script_size;

	*quota_out = "QUOTA/MAXSIZE";
	if (max == 0 || size <= max)
		return 0;
	return err_set(err, ERR_LIMIT, "Script is too large (max %llu bytes).",
		       (unsigned long long)max);
}

int scripts_has_space(const struct scripts *scripts, struct str name,
		      uint64_t size, const char **quota_out, struct err *err)
{
	CLEANUP(store_close) struct store store = {scripts, -1};
	unsigned scripts_max = scripts->set.sieve_quota_max_scripts;
	uint64_t max = scripts->set.sieve_quota_max_storage;
	struct usage usage = {.but = name};

	if (scripts_check_size(scripts, size, quota_out, err) < 0)
		return -1;
	if (scripts_max == 0 && max == 0)
		return 0;
	if (store_open(scripts, false, &store, err) < 0 ||
	    walk(&store, count_one, &usage, err) < 0)
		return -1;
	*quota_out = "QUOTA/MAXSCRIPTS";
	if (scripts_max > 0 && usage.scripts >= scripts_max)
		return err_set(err, ERR_LIMIT,
			       "Script count quota exceeded (max %u scripts).",
			       scripts_max);
	*quota_out = "QUOTA/MAXSTORAGE";
	if (max > 0 && (usage.size > max || size > max - usage.size))
		return err_set(err, ERR_LIMIT,
			       "Script storage quota exceeded (max %llu "
			       "bytes).",
			       (unsigned long long)max);
	return 0;
}

/* compiling */

static int compile(const struct scripts *scripts, struct str name,
		   struct str text, bool upload, const struct sieve_log *log,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "compile");
	const struct sieve_source source = {
		.name = str_dup(ctx, name),
		.text = text,
		.upload = upload,
	};
	struct sieve_program *program;

	if (sieve_compile(ctx, scripts->engine, &source, log, &program, err) ==
	    0)
		return 0;
	/* Errors have been told; that the program is too large has not. */
	if (err->code == ERR_LIMIT)
		log->line(log->ctx, LOG_LEVEL_ERROR, source.name, err->text);
	else if (err->code != ERR_INVALID)
		return store_internal(err);
	err->code = ERR_CORRUPT;
	return -1;
}

int scripts_check(const struct scripts *scripts, struct str name,
		  struct str text, const struct sieve_log *log, struct err *err)
{
	return compile(scripts, name, text, true, log, err);
}

/* which is active */

static bool is_active(const struct active *active, struct str name)
{
	return active->kind == ACTIVE_SCRIPT && str_equal(active->name, name);
}

static int deactivate(const struct store *store, const struct active *active,
		      bool *changed_out, struct err *err)
{
	*changed_out = active->kind != ACTIVE_NONE;
	return *changed_out ? active_clear(store, active, err) : 0;
}

int scripts_activate(const struct scripts *scripts, struct str name,
		     const struct sieve_log *log, bool *changed_out,
		     struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "activate");
	CLEANUP(store_close) struct store store = {scripts, -1};
	CLEANUP(buf_free) struct buf text = text_buf(scripts);
	struct active active;
	bool is_default_one = false;

	if (name.len > 0 && check_old_name(name, err) < 0)
		return -1;
	if (store_open(scripts, true, &store, err) < 0 ||
	    active_read(ctx, &store, &active, err) < 0)
		return -1;
	if (name.len > 0 &&
	    read_script(&store, name, &text, &is_default_one, err) < 0)
		return -1;
	*changed_out = false;
	if (name.len > 0 && is_active(&active, name))
		return 0;
	if (name.len > 0 && compile(scripts, name, str_n(text.data, text.len),
				    false, log, err) < 0)
		return -1;
	if (name.len == 0 || is_default_one)
		return deactivate(&store, &active, changed_out, err);
	*changed_out = true;
	return active_set(&store, &active, name, err);
}

/* putting */

int scripts_put(const struct scripts *scripts, struct str name, struct str text,
		bool activate, const struct sieve_log *log, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "put");
	CLEANUP(store_close) struct store store = {scripts, -1};
	struct active active;
	bool has;

	if (check_new_name(scripts, name, "Invalid Sieve script name", err) <
		    0 ||
	    compile(scripts, name, text, true, log, err) < 0 ||
	    store_open(scripts, true, &store, err) < 0)
		return -1;
	/* Who changes the default script means the one that is at work. */
	if (is_default(scripts, name)) {
		if (active_read(ctx, &store, &active, err) < 0 ||
		    store_has(&store, name, &has, err) < 0)
			return -1;
		activate |= !has && active.kind == ACTIVE_NONE;
	}
	if (store_write(&store, name, text, false, err) < 0)
		return -1;
	if (!activate)
		return 0;
	if (active_read(ctx, &store, &active, err) < 0)
		return -1;
	return is_active(&active, name)
		       ? 0
		       : active_set(&store, &active, name, err);
}

/* removing, renaming */

static int remove_file(const struct store *store, struct str name,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");
	char *file = store_file(ctx, name);

	if (unlinkat(store->fd, file, 0) < 0)
		return store_sys(err, "unlink(%s/%s)", store->scripts->dir,
				 file);
	/* What was compiled from it; it need not be there. */
	unlinkat(store->fd, sieve_binary_path(ctx, file), 0);
	return store_sync(store->scripts, store->fd, store->scripts->dir, err);
}

int scripts_delete(const struct scripts *scripts, struct str name,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "delete");
	CLEANUP(store_close) struct store store = {scripts, -1};
	struct active active;
	bool has;

	if (check_old_name(name, err) < 0 ||
	    store_open(scripts, true, &store, err) < 0 ||
	    active_read(ctx, &store, &active, err) < 0 ||
	    store_has(&store, name, &has, err) < 0)
		return -1;
	if (is_active(&active, name) ||
	    (!has && active.kind == ACTIVE_NONE && is_default(scripts, name)))
		return err_set(err, ERR_IN_USE,
			       "Cannot delete the active Sieve script.");
	if (!has)
		return is_default(scripts, name)
			       ? err_set(err, ERR_DENIED,
					 "Cannot delete the default Sieve "
					 "script.")
			       : store_not_found(name, err);
	return remove_file(&store, name, err);
}

/* The new name goes again, unless the link may lead to it already: then there
 * are both. */
static void stay(const struct store *store, struct str to)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "stay");
	struct active active;
	struct err err;

	if (active_read(ctx, store, &active, &err) == 0 &&
	    !is_active(&active, to))
		unlinkat(store->fd, store_file(ctx, to), 0);
}

/* First the new name, then the link, then the old one goes: there always is a
 * script where the link leads. */
static int move(const struct store *store, const struct active *active,
		struct str from, struct str to, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rename");
	char *new = store_file(ctx, to);

	if (linkat(store->fd, store_file(ctx, from), store->fd, new, 0) < 0) {
		if (errno == EEXIST)
			return err_set(err, ERR_EXISTS,
				       "A sieve script with that name already "
				       "exists.");
		return store_sys(err, "link(%s/%s)", store->scripts->dir, new);
	}
	if (store_sync(store->scripts, store->fd, store->scripts->dir, err) <
		    0 ||
	    (is_active(active, from) &&
	     active_set(store, active, to, err) < 0)) {
		stay(store, to);
		return -1;
	}
	return remove_file(store, from, err);
}

/* The default script stays; what was its is now the user's. */
static int take_default(const struct store *store, const struct active *active,
			struct str from, struct str to, struct err *err)
{
	CLEANUP(buf_free) struct buf text = text_buf(store->scripts);
	bool is_default_one;

	if (read_script(store, from, &text, &is_default_one, err) < 0)
		return -1;
	if (store_write(store, to, str_n(text.data, text.len), true, err) < 0)
		return -1;
	return active->kind == ACTIVE_NONE ? active_set(store, active, to, err)
					   : 0;
}

int scripts_rename(const struct scripts *scripts, struct str from,
		   struct str to, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rename");
	CLEANUP(store_close) struct store store = {scripts, -1};
	struct active active;
	bool has;

	if (check_old_name(from, err) < 0 ||
	    store_open(scripts, true, &store, err) < 0 ||
	    active_read(ctx, &store, &active, err) < 0 ||
	    store_has(&store, from, &has, err) < 0)
		return -1;
	if (!has && !is_default(scripts, from))
		return store_not_found(from, err);
	if (check_new_name(scripts, to, "Invalid new Sieve script name", err) <
	    0)
		return -1;
	return has ? move(&store, &active, from, to, err)
		   : take_default(&store, &active, from, to, err);
}
