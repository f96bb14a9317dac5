/* SPDX-License-Identifier: MIT */
/*
 * sievetools/suite_host.c - what the engine asks of a test case's world:
 * mailboxes, annotations, lists, programs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "sieve/calendar.h"
#include "sievetools/suite.h"
#include "sievetools/tool.h"

enum { MAX_OUTPUT = 1 << 24, EXIT_NO_PROGRAM = 127 };

const char *suite_setting(void *ctx, const char *name)
{
	struct suite *suite = ctx;
	struct suite_pair *pair = suite_find(suite->settings, name);

	if (pair == NULL && strcmp(name, "sieve_max_compile_errors") == 0)
		return "0"; /* every one counts */
	return pair == NULL ? NULL : pair->value.data;
}

static int mailbox_exists(void *ctx, const char *mailbox, bool *exists_out,
			  struct err *)
{
	*exists_out = suite_mailbox(ctx, mailbox) != NULL;
	return 0;
}

static int metadata(void *ctx, const void *mem, const char *mailbox,
		    const char *entry, struct str *value_out, struct err *)
{
	struct suite *suite = ctx;
	char *name = mem_printf(mem, "%s %s", mailbox ? mailbox : "", entry);
	struct suite_pair *pair = suite_find(suite->metadata, name);

	*value_out = pair == NULL ? (struct str){NULL, 0} : pair->value;
	return 0;
}

/* RFC 6154 section 3: /private/specialuse of the mailbox has it. */
struct suite_mailbox *suite_special_use(struct suite *suite,
					const char *mailbox, const char *use)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "special-use");
	struct suite_mailbox *box = suite->mailboxes;

	for (; box != NULL; box = box->next) {
		struct suite_pair *pair = suite_find(
			suite->metadata,
			mem_printf(ctx, "%s /private/specialuse", box->name));

		if (pair != NULL &&
		    (mailbox == NULL || suite_mailbox(suite, mailbox) == box) &&
		    str_case_has_word(pair->value.data, str_of(use)))
			return box;
	}
	return NULL;
}

static int special_use(void *ctx, const char *mailbox, const char *use,
		       bool *has_out, struct err *)
{
	*has_out = suite_special_use(ctx, mailbox, use) != NULL;
	return 0;
}

/* The MAILBOXID of mailbox "a" is "id-a" here. */
struct suite_mailbox *suite_mailbox_by_id(struct suite *suite, const char *id)
{
	return strncmp(id, "id-", 3) == 0 ? suite_mailbox(suite, id + 3) : NULL;
}

static int mailbox_by_id(void *ctx, const void *mem, const char *id,
			 const char **name_out, struct err *)
{
	struct suite_mailbox *box = suite_mailbox_by_id(ctx, id);

	*name_out = box == NULL ? NULL : mem_strdup(mem, box->name);
	return 0;
}

/* calendars: "default", and those in the setting sieve_calendars */

static struct suite_pair *find_object(struct suite *suite, const char *uid)
{
	struct suite_pair *pair = suite->objects;

	for (; pair != NULL; pair = pair->next) {
		const char *own = strchr(pair->name, ' ');

		if (strcmp(own + 1, uid) == 0)
			return pair->value.data == NULL ? NULL : pair;
	}
	return NULL;
}

static int calendar_object(void *ctx, const void *mem, const char *uid,
			   const char *wanted, struct str *text_out,
			   const char **calendar_out, struct err *)
{
	const char *calendars = suite_setting(ctx, "sieve_calendars");
	struct suite_pair *pair = find_object(ctx, uid);

	*text_out = (struct str){NULL, 0};
	*calendar_out =
		wanted != NULL && str_has_word(calendars, str_of(wanted))
			? wanted
			: "default";
	if (pair == NULL)
		return 0;
	*text_out = pair->value;
	*calendar_out = mem_strndup(mem, pair->name, strcspn(pair->name, " "));
	return 0;
}

void suite_calendar(struct suite *suite, const struct sieve_calendar *object)
{
	if (object->uid == NULL)
		return;
	suite_put(
		suite, &suite->objects,
		mem_printf(suite->ctx, "%s %s", object->calendar, object->uid),
		object->after);
}

/* vnd.dovecot.calendar.NAME.UID: what is stored, its lines not folded. */
static struct str stored_object(struct suite *suite, const void *mem,
				const char *name)
{
	struct suite_pair *pair;
	size_t len = strcspn(name, ".");
	CLEANUP(buf_free) struct buf text = buf_init(MAX_OUTPUT);

	pair = suite_find(suite->objects,
			  mem_printf(mem, "%.*s %s", (int)len, name,
				     name + len + (name[len] != '\0')));
	if (pair == NULL || pair->value.data == NULL)
		return (struct str){NULL, 0};
	for (size_t i = 0; i < pair->value.len; i++) {
		if (str_starts(str_from(pair->value, i), "\r\n "))
			i += 2;
		else
			buf_putc(&text, pair->value.data[i]);
	}
	len = text.len;
	return str_n(buf_steal(mem, &text), len);
}

/* Texts for vnd.dovecot.config.NAME. */
static int environment(void *ctx, const void *mem, const char *name,
		       struct str *value_out, struct err *)
{
	static const char prefix[] = "vnd.dovecot.config.";
	static const char object[] = "vnd.dovecot.calendar.";
	const char *value = NULL;

	if (strncmp(name, object, sizeof(object) - 1) == 0) {
		*value_out = stored_object(ctx, mem, name + sizeof(object) - 1);
		return 0;
	}
	if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
		value = suite_setting(ctx,
				      mem_printf(mem, "sieve_environment/%s",
						 name + sizeof(prefix) - 1));
	*value_out = value == NULL ? (struct str){NULL, 0} : str_of(value);
	return 0;
}

/* lists */

/* What sieve_extlists_list calls a list; NULL if it names none such. */
static const char *find_list(struct suite *suite, const void *mem,
			     const char *list)
{
	const char *names = suite_setting(suite, "sieve_extlists_list");
	struct str rest = str_of(names == NULL ? "" : names), word;

	while (str_word(&rest, &word)) {
		const char *name = suite_setting(
			suite, mem_printf(mem, "sieve_extlists_list/%.*s/name",
					  STR_FMT(word)));

		if (name != NULL ? sieve_list_is(name, list)
				 : str_is(word, list))
			return str_dup(mem, word);
	}
	return NULL;
}

static bool list_exists(void *ctx, const char *list)
{
	CLEANUP(ctx_free) TALLOC_CTX *mem = mem_ctx(NULL, "list");

	return find_list(ctx, mem, list) != NULL;
}

/* A line with a key, and one with its value, for each member. */
int suite_list(struct suite *suite, const void *mem, const char *list,
	       struct str *members_out, struct err *err)
{
	const char *name = find_list(suite, mem, list);
	CLEANUP(buf_free) struct buf text = buf_init(MAX_OUTPUT);
	const char *path;

	if (name == NULL)
		return err_set(err, ERR_INVALID, "unknown list '%s'", list);
	path = suite_setting(
		suite,
		mem_printf(mem, "sieve_extlists_list/%s/dict/file/path", name));
	if (path != NULL && file_read(path, &text, err) < 0)
		return -1;
	*members_out =
		str_n(str_dup(mem, str_n(text.data, text.len)), text.len);
	return 0;
}

bool suite_list_next(struct str *members, struct str *member_out)
{
	static const char prefix[] = "priv/sieve/extlists/";
	struct str value;

	while (str_split(members, '\n', member_out)) {
		str_split(members, '\n', &value);
		if (!str_starts(*member_out, prefix))
			continue;
		*member_out = str_from(*member_out, sizeof(prefix) - 1);
		return true;
	}
	return false;
}

static int list_has(void *ctx, const char *list, struct str member,
		    bool *has_out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *mem = mem_ctx(NULL, "list");
	struct str members, one;
	bool has = false;

	if (suite_list(ctx, mem, list, &members, err) < 0)
		return -1;
	while (!has && suite_list_next(&members, &one))
		has = str_equal(one, member);
	*has_out = has;
	return 0;
}

/* programs */

static int temp_file(struct str content, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int out;

	if (fd < 0)
		return err_sys(err, "open(/tmp, O_TMPFILE)");
	if (file_write_all(fd, content.data, content.len, "/tmp", err) < 0)
		return -1;
	lseek(fd, 0, SEEK_SET);
	out = fd;
	fd = -1;
	return out;
}

static _Noreturn void become(const char *path, const char *const *args, int in,
			     int out)
{
	char *argv[20] = {(char *)(uintptr_t)path};
	static char *const environment[] = {(char *)"PATH=/usr/bin:/bin", NULL};

	for (size_t i = 0; args != NULL && args[i] != NULL && i < 18; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execve(path, argv, environment);
	_exit(EXIT_NO_PROGRAM);
}

/* sieve_KIND_bin_dir has it. */
static int program(void *ctx, const void *mem, const char *kind,
		   const char *name, const char *const *args, struct str input,
		   struct str *output_out, int *status_out, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(MAX_OUTPUT);
	const char *dir =
		suite_setting(ctx, mem_printf(mem, "sieve_%s_bin_dir", kind));
	const char *path = mem_printf(mem, "%s/%s", dir ? dir : "", name);
	CLEANUP(fd_close) int in = -1;
	CLEANUP(fd_close) int out = -1;
	pid_t pid;

	if (dir == NULL || access(path, X_OK) < 0)
		return err_set(err, ERR_NOT_FOUND, "program '%s' not found",
			       name);
	in = temp_file(input, err);
	out = in < 0 ? -1 : temp_file(STR(""), err);
	if (out < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		become(path, args, in, out);
	if (pid < 0 || waitpid(pid, status_out, 0) < 0)
		return err_sys(err, "fork()");
	lseek(out, 0, SEEK_SET);
	if (file_read_fd(out, path, &text, err) < 0)
		return -1;
	if (output_out != NULL)
		*output_out = str_n(str_dup(mem, str_n(text.data, text.len)),
				    text.len);
	return 0;
}

bool suite_pipe(struct suite *suite, const struct sieve_pipe *pipe,
		struct str message)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "pipe");
	struct err err;
	int status = 0;

	if (program(suite, ctx, "pipe", pipe->program, pipe->args, message,
		    NULL, &status, &err) < 0)
		suite_error(suite, err.text);
	else if (status == 0)
		return true;
	else if (!pipe->try)
		suite_error(suite,
			    mem_printf(ctx, "pipe action: program '%s' failed",
				       pipe->program));
	return pipe->try;
}

void suite_host_init(struct suite *suite)
{
	suite->host = (struct sieve_host){
		.ctx = suite,
		.mailbox_exists = mailbox_exists,
		.metadata = metadata,
		.special_use = special_use,
		.mailbox_by_id = mailbox_by_id,
		.list_exists = list_exists,
		.list_has = list_has,
		.calendar = &calendar_code,
		.calendar_object = calendar_object,
		.environment = environment,
		.program = program,
		.user = tool_login(suite->ctx),
		.home = suite->dir,
		.hostname = "example.com",
		.postmaster = "postmaster@example.com",
		.location = "MS",
		.phase = "post",
		.default_mailbox = "INBOX",
	};
}
