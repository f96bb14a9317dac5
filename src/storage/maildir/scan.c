/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/scan.c - all files of new/ and cur/, found by base name.
 *
 * For a million mails this takes some 100 MB for as long as it lasts; it is
 * needed when the index is made, and when others changed cur/.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/layout.h"
#include "storage/maildir/maildir.h"

enum {
	ARENA_SIZE = 1 << 16,
	SLOTS_MIN = 64,
	FILES_MAX = 1 << 26,
	/* For a tick of the clock to end. */
	REST_WAITS = 20,
	REST_WAIT_US = 1000,
	/* That ":2,DFPRST" fits behind it. */
	BASE_MAX = LAYOUT_COMPONENT_MAX - 9,
};

struct slot {
	uint32_t hash;
	uint32_t entry; /* its index + 1; 0: free */
};

struct scan {
	struct scan_entry *entries;
	size_t count, cap;
	struct slot *slots;
	size_t slot_count; /* a power of two */
	uint64_t seed;     /* names come from outside */
	char *arena;
	size_t arena_left;
	struct driver_box *box;
};

char *scan_keep(struct scan *scan, struct str text)
{
	char *at;

	if (text.len + 1 > scan->arena_left) {
		size_t size =
			text.len + 1 > ARENA_SIZE ? text.len + 1 : ARENA_SIZE;

		scan->arena = mem_resize(scan, NULL, char, size);
		scan->arena_left = size;
	}
	at = scan->arena;
	memcpy(at, text.data, text.len);
	at[text.len] = '\0';
	scan->arena += text.len + 1;
	scan->arena_left -= text.len + 1;
	return at;
}

/* Eight octets at a time, with a seed of this scan's. */
static uint32_t hash(const struct scan *scan, struct str s)
{
	uint64_t value = scan->seed ^ s.len;

	while (s.len > 0) {
		size_t step = s.len < 8 ? s.len : 8;
		uint64_t word = 0;

		memcpy(&word, s.data, step);
		value = (value ^ word) * 0x9e3779b97f4a7c15ULL;
		value ^= value >> 29;
		s = str_from(s, step);
	}
	return (uint32_t)(value ^ (value >> 32));
}

static struct str base_of(const struct scan_entry *entry)
{
	return str_n(entry->name.data, entry->base_len);
}

static size_t find_slot(const struct scan *scan, struct str base,
			uint32_t base_hash)
{
	size_t at = base_hash & (scan->slot_count - 1);

	for (; scan->slots[at].entry != 0;
	     at = (at + 1) & (scan->slot_count - 1)) {
		if (scan->slots[at].hash == base_hash &&
		    str_equal(
			    base_of(&scan->entries[scan->slots[at].entry - 1]),
			    base))
			break;
	}
	return at;
}

static void rehash(struct scan *scan, size_t count)
{
	struct slot *old = scan->slots;
	size_t old_count = scan->slot_count;

	scan->slots = mem_array(scan, struct slot, count);
	scan->slot_count = count;
	for (size_t i = 0; i < old_count; i++) {
		size_t at = old[i].hash & (count - 1);

		if (old[i].entry == 0)
			continue;
		while (scan->slots[at].entry != 0)
			at = (at + 1) & (count - 1);
		scan->slots[at] = old[i];
	}
	mem_free(old);
}

struct scan_entry *scan_find(struct scan *scan, struct str base)
{
	size_t slot = find_slot(scan, base, hash(scan, base));
	uint32_t at = scan->slots[slot].entry;

	return at == 0 ? NULL : &scan->entries[at - 1];
}

struct scan_entry *scan_entries(struct scan *scan, size_t *count_out)
{
	*count_out = scan->count;
	return scan->entries;
}

static void grow(struct scan *scan)
{
	if (scan->count == scan->cap) {
		scan->cap = scan->cap == 0 ? SLOTS_MIN : scan->cap * 2;
		scan->entries = mem_resize(scan, scan->entries,
					   struct scan_entry, scan->cap);
	}
	if (2 * (scan->count + 1) > scan->slot_count)
		rehash(scan, scan->slot_count * 2);
}

/* NULL if it was added; or the file that has its base name already. */
static struct scan_entry *add(struct scan *scan, char dir, struct str name,
			      size_t base_len)
{
	struct str base = str_n(name.data, base_len);
	uint32_t base_hash = hash(scan, base);
	struct slot *slot;

	grow(scan);
	slot = &scan->slots[find_slot(scan, base, base_hash)];
	if (slot->entry != 0)
		return &scan->entries[slot->entry - 1];
	scan->entries[scan->count] = (struct scan_entry){
		.name = str_n(scan_keep(scan, name), name.len),
		.base_len = (uint32_t)base_len,
		.ext = STR(""),
		.dir = dir,
	};
	*slot = (struct slot){base_hash, (uint32_t)++scan->count};
	return NULL;
}

struct scan_entry *scan_add(struct scan *scan, char dir, struct str name)
{
	ptrdiff_t colon = str_find_char(name, ':');
	struct scan_entry *there =
		add(scan, dir, name, colon < 0 ? name.len : (size_t)colon);

	return there != NULL ? there : &scan->entries[scan->count - 1];
}

/* False, and all stays as it is, if the directory cannot be written to. */
static bool give_new_name(struct scan *scan, char dir, int fd, struct str name,
			  const char *why)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	char *old = str_dup(ctx, name), *fresh;
	struct file_name file;

	file_name_parse(name, &file);
	fresh = mem_printf(ctx, "%s%.*s", file_name_new(ctx),
			   STR_FMT(str_from(name, file.base.len)));
	if (renameat(fd, old, fd, fresh) < 0)
		return false;
	log_warning("%s: renamed %s to %s, for %s", scan->box->path, old, fresh,
		    why);
	file_name_parse(str_of(fresh), &file);
	add(scan, dir, str_of(fresh), file.base.len);
	return true;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* Whether nobody renamed the file between the looks at both of its names, the
 * first of them after `now`: that would give it a change time. */
static bool is_at_rest(const struct stat *a, const struct stat *b,
		       const struct timespec *now)
{
	return a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec &&
	       (a->st_ctim.tv_sec < now->tv_sec ||
		(a->st_ctim.tv_sec == now->tv_sec &&
		 a->st_ctim.tv_nsec < now->tv_nsec));
}

/* Both names lead to something; *same_out: to one file, of which the second
 * name can go. What is renamed to and fro meanwhile had one name all the time,
 * and must keep it. */
static bool look_at_both(const char *first, int fd, const char *second,
			 bool *same_out)
{
	struct timespec now;
	struct stat a, b;

	for (int i = 0; i < REST_WAITS; i++) {
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
		if (lstat(first, &a) < 0 ||
		    fstatat(fd, second, &b, AT_SYMLINK_NOFOLLOW) < 0)
			return false;
		*same_out = same_file(&a, &b);
		if (!*same_out || is_at_rest(&a, &b, &now))
			return true;
		usleep(REST_WAIT_US);
	}
	return false;
}

/* Two files with one base name. The same file twice (a crash between link() and
 * unlink()): one goes. Two files: one gets a name of its own. */
static void settle_duplicate(struct scan *scan, const struct scan_entry *first,
			     char dir, int fd, struct str name)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "duplicate");
	char *first_path = mem_printf(ctx, "%s/%s/%.*s", scan->box->path,
				      first->dir == 'n' ? "new" : "cur",
				      STR_FMT(first->name));
	char *old = str_dup(ctx, name);
	bool same;

	if (!look_at_both(first_path, fd, old, &same))
		return;
	if (!same)
		(void)give_new_name(scan, dir, fd, name,
				    "there is another one");
	else if (unlinkat(fd, old, 0) == 0)
		log_warning("%s: removed a second link %s", scan->box->path,
			    old);
}

/* Mail is in regular files; links are not followed out of here. */
static bool is_mail(int fd, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_name[0] == '.' || strpbrk(entry->d_name, "\r\n") != NULL)
		return false;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG;
	return fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

static void add_name(struct scan *scan, char dir, int fd, const char *text)
{
	struct str name = str_of(text);
	ptrdiff_t colon = str_find_char(name, ':');
	size_t base_len = colon < 0 ? name.len : (size_t)colon;
	struct scan_entry *first;

	if (base_len == 0)
		return;
	if (base_len > BASE_MAX &&
	    give_new_name(scan, dir, fd, name, "flags do not fit behind it"))
		return;
	first = add(scan, dir, name, base_len);
	/* readdir() may give a file twice that was renamed meanwhile. */
	if (first != NULL &&
	    !(first->dir == dir && str_equal(first->name, name)))
		settle_duplicate(scan, first, dir, fd, name);
}

static int read_dir(struct scan *scan, const char *sub, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "scan");
	char *path = mem_printf(ctx, "%s/%s", scan->box->path, sub);
	CLEANUP(dir_close) DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL && errno == ENOTDIR) /* the mailbox is there */
		return err_set(err, ERR_TEMPORARY, "%s is not a directory",
			       path);
	if (dir == NULL)
		return err_sys(err, "opendir(%s)", path);
	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		if (scan->count >= FILES_MAX)
			return err_set(err, ERR_LIMIT,
				       "there are too many files");
		if (is_mail(dirfd(dir), entry))
			add_name(scan, sub[0], dirfd(dir), entry->d_name);
		errno = 0;
	}
	return errno == 0 ? 0 : err_sys(err, "readdir(%s)", path);
}

int scan_read(const void *ctx, struct driver_box *box, bool cur,
	      struct scan **out, struct err *err)
{
	struct scan *scan = mem_new(ctx, struct scan);

	scan->box = box;
	scan->seed = random_u64();
	rehash(scan, SLOTS_MIN);
	/* cur/ last: a file on its way there is seen twice rather than not at
	 * all. */
	if (read_dir(scan, "new", err) < 0 ||
	    (cur && read_dir(scan, "cur", err) < 0)) {
		mem_free(scan);
		return -1;
	}
	*out = scan;
	return 0;
}
