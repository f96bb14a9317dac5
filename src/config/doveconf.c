/* SPDX-License-Identifier: MIT */
/*
 * config/doveconf.c - show what the configuration says.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "config/doveconf.h"
#include "config/settings_list.h"

#define DEFAULT_PATH PKG_SYSCONFDIR "/dovecot.conf"

enum {
	EXIT_FAILED = 89,
	OUTPUT_MAX = 256 << 20,
	MESSAGES_MAX = 1 << 20,
	OVERRIDES_MAX = 100,
};

struct options {
	const char *path;
	const char *overrides[OVERRIDES_MAX];
	size_t override_count;
	bool simple, given_scope;
	struct config_filter filter;
	struct dump dump;
};

static void usage(FILE *to)
{
	fputs("Usage: doveconf [-adnNPsSx] [-c FILE] [-f FILTER] [-m MODULE] "
	      "[-o KEY=VALUE]\n"
	      "       doveconf [-dhx] [-c FILE] [-f FILTER] NAME...\n",
	      to);
}

/* "protocol=imap", "local=192.0.2.1" */
static void add_filter(struct options *options, const char *text)
{
	struct config_filter *filter = &options->filter;
	const char *value = strchr(text, '=');
	struct str name;
	bool right = true;

	if (value == NULL)
		log_fatal(EXIT_FAILED, "Missing '=' from filter parameter: %s",
			  text);
	name = str_n(text, (size_t)(value++ - text));
	if (str_is(name, "protocol") || str_is(name, "service"))
		filter->protocol = value;
	else if (str_is(name, "lname") || str_is(name, "local_name"))
		filter->local_name = value;
	else if (str_is(name, "local") || str_is(name, "lip"))
		right = ip_parse(value, &filter->local);
	else if (str_is(name, "remote") || str_is(name, "rip"))
		right = ip_parse(value, &filter->remote);
	else
		log_fatal(EXIT_FAILED, "Unknown filter argument: %s", text);
	if (!right)
		log_fatal(EXIT_FAILED, "Not an IP address: %s", value);
	options->dump.filter = filter;
}

static void set_scope(struct options *options, enum dump_scope scope)
{
	options->dump.scope = scope;
	options->given_scope = true;
}

static void parse_option(struct options *options, int option)
{
	switch (option) {
	case 'a':
		set_scope(options, DUMP_ALL);
		break;
	case 'c':
		options->path = optarg;
		break;
	case 'd':
		set_scope(options, DUMP_DEFAULTS);
		break;
	case 'f':
		add_filter(options, optarg);
		break;
	case 'h':
		options->dump.values_only = true;
		break;
	case 'm':
		options->dump.module = optarg;
		break;
	case 'n':
		set_scope(options, DUMP_CHANGED);
		break;
	case 'N':
		set_scope(options, DUMP_SET);
		break;
	case 'o':
		if (options->override_count == OVERRIDES_MAX)
			log_fatal(EXIT_FAILED, "Too many -o parameters");
		options->overrides[options->override_count++] = optarg;
		break;
	case 'P':
		options->dump.show_secrets = true;
		break;
	case 's':
		options->dump.show_hidden = true;
		break;
	case 'S':
		options->simple = true;
		break;
	case 'x':
		options->dump.expand = true;
		break;
	default:
		usage(stderr);
		exit(EXIT_FAILED);
	}
}

static void each_line(const struct buf *text,
		      void (*fn)(struct str line, bool last, void *ctx),
		      void *ctx)
{
	struct str rest = str_trim(str_n(text->data, text->len)), line;

	if (rest.len == 0)
		return;
	while (str_split(&rest, '\n', &line))
		fn(line, rest.data == NULL, ctx);
}

static void show_warning(struct str line, bool, void *)
{
	log_warning("%.*s", STR_FMT(line));
}

static void show_error(struct str line, bool last, void *)
{
	if (last)
		log_fatal(EXIT_FAILED, "Error in configuration file %.*s",
			  STR_FMT(line));
	log_error("Error in configuration file %.*s", STR_FMT(line));
}

static struct config *load(const struct options *options)
{
	CLEANUP(buf_free) struct buf errors = buf_init(MESSAGES_MAX);
	CLEANUP(buf_free) struct buf warnings = buf_init(MESSAGES_MAX);
	unsigned flags = options->dump.expand ? 0 : CONFIG_KEEP_FILES;
	struct config *config;
	struct err err;
	int ret = config_load(NULL, options->path, flags, &errors, &warnings,
			      &config, &err);

	each_line(&warnings, show_warning, NULL);
	each_line(&errors, show_error, NULL);
	if (ret < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	for (size_t i = 0; i < options->override_count; i++) {
		if (config_override(config, options->overrides[i], &err) < 0)
			log_fatal(EXIT_FAILED, "%s", err.text);
	}
	return config;
}

/* "Debian 12.11", or what else the system says of itself. */
static void add_distribution(struct buf *out)
{
	CLEANUP(buf_free) struct buf text = buf_init(65536);
	struct err err;
	struct str rest, line;

	if (file_read("/etc/debian_version", &text, &err) == 0) {
		line = str_trim(str_n(text.data, text.len));
		buf_printf(out, " Debian %.*s", STR_FMT(line));
		return;
	}
	if (file_read("/etc/os-release", &text, &err) < 0)
		return;
	rest = str_n(text.data, text.len);
	while (str_split(&rest, '\n', &line)) {
		if (str_starts(line, "PRETTY_NAME=\"") && line.len > 14)
			buf_printf(out, " %.*s", (int)line.len - 14,
				   line.data + 13);
	}
}

static void header(const struct options *options, struct buf *out)
{
	struct utsname system;

	buf_printf(out, "# %s (%s): %s\n", PACKAGE_VERSION, PACKAGE_NAME,
		   options->path);
	if (uname(&system) == 0) {
		buf_printf(out, "# OS: %s %s %s", system.sysname,
			   system.release, system.machine);
		add_distribution(out);
		buf_printf(out, " \n# Hostname: %s\n", system.nodename);
	}
	if (options->dump.scope == DUMP_ALL ||
	    options->dump.scope == DUMP_DEFAULTS)
		buf_add(out, "# NOTE: Send doveconf -n output instead when "
			     "asking for help.\n");
}

static bool is_known(const struct dump *dump, const char *name)
{
	CLEANUP(buf_free) struct buf text = buf_init(OUTPUT_MAX);
	struct dump all = *dump;

	all.scope = DUMP_ALL;
	all.out = &text;
	return dump_name(&all, name);
}

static void show_names(const struct options *options, char **names)
{
	const struct dump *dump = &options->dump;

	for (; *names != NULL; names++) {
		CLEANUP(buf_free) struct buf text = buf_init(4096);

		/* With -n and -N what is not set is nothing to be shown. */
		if ((options->simple ? dump_simple_name(dump, *names)
				     : dump_name(dump, *names)) ||
		    is_known(dump, *names))
			continue;
		buf_printf(&text, "Unknown setting: %s", *names);
		setting_suggest("", *names, &text);
		log_error("%s", text.data);
	}
}

int main(int argc, char **argv)
{
	CLEANUP(buf_free) struct buf out = buf_init(OUTPUT_MAX);
	struct options options = {.path = DEFAULT_PATH};
	struct config *config;
	struct err err;
	int option;

	log_open("doveconf", LOG_TO_STDERR);
	options.dump.scope = DUMP_ALL;
	options.dump.out = &out;
	while ((option = getopt(argc, argv, "ac:df:hm:nNo:PsSx")) != -1)
		parse_option(&options, option);
	config = load(&options);
	options.dump.config = config;
	if (optind < argc) {
		show_names(&options, argv + optind);
	} else if (options.simple) {
		dump_simple(&options.dump);
	} else {
		options.dump.values_only = false; /* -h: of names alone */
		header(&options, &out);
		dump_config(&options.dump);
	}
	if (out.overflow)
		log_fatal(EXIT_FAILED, "The output is too large");
	if (file_write_all(STDOUT_FILENO, out.data, out.len, "stdout", &err) <
	    0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	mem_free(config);
	return 0;
}
