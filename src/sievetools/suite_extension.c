/* SPDX-License-Identifier: MIT */
/*
 * sievetools/suite_extension.c - the words of vnd.dovecot.testsuite.
 */
#include "sievetools/suite.h"

static void set_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	/* From "notify" on they are ours: RFC 6009. */
	static const char *const objects[] = {
		"message",         "envelope.from",
		"envelope.to",     "envelope.orig_to",
		"envelope.auth",   "envelope.notify",
		"envelope.ret",    "envelope.envid",
		"envelope.orcpt",  "envelope.bytimerelative",
		"envelope.bymode", "envelope.bytimeabsolute",
		"envelope.bytrace"};

	for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
		if (str_case_is(arg->text, objects[i]))
			return;
	}
	sieve_error(check, arg->at, "unknown testsuite object '%.*s'",
		    STR_FMT(arg->text));
}

static void message_check(struct sieve_check *check, struct sieve_node *node)
{
	if (sieve_node_tag(node, "smtp") == NULL &&
	    sieve_node_tag(node, "folder") == NULL)
		sieve_error(check, node->at,
			    "the test_message %s requires either the :smtp or "
			    "the :folder tag",
			    node->is_test ? "test" : "command");
	if (!node->is_test)
		suite_failing_check(check, node);
}

/* Start, block, end; what fails jumps behind all of it. */
static void test_emit(struct sieve_emit *emit, const struct sieve_node *node)
{
	struct sieve_node end = *node;

	sieve_emit_call(emit, node);
	sieve_emit_block(emit, node->block);
	end.command = &node->command[1];
	sieve_emit_call(emit, &end);
	suite_land(emit, node);
}

static int tst_get(struct sieve_run *run, struct str name, struct str *out,
		   struct err *)
{
	*out = str_is(name, "path") ? str_of(suite_of(run)->dir) : STR("");
	return 0;
}

static void tst_check(struct sieve_check *check, struct sieve_place at,
		      struct str name, bool)
{
	if (str_find_char(name, '.') >= 0)
		sieve_error(check, at, "invalid variable name 'tst.%.*s'",
			    STR_FMT(name));
}

static const struct sieve_namespace namespaces[] = {
	{.name = "tst", .check = tst_check, .get = tst_get},
	SIEVE_END,
};

static const struct sieve_tag index_tags[] = {
	{.name = "index", .param = {"index", SIEVE_NUMBER, 0, NULL}},
	SIEVE_END,
};

static const struct sieve_tag message_tags[] = {
	{.name = "smtp", .group = "source"},
	{.name = "folder",
	 .group = "source",
	 .param = {"mailbox", SIEVE_STRING, 0, sieve_check_mailbox}},
	SIEVE_END,
};

static const struct sieve_tag reload_tags[] = {
	{.name = "extension", .param = {"extension", SIEVE_STRING, 0, NULL}},
	SIEVE_END,
};

static const struct sieve_tag metadata_tags[] = {
	{.name = "mailbox",
	 .param = {"mailbox", SIEVE_STRING, 0, sieve_check_mailbox}},
	SIEVE_END,
};

static const struct sieve_tag run_tags[] = {
	{.name = "append_result"},
	SIEVE_END,
};

#define ONE(what)                                                              \
	{                                                                      \
		{                                                              \
			what, SIEVE_STRING, 0, NULL                            \
		}                                                              \
	}
#define TWO(a, b)                                                              \
	{                                                                      \
		{a, SIEVE_STRING, 0, NULL},                                    \
		{                                                              \
			b, SIEVE_STRING, 0, NULL                               \
		}                                                              \
	}

static const struct sieve_command commands[] = {
	{.name = "test",
	 .flags = SIEVE_TAKES_BLOCK | SIEVE_TOP_LEVEL,
	 .params = ONE("name"),
	 .emit = test_emit,
	 .run = suite_test_run},
	/* Behind `test`, whose end it is; no script can name it. */
	{.name = "@test_end", .params = ONE("name"), .run = suite_test_end_run},
	{.name = "test_fail",
	 .params = ONE("reason"),
	 .check = suite_failing_check,
	 .emit = suite_failing_emit,
	 .run = suite_fail_run},
	{.name = "test_set",
	 .params = {{"object", SIEVE_STRING, SIEVE_LITERAL, set_check},
		    {"value", SIEVE_STRING, 0, NULL}},
	 .run = suite_set_run},
	{.name = "test_config_set",
	 .params = TWO("setting", "value"),
	 .run = suite_config_set_run},
	{.name = "test_config_unset",
	 .params = ONE("setting"),
	 .run = suite_config_unset_run},
	{.name = "test_config_reload",
	 .tags = reload_tags,
	 .run = suite_config_reload_run},
	{.name = "test_mailbox_create",
	 .params = {{"mailbox", SIEVE_STRING, 0, sieve_check_mailbox}},
	 .run = suite_mailbox_create_run},
	{.name = "test_mailbox_delete",
	 .params = {{"mailbox", SIEVE_STRING, 0, sieve_check_mailbox}},
	 .check = suite_failing_check,
	 .emit = suite_failing_emit,
	 .run = suite_mailbox_delete_run},
	{.name = "test_message",
	 .tags = message_tags,
	 .params = {{"index", SIEVE_NUMBER, 0, NULL}},
	 .check = message_check,
	 .emit = suite_failing_emit,
	 .run = suite_message_run},
	{.name = "test_message",
	 .flags = SIEVE_IS_TEST,
	 .tags = message_tags,
	 .params = {{"index", SIEVE_NUMBER, 0, NULL}},
	 .check = message_check,
	 .run = suite_message_run},
	{.name = "test_message_print", .run = suite_message_print_run},
	{.name = "test_imap_metadata_set",
	 .tags = metadata_tags,
	 .params = TWO("annotation", "value"),
	 .run = suite_metadata_set_run},
	{.name = "test_script_compile",
	 .flags = SIEVE_IS_TEST,
	 .params = ONE("script"),
	 .run = suite_script_compile_run},
	{.name = "test_script_run",
	 .flags = SIEVE_IS_TEST,
	 .tags = run_tags,
	 .run = suite_script_run_run},
	{.name = "test_multiscript",
	 .flags = SIEVE_IS_TEST,
	 .params = {{"scripts", SIEVE_STRINGS, 0, NULL}},
	 .run = suite_multiscript_run},
	{.name = "test_error",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match",
	 .tags = index_tags,
	 .params = {{"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = suite_error_run},
	{.name = "test_result_action",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match",
	 .tags = index_tags,
	 .params = {{"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = suite_result_action_run},
	{.name = "test_result_execute",
	 .flags = SIEVE_IS_TEST,
	 .run = suite_result_execute_run},
	{.name = "test_result_reset", .run = suite_result_reset_run},
	{.name = "test_result_print", .run = suite_result_print_run},
	{.name = "test_binary_save",
	 .params = ONE("name"),
	 .run = suite_binary_save_run},
	{.name = "test_binary_load",
	 .params = ONE("name"),
	 .run = suite_binary_load_run},
	SIEVE_END,
};

const struct sieve_extension suite_extension = {.name = "vnd.dovecot.testsuite",
						.commands = commands,
						.namespaces = namespaces};
