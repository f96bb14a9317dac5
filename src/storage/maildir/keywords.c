/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/keywords.c - dovecot-keywords: "<number> <name>" per line,
 * where number 0 is the letter a in file names. Bit n of the index is the
 * letter n; keywords from the 27th on live in the index alone, as Dovecot
 * keeps them in its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/layout.h"
#include "storage/maildir/maildir.h"

enum { FILE_MAX = 65536, NAME_MAX_LEN = 255 };

struct names {
	const char *at[MAILDIR_KEYWORDS]; /* "" where there is none */
};

static char *keywords_path(const void *ctx, const struct driver_box *box)
{
	return mem_printf(ctx, "%s/dovecot-keywords", box->control);
}

static void parse_line(const void *ctx, struct str line, struct names *names)
{
	struct str number;
	uint32_t at;

	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	if (!str_split(&line, ' ', &number) || !str_to_u32(number, &at) ||
	    at >= MAILDIR_KEYWORDS || line.data == NULL || line.len == 0 ||
	    line.len > NAME_MAX_LEN || !keyword_can_be_told(line))
		return;
	names->at[at] = str_dup(ctx, line);
}

static int file_names(const void *ctx, const char *path, struct names *names,
		      struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);
	struct str rest, line;

	for (int i = 0; i < MAILDIR_KEYWORDS; i++)
		names->at[i] = "";
	if (file_read_regular(path, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	rest = str_n(text.data, text.len);
	while (str_split(&rest, '\n', &line))
		parse_line(ctx, line, names);
	return 0;
}

static uint32_t letters_of(const struct names *names)
{
	uint32_t letters = 0;

	for (int i = 0; i < MAILDIR_KEYWORDS; i++) {
		if (names->at[i][0] != '\0')
			letters |= 1U << i;
	}
	return letters;
}

/* Lay the file's names over the index's. What both lack stays free; a name of
 * the index that the file lacks stays, too: its file was lost. */
static bool merge(const struct names *names, const char **have, unsigned *count,
		  bool *renamed)
{
	bool changed = false;

	for (unsigned i = 0; i < MAILDIR_KEYWORDS; i++) {
		const char *old = i < *count ? have[i] : "";

		if (names->at[i][0] == '\0' || strcmp(old, names->at[i]) == 0)
			continue;
		if (old[0] != '\0')
			*renamed = true;
		while (*count <= i)
			have[(*count)++] = "";
		have[i] = names->at[i];
		changed = true;
	}
	return changed;
}

static bool file_lacks(const struct maildir_state *state,
		       const char *const *have, unsigned count)
{
	for (unsigned i = 0; i < count && i < MAILDIR_KEYWORDS; i++) {
		if (have[i][0] != '\0' && (state->letters >> i & 1) == 0)
			return true;
	}
	return false;
}

int keywords_read(struct driver_box *box, struct index_txn *txn,
		  struct maildir_state *state, struct keywords_news *out,
		  struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "keywords");
	char *path = keywords_path(ctx, box);
	struct file_mark mark;
	struct names names;
	const char **have;
	unsigned count;

	*out = (struct keywords_news){.renamed = false};
	if (file_mark_get(path, &mark, err) < 0)
		return -1;
	if (mark.ino != 0 && file_mark_same(&mark, &state->keywords))
		return 0;
	if (file_names(ctx, path, &names, err) < 0 ||
	    index_keywords_get(txn, ctx, box->id, &have, &count, err) < 0)
		return -1;
	state->keywords = mark;
	state->letters = letters_of(&names);
	out->lacking = file_lacks(state, have, count);
	if (!merge(&names, have, &count, &out->renamed))
		return 0;
	return index_keywords_put(txn, box->id, have, count, err);
}

int keywords_name(struct driver_box *box, struct index_txn *txn,
		  uint32_t letters, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "keywords");
	struct names names;
	const char **have;
	unsigned count;
	bool renamed = false;

	if (index_keywords_get(txn, ctx, box->id, &have, &count, err) < 0)
		return -1;
	for (unsigned i = 0; i < MAILDIR_KEYWORDS; i++) {
		names.at[i] = "";
		if ((letters >> i & 1) != 0 &&
		    (i >= count || have[i][0] == '\0'))
			names.at[i] = mem_printf(ctx, "unknown-%u", i);
	}
	if (!merge(&names, have, &count, &renamed))
		return 0;
	return index_keywords_put(txn, box->id, have, count, err);
}

static int write_file(struct driver_box *box, const char *path,
		      const char *const *have, unsigned count, struct err *err)
{
	CLEANUP(buf_free) struct buf out = buf_init(FILE_MAX);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "keywords");
	char *temp = mem_printf(ctx, "%s.tmp", path);
	CLEANUP(fd_close) int fd = -1;

	for (unsigned i = 0; i < count && i < MAILDIR_KEYWORDS; i++) {
		if (have[i][0] != '\0')
			buf_printf(&out, "%u %s\n", i, have[i]);
	}
	fd = file_make(temp, rights_of_box(box)->file_mode, err);
	if (fd < 0)
		return -1;
	if (rights_give(rights_of_box(box), fd, temp, err) < 0)
		return -1;
	if (file_write_all(fd, out.data, out.len, temp, err) < 0)
		return -1;
	if (!maildir_fsync_never(box->location) && fdatasync(fd) < 0)
		return err_sys(err, "fdatasync(%s)", temp);
	if (rename(temp, path) < 0)
		return err_sys(err, "rename(%s, %s)", temp, path);
	/* File names will use the letter, and must not outlive its name. */
	return layout_sync(box->location, box->control, err);
}

/* Under the lock. Somebody else may have given a letter another meaning since
 * the last sync(): then this transaction's bits are wrong. */
static int write_locked(struct driver_box *box, const char *path,
			const char *const *have, unsigned count,
			struct maildir_state *state, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "keywords");
	struct names names;
	bool missing = false;

	if (file_names(ctx, path, &names, err) < 0)
		return -1;
	for (unsigned i = 0; i < MAILDIR_KEYWORDS; i++) {
		const char *mine = i < count ? have[i] : "";

		if (strcmp(mine, names.at[i]) == 0)
			continue;
		if (names.at[i][0] != '\0')
			return err_set(err, ERR_CHANGED,
				       "%s was changed by another process",
				       path);
		missing = true;
	}
	if (missing && write_file(box, path, have, count, err) < 0)
		return -1;
	for (unsigned i = 0; i < MAILDIR_KEYWORDS; i++)
		names.at[i] = i < count ? have[i] : "";
	state->letters = letters_of(&names);
	return file_mark_get(path, &state->keywords, err);
}

int keywords_write(struct driver_box *box, struct index_txn *txn,
		   struct maildir_state *state, bool locked, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "keywords");
	char *path = keywords_path(ctx, box);
	char *lock = uidlist_path(ctx, box);
	const char **have;
	unsigned count;
	int ret;

	if (index_keywords_get(txn, ctx, box->id, &have, &count, err) < 0 ||
	    (!locked && maildir_lock(box, lock, err) < 0))
		return -1;
	ret = write_locked(box, path, have, count, state, err);
	if (!locked)
		dotlock_release(lock);
	return ret;
}

int keywords_ensure(struct driver_box *box, struct index_txn *txn,
		    struct index_box *index_box, uint32_t letters, bool locked,
		    struct err *err)
{
	struct maildir_state state;

	if (letters == 0)
		return 0;
	state_get(index_box, &state);
	if ((letters & ~state.letters) == 0)
		return 0;
	if (keywords_write(box, txn, &state, locked, err) < 0)
		return -1;
	state_put(index_box, &state);
	return 0;
}
