/* SPDX-License-Identifier: MIT */
/*
 * log/main.c - the log process: what all others have to say, in one place.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pack.h"
#include "log/log.h"
#include "service/service.h"
#include "service/wire.h"

enum { SPEAKERS_MAX = 8192 };

/* Who a process serves: "imap(alice)<123><sid>" is what stands in front of the
 * line that tells of its death, too. */
struct speaker {
	UT_hash_handle hh;
	pid_t pid;
	char *prefix;
};

static struct {
	TALLOC_CTX *ctx;
	struct pipes *pipes;
	struct output *output;
	struct errors *errors;
	struct speaker *speakers; /* the oldest first */
	bool retired;
} state;

static void speaker_forget(struct speaker *speaker)
{
	HASH_DEL(state.speakers, speaker);
	mem_free(speaker);
}

static void speaker_note(const struct entry *entry)
{
	struct speaker *speaker;

	if (entry->pid == 0 || str_find_char(entry->prefix, '(') < 0)
		return;
	HASH_FIND_INT(state.speakers, &entry->pid, speaker);
	if (speaker != NULL && str_is(entry->prefix, speaker->prefix))
		return;
	if (speaker != NULL)
		speaker_forget(speaker);
	else if (HASH_COUNT(state.speakers) >= SPEAKERS_MAX)
		speaker_forget(state.speakers);
	speaker = mem_new(state.ctx, struct speaker);
	speaker->pid = entry->pid;
	speaker->prefix = str_dup(speaker, entry->prefix);
	HASH_ADD_INT(state.speakers, pid, speaker);
}

static void on_entry(void *, const struct entry *entry)
{
	struct entry copy = *entry;
	struct speaker *speaker = NULL;
	pid_t dead = line_child(entry);

	if (dead != 0)
		HASH_FIND_INT(state.speakers, &dead, speaker);
	if (speaker != NULL)
		copy.prefix = str_of(speaker->prefix);
	else
		speaker_note(entry);
	output_write(state.output, &copy);
	errors_add(state.errors, &copy);
	if (speaker != NULL)
		speaker_forget(speaker);
}

static int start(struct service_env *env, struct err *err)
{
	state.ctx = mem_ctx(NULL, "log");
	state.errors = errors_new(state.ctx);
	state.pipes = pipes_new(state.ctx, service_loop(env), on_entry, NULL);
	return output_open(state.ctx, service_config(env), &state.output, err);
}

static void take_client(struct service_env *env,
			const struct service_client *client)
{
	errors_serve(state.errors, env, client);
}

static void own_line(enum log_level level, const char *text)
{
	struct entry entry = {.level = level,
			      .pid = getpid(),
			      .prefix = STR("log"),
			      .text = str_of(text)};

	on_entry(NULL, &entry);
}

static void reload(struct service_env *env)
{
	struct output *output;
	struct err err;

	if (output_open(state.ctx, service_config(env), &output, &err) < 0) {
		own_line(LOG_LEVEL_ERROR, err.text);
		return;
	}
	mem_free(state.output);
	state.output = output;
}

static void control(struct service_env *, struct str frame, int fd)
{
	struct unpack in = {.in = frame};
	struct str service;

	switch (unpack_u8(&in)) {
	case WIRE_PIPE:
		service = unpack_str(&in);
		if (fd >= 0)
			pipes_add(state.pipes, service, fd);
		return;
	case WIRE_REOPEN:
		output_reopen(state.output);
		break;
	default:
		break;
	}
	fd_close(&fd);
}

static void retire(struct service_env *)
{
	state.retired = true;
}

static const struct service log_service = {
	.name = "log",
	.sandbox = SANDBOX_NONE,
	.init = start,
	.accept = take_client,
	.retire = retire,
	.reload = reload,
	.control = control,
};

int main(int argc, char **argv)
{
	int ret = service_run(&log_service, argc, argv);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Our own stderr leads to us, and that pipe would never end. */
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	/* What was written before the end is not lost. */
	if (state.pipes != NULL && state.output != NULL)
		pipes_drain(state.pipes, state.retired);
	ctx_free(&state.ctx);
	return ret;
}
