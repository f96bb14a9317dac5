/* SPDX-License-Identifier: MIT */
/*
 * sieve-test: runs scripts on a message and tells what would be done
 * (doc/man/sieve-test.1).
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "sievetools/test.h"

enum { MAX_SCRIPTS = 100 };

struct options {
	const char *original_to, *to, *from, *mailbox;
	const char *dump, *trace, *location;
	const char *scripts[MAX_SCRIPTS + 1];
	struct sieve_program *programs[MAX_SCRIPTS + 1];
	unsigned script_count;
	bool compile, execute;
	tool_execute *execution;
	struct sieve_trace how;
};

static _Noreturn void usage(void)
{
	fputs("Usage: sieve-test [-a <orig-recipient-address>] "
	      "[-c <config-file>] [-C] [-D]\n\t[-d <dump-filename>] [-e] "
	      "[-f <envelope-sender>] [-l <mail-location>]\n\t"
	      "[-m <default-mailbox>] "
	      "[-o <setting=value>] [-P <plugin>] [-r <recipient-address>]\n\t"
	      "[-s <script-file>] [-t <trace-file>] [-T <trace-option>]\n\t"
	      "[-u <user>] [-x <extensions>] <script-file> <mail-file>\n",
	      stderr);
	exit(EXIT_USAGE);
}

static void trace_option(struct tool *tool, struct options *options,
			 const char *text)
{
	static const char *const levels[] = {"none", "actions", "commands",
					     "tests", "matching"};

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		if (strncmp(text, "level=", 6) == 0 &&
		    strcmp(text + 6, levels[i]) == 0) {
			options->how.level = i;
			return;
		}
	}
	if (strcmp(text, "debug") == 0) {
		tool->debug = true;
		return;
	}
	if (strcmp(text, "addresses") == 0) {
		options->how.addresses = true;
		return;
	}
	fprintf(stderr, "sieve-test: Unknown -T trace option: %s\n", text);
	exit(EXIT_USAGE);
}

static void parse_option(struct tool *tool, struct options *options, int option,
			 const char *value)
{
	switch (option) {
	case 'a':
		options->original_to = value;
		break;
	case 'C':
		options->compile = true;
		break;
	case 'd':
		options->dump = value;
		break;
	case 'e':
		options->execute = true;
		break;
	case 'f':
		options->from = value;
		break;
	case 'l':
		options->location = value;
		tool_option(tool, 'o',
			    mem_printf(NULL, "mail_location=%s", value));
		break;
	case 'm':
		options->mailbox = value;
		break;
	case 'r':
		options->to = value;
		break;
	case 's':
		if (options->script_count < MAX_SCRIPTS)
			options->scripts[options->script_count++] = value;
		break;
	case 't':
		options->trace = value;
		break;
	case 'T':
		trace_option(tool, options, value);
		break;
	default:
		if (!tool_option(tool, option, value))
			usage();
	}
}

static void set_sender(const void *ctx, const char *text,
		       struct sieve_address *out)
{
	if (text != NULL && !sieve_address_parse(ctx, str_of(text), true, out))
		log_fatal(EXIT_FAILED, "Invalid address: %s", text);
}

/* It may be the name of a user, as in deliveries. */
static void set_recipient(const void *ctx, const char *text,
			  struct sieve_address *out)
{
	if (text != NULL &&
	    !sieve_address_parse(ctx, str_of(text), false, out) &&
	    (out->all.len == 0 || !str_equal(out->local, out->all)))
		log_fatal(EXIT_FAILED, "Invalid address: %s", text);
}

static const char *user_of(struct tool *tool)
{
	return tool->user != NULL ? tool->user : tool_login(tool->ctx);
}

static const char *hostname(struct tool *tool)
{
	const char *name = tool->config == NULL
				   ? NULL
				   : config_value(tool->config, NULL,
						  "hostname");
	char own[256] = "localhost";

	if (name != NULL && name[0] != '\0')
		return name;
	gethostname(own, sizeof(own) - 1);
	return mem_strdup(tool->ctx, own);
}

static void get_envelope(struct tool *tool, const struct options *options,
			 struct sieve_message *message,
			 struct sieve_envelope *out)
{
	const char *to = options->to ? options->to : options->original_to;

	tool_envelope(tool->ctx, message, user_of(tool), out);
	set_recipient(tool->ctx, options->original_to, &out->original_to);
	set_recipient(tool->ctx, to, &out->to);
	if (options->original_to == NULL)
		out->original_to = out->to;
	set_sender(tool->ctx, options->from, &out->from);
	out->null_sender = options->from != NULL && out->from.all.len == 0;
}

static void trace_line(void *ctx, const char *text)
{
	fprintf(ctx, "%s\n", text);
}

static FILE *open_trace(const struct options *options)
{
	FILE *out;

	if (options->trace == NULL)
		return NULL;
	out = strcmp(options->trace, "-") == 0 ? stdout
					       : fopen(options->trace, "we");
	if (out == NULL)
		log_fatal(EXIT_FAILED, "open(%s) failed: %m", options->trace);
	return out;
}

static void compile_all(struct tool *tool, struct options *options)
{
	CLEANUP(buf_free) struct buf text = buf_init(INT32_MAX);
	unsigned count = options->script_count;

	for (unsigned i = 0; i < count; i++)
		options->programs[i] = tool_script(tool, options->scripts[i],
						   options->compile);
	if (options->dump == NULL)
		return;
	sieve_program_dump(options->programs[count - 1], &text);
	tool_write(options->dump, str_n(text.data, text.len));
}

/* Of the mailboxes, there is this one, at least. */
static int is_inbox(void *ctx, const char *mailbox, bool *exists_out,
		    struct err *err)
{
	(void)ctx;
	(void)err;
	*exists_out = str_case_is(str_of(mailbox), "INBOX");
	return 0;
}

static int decide(struct tool *tool, const struct options *options,
		  const struct sieve_envelope *envelope,
		  struct sieve_message *message, struct sieve_result *result)
{
	const struct sieve_host host = {
		.mailbox_exists = is_inbox,
		.log = tool->log,
		.trace = options->how,
		.user = user_of(tool),
		.hostname = hostname(tool),
		.default_mailbox = options->mailbox,
		.location = "MS",
		.phase = "post",
	};
	struct err err;

	for (unsigned i = 0;
	     i < options->script_count && sieve_result_keeps(result); i++) {
		if (sieve_program_run(options->programs[i], message, envelope,
				      &host, result, &err) < 0)
			return 1;
		sieve_result_next(result);
	}
	return 0;
}

static int execute(struct tool *tool, const struct options *options,
		   const struct sieve_envelope *envelope, struct str mail)
{
	const struct execution execution = {
		.mail = mail,
		.envelope = envelope,
		.trace = &options->how,
		.location = options->location,
		.mailbox = options->mailbox,
		.simulate = !options->execute,
		.paths = options->scripts,
		.programs = options->programs,
	};

	return options->execution(tool, &execution) ? 0 : 1;
}

/* Tests run programs (filter, execute) where a configuration says which there
 * are. */
static bool runs_programs(const struct tool *tool,
			  const struct options *options)
{
	for (unsigned i = 0; i < options->script_count; i++) {
		const struct sieve_program *program = options->programs[i];

		if (tool->config != NULL &&
		    (sieve_program_uses(program, "vnd.dovecot.execute") ||
		     sieve_program_uses(program, "vnd.dovecot.filter")))
			return true;
	}
	return false;
}

static int run_all(struct tool *tool, struct options *options, struct str mail)
{
	struct sieve_message *message = sieve_message_new(
		tool->ctx, mail,
		sieve_engine_settings(tool->engine)->sieve_max_header_fields);
	struct sieve_result *result = sieve_result_new(tool->ctx);
	FILE *trace = open_trace(options);
	struct sieve_envelope envelope;
	int status;

	result->keep_mailbox = options->mailbox;
	options->how.line = trace == NULL ? NULL : trace_line;
	options->how.ctx = trace;
	if (options->how.level == SIEVE_TRACE_NONE)
		options->how.level = SIEVE_TRACE_ACTIONS;
	get_envelope(tool, options, message, &envelope);
	if (options->execution != NULL)
		status = execute(tool, options, &envelope, mail);
	else
		status = decide(tool, options, &envelope, message, result);
	if (trace != NULL && trace != stdout)
		fclose(trace);
	if (status == 0 && options->execution == NULL)
		tool_print(stdout, result, options->mailbox);
	return status;
}

int sieve_test(int argc, char **argv, tool_become *become,
	       tool_execute *execution)
{
	static struct tool tool; /* left to the end of the process */
	struct options options = {.mailbox = "INBOX", .execution = execution};
	int option, status;

	tool.become = become;

	while ((option = getopt(argc, argv,
				TOOL_OPTIONS "a:Cd:ef:l:m:r:s:t:T:")) != -1)
		parse_option(&tool, &options, option, optarg);
	if (argc - optind != 2)
		usage();
	/* This program has no more than the engine. */
	if (execution == NULL &&
	    (options.execute || options.location != NULL || tool.user != NULL))
		tool_restart(&tool, "sieve-test", argv);
	options.scripts[options.script_count++] = argv[optind];
	tool_open(&tool, "sieve-test");
	compile_all(&tool, &options);
	if (execution == NULL && runs_programs(&tool, &options))
		tool_restart(&tool, "sieve-test", argv);
	status = run_all(&tool, &options, tool_read(&tool, argv[optind + 1]));
	if (status == 0) {
		log_info("final result: success");
	} else {
		log_info("final result: failed; resolved with successful "
			 "implicit keep");
	}
	return status;
}
