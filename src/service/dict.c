/* SPDX-License-Identifier: MIT */
#include "service/dict.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/sock.h"

enum { DICT_FILE_MAX = 256 * 1024 * 1024 };

/* A key with its value, still escaped for a line. Not 0 ends the walk. */
typedef int entry_fn(void *ctx, struct str key, struct str value);

struct dict {
	const struct dict_kind *kind;
	const char *where, *name; /* of proxy: its socket, the dictionary */
	const char *user;
};

struct dict_kind {
	const char *prefix;
	int (*lookup)(struct dict *dict, const void *ctx, const char *key,
		      const char **value_out, struct err *err);
	int (*each)(struct dict *dict, const char *prefix, entry_fn *fn,
		    void *ctx, struct err *err);
};

void dict_escape(void *, struct str part, struct buf *out)
{
	for (size_t i = 0; i < part.len; i++) {
		if (part.data[i] == '/')
			buf_add(out, "\\|");
		else if (part.data[i] == '\\')
			buf_add(out, "\\\\");
		else
			buf_putc(out, part.data[i]);
	}
}

/* file: */

static int file_each(struct dict *dict, const char *prefix, entry_fn *fn,
		     void *ctx, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(DICT_FILE_MAX);
	struct str rest, key, value;

	if (file_read_regular(dict->where, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	rest = str_n(text.data, text.len);
	while (str_split(&rest, '\n', &key) && str_split(&rest, '\n', &value)) {
		if (str_starts(key, prefix) && fn(ctx, key, value) != 0)
			break;
	}
	return 0;
}

struct wanted {
	const void *ctx;
	struct str key;
	const char *value;
};

static int take_wanted(void *ctx, struct str key, struct str value)
{
	struct wanted *wanted = ctx;

	if (!str_equal(key, wanted->key))
		return 0;
	wanted->value = str_tab_unescape(wanted->ctx, value);
	return 1;
}

static int file_lookup(struct dict *dict, const void *ctx, const char *key,
		       const char **value_out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "key");
	struct wanted wanted = {ctx, str_of(str_tab_escape(tmp, str_of(key))),
				NULL};

	if (file_each(dict, "", take_wanted, &wanted, err) < 0)
		return -1;
	if (wanted.value == NULL)
		return 0;
	*value_out = wanted.value;
	return 1;
}

/* fs:posix: */

/* No path may lead out of the directory. */
static bool is_safe(const char *key)
{
	struct str rest = str_of(key), part;

	while (str_split(&rest, '/', &part)) {
		if (part.len == 0 || part.len > NAME_MAX || str_is(part, ".") ||
		    str_is(part, ".."))
			return false;
	}
	return true;
}

/* "shared/" is no directory, as in Dovecot. */
static const char *fs_name(const char *key)
{
	return str_starts(str_of(key), "shared/") ? key + 7 : key;
}

static int fs_lookup(struct dict *dict, const void *ctx, const char *key,
		     const char **value_out, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(DICT_VALUE_MAX);
	char *path;
	int ret;

	if (!is_safe(key))
		return 0;
	path = mem_printf(NULL, "%s%s", dict->where, fs_name(key));
	ret = file_read_regular(path, &text, err);
	mem_free(path);
	if (ret < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	*value_out = buf_steal(ctx, &text);
	return 1;
}

static void close_dir(DIR **dir)
{
	if (*dir != NULL)
		closedir(*dir);
}

static int fs_each(struct dict *dict, const char *prefix, entry_fn *fn,
		   void *ctx, struct err *err)
{
	CLEANUP(ctx_free)
	TALLOC_CTX *path =
		mem_printf(NULL, "%s%s", dict->where, fs_name(prefix));
	CLEANUP(close_dir) DIR *dir = opendir((char *)path);
	struct dirent *at;

	if (dir == NULL)
		return errno == ENOENT
			       ? 0
			       : err_sys(err, "opendir(%s)", (char *)path);
	while ((at = readdir(dir)) != NULL) {
		char *key;
		int stop;

		if (at->d_name[0] == '.')
			continue;
		key = mem_printf(NULL, "%s%s", prefix, at->d_name);
		stop = fn(ctx, str_of(key), STR(""));
		mem_free(key);
		if (stop != 0)
			break;
	}
	return 0;
}

/* proxy: */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int next_line(int fd, struct buf *in, struct str *line_out,
		     uint64_t deadline, struct err *err)
{
	ptrdiff_t at;

	while ((at = str_find_char(str_n(in->data, in->len), '\n')) < 0) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		uint64_t now = clock_monotonic_ms();
		char *room = buf_space(in, 4096);
		ssize_t got;

		if (room == NULL)
			return err_set(err, ERR_LIMIT,
				       "the answer is too long");
		if (now >= deadline ||
		    poll(&wait, 1, (int)(deadline - now)) == 0)
			return err_set(err, ERR_TIMEOUT, "no answer");
		got = read(fd, room, 4096);
		if (got == 0)
			return err_set(err, ERR_CLOSED, "it hung up");
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(err, "read");
		buf_grew(in, got < 0 ? 0 : (size_t)got);
	}
	*line_out = str_n(in->data, (size_t)at);
	return 0;
}

/* "+ID\tREPLY\ttimes", "*ID" for what takes its time, and from older ones just
 * "REPLY": O and a value (of an iteration: and a key), N, F and why, or nothing
 * at the end of an iteration. 1: there is more. */
static int take_reply(struct str line, bool is_each, entry_fn *fn, void *ctx,
		      struct err *err)
{
	struct str rest = line, word, value;

	if (line.len > 0 && line.data[0] == '*')
		return 1;
	if (line.len > 0 && line.data[0] == '+')
		str_split(&rest, '\t', &word);
	if (!str_split(&rest, '\t', &word) || word.len == 0 ||
	    word.data[0] == 'N')
		return 0;
	if (word.data[0] != 'O')
		return err_set(err, ERR_TEMPORARY, "%.*s", STR_FMT(line));
	word = str_from(word, 1);
	if (!is_each)
		return fn(ctx, STR(""), word) * 0;
	if (!str_split(&rest, '\t', &value))
		value = STR("");
	return fn(ctx, word, value) == 0;
}

static int proxy_ask(struct dict *dict, const char *command, bool is_each,
		     entry_fn *fn, void *ctx, struct err *err)
{
	CLEANUP(buf_free) struct buf in = buf_init(DICT_VALUE_MAX);
	CLEANUP(ctx_free)
	TALLOC_CTX *out =
		mem_printf(NULL, "H3\t2\t0\t\t%s\n%s\n", dict->name, command);
	CLEANUP(close_fd) int fd = sock_connect_unix(dict->where, err);
	uint64_t deadline = clock_monotonic_ms() + DICT_TIMEOUT_MS;
	struct str line = {NULL, 0};
	int ret = 1;

	if (fd < 0 ||
	    file_write_all(fd, out, strlen((char *)out), dict->where, err) < 0)
		return -1;
	while (ret > 0) {
		if (next_line(fd, &in, &line, deadline, err) < 0)
			return err_wrap(err, "%s", dict->where);
		ret = take_reply(line, is_each, fn, ctx, err);
		buf_shift(&in, line.len + 1);
	}
	return ret;
}

static int proxy_lookup(struct dict *dict, const void *ctx, const char *key,
			const char **value_out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "key");
	struct wanted wanted = {ctx, STR(""), NULL};
	const char *command =
		mem_printf(tmp, "L%s\t%s", str_tab_escape(tmp, str_of(key)),
			   str_tab_escape(tmp, str_of(dict->user)));

	if (proxy_ask(dict, command, false, take_wanted, &wanted, err) < 0)
		return -1;
	if (wanted.value == NULL)
		return 0;
	*value_out = wanted.value;
	return 1;
}

static int proxy_each(struct dict *dict, const char *prefix, entry_fn *fn,
		      void *ctx, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "prefix");
	const char *command = mem_printf(tmp, "I0\t0\t%s\t",
					 str_tab_escape(tmp, str_of(prefix)));

	return proxy_ask(dict, command, true, fn, ctx, err);
}

/* all */

static const struct dict_kind kinds[] = {
	{"file:", file_lookup, file_each},
	{"fs:posix:prefix=", fs_lookup, fs_each},
	{"proxy:", proxy_lookup, proxy_each},
};

static int open_proxy(struct dict *dict, const char *base_dir, struct err *err)
{
	const char *colon = strrchr(dict->where, ':');

	if (colon == NULL || colon[1] == '\0')
		return err_set(err, ERR_INVALID, "proxy: has no dictionary");
	dict->name = colon + 1;
	dict->where = colon == dict->where
			      ? "dict"
			      : mem_strndup(dict, dict->where,
					    (size_t)(colon - dict->where));
	if (dict->where[0] != '/')
		dict->where = mem_printf(dict, "%s/%s", base_dir, dict->where);
	return 0;
}

int dict_open(const void *ctx, const char *uri, const char *base_dir,
	      struct dict **out, struct err *err)
{
	struct dict *dict = mem_new(ctx, struct dict);

	dict->user = "";
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (str_starts(str_of(uri), kinds[i].prefix)) {
			dict->kind = &kinds[i];
			dict->where =
				mem_strdup(dict, uri + strlen(kinds[i].prefix));
		}
	}
	if (dict->kind == NULL)
		return err_set(err, ERR_UNSUPPORTED,
			       "Unknown dict: %s (known are file:, "
			       "fs:posix:prefix= and proxy:)",
			       uri);
	if (dict->kind->lookup == proxy_lookup &&
	    open_proxy(dict, base_dir, err) < 0)
		return -1;
	*out = dict;
	return 0;
}

void dict_set_user(struct dict *dict, const char *user)
{
	dict->user = user;
}

int dict_lookup(struct dict *dict, const void *ctx, const char *key,
		const char **value_out, struct err *err)
{
	*value_out = NULL;
	if (dict->kind->lookup(dict, ctx, key, value_out, err) < 0)
		return err_wrap(err, "dict");
	return *value_out != NULL;
}

struct names {
	size_t prefix_len;
	void (*fn)(void *ctx, const char *rest);
	void *ctx;
};

static int give_name(void *ctx, struct str key, struct str)
{
	struct names *names = ctx;
	char *name = str_tab_unescape(NULL, key);

	if (strlen(name) > names->prefix_len)
		names->fn(names->ctx, name + names->prefix_len);
	mem_free(name);
	return 0;
}

int dict_each(struct dict *dict, const char *prefix,
	      void (*fn)(void *ctx, const char *rest), void *ctx,
	      struct err *err)
{
	struct names names = {strlen(prefix), fn, ctx};

	if (dict->kind->each(dict, prefix, give_name, &names, err) < 0)
		return err_wrap(err, "dict");
	return 0;
}
