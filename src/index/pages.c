/* SPDX-License-Identifier: MIT */
/*
 * index/pages.c - whether a file is what LMDB would have written.
 *
 * LMDB trusts its pages: one with a wrong length in it makes it write where it
 * must not, and one in the list of free pages that is in use ruins others. So,
 * when something says that the file may be damaged, this looks at each page
 * that the newest tree reaches, and at that list, and believes nothing. The
 * format is that of LMDB 0.9 (lmdb.h: MDB_VERSION_MAJOR, and its magic).
 */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "index/env.h"

enum {
	HEAD_SIZE = 16, /* of a page */
	NODE_SIZE = 8,  /* of a row's head */
	DB_SIZE = 48,
	META_SIZE = HEAD_SIZE + 24 + 2 * DB_SIZE + 16,
	METAS = 2,
	KEY_MAX = 511,
	DEPTH_MAX = 32,
	PAGE_BRANCH = 1,
	PAGE_LEAF = 2,
	PAGE_OVERFLOW = 4,
	PAGE_META = 8,
	NODE_BIG = 1,
	NODE_TREE = 2,
	FREE_INTEGER_KEY = 8,
};

#define NO_PAGE UINT64_MAX
#define PAGES_MAX (1ULL << 36)

/* As MDB_db. */
struct tree {
	uint16_t flags, depth;
	uint64_t branches, leaves, overflows, entries, root;
};

enum kind { TREE_FREE, TREE_MAIN, TREE_TABLE };

struct look {
	const void *ctx;
	int fd;
	size_t page_size;
	uint64_t pages, txn;
	unsigned char *used; /* a bit for each page */
	const char *why;
};

/* One tree on the way. */
struct walker {
	struct look *look;
	enum kind kind;
	struct tree found; /* what was met so far */
	unsigned depth;
	/* The last key; a separator may come again as a row's. */
	unsigned char key[KEY_MAX];
	size_t key_len;
	bool has_key, separator;
};

static uint16_t u16(const unsigned char *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint32_t u32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t u64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static bool bad(struct look *look, const char *why)
{
	look->why = why;
	return false;
}

static bool page_read(struct look *look, uint64_t page, unsigned char *out)
{
	if (pread(look->fd, out, look->page_size,
		  (off_t)(page * look->page_size)) != (ssize_t)look->page_size)
		return bad(look, "a page is missing");
	return true;
}

/* Each page belongs to one. */
static bool page_take(struct look *look, uint64_t page, uint64_t count)
{
	if (page < METAS || count > look->pages || page > look->pages - count)
		return bad(look, "a page's number");
	for (; count > 0; page++, count--) {
		if ((look->used[page / 8] & 1 << page % 8) != 0)
			return bad(look, "a page is used twice");
		look->used[page / 8] |= 1 << page % 8;
	}
	return true;
}

/* trees */

static int compare(enum kind kind, const unsigned char *a, size_t a_len,
		   const unsigned char *b, size_t b_len)
{
	int diff;

	if (kind == TREE_FREE)
		return u64(a) < u64(b) ? -1 : u64(a) > u64(b);
	diff = memcmp(a, b, a_len < b_len ? a_len : b_len);
	return diff != 0 ? diff : (a_len > b_len) - (a_len < b_len);
}

static bool key_next(struct walker *walker, const unsigned char *key,
		     size_t len, bool separator)
{
	int diff = -1;

	if (len == 0 || len > KEY_MAX ||
	    (walker->kind == TREE_FREE && len != sizeof(uint64_t)))
		return bad(walker->look, "a key's length");
	if (walker->has_key)
		diff = compare(walker->kind, walker->key, walker->key_len, key,
			       len);
	if (diff > 0 || (diff == 0 && !walker->separator))
		return bad(walker->look, "the order of keys");
	memcpy(walker->key, key, len);
	walker->key_len = len;
	walker->has_key = true;
	walker->separator = separator;
	return true;
}

static struct tree tree_get(const unsigned char *at)
{
	return (struct tree){.flags = u16(at + 4),
			     .depth = u16(at + 6),
			     .branches = u64(at + 8),
			     .leaves = u64(at + 16),
			     .overflows = u64(at + 24),
			     .entries = u64(at + 32),
			     .root = u64(at + 40)};
}

static bool tree_sound(struct look *look, enum kind kind,
		       const unsigned char *at);

/* Pages that LMDB may write to: none that is in use. */
static bool free_pages(struct look *look, const unsigned char *at, size_t len,
		       const unsigned char *key)
{
	uint64_t count = len < 8 ? UINT64_MAX : u64(at), last = UINT64_MAX;

	if (count > len / 8 - 1 || u64(key) > look->txn)
		return bad(look, "the list of free pages");
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t page = u64(at + 8 * i);

		if (page >= last)
			return bad(look, "the order of free pages");
		last = page;
		if (!page_take(look, page, 1))
			return false;
	}
	return true;
}

/* The value of a row that has pages of its own. */
static bool big_value(struct walker *walker, const unsigned char *node,
		      const unsigned char *key)
{
	struct look *look = walker->look;
	uint64_t page = u64(key + u16(node + 6)), count;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(look->ctx, "big");
	size_t len = u32(node), size = look->page_size;
	unsigned char *text;

	count = (HEAD_SIZE + len + size - 1) / size;
	if (!page_take(look, page, count))
		return false;
	text = mem_array(ctx, unsigned char,
			 walker->kind == TREE_FREE ? count * size : size);
	for (uint64_t i = 0; i < (walker->kind == TREE_FREE ? count : 1); i++) {
		if (!page_read(look, page + i, text + i * size))
			return false;
	}
	if (u64(text) != page || u16(text + 10) != PAGE_OVERFLOW ||
	    u32(text + 12) != count)
		return bad(look, "a large value's page");
	walker->found.overflows += count;
	return walker->kind != TREE_FREE ||
	       free_pages(look, text + HEAD_SIZE, len, key);
}

static bool row_sound(struct walker *walker, const unsigned char *node)
{
	unsigned flags = u16(node + 4);
	size_t key_len = u16(node + 6), len = u32(node);
	const unsigned char *key = node + NODE_SIZE;

	walker->found.entries++;
	if (!key_next(walker, key, key_len, false))
		return false;
	if (walker->kind == TREE_MAIN)
		return flags == NODE_TREE && len == DB_SIZE
			       ? tree_sound(walker->look, TREE_TABLE,
					    key + key_len)
			       : bad(walker->look, "a table's row");
	if (flags == NODE_BIG)
		return big_value(walker, node, key);
	if (flags != 0)
		return bad(walker->look, "a row's flags");
	return walker->kind != TREE_FREE ||
	       free_pages(walker->look, key + key_len, len, key);
}

static size_t node_size(const unsigned char *node, bool leaf)
{
	size_t size = NODE_SIZE + u16(node + 6);

	if (leaf)
		size += (u16(node + 4) & NODE_BIG) != 0 ? 8 : (size_t)u32(node);
	return size + size % 2;
}

/* Rows fill the page from its upper bound to its end, none over another. */
static bool rows_fit(struct look *look, const unsigned char *page, bool leaf,
		     unsigned count)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(look->ctx, "fit");
	char *taken = mem_array(ctx, char, look->page_size);
	size_t upper = u16(page + 14), sum = 0;

	for (unsigned i = 0; i < count; i++) {
		size_t at = u16(page + HEAD_SIZE + 2 * i), size;

		if (at % 2 != 0 || at < upper ||
		    at > look->page_size - NODE_SIZE)
			return bad(look, "where a row is");
		size = node_size(page + at, leaf);
		if (size > look->page_size - at ||
		    memchr(taken + at, 1, size) != NULL)
			return bad(look, "a row's length");
		memset(taken + at, 1, size);
		sum += size;
	}
	return sum == look->page_size - upper ||
	       bad(look, "what a page's rows take");
}

static bool page_sound(struct walker *walker, uint64_t number, unsigned level);

static bool child_sound(struct walker *walker, const unsigned char *node,
			bool first, unsigned level)
{
	uint64_t child = u32(node) | (uint64_t)u16(node + 4) << 32;

	/* The first one's key is not looked at by LMDB. */
	return (first || key_next(walker, node + NODE_SIZE, u16(node + 6),
				  true)) &&
	       page_sound(walker, child, level + 1);
}

static bool page_sound(struct walker *walker, uint64_t number, unsigned level)
{
	struct look *look = walker->look;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(look->ctx, "page");
	unsigned char *page = mem_array(ctx, unsigned char, look->page_size);
	bool leaf = level == walker->depth;
	size_t lower, upper;
	unsigned count;

	if (!page_take(look, number, 1) || !page_read(look, number, page))
		return false;
	lower = u16(page + 12);
	upper = u16(page + 14);
	if (u64(page) != number ||
	    u16(page + 10) != (leaf ? PAGE_LEAF : PAGE_BRANCH) ||
	    lower <= HEAD_SIZE || lower % 2 != 0 || lower > upper ||
	    upper > look->page_size)
		return bad(look, "a page's head");
	*(leaf ? &walker->found.leaves : &walker->found.branches) += 1;
	count = (unsigned)(lower - HEAD_SIZE) / 2;
	if (!rows_fit(look, page, leaf, count))
		return false;
	for (unsigned i = 0; i < count; i++) {
		const unsigned char *node =
			page + u16(page + HEAD_SIZE + 2 * i);

		if (leaf ? !row_sound(walker, node)
			 : !child_sound(walker, node, i == 0, level))
			return false;
	}
	return true;
}

static bool tree_sound(struct look *look, enum kind kind,
		       const unsigned char *at)
{
	struct tree tree = tree_get(at);
	struct walker walker = {
		.look = look, .kind = kind, .depth = tree.depth};
	const struct tree *found = &walker.found;

	if (tree.flags != (kind == TREE_FREE ? FREE_INTEGER_KEY : 0) ||
	    tree.depth > DEPTH_MAX ||
	    (tree.depth == 0) != (tree.root == NO_PAGE))
		return bad(look, "a tree");
	if (tree.depth > 0 && !page_sound(&walker, tree.root, 1))
		return false;
	return (found->branches == tree.branches &&
		found->leaves == tree.leaves &&
		found->overflows == tree.overflows &&
		found->entries == tree.entries) ||
	       bad(look, "what a tree counts");
}

/* The head of the page that the last transaction wrote. */
static bool meta_read(struct look *look, uint64_t txn, unsigned char *page)
{
	const unsigned char *at = page + HEAD_SIZE;

	if (!page_read(look, txn % METAS, page))
		return false;
	if (u64(page) != txn % METAS || u16(page + 10) != PAGE_META ||
	    u32(at) != 0xBEEFC0DE || u32(at + 4) != 1 ||
	    u32(at + 24) != look->page_size ||
	    u64(page + META_SIZE - 8) != txn)
		return bad(look, "the file's head");
	look->pages = u64(page + META_SIZE - 16) + 1;
	return (look->pages >= METAS && look->pages <= PAGES_MAX) ||
	       bad(look, "how many pages there are");
}

const char *pages_wrong(int fd, uint64_t txn)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "pages");
	struct look look = {.ctx = ctx, .fd = fd, .txn = txn};
	unsigned char *page;
	off_t size = lseek(fd, 0, SEEK_END);

	look.page_size = (size_t)sysconf(_SC_PAGESIZE);
	page = mem_array(ctx, unsigned char, look.page_size);
	if (!meta_read(&look, txn, page))
		return look.why;
	if (size < 0 || (uint64_t)size / look.page_size < look.pages)
		return "the file's length";
	look.used = mem_array(ctx, unsigned char, look.pages / 8 + 1);
	if (tree_sound(&look, TREE_FREE, page + HEAD_SIZE + 24) &&
	    tree_sound(&look, TREE_MAIN, page + HEAD_SIZE + 24 + DB_SIZE))
		return NULL;
	return look.why;
}
