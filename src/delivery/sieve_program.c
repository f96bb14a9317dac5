/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve_program.c - programs of pipe, filter and execute: sockets of
 * script services and programs in the administrator's directories, with
 * Pigeonhole's settings, environment and words.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "mime/imap.h"
#include "service/program.h"
#include "storage/user.h"

/* Settings of one kind. */
struct how {
	const char *socket_dir, *bin_dir;
	struct duration timeout;
	bool lf;
};

static struct how how_of(const struct lda_plugin_settings *set,
			 const char *kind)
{
#define HOW(kind)                                                              \
	(struct how)                                                           \
	{                                                                      \
		set->sieve_##kind##_socket_dir, set->sieve_##kind##_bin_dir,   \
			set->sieve_##kind##_exec_timeout,                      \
			strcmp(set->sieve_##kind##_input_eol, "lf") == 0       \
	}
	if (strcmp(kind, "pipe") == 0)
		return HOW(pipe);
	if (strcmp(kind, "filter") == 0)
		return HOW(filter);
	return HOW(execute);
#undef HOW
}

bool lda_sieve_runs_programs(const struct config *config,
			     const struct config_filter *filter)
{
	static const char *const names[] = {"sieve_pipe_bin_dir",
					    "sieve_filter_bin_dir",
					    "sieve_execute_bin_dir"};
	bool found = config_value(config, filter, "submission_host")[0] == '\0';

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *dir = config_plugin(config, filter, names[i]);

		found |= dir != NULL && dir[0] != '\0';
	}
	return found;
}

/* The socket goes first. */
static int find(const void *ctx, const struct carry *carry,
		const struct how *how, const char *kind, const char *name,
		const char **path_out, bool *is_socket, struct err *err)
{
	const char *dir = how->socket_dir;
	struct stat st;

	if (dir[0] != '\0') {
		if (dir[0] != '/')
			dir = mem_printf(ctx, "%s/%s",
					 user_base_dir(carry->delivery->user),
					 dir);
		*path_out = mem_printf(ctx, "%s/%s", dir, name);
		*is_socket = stat(*path_out, &st) == 0;
		if (*is_socket && !S_ISSOCK(st.st_mode))
			return err_set(err, ERR_CLOSED,
				       "sieve: action %s: socket path `%s' for "
				       "program `%s' is not a socket",
				       kind, *path_out, name);
		if (*is_socket)
			return 0;
	}
	*is_socket = false;
	*path_out = mem_printf(ctx, "%s/%s", how->bin_dir, name);
	if (how->bin_dir[0] != '/' || stat(*path_out, &st) < 0)
		return err_set(err, ERR_NOT_FOUND,
			       "%s action: program `%s' not found", kind, name);
	if (!S_ISREG(st.st_mode) || access(*path_out, X_OK) < 0)
		return err_set(err, ERR_CLOSED,
			       "sieve: action %s: program `%s' at `%s' is not "
			       "executable",
			       kind, name, *path_out);
	if ((st.st_mode & S_IWOTH) != 0)
		return err_set(
			err, ERR_CLOSED,
			"sieve: action %s: executable `%s' for program `%s' is "
			"world-writable",
			kind, *path_out, name);
	return 0;
}

static const char *const *environment(const void *ctx,
				      const struct carry *carry)
{
	const struct delivery *delivery = carry->delivery;
	/* At IMAP events nobody sends a mail to anybody. */
	const char *to = delivery->no_envelope ? NULL : delivery->to;
	const char *original = delivery->original_to;
	const struct {
		const char *name, *value;
	} all[] = {
		{"USER", user_name(delivery->user)},
		{"HOME", user_home(delivery->user)},
		{"HOST", carry->host.hostname},
		{"SENDER", delivery->from},
		{"RECIPIENT", to},
		{"ORIG_RECIPIENT", original != NULL ? original : to},
	};
	const char **out =
		mem_array(ctx, const char *, sizeof(all) / sizeof(all[0]) + 1);
	size_t count = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i].value != NULL && all[i].value[0] != '\0')
			out[count++] = mem_printf(ctx, "%s=%s", all[i].name,
						  all[i].value);
	}
	return out;
}

/* All line ends as the setting has them. */
static struct str with_eol(struct str text, bool lf, struct buf *out)
{
	struct str line;

	while (text.len > 0) {
		ptrdiff_t end = str_find_char(text, '\n');

		line = end < 0 ? text : str_n(text.data, (size_t)end);
		text = str_from(text, end < 0 ? text.len : (size_t)end + 1);
		if (end > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		buf_add_str(out, line);
		if (end >= 0)
			buf_add(out, lf ? "\n" : "\r\n");
	}
	return str_n(out->data, out->len);
}

int carry_program(void *ctx, const void *mem, const char *kind,
		  const char *name, const char *const *args, struct str input,
		  struct str *output_out, int *status_out, struct err *err)
{
	const struct carry *carry = ctx;
	const struct lda_plugin_settings *set = &carry->sieve->set;
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "program");
	CLEANUP(buf_free)
	struct buf in = buf_init((size_t)crlf_size(input, false));
	CLEANUP(buf_free)
	struct buf out = buf_init(set->sieve_program_max_output);
	const struct how how = how_of(set, kind);
	struct buf *output = output_out == NULL ? NULL : &out;
	struct program program = {
		.args = args,
		.environment = environment(tmp, carry),
		.dir = user_home(carry->delivery->user),
		.timeout = how.timeout,
		.input = with_eol(input, how.lf, &in),
	};
	bool is_socket = false;
	int ret = find(tmp, carry, &how, kind, name, &program.path, &is_socket,
		       err);

	if (ret == 0)
		ret = is_socket
			      ? program_script(&program, output, status_out,
					       err)
			      : program_run(&program, output, status_out, err);
	if (ret < 0) {
		if (err->code != ERR_NOT_FOUND) {
			log_error("%s", err->text);
			err->code = ERR_CLOSED;
		}
		return -1;
	}
	/* A script service tells by itself. */
	if (*status_out != 0 && !is_socket)
		log_info("program exec:%s: Terminated with non-zero exit code "
			 "%d",
			 program.path, *status_out);
	buf_free(&in); /* a large mail is there once */
	if (output != NULL) {
		output_out->len = out.len;
		output_out->data = buf_steal(mem, &out);
	}
	return 0;
}

/* pipe: an action */

bool carry_pipe(const void *ctx, struct carry *carry,
		const struct sieve_action *action)
{
	const struct sieve_pipe *pipe = &action->pipe;
	int status = 0;
	struct err err;
	const char *told;
	char when[64];

	if (carry_program(
		    carry, ctx, "pipe", pipe->program, pipe->args,
		    sieve_message_whole(ctx, carry->message, action->text),
		    NULL, &status, &err) == 0 &&
	    status == 0) {
		carry->acted = true;
		carry->delivered |= !action->copy;
		carry_log(carry, LOG_LEVEL_INFO,
			  "pipe action: piped message to program `%s'",
			  pipe->program);
		return true;
	}
	carry->failed |= !pipe->try;
	told = mem_printf(ctx,
			  "failed to %s program `%s': refer to server log for "
			  "more information. [%s]",
			  status != 0 ? "execute to" : "pipe message to",
			  pipe->program, clock_local(when, sizeof(when)));
	if (carry_is_global(carry, action))
		log_error("sieve: %s", told);
	else
		lda_sieve_user_log(carry->sieve, LOG_LEVEL_ERROR, "", told);
	return false;
}
