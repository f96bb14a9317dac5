/* SPDX-License-Identifier: MIT */
#include "sievetools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/vars.h"

/* Dovecot's plug-ins are built in; others would not do what is wanted. */
static void hold_plugin(const char *name)
{
	if (strcmp(name, "sieve_extprograms") == 0 ||
	    strcmp(name, "sieve_imapsieve") == 0)
		return;
	fprintf(stderr,
		"Plugin '%s' not found: sieve_extprograms and sieve_imapsieve "
		"are built in, and there are no others\n",
		name);
	exit(EXIT_FAILED);
}

bool tool_option(struct tool *tool, int option, const char *value)
{
	switch (option) {
	case 'c':
		tool->config_path = value;
		return true;
	case 'o':
		if (tool->override_count < TOOL_MAX_OVERRIDES)
			tool->overrides[tool->override_count++] = value;
		return true;
	case 'P':
		hold_plugin(value);
		return true;
	case 'u':
		tool->user = value;
		return true;
	case 'x':
		tool->extensions = value;
		return true;
	case 'D':
		tool->debug = true;
		return true;
	default:
		return false;
	}
}

/* -o may name what stands in plugin {} without saying so. */
const char *tool_override(const struct tool *tool, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = tool->override_count; i-- > 0;) {
		const char *text = tool->overrides[i];

		if (strncmp(text, "plugin/", 7) == 0)
			text += 7;
		if (strncmp(text, name, len) == 0 && text[len] == '=')
			return text + len + 1;
	}
	if (tool->extensions != NULL && strcmp(name, "sieve_extensions") == 0)
		return tool->extensions;
	return NULL;
}

static const char *setting_of(void *ctx, const char *name)
{
	struct tool *tool = ctx;
	const char *value = tool_override(tool, name);

	if (value == NULL && tool->setting != NULL)
		value = tool->setting(tool, name);
	if (value == NULL && tool->config != NULL)
		value = strcmp(name, "recipient_delimiter") == 0
				? config_value(tool->config, NULL, name)
				: config_plugin(tool->config, NULL, name);
	return value;
}

static void print_line(void *, enum log_level level, const char *where,
		       const char *text)
{
	static const char *const names[] = {"debug", "info",  "warning",
					    "error", "error", "error"};

	fprintf(stderr, "%s%s%s: %s.\n", where, where[0] == '\0' ? "" : ": ",
		names[level], text);
}

/* What stands outside of plugin {} holds for storage, too. */
static void override_general(struct tool *tool)
{
	struct err err;

	for (unsigned i = 0; i < tool->override_count; i++) {
		const char *text = tool->overrides[i];

		if (strncmp(text, "plugin/", 7) != 0 &&
		    strncmp(text, "sieve", 5) != 0 &&
		    config_override(tool->config, text, &err) < 0)
			log_fatal(EXIT_FAILED, "%s", err.text);
	}
}

void tool_log(struct tool *tool)
{
	tool->log = (struct sieve_log){.line = print_line};
}

static void open_config(struct tool *tool)
{
	struct err err;

	if (config_open(tool->ctx, tool->config_path, &tool->config, &err) ==
	    0) {
		override_general(tool);
		return;
	}
	tool->config = NULL;
	if (tool->config_path != NULL || err.code != ERR_NOT_FOUND)
		log_fatal(EXIT_FAILED, "%s", err.text);
}

/* "file:~/sieve;active=..." names a folder, in front of the options. NULL if it
 * is in a home that there is not. */
static const char *folder_of(const struct tool *tool, const void *mem,
			     const char *location)
{
	const char *user = tool->user != NULL ? tool->user : tool_login(mem);
	const char *home = tool->home;
	const struct var *names = vars_user(mem, user);
	const struct var vars[] = {
		names[0], names[1], names[2], {'h', "home", home}, {0}};
	struct err err;
	char *path;

	if (strncmp(location, "file:", 5) == 0)
		location += 5;
	if (location[0] != '/' && home == NULL)
		return NULL;
	path = mem_strndup(mem, location, strcspn(location, ";"));
	vars_expand_anyway(mem, path, vars, &path, &err);
	return path_expand(mem, path, home);
}

/* As deliveries have it: `sieve` may name one script, or a link to it. */
static const char *personal_folder(struct tool *tool, const void *mem)
{
	const char *location = setting_of(tool, "sieve"), *folder;
	const char *dir = setting_of(tool, "sieve_dir");
	struct stat st;

	if (location == NULL)
		return folder_of(tool, mem, "~/sieve");
	folder = folder_of(tool, mem, location);
	if (folder == NULL || strchr(location, ';') != NULL ||
	    (stat(folder, &st) == 0 && S_ISDIR(st.st_mode)))
		return folder;
	return folder_of(tool, mem, dir != NULL ? dir : "~/sieve");
}

static const char *global_folder(struct tool *tool, const void *mem)
{
	const char *location = setting_of(tool, "sieve_global");

	if (location == NULL)
		location = setting_of(tool, "sieve_global_dir");
	return location == NULL ? NULL : folder_of(tool, mem, location);
}

/* Of include. */
static int find_path(void *ctx, const void *mem, const char *location,
		     struct str name, const char **out, struct err *err)
{
	struct tool *tool = ctx;
	bool global = strcmp(location, "global") == 0;
	const char *folder =
		global ? global_folder(tool, mem) : personal_folder(tool, mem);

	if (folder == NULL)
		return err_set(err, ERR_NOT_FOUND, "%s",
			       global ? "sieve_global is not set"
				      : "the user has no home directory");
	*out = mem_printf(mem, "%s/%.*s.sieve", folder, STR_FMT(name));
	return 0;
}

static int find_script(void *ctx, const void *mem, const char *location,
		       struct str name, struct sieve_source *out,
		       struct err *err)
{
	struct tool *tool = ctx;
	const char *path;

	if (find_path(ctx, mem, location, name, &path, err) < 0 ||
	    sieve_source_read(mem, tool->engine, path, out, err) < 0)
		return -1;
	out->global = strcmp(location, "global") == 0;
	return 0;
}

void tool_open(struct tool *tool, const char *name)
{
	struct sieve_engine_options options = {
		.setting = setting_of,
		.script = find_script,
		.script_path = find_path,
		.ctx = tool,
		.extra = sieve_imap_extensions,
		.always = "vnd.dovecot.debug",
	};

	struct err err;

	log_open(name, LOG_TO_STDERR);
	log_debug_set(tool->debug);
	if (tool->ctx == NULL)
		tool->ctx = mem_ctx(NULL, name);
	tool_log(tool);
	tool->home = getenv("HOME");
	open_config(tool);
	if (tool->become != NULL && tool->config != NULL &&
	    tool->become(tool, name, &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	tool->engine = sieve_engine_new(tool->ctx, &options);
}

void tool_restart(const struct tool *tool, const char *name, char **argv)
{
	static const char path[] = PKG_LIBEXECDIR "/sieve-tool";
	size_t count = 0;
	const char **args;

	while (argv[count] != NULL)
		count++;
	args = mem_array(tool->ctx, const char *, count + 2);
	args[0] = path;
	memcpy(args + 1, argv, count * sizeof(*args));
	args[1] = name;
	execv(path, (char **)args);
	fprintf(stderr, "%s: %s: %s\n", name, path, strerror(errno));
	exit(EXIT_FAILED);
}

struct sieve_program *tool_script(struct tool *tool, const char *path,
				  bool compile)
{
	struct sieve_program *program;
	struct sieve_source source;
	struct err err;
	int result;

	if (!compile) {
		result = sieve_script_open(tool->ctx, tool->engine, path, NULL,
					   true, &tool->log, &program, &err);
	} else {
		result = sieve_source_read(tool->ctx, tool->engine, path,
					   &source, &err);
		source.global = true;
		if (result == 0)
			result = sieve_compile(tool->ctx, tool->engine, &source,
					       &tool->log, &program, &err);
	}
	if (result < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	log_debug("%s: %zu octets of bytecode", path,
		  sieve_program_bytes(program).len);
	return program;
}

struct str tool_read(struct tool *tool, const char *path)
{
	CLEANUP(buf_free) struct buf text = buf_init(INT32_MAX);
	bool input = strcmp(path, "-") == 0;
	struct err err;
	struct str out;

	if ((input ? file_read_fd(STDIN_FILENO, "stdin", &text, &err)
		   : file_read(path, &text, &err)) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	out.len = text.len;
	out.data = buf_steal(tool->ctx, &text);
	return out;
}

void tool_write(const char *path, struct str text)
{
	struct err err;
	CLEANUP(fd_close) int fd = -1;

	if (strcmp(path, "-") == 0)
		fd = dup(STDOUT_FILENO);
	else
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		log_fatal(EXIT_FAILED, "open(%s): %s", path, strerror(errno));
	if (file_write_all(fd, text.data, text.len, path, &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
}

/* The first address in the first of the fields that has a usable one. */
static bool find_address(const void *ctx, struct sieve_message *message,
			 const char *const *names, struct sieve_address *out)
{
	for (; *names != NULL; names++) {
		struct sieve_field *field =
			sieve_message_field(message, str_of(*names));
		const struct sieve_address *list;
		unsigned count;

		if (field == NULL)
			continue;
		list = sieve_field_addresses(message, field, 10, &count);
		if (count > 0 && list[0].valid &&
		    sieve_address_parse(ctx, list[0].all, false, out))
			return true;
	}
	return false;
}

void tool_envelope(const void *ctx, struct sieve_message *message,
		   const char *auth, struct sieve_envelope *out)
{
	static const char *const to[] = {"envelope-to", "to", NULL};
	static const char *const from[] = {"return-path", "sender", "from",
					   NULL};

	*out = (struct sieve_envelope){.auth = auth};
	if (!find_address(ctx, message, to, &out->to))
		sieve_address_parse(ctx, STR("recipient@example.com"), false,
				    &out->to);
	if (!find_address(ctx, message, from, &out->from))
		sieve_address_parse(ctx, STR("sender@example.com"), false,
				    &out->from);
	out->original_to = out->to;
}

const char *tool_login(const void *ctx)
{
	const char *name = getenv("USER");
	const struct passwd *pw = NULL;

	if (name == NULL || name[0] == '\0') {
		pw = getpwuid(geteuid());
		name = pw == NULL ? "nobody" : pw->pw_name;
	}
	return mem_strdup(ctx, name);
}
