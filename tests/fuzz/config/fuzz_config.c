/* SPDX-License-Identifier: MIT */
/*
 * A configuration file: read, sealed, unsealed, shown; and its text as a
 * %-format. What would touch the world outside (includes, host names) is left
 * out.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/parse.h"
#include "config/setting.h"
#include "config/vars.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool harmless(struct str text)
{
	return str_find(text, STR("!include")) < 0 &&
	       str_find(text, STR("local")) < 0 &&
	       str_find(text, STR("remote")) < 0 &&
	       memchr(text.data, '\0', text.len) == NULL;
}

static void seal_and_read(const void *ctx, const struct config *config)
{
	const struct config_filter filter = {.protocol = "imap"};
	const struct config_section *at = NULL;
	struct config *copy;
	struct err err;
	int fd;

	if (config_seal(config, &fd, &err) < 0 ||
	    config_unseal(ctx, fd, NULL, &copy, &err) < 0)
		abort();
	close(fd);
	while ((at = config_section_next(copy, &filter, "service", at)) != NULL)
		config_child_next(at, "unix_listener", NULL);
	config_value(copy, &filter, "mail_location");
	config_plugin(copy, &filter, "quota");
}

static void read_config(const void *ctx, struct str text)
{
	CLEANUP(buf_free) struct buf errors = buf_init(10000);
	CLEANUP(buf_free) struct buf warnings = buf_init(10000);
	struct config *config = config_new(ctx, "fuzz.conf");
	struct parser parser = {.config = config,
				.errors = &errors,
				.warnings = &warnings,
				.flags = CONFIG_KEEP_FILES,
				.file = "fuzz.conf"};

	presets_load(config);
	parse_text(&parser, text);
	check_all(&parser);
	presets_expand(config);
	seal_and_read(ctx, config);
}

static void expand(const void *ctx, const char *format)
{
	const struct var *vars = vars_user(ctx, "user@example.org");
	struct err err;
	char *out;

	vars_expand(ctx, format, vars, &out, &err);
	vars_has(format, 'u', "user");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	struct str text = str_n(data, size);

	/* Rounds are bounded, but a million of them take their time. */
	if (size > 20000 || !harmless(text))
		return 0;
	read_config(ctx, text);
	if (str_find(text, STR("rounds=")) < 0)
		expand(ctx, str_dup(ctx, text));
	return 0;
}
