/* SPDX-License-Identifier: MIT */
/*
 * tests/crash/disk.c - see disk.h. A node is a file or a directory; entries are
 * the names that are durable, changes those that are not yet; a symbolic link is
 * durable with its name. Each node is kept
 * open, so that its inode number is not given to another one and its text can
 * be read after its last name has gone.
 */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"

enum { NODES = 20000, ENTRIES = 20000, CHANGES = 20000, SECTOR = 512 };

struct node {
	dev_t dev;
	ino_t ino;
	mode_t mode;
	int fd;
	char *text; /* durable; NULL: never synced */
	size_t len;
};

/* A name in a directory; node -1: no more. */
struct entry {
	int dir, node;
	char name[256];
};

/* What is put under a name, and another name that goes at the same time. */
struct change {
	struct entry put, remove; /* dir -1: none */
};

static struct node nodes[NODES];
static struct entry entries[ENTRIES];
static struct change changes[CHANGES];
static int node_count, entry_count, change_count, root_node;
static void (*on_event)(void *ctx);

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "tests/crash/disk: %s: %s\n", what, strerror(errno));
	abort();
}

static unsigned dice(unsigned *seed, unsigned sides)
{
	return (unsigned)rand_r(seed) / 7 % sides;
}

/* nodes */

static int node_find(const struct stat *st)
{
	for (int i = node_count - 1; i >= 0; i--) {
		if (nodes[i].ino == st->st_ino && nodes[i].dev == st->st_dev)
			return i;
	}
	return -1;
}

static int node_add(int dir_fd, const char *path)
{
	struct stat st;
	int found, flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;

	need(fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0, path);
	found = node_find(&st);
	if (found >= 0)
		return found;
	need(node_count < NODES, "too many files");
	if (S_ISLNK(st.st_mode))
		flags = O_PATH | O_CLOEXEC | O_NOFOLLOW;
	nodes[node_count] = (struct node){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.mode = st.st_mode,
		.fd = openat(dir_fd, path, flags),
	};
	need(nodes[node_count].fd >= 0, path);
	return node_count++;
}

/* Free with free(). */
static char *node_read(const struct node *node, size_t *len_out)
{
	struct stat st;
	char *text;
	ssize_t got;

	need(fstat(node->fd, &st) == 0, "fstat");
	text = malloc((size_t)st.st_size + 1);
	need(text != NULL, "malloc");
	got = pread(node->fd, text, (size_t)st.st_size, 0);
	need(got >= 0, "pread");
	*len_out = (size_t)got;
	return text;
}

static void node_sync(struct node *node)
{
	free(node->text);
	node->text = node_read(node, &node->len);
}

/* names */

/* The directory of a path, -1 if it is none of ours, and the name in it. */
static int dir_of(int dir_fd, const char *path, char name[256])
{
	const char *slash = strrchr(path, '/');
	char dir[4096] = ".";
	struct stat st;

	if (slash != NULL)
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	snprintf(name, 256, "%s", slash == NULL ? path : slash + 1);
	if (fstatat(dir_fd, dir, &st, 0) < 0)
		return -1;
	return node_find(&st);
}

static void entry_put(struct entry *list, int *count, const struct entry *put)
{
	for (int i = 0; i < *count; i++) {
		if (list[i].dir == put->dir &&
		    strcmp(list[i].name, put->name) == 0) {
			list[i].node = put->node;
			return;
		}
	}
	need(*count < ENTRIES, "too many names");
	list[(*count)++] = *put;
}

static void change_apply(struct entry *list, int *count,
			 const struct change *change)
{
	if (change->put.dir >= 0)
		entry_put(list, count, &change->put);
	if (change->remove.dir >= 0)
		entry_put(list, count, &change->remove);
}

static void change_add(struct entry put, struct entry remove)
{
	need(change_count < CHANGES, "too many changes");
	changes[change_count++] = (struct change){.put = put, .remove = remove};
}

/* A name that was made and renamed away was never there. */
static void forget_put(struct change *list, int count, const struct entry *gone)
{
	for (int i = 0; i < count; i++) {
		if (list[i].put.dir == gone->dir &&
		    strcmp(list[i].put.name, gone->name) == 0)
			list[i].put.dir = -1;
	}
}

/* All that was done in a directory is durable now. */
static void dir_sync(int dir)
{
	int kept = 0;

	for (int i = 0; i < change_count; i++) {
		struct change *change = &changes[i];

		if (change->put.dir != dir && change->remove.dir != dir) {
			changes[kept++] = *change;
			continue;
		}
		change_apply(entries, &entry_count, change);
		if (change->remove.dir >= 0)
			forget_put(changes, kept, &change->remove);
	}
	change_count = kept;
}

/* what was done */

static const struct entry nothing = {.dir = -1, .node = -1};

static int before(void *ctx, const char *call, const char *path)
{
	(void)call;
	(void)path;
	on_event(ctx);
	return 0;
}

static void made(int dir_fd, const char *path)
{
	struct entry put = {.dir = -1};

	put.dir = dir_of(dir_fd, path, put.name);
	if (put.dir < 0)
		return;
	put.node = node_add(dir_fd, path);
	change_add(put, nothing);
}

static void renamed(int from_fd, const char *from, int to_fd, const char *to,
		    const struct stat *what)
{
	struct entry put = {.dir = -1}, remove = {.node = -1};

	remove.dir = dir_of(from_fd, from, remove.name);
	put.dir = dir_of(to_fd, to, put.name);
	put.node = node_find(what);
	if (put.dir >= 0 && put.node >= 0)
		change_add(put, remove);
}

static void removed(int dir_fd, const char *path)
{
	struct entry remove = {.node = -1};

	remove.dir = dir_of(dir_fd, path, remove.name);
	if (remove.dir >= 0)
		change_add(nothing, remove);
}

static void synced(int fd)
{
	struct stat st;
	int node;

	if (fstat(fd, &st) < 0 || (node = node_find(&st)) < 0)
		return;
	if (S_ISDIR(st.st_mode))
		dir_sync(node);
	else
		node_sync(&nodes[node]);
}

static const struct calls calls = {
	.before = before,
	.made = made,
	.renamed = renamed,
	.removed = removed,
	.synced = synced,
};

/* the beginning */

static void take_dir(int dir)
{
	DIR *stream = fdopendir(dup(nodes[dir].fd));
	struct dirent *at;

	need(stream != NULL, "fdopendir");
	rewinddir(stream);
	while ((at = readdir(stream)) != NULL) {
		struct entry put = {.dir = dir};

		if (strcmp(at->d_name, ".") == 0 ||
		    strcmp(at->d_name, "..") == 0)
			continue;
		snprintf(put.name, sizeof(put.name), "%s", at->d_name);
		put.node = node_add(nodes[dir].fd, at->d_name);
		entry_put(entries, &entry_count, &put);
		if (S_ISDIR(nodes[put.node].mode))
			take_dir(put.node);
		else if (S_ISREG(nodes[put.node].mode))
			node_sync(&nodes[put.node]);
	}
	closedir(stream);
}

void disk_begin(const char *root, void (*event)(void *ctx), void *ctx)
{
	node_count = entry_count = change_count = 0;
	root_node = node_add(AT_FDCWD, root);
	take_dir(root_node);
	on_event = event;
	calls_watch(&calls, ctx);
}

void disk_end(void)
{
	calls_watch(NULL, NULL);
	for (int i = 0; i < node_count; i++) {
		close(nodes[i].fd);
		free(nodes[i].text);
	}
	node_count = 0;
}

/* the cut */

static void put_file(const char *path, mode_t mode, const char *text,
		     size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		      mode & 0777);

	need(fd >= 0, path);
	need(write(fd, text, len) == (ssize_t)len, path);
	close(fd);
}

/* Old sectors among the new ones, zeros where there were none. */
static void mix(char *now, size_t len, const char *old, size_t old_len,
		unsigned *seed)
{
	for (size_t at = 0; at < len; at += SECTOR) {
		size_t n = len - at < SECTOR ? len - at : SECTOR;
		size_t had = at < old_len ? old_len - at : 0;

		if (dice(seed, 2) == 0)
			continue;
		had = had < n ? had : n;
		memset(now + at + had, 0, n - had);
		if (had > 0)
			memcpy(now + at, old + at, had);
	}
}

static void cut_link(const struct node *node, const char *path)
{
	char target[4096];
	ssize_t len = readlinkat(node->fd, "", target, sizeof(target) - 1);

	need(len > 0, path);
	target[len] = '\0';
	need(symlink(target, path) == 0, path);
}

static void cut_file(const struct node *node, const char *path, unsigned *seed)
{
	size_t len, old_len = node->text == NULL ? 0 : node->len;
	char *now = node_read(node, &len);

	switch (dice(seed, 4)) {
	case 0:
		break;
	case 1:
		put_file(path, node->mode, node->text, old_len);
		free(now);
		return;
	case 2:
		if (len > old_len)
			len = old_len + dice(seed, (unsigned)(len - old_len));
		break;
	default:
		mix(now, len, node->text, old_len, seed);
		break;
	}
	put_file(path, node->mode, now, len);
	free(now);
}

static void cut_dir(int dir, const struct entry *list, int count,
		    const char *path, unsigned *seed)
{
	need(mkdir(path, nodes[dir].mode & 0777) == 0, path);
	for (int i = 0; i < count; i++) {
		char below[4096];

		if (list[i].dir != dir || list[i].node < 0)
			continue;
		need(snprintf(below, sizeof(below), "%s/%s", path,
			      list[i].name) < (int)sizeof(below),
		     "long path");
		if (S_ISDIR(nodes[list[i].node].mode))
			cut_dir(list[i].node, list, count, below, seed);
		else if (S_ISLNK(nodes[list[i].node].mode))
			cut_link(&nodes[list[i].node], below);
		else
			cut_file(&nodes[list[i].node], below, seed);
	}
}

void disk_cut(const char *to, unsigned seed)
{
	struct entry *list = malloc(sizeof(entries));
	unsigned how, until;
	int count = entry_count;

	need(list != NULL, "malloc");
	memcpy(list, entries, (size_t)count * sizeof(*list));
	how = dice(&seed, 4);
	until = dice(&seed, (unsigned)change_count + 1);
	/* None, all, all up to one, any. */
	for (unsigned i = 0; how != 0 && i < (unsigned)change_count; i++) {
		if ((how == 2 && i >= until) ||
		    (how == 3 && dice(&seed, 2) == 0))
			continue;
		change_apply(list, &count, &changes[i]);
	}
	cut_dir(root_node, list, count, to, &seed);
	free(list);
}
