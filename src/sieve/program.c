/* SPDX-License-Identifier: MIT */
/*
 * sieve/program.c - bytecode to a program; nothing in it is trusted.
 */
#include "sieve/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "sieve/script.h"

enum { MAX_PAIRS = 1 << 20 /* of commands and tags */ };

struct str sieve_program_bytes(const struct sieve_program *program)
{
	return program->bytes;
}

bool sieve_program_uses(const struct sieve_program *program,
			const char *extension)
{
	for (unsigned i = 0; i < program->extension_count; i++) {
		if (strcmp(program->extensions[i]->name, extension) == 0)
			return true;
	}
	return false;
}

static uint64_t get_le(const char *in, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | (unsigned char)in[bytes];
	return value;
}

static int check_head(struct str bytes, struct err *err)
{
	if (bytes.len < SIEVE_HEAD_SIZE || !str_starts(bytes, SIEVE_MAGIC))
		return err_set(err, ERR_CORRUPT, "Not a compiled Sieve script");
	if (get_le(bytes.data + 8, 4) != SIEVE_CODE_VERSION)
		return err_set(err, ERR_CORRUPT,
			       "Compiled by another version of Sieve");
	if (get_le(bytes.data + 12, 8) !=
	    sieve_checksum(str_from(bytes, SIEVE_HEAD_SIZE)))
		return err_set(err, ERR_CORRUPT, "Wrong checksum");
	return 0;
}

/* How many entries follow: each has an octet at least, so that no count makes
 * for an allocation that is out of proportion. */
static unsigned get_count(struct sieve_code *in)
{
	uint64_t count = sieve_code_number(in);

	if (count > (size_t)(in->end - in->at)) {
		in->bad = true;
		return 0;
	}
	return (unsigned)count;
}

static int bad_name(struct err *err, const char *what, struct str name)
{
	return err_set(err, ERR_CORRUPT, "No such %s here: %.*s", what,
		       (int)(name.len > 100 ? 100 : name.len), name.data);
}

static int load_extensions(struct sieve_program *p, struct sieve_code *in,
			   struct err *err)
{
	p->extension_count = get_count(in);
	p->extensions = mem_array(p, const struct sieve_extension *,
				  p->extension_count + 1);
	for (unsigned i = 0; i < p->extension_count && !in->bad; i++) {
		struct str name = sieve_code_str(in);
		uint64_t version = sieve_code_number(in);
		const struct sieve_extension *ext = sieve_engine_find(
			p->engine, name, p->global || p->compiled);

		if (ext == NULL || ext->version != version)
			return bad_name(err, "extension", name);
		p->extensions[i] = ext;
		p->variables |= strcmp(ext->name, "variables") == 0;
	}
	return 0;
}

static const struct sieve_command *
find_command(const struct sieve_extension *ext, bool test, struct str name)
{
	const struct sieve_command *command = ext->commands;

	for (; command != NULL && command->name != NULL; command++) {
		if (((command->flags & SIEVE_IS_TEST) != 0) == test &&
		    str_is(name, command->name))
			return command;
	}
	return NULL;
}

static int load_commands(struct sieve_program *p, struct sieve_code *in,
			 struct err *err)
{
	p->command_count = get_count(in);
	p->commands = mem_array(p, const struct sieve_command *,
				p->command_count + 1);
	for (unsigned i = 0; i < p->command_count && !in->bad; i++) {
		uint64_t ext = sieve_code_number(in);
		bool test = sieve_code_number(in) != 0;
		struct str name = sieve_code_str(in);

		if (ext < p->extension_count)
			p->commands[i] =
				find_command(p->extensions[ext], test, name);
		if (p->commands[i] == NULL || p->commands[i]->run == NULL)
			return bad_name(err, "command", name);
	}
	return 0;
}

static const struct sieve_tag *tags_of(const struct sieve_program *p,
				       struct sieve_code *in)
{
	uint64_t owner = sieve_code_number(in);

	if (owner > 0)
		return owner <= p->command_count ? p->commands[owner - 1]->tags
						 : NULL;
	owner = sieve_code_number(in);
	return owner < p->extension_count ? p->extensions[owner]->tags : NULL;
}

static int load_tags(struct sieve_program *p, struct sieve_code *in,
		     struct err *err)
{
	p->tag_count = get_count(in);
	p->tags = mem_array(p, const struct sieve_tag *, p->tag_count + 1);
	for (unsigned i = 0; i < p->tag_count && !in->bad; i++) {
		const struct sieve_tag *tag = tags_of(p, in);
		uint64_t place = sieve_code_number(in);
		struct str name = sieve_code_str(in);

		while (tag != NULL && tag->name != NULL && place > 0) {
			tag++;
			place--;
		}
		if (tag == NULL || tag->name == NULL ||
		    !str_is(name, tag->name))
			return bad_name(err, "tag", name);
		p->tags[i] = tag;
	}
	return 0;
}

static int begin_takes(struct sieve_program *p, struct err *err)
{
	uint64_t pairs = (uint64_t)p->command_count * p->tag_count;

	if (pairs > MAX_PAIRS)
		return err_set(err, ERR_CORRUPT, "Too many commands and tags");
	p->takes = mem_array(p, unsigned char, (size_t)pairs + 1);
	return 0;
}

bool sieve_program_takes(const struct sieve_program *program, uint64_t command,
			 uint64_t tag)
{
	unsigned char *known =
		&program->takes[command * program->tag_count + tag];

	if (*known == 0)
		*known = sieve_command_takes(program->commands[command],
					     program->tags[tag])
				 ? 1
				 : 2;
	return *known == 1;
}

static void load_texts(struct sieve_program *p, struct sieve_code *in)
{
	p->text_count = get_count(in);
	p->texts = mem_array(p, struct str, p->text_count + 1);
	for (unsigned i = 0; i < p->text_count; i++)
		p->texts[i] = sieve_code_str(in);
}

static void load_source(struct sieve_program *p, struct str text,
			struct sieve_dependency *out)
{
	ptrdiff_t slash = str_find_char(text, '/');
	struct str location = STR("");

	if (slash > 0 && text.data[0] != '=') {
		out->name = str_n(text.data, (size_t)slash);
		text = str_from(text, (size_t)slash);
		str_split(&out->name, ' ', &location);
		out->location = str_dup(p, location);
	}
	out->path = str_dup(p, text);
}

static void load_sources(struct sieve_program *p, struct sieve_code *in)
{
	p->source_count = get_count(in);
	p->sources = mem_array(p, struct sieve_dependency, p->source_count + 1);
	for (unsigned i = 0; i < p->source_count; i++) {
		load_source(p, sieve_code_str(in), &p->sources[i]);
		p->sources[i].size = sieve_code_number(in);
		p->sources[i].mtime_us = sieve_code_number(in);
	}
}

/* What ihave was told must hold still. */
static int load_asked(struct sieve_program *p, struct sieve_code *in,
		      struct err *err)
{
	unsigned count = get_count(in);

	for (unsigned i = 0; i < count && !in->bad; i++) {
		struct str name = sieve_code_str(in);
		bool global = sieve_code_number(in) != 0;
		bool there = sieve_code_number(in) != 0;

		if (there !=
		    (sieve_engine_find(p->engine, name, global) != NULL))
			return err_set(err, ERR_CORRUPT,
				       "The extension '%.*s' has %s since",
				       (int)(name.len > 100 ? 100 : name.len),
				       name.data, there ? "gone" : "come");
	}
	return 0;
}

static int load_units(struct sieve_program *p, struct sieve_code *in,
		      struct err *err)
{
	unsigned max = sieve_engine_settings(p->engine)
			       ->sieve_variables_max_scope_size;

	p->unit_count = get_count(in);
	p->units = mem_array(p, struct sieve_unit, p->unit_count + 1);
	for (unsigned i = 0; i < p->unit_count; i++) {
		struct sieve_unit *unit = &p->units[i];
		uint64_t variables;

		unit->name = str_dup(p, sieve_code_str(in));
		variables = sieve_code_number(in);
		unit->variable_names = sieve_code_str(in);
		unit->code = sieve_code_str(in);
		if (variables > max)
			return err_set(err, ERR_CORRUPT, "Too many variables");
		unit->variables = (unsigned)variables;
	}
	return 0;
}

static int load(struct sieve_program *p, struct err *err)
{
	struct sieve_code in = {
		.at = (const unsigned char *)p->bytes.data + SIEVE_HEAD_SIZE,
		.end = (const unsigned char *)p->bytes.data + p->bytes.len,
	};

	p->global = sieve_code_number(&in) != 0;
	if (load_extensions(p, &in, err) < 0 ||
	    load_commands(p, &in, err) < 0 || load_tags(p, &in, err) < 0 ||
	    begin_takes(p, err) < 0)
		return -1;
	load_texts(p, &in);
	load_sources(p, &in);
	if (load_asked(p, &in, err) < 0 || load_units(p, &in, err) < 0)
		return -1;
	if (in.bad || in.at != in.end || p->unit_count == 0)
		return err_set(err, ERR_CORRUPT, "Malformed tables");
	return 0;
}

/* A program without its bytes, yet. */
static struct sieve_program *new_program(const void *ctx,
					 struct sieve_engine *engine)
{
	struct sieve_program *p = mem_new(ctx, struct sieve_program);

	p->engine = engine;
	return p;
}

static int load_all(struct sieve_program *p, struct sieve_program **out,
		    struct err *err)
{
	if (check_head(p->bytes, err) < 0 || load(p, err) < 0) {
		mem_free(p);
		return -1;
	}
	*out = p;
	return 0;
}

int sieve_program_load(const void *ctx, struct sieve_engine *engine,
		       struct str bytes, struct sieve_program **out,
		       struct err *err)
{
	struct sieve_program *p = new_program(ctx, engine);

	p->bytes = str_n(mem_memdup(p, bytes.data, bytes.len), bytes.len);
	return load_all(p, out, err);
}

int sieve_program_take(const void *ctx, struct sieve_engine *engine,
		       struct buf *bytes, bool usage,
		       struct sieve_program **out, struct err *err)
{
	struct sieve_program *p = new_program(ctx, engine);
	size_t len = bytes->len;

	p->bytes = str_n(buf_keep(p, bytes), len);
	p->compiled = !usage;
	if (usage)
		p->bytes = sieve_usage_cut(p->bytes, &p->usage);
	return load_all(p, out, err);
}

/* files */

static uint64_t mtime_us(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000 +
	       (uint64_t)st->st_mtim.tv_nsec / 1000;
}

/* Of another user, or with other settings, it may be another one. */
static bool is_where_it_was(const struct sieve_program *program,
			    const struct sieve_dependency *source)
{
	const struct sieve_engine_options *options =
		sieve_engine_options(program->engine);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	const char *path;
	struct err ignored;

	if (source->location == NULL || options->script_path == NULL)
		return true;
	ctx = mem_ctx(NULL, "source");
	return options->script_path(options->ctx, ctx, source->location,
				    source->name, &path, &ignored) == 0 &&
	       strcmp(path, source->path) == 0;
}

static bool is_current(const struct sieve_program *program,
		       const struct sieve_dependency *source)
{
	struct stat st;

	if (source->path[0] == '=' || !is_where_it_was(program, source))
		return false;
	if (stat(source->path, &st) < 0)
		return source->size == SIEVE_NOT_THERE && errno == ENOENT;
	return (uint64_t)st.st_size == source->size &&
	       mtime_us(&st) == source->mtime_us;
}

bool sieve_program_current(const struct sieve_program *program)
{
	/* Of the first that is no file, the caller knows; what it includes,
	 * nobody does. */
	unsigned i = sieve_program_origin(program)[0] == '=' ? 1 : 0;

	for (; i < program->source_count; i++) {
		if (!is_current(program, &program->sources[i]))
			return false;
	}
	return true;
}

const char *sieve_program_origin(const struct sieve_program *program)
{
	return program->source_count == 0 ? "" : program->sources[0].path;
}

bool sieve_program_fits(const struct sieve_program *program, bool global)
{
	if (global || !program->global)
		return global == program->global;
	for (unsigned i = 0; i < program->extension_count; i++) {
		if (sieve_engine_find(program->engine,
				      str_of(program->extensions[i]->name),
				      false) == NULL)
			return false;
	}
	return true;
}

char *sieve_binary_path(const void *ctx, const char *path)
{
	static const char suffix[] = ".sieve";
	size_t len = strlen(path), cut = sizeof(suffix) - 1;

	if (len > cut && strcmp(path + len - cut, suffix) == 0)
		len -= cut;
	return mem_printf(ctx, "%.*s.svbin", (int)len, path);
}

/* Who may read the script may read what becomes of it: users run those of the
 * administrator. */
static mode_t binary_mode(const struct sieve_program *program)
{
	struct stat st;

	if (program->source_count == 0 ||
	    stat(program->sources[0].path, &st) < 0)
		return 0600;
	return 0600 | (st.st_mode & 044);
}

/* In place of what was there at once; no fsync, as one that a power cut has
 * torn fails its checksum and is made anew. */
int sieve_program_save(const struct sieve_program *program, const char *path,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "save");
	char *temp = mem_printf(ctx, "%s.XXXXXX", path);
	CLEANUP(fd_close) int fd = mkostemp(temp, O_CLOEXEC);
	char usage[SIEVE_USAGE_SIZE];

	if (fd < 0)
		return err_sys(err, "mkstemp(%s)", temp);
	sieve_usage_write(&program->usage, usage);
	if (file_write_all(fd, program->bytes.data, program->bytes.len, temp,
			   err) < 0 ||
	    (program->usage.cpu_ms > 0 &&
	     file_write_all(fd, usage, sizeof(usage), temp, err) < 0)) {
		unlink(temp);
		return -1;
	}
	if (fchmod(fd, binary_mode(program)) == 0 && rename(temp, path) == 0)
		return 0;
	err_sys(err, "rename(%s, %s)", temp, path);
	unlink(temp);
	return -1;
}

void sieve_program_keep(struct sieve_program *program, const char *path)
{
	struct err ignored;

	sieve_usage_inherit(program, path);
	if (sieve_program_save(program, path, &ignored) == 0)
		program->binary = mem_strdup(program, path);
}

/* A binary is believed only if whoever owns it is who could have changed what
 * runs here anyway: this user, or root; and if nobody else may write it. */
static int check_owner(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", path);
	if (!S_ISREG(st.st_mode) ||
	    (st.st_uid != geteuid() && st.st_uid != 0) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(err, ERR_DENIED,
			       "%s: others could have written it", path);
	return 0;
}

int sieve_program_open(const void *ctx, struct sieve_engine *engine,
		       const char *path, struct sieve_program **out,
		       struct err *err)
{
	const struct sieve_settings *set = sieve_engine_settings(engine);
	CLEANUP(buf_free)
	struct buf bytes = buf_init((size_t)set->sieve_max_binary_size);
	CLEANUP(fd_close)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_sys(err, "open(%s)", path);
	if (check_owner(fd, path, err) < 0 ||
	    file_read_fd(fd, path, &bytes, err) < 0)
		return -1;
	if (sieve_program_take(ctx, engine, &bytes, true, out, err) < 0)
		return err_wrap(err, "%s", path);
	(*out)->binary = mem_strdup(*out, path);
	return 0;
}

/* "spam.sieve" is called "spam". */
static const char *script_name(const void *ctx, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	size_t len = strlen(name);

	if (len > 6 && strcmp(name + len - 6, ".sieve") == 0)
		len -= 6;
	return mem_strndup(ctx, name, len);
}

int sieve_source_read(const void *ctx, struct sieve_engine *engine,
		      const char *path, struct sieve_source *out,
		      struct err *err)
{
	const struct sieve_settings *set = sieve_engine_settings(engine);
	uint64_t max = set->sieve_max_script_size;
	CLEANUP(buf_free)
	struct buf text =
		buf_init(max == 0 || max > INT32_MAX ? INT32_MAX : (size_t)max);
	CLEANUP(fd_close)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	CLEANUP(malloc_free) char *here = get_current_dir_name();
	struct stat st;

	*out = (struct sieve_source){.path = path_expand(ctx, path, here)};
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open(%s)", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, "%s is not a file", path);
	if (file_read_fd(fd, path, &text, err) < 0)
		return -1;
	out->name = script_name(ctx, path);
	out->mtime_us = mtime_us(&st);
	text.max = INT32_MAX; /* flex wants two NULs behind it */
	buf_append(&text, "", 1);
	out->text.len = text.len - 1;
	out->text.data = buf_keep(ctx, &text);
	out->writable = true;
	return 0;
}

int sieve_script_open(const void *ctx, struct sieve_engine *engine,
		      const char *path, const char *bindir, bool global,
		      const struct sieve_log *log, struct sieve_program **out,
		      struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *mem = mem_ctx(NULL, "script");
	char *binary = bindir == NULL ? sieve_binary_path(mem, path)
				      : mem_printf(mem, "%s/%s.svbin", bindir,
						   script_name(mem, path));
	struct sieve_source source;
	struct err ignored;

	if (sieve_program_open(ctx, engine, binary, out, err) == 0) {
		if (sieve_program_fits(*out, global) &&
		    sieve_program_current(*out))
			return 0;
		mem_free(*out);
	}
	if (sieve_source_read(mem, engine, path, &source, err) < 0) {
		if (err->code == ERR_LIMIT) /* for the script's user to know */
			log->line(log->ctx, LOG_LEVEL_ERROR,
				  script_name(mem, path), err->text);
		return -1;
	}
	source.global = global;
	if (sieve_compile(ctx, engine, &source, log, out, err) < 0)
		return -1;
	/* Where it can't be saved it is compiled each time. */
	if (bindir == NULL || dir_create(bindir, 0700, &ignored) == 0)
		sieve_program_keep(*out, binary);
	return 0;
}
