/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/setting.h"

static char dir[64];
static char errors_text[8192], warnings_text[8192];

struct test_settings {
	const char *mail_location, *mail_plugins;
	bool mail_debug;
	const char *ssl_cert;
};

#define SETTINGS_STRUCT struct test_settings
static const struct setting rows[] = {
	S(mail_location, "", "Where mail lies."),
	S(mail_plugins, "", "Plugins."),
	S(mail_debug, "no", "Debug lines."),
	S_FILE(ssl_cert, "", 0, "Certificate."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT
static const struct setting more_rows[] = {
	S_FOREIGN("default_internal_user", SETTING_TEXT, "dovecot", "A user."),
	S_FOREIGN("protocols", SETTING_TEXT, "", "Protocols."),
	S_FOREIGN("listen", SETTING_TEXT, "*, ::", "Addresses."),
	S_FOREIGN("ssl_min_protocol", SETTING_TEXT, "TLSv1.2", "TLS."),
	S_FOREIGN("mail_max_userip_connections", SETTING_UNSIGNED, "10", "n."),
	SETTINGS_END,
};
SETTINGS_REGISTER(rows, "");
SETTINGS_REGISTER(more_rows, "");

struct service_row {
	unsigned process_limit;
	const char *user, *executable, *protocol;
};
#define SETTINGS_STRUCT struct service_row
static const struct setting service_rows[] = {
	S(process_limit, "0", "How many."),
	S(user, "", "Who."),
	S(executable, "", "What."),
	S(protocol, "", "For what."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT
SETTINGS_REGISTER(service_rows, "service");

static const struct setting listener_rows[] = {
	S_FOREIGN("mode", SETTING_MODE, "0600", "Permissions."),
	S_FOREIGN("user", SETTING_TEXT, "", "Owner."),
	SETTINGS_END,
};
SETTINGS_REGISTER(listener_rows, "unix_listener");
static const struct setting passdb_rows[] = {
	S_FOREIGN("driver", SETTING_TEXT, "", "Kind."),
	S_FOREIGN("args", SETTING_TEXT, "", "Arguments."),
	S_FOREIGN("name", SETTING_TEXT, "", "Name."),
	SETTINGS_END,
};
SETTINGS_REGISTER(passdb_rows, "passdb");
CONFIG_PRESET(test, "service imap {\n"
		    "  executable = imap\n"
		    "  process_limit = 1024\n"
		    "  protocol = imap\n"
		    "  user = $default_internal_user\n"
		    "  unix_listener login/imap {\n"
		    "    mode = 0666\n"
		    "  }\n"
		    "}\n");

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_load.XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
	struct err err;

	(void)state;
	return dir_remove(dir, &err);
}

static char *put(const char *name, const char *text)
{
	static char path[256];
	struct err err;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(file_replace(path, text, strlen(text), 0600, &err), 0);
	return path;
}

/* The configuration of a text, in spite of errors. */
static struct config *load(const char *text)
{
	CLEANUP(buf_free) struct buf errors = buf_init(8000);
	CLEANUP(buf_free) struct buf warnings = buf_init(8000);
	struct config *config = NULL;
	struct err err;
	int ret = config_load(NULL, put("test.conf", text), 0, &errors,
			      &warnings, &config, &err);

	assert_int_equal(ret<0, errors.len> 0);
	assert_non_null(config);
	snprintf(errors_text, sizeof(errors_text), "%s", errors.data);
	snprintf(warnings_text, sizeof(warnings_text), "%s", warnings.data);
	return config;
}

static void has(const struct config *config, const char *name,
		const char *wanted)
{
	assert_string_equal(config_value(config, NULL, name), wanted);
}

static void reads(const char *text, const char *name, const char *wanted)
{
	struct config *config = load(text);

	assert_string_equal(errors_text, "");
	has(config, name, wanted);
	mem_free(config);
}

static void complains(const char *text, const char *wanted)
{
	struct config *config = load(text);

	if (strstr(errors_text, wanted) == NULL)
		print_error("%s\ngave: %s\n", text, errors_text);
	assert_non_null(strstr(errors_text, wanted));
	mem_free(config);
}

static void test_values_quotes_and_comments(void **state)
{
	(void)state;
	reads("mail_location=x\n", "mail_location", "x");
	reads("  mail_location =\t x y \t\n", "mail_location", "x y");
	reads("mail_location = x # y\n", "mail_location", "x");
	reads("mail_location = \" x # y \"\n", "mail_location", " x # y ");
	reads("mail_location = 'a \"b'\n", "mail_location", "a \"b");
	reads("mail_location = \"a\\\"b\\\\c\"\n", "mail_location", "a\"b\\c");
	reads("mail_location = \"a\" b\n", "mail_location", "\"a\" b");
	reads("mail_location = \"a\n", "mail_location", "\"a");
	reads("mail_location =\n", "mail_location", "");
	reads("mail_location = a \\\n   b\\\n  c\n", "mail_location", "a b c");
	reads("# \\\nmail_location = a\r\n", "mail_location", "a");
	reads("mail_location = a", "mail_location", "a");
	reads("mail_location = a#b\n", "mail_location", "a");
	assert_non_null(strstr(warnings_text, "Ambiguous '#'"));
}

static void test_variables(void **state)
{
	(void)state;
	reads("mail_plugins = a\nmail_plugins = $mail_plugins b\n",
	      "mail_plugins", "a b");
	reads("mail_plugins = $mail_plugins b\n", "mail_plugins", " b");
	reads("mail_location = a$mail_plugins $ b\n", "mail_location",
	      "a$mail_plugins $ b");
	reads("mail_location = $default_internal_user x\n", "mail_location",
	      "dovecot x");
	reads("mail_location = \"$mail_plugins x\"\n", "mail_location",
	      "$mail_plugins x");
	complains("mail_location = $nosuch x\n",
		  "test.conf line 1: mail_location: Unknown variable: $nosuch");
}

static void test_all_errors_are_told_in_one_run(void **state)
{
	(void)state;
	complains("mail_locaton = x\n"
		  "mail_debug = maybe\n"
		  "service imap {\n"
		  "  proces_limit = 3\n"
		  "  mode = 0600\n"
		  "}\n"
		  "nosuch {\n"
		  "  inside = is not looked at\n"
		  "}\n"
		  "process_limit = 4\n"
		  "key value\n",
		  "test.conf line 1: Unknown setting: mail_locaton (did you "
		  "mean mail_location?)\n");
	assert_non_null(strstr(errors_text,
			       "line 2: mail_debug: Invalid boolean value: "
			       "maybe (use yes or no)\n"));
	assert_non_null(strstr(errors_text,
			       "line 4: Unknown setting: service { "
			       "proces_limit (did you mean process_limit?)\n"));
	assert_non_null(strstr(errors_text,
			       "line 5: Unknown setting: service { mode (mode "
			       "belongs into a unix_listener { } section)\n"));
	assert_non_null(strstr(errors_text, "line 7: Unknown section: "
					    "nosuch\n"));
	assert_null(strstr(errors_text, "inside"));
	assert_non_null(strstr(errors_text,
			       "line 10: Unknown setting: process_limit "
			       "(process_limit belongs into a service { } "
			       "section)\n"));
	assert_non_null(strstr(errors_text, "line 11: Expecting"));
}

static void test_braces(void **state)
{
	(void)state;
	complains("service imap {\n process_limit = 3\n",
		  "Missing '}' (section started at ");
	complains("}\n", "line 1: Unexpected '}'");
	complains("service imap { process_limit = 3\n}\n", "Garbage after '{'");
	complains("service imap{\n}\n", "Expecting '=' or '{'");
	complains("= x\n", "Missing key name");
	complains("protocol imap {\n protocol pop3 {\n}\n}\n",
		  "Nested protocol");
	complains("protocol imap {\n local 1.2.3.4 {\n}\n}\n",
		  "use local { protocol { .. } } instead");
	complains("passdb {\n args = x\n}\n", "passdb is missing driver");
}

static void test_nesting_is_bounded(void **state)
{
	CLEANUP(buf_free) struct buf text = buf_init(4096);

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_add(&text, "service imap {\n");
	complains(text.data, "Sections nest too deep");
}

static void test_includes_are_relative_and_in_ascii_order(void **state)
{
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/conf.d", dir);
	mkdir(path, 0700);
	put("conf.d/10-b.conf", "mail_plugins = $mail_plugins 10b\n");
	put("conf.d/10-B.conf", "mail_plugins = $mail_plugins 10B\n");
	put("conf.d/9-a.conf", "mail_plugins = $mail_plugins 9a\n"
			       "!include more.inc\n");
	put("conf.d/more.inc", "mail_location = deep\n");
	reads("mail_plugins = x\n!include conf.d/*.conf\n", "mail_plugins",
	      "x 10B 10b 9a");
	reads("!include conf.d/*.conf\n", "mail_location", "deep");
	reads("!include_try nosuch*\n", "mail_location", "");
	complains("!include nosuch*\n", "No matches");
	put("conf.d/loop.inc", "!include loop.inc\n");
	complains("!include conf.d/loop.inc\n", "Recursive include file");
	complains("!includ x\n", "Unknown directive");
}

static void test_file_values(void **state)
{
	(void)state;
	put("cert.pem", "CERT\n");
	reads("ssl_cert = <cert.pem\n", "ssl_cert", "CERT\n");
	complains("ssl_cert = <nosuch.pem\n", "ssl_cert: Can't open file ");
}

static void test_blocks_for_protocols_and_networks(void **state)
{
	struct config *config = load("mail_plugins = all\n"
				     "local 10.0.0.0/8 {\n"
				     "  mail_plugins = net8\n"
				     "  protocol imap {\n"
				     "    mail_location = net8imap\n"
				     "  }\n"
				     "}\n"
				     "local 10.1.0.0/16 {\n"
				     "  mail_plugins = net16\n"
				     "}\n"
				     "protocol imap {\n"
				     "  mail_plugins = $mail_plugins imap\n"
				     "  mail_debug = yes\n"
				     "}\n"
				     "local_name *.example.org {\n"
				     "  mail_location = sni\n"
				     "}\n");
	struct config_filter filter = {.protocol = "imap"};
	struct test_settings set;
	struct err err;

	(void)state;
	assert_true(config_has_filters(config));
	assert_int_equal(config_read(config, config, &filter, rows, &set, &err),
			 0);
	assert_string_equal(set.mail_plugins, "all imap");
	assert_true(set.mail_debug);
	assert_int_equal(config_read(config, config, NULL, rows, &set, &err),
			 0);
	assert_string_equal(set.mail_plugins, "all");
	assert_false(set.mail_debug);
	assert_true(ip_parse("10.1.2.3", &filter.local));
	config_read(config, config, &filter, rows, &set, &err);
	assert_string_equal(set.mail_plugins, "net16");
	assert_string_equal(set.mail_location, "net8imap");
	filter = (struct config_filter){.local_name = "a.example.org"};
	assert_string_equal(config_value(config, &filter, "mail_location"),
			    "sni");
	filter.local_name = "a.b.example.org";
	assert_string_equal(config_value(config, &filter, "mail_location"), "");
	mem_free(config);
}

static void check_sections(const struct config *config)
{
	struct config_filter lmtp = {.protocol = "lmtp"};
	const struct config_section *at, *child;
	struct service_row row;
	struct err err;

	at = config_section_next(config, NULL, "service", NULL);
	assert_string_equal(at->name, "imap");
	assert_int_equal(
		config_read_section(config, at, service_rows, &row, &err), 0);
	assert_int_equal(row.process_limit, 7);
	assert_string_equal(row.user, "someone");
	assert_string_equal(row.executable, "imap");
	child = config_child_next(at, "unix_listener", NULL);
	assert_string_equal(child->name, "login/imap");
	child = config_child_next(at, "unix_listener", child);
	assert_string_equal(child->name, "other");
	assert_null(config_child_next(at, "unix_listener", child));
	assert_null(config_section_next(config, NULL, "service", at));
	at = config_section_next(config, NULL, "passdb", NULL);
	assert_string_equal(at->values->name, "driver");
	assert_string_equal(at->values->value, "first");
	at = config_section_next(config, NULL, "passdb", at);
	assert_string_equal(at->values->value, "second");
	assert_null(config_section_next(config, NULL, "passdb", at));
	for (size_t i = 0; i < 4; i++) {
		static const char *const order[] = {"third", "fourth", "first",
						    "second"};

		at = config_section_next(config, &lmtp, "passdb",
					 i == 0 ? NULL : at);
		assert_string_equal(at->values->value, order[i]);
	}
	assert_null(config_section_next(config, &lmtp, "passdb", at));
	assert_string_equal(config_plugin(config, NULL, "quota"), "x");
	assert_string_equal(config_plugin(config, &lmtp, "quota"), "y");
	assert_null(config_plugin(config, NULL, "nosuch"));
}

static struct config *load_sections(void)
{
	return load("service imap {\n"
		    "  process_limit = 7\n"
		    "  unix_listener other {\n"
		    "    mode = 0600\n"
		    "  }\n"
		    "}\n"
		    "passdb {\n"
		    "  driver = first\n"
		    "}\n"
		    "passdb {\n"
		    "  driver = second\n"
		    "}\n"
		    "plugin {\n"
		    "  quota = x\n"
		    "}\n"
		    "protocol lmtp {\n"
		    "  plugin {\n"
		    "    quota = y\n"
		    "  }\n"
		    "  passdb {\n"
		    "    driver = third\n"
		    "  }\n"
		    "  passdb {\n"
		    "    driver = fourth\n"
		    "  }\n"
		    "}\n"
		    "default_internal_user = someone\n");
}

static void test_sections_are_merged_over_the_presets(void **state)
{
	struct config *config = load_sections();

	(void)state;
	assert_string_equal(errors_text, "");
	check_sections(config);
	mem_free(config);
}

static void test_a_snapshot_says_the_same(void **state)
{
	struct config *config = load_sections(), *copy;
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(config_seal(config, &fd, &err), 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(config_unseal(NULL, fd, NULL, &copy, &err), 0);
	close(fd);
	assert_string_equal(config_path(copy), config_path(config));
	mem_free(config);
	check_sections(copy);
	has(copy, "listen", "*, ::");
	mem_free(copy);
}

static void test_a_service_takes_its_own_section_alone(void **state)
{
	struct config *config = load_sections(), *copy;
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(config_seal(config, &fd, &err), 0);
	mem_free(config);
	assert_int_equal(config_unseal(NULL, fd, "imap", &copy, &err), 0);
	check_sections(copy);
	mem_free(copy);
	assert_int_equal(config_unseal(NULL, fd, "pop3", &copy, &err), 0);
	close(fd);
	assert_null(config_section_next(copy, NULL, "service", NULL));
	has(copy, "default_internal_user", "someone");
	assert_non_null(config_section_next(copy, NULL, "passdb", NULL));
	mem_free(copy);
}

static void test_what_is_no_snapshot_is_refused(void **state)
{
	struct config *config = load_sections(), *copy;
	CLEANUP(buf_free) struct buf text = buf_init(1 << 20);
	struct err err;
	int fd;

	(void)state;
	fd = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(write(fd, "dovetail", 8), 8);
	assert_int_equal(config_unseal(NULL, fd, NULL, &copy, &err), -1);
	close(fd);
	assert_int_equal(config_seal(config, &fd, &err), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(file_read_fd(fd, "snapshot", &text, &err), 0);
	close(fd);
	mem_free(config);
	for (size_t cut = 1; cut < text.len; cut += 13) {
		fd = memfd_create("cut", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_int_equal(write(fd, text.data, cut), cut);
		fcntl(fd, F_ADD_SEALS,
		      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
		assert_int_equal(config_unseal(NULL, fd, NULL, &copy, &err), -1);
		assert_int_equal(err.code, ERR_CORRUPT);
		close(fd);
	}
}

static const char *entry_text(const struct config_section *section,
			      const char *name)
{
	const struct config_value *at = section->values;

	while (at != NULL && strcmp(at->name, name) != 0)
		at = at->next;
	return at != NULL ? at->value : NULL;
}

static void test_overrides_go_over_all(void **state)
{
	struct config *config = load("mail_location = x\n");
	struct err err;

	(void)state;
	assert_int_equal(config_override(config, "mail_location=y", &err), 0);
	assert_int_equal(config_override(config, "plugin/quota=z", &err), 0);
	has(config, "mail_location", "y");
	assert_string_equal(config_plugin(config, NULL, "quota"), "z");
	assert_null(config_section_next(config, NULL, "passdb", NULL));
	assert_int_equal(config_override(config, "service/imap/user=u", &err),
			 0);
	assert_string_equal(
		entry_text(config_section_next(config, NULL, "service", NULL),
			   "user"),
		"u");
	assert_int_equal(config_override(config, "mail_debug=x", &err), -1);
	assert_int_equal(config_override(config, "mail_debug", &err), -1);
	assert_int_equal(config_override(config, "nosuch=1", &err), -1);
	mem_free(config);
}

static void test_old_syntax_is_converted(void **state)
{
	struct config *config = load("protocols = imap imaps\n"
				     "ssl_protocols = !SSLv3 !TLSv1\n"
				     "auth default {\n"
				     "  passdb pam {\n"
				     "    args = *\n"
				     "  }\n"
				     "  socket listen {\n"
				     "    client {\n"
				     "      mode = 0660\n"
				     "      path = /x/auth\n"
				     "    }\n"
				     "  }\n"
				     "}\n");
	const struct config_section *at;

	(void)state;
	assert_string_equal(errors_text, "");
	assert_non_null(strstr(warnings_text, "Obsolete setting in "));
	has(config, "protocols", "imap");
	has(config, "ssl_min_protocol", "TLSv1.1");
	at = config_section_next(config, NULL, "passdb", NULL);
	assert_string_equal(at->values->next->value, "pam");
	at = config_section_next(config, NULL, "service", NULL);
	at = config_section_next(config, NULL, "service", at);
	assert_string_equal(at->name, "auth");
	at = config_child_next(at, "unix_listener", NULL);
	assert_string_equal(at->name, "/x/auth");
	assert_string_equal(at->values->value, "0660");
	mem_free(config);
}

static void test_settings_without_a_use_are_named_once(void **state)
{
	struct config *config = load("listen = *\nlisten = ::\n"
				     "mail_max_userip_connections = 3\n");

	(void)state;
	assert_string_equal(warnings_text,
			    "Settings without a meaning in this server are "
			    "ignored: listen, mail_max_userip_connections\n");
	mem_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_quotes_and_comments),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_all_errors_are_told_in_one_run),
		cmocka_unit_test(test_braces),
		cmocka_unit_test(test_nesting_is_bounded),
		cmocka_unit_test(test_includes_are_relative_and_in_ascii_order),
		cmocka_unit_test(test_file_values),
		cmocka_unit_test(test_blocks_for_protocols_and_networks),
		cmocka_unit_test(test_sections_are_merged_over_the_presets),
		cmocka_unit_test(test_a_snapshot_says_the_same),
		cmocka_unit_test(test_a_service_takes_its_own_section_alone),
		cmocka_unit_test(test_what_is_no_snapshot_is_refused),
		cmocka_unit_test(test_overrides_go_over_all),
		cmocka_unit_test(test_old_syntax_is_converted),
		cmocka_unit_test(test_settings_without_a_use_are_named_once),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
