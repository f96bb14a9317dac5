/* SPDX-License-Identifier: MIT */
/*
 * doveadm/commands.c - the table of commands, and what is told about it.
 */
#include "doveadm/commands.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "doveadm/doveadm.h"
#include "storage/storage.h"

enum { ANY = INT_MAX };

/* Behind the flags: fewest and most arguments, and the mode. */
const struct command doveadm_commands[] = {
	{"altmove", cmd_altmove, "[-r] <search query>", "r", COMMAND_MAIL, 1,
	 ANY, 0},
	{"app-password add", cmd_app_password,
	 "[-a <master socket path>] -u <user> [-e <expiry>] [-s <scopes>] "
	 "<name>",
	 "a:e:s:u:", 0, 1, 1, 0},
	{"app-password list", cmd_app_password,
	 "[-a <master socket path>] -u <user>", "a:u:", 0, 0, 0, 0},
	{"app-password revoke", cmd_app_password,
	 "[-a <master socket path>] -u <user> <id or name>", "a:u:", 0, 1, 1,
	 0},
	{"app-password totp disable", cmd_app_password,
	 "[-a <master socket path>] -u <user>", "a:u:", 0, 0, 0, 0},
	{"app-password totp enable", cmd_app_password,
	 "[-a <master socket path>] [-i <issuer>] -u <user>", "a:i:u:", 0, 0, 0,
	 0},
	{"auth cache flush", cmd_auth_cache_flush,
	 "[-a <master socket path>] [<user> [...]]", "a:", 0, 0, ANY, 0},
	{"auth login", cmd_auth_test,
	 "[-a <auth-login socket path>] [-m <auth-master socket path>] "
	 "[-x <auth info>] [-M <master user>] <user> [<password>]",
	 "a:m:x:M:", 0, 1, ANY, true},
	{"auth lookup", cmd_auth_lookup,
	 "[-a <userdb socket path>] [-x <auth info>] [-f field] <user> "
	 "[<user> [...]]",
	 "a:x:f:", 0, 1, ANY, 0},
	{"auth test", cmd_auth_test,
	 "[-a <auth socket path>] [-x <auth info>] [-M <master user>] <user> "
	 "[<password>]",
	 "a:x:M:", 0, 1, ANY, 0},
	{"config", cmd_config, "[doveconf parameters]", "", COMMAND_RAW, 0, ANY,
	 0},
	{"copy", cmd_copy, "<destination> [user <source user>] <search query>",
	 "", COMMAND_MAIL, 2, ANY, 0},
	{"deduplicate", cmd_deduplicate, "[-m] <search query>", "m",
	 COMMAND_MAIL, 1, ANY, 0},
	{"dump", cmd_dump, "[-t <type>] <path> [<type-specific args>]", "t:", 0,
	 1, ANY, 0},
	{"exec", cmd_exec, "<binary> [binary parameters]", "", COMMAND_RAW, 1,
	 ANY, 0},
	{"expunge", cmd_expunge, "[-d] <search query>", "d", COMMAND_MAIL, 1,
	 ANY, 0},
	{"fetch", cmd_fetch, "<fields> <search query>", "", COMMAND_MAIL, 2,
	 ANY, 0},
	{"flags add", cmd_flags, "<flags> <search query>", "", COMMAND_MAIL, 2,
	 ANY, STORE_ADD},
	{"flags remove", cmd_flags, "<flags> <search query>", "", COMMAND_MAIL,
	 2, ANY, STORE_REMOVE},
	{"flags replace", cmd_flags, "<flags> <search query>", "", COMMAND_MAIL,
	 2, ANY, STORE_REPLACE},
	{"force-resync", cmd_force_resync, "[-f] <mailbox mask>", "f",
	 COMMAND_MAIL, 1, 1, 0},
	{"help", cmd_help, "[<cmd>]", "", 0, 0, ANY, 0},
	{"import", cmd_import,
	 "[-U source-user] [-s] <source mail location> "
	 "<dest parent mailbox> <search query>",
	 "sU:", COMMAND_MAIL, 3, ANY, 0},
	{"index", cmd_index, "[-q] [-n <max recent>] <mailbox mask>", "n:q",
	 COMMAND_MAIL, 1, 1, 0},
	{"kick", cmd_kick, "[-a <anvil socket path>] <user mask>[|]<ip/bits>",
	 "a:f", 0, 0, ANY, 0},
	{"log errors", cmd_log_errors, "[-s <min_timestamp>]", "s:", 0, 0, 0,
	 0},
	{"log find", cmd_log_find, "[<dir>]", "", 0, 0, ANY, 0},
	{"log reopen", cmd_log_reopen, "", "", 0, 0, 0, 0},
	{"log test", cmd_log_test, "", "", 0, 0, 0, 0},
	{"mailbox cache decision", cmd_mailbox_cache_decision,
	 "--all|--fields <fields> [--last-used <timestamp>] "
	 "[--decision no|temp|yes] <mailbox> [...]",
	 "", COMMAND_MAIL | COMMAND_LONG_CACHE, 0, ANY, 0},
	{"mailbox cache purge", cmd_mailbox_cache_purge, "<mailbox> [...]", "",
	 COMMAND_MAIL, 0, ANY, 0},
	{"mailbox cache remove", cmd_mailbox_cache_remove, "<search string>",
	 "", COMMAND_MAIL, 1, ANY, 0},
	{"mailbox create", cmd_mailbox_create,
	 "[-s] [-g <guid>] <mailbox> [...]", "g:s", COMMAND_MAIL, 1, ANY, 0},
	{"mailbox delete", cmd_mailbox_delete,
	 "[-e] [-r] [-s] [-Z] <mailbox> [...]", "ersZ", COMMAND_MAIL, 1, ANY,
	 0},
	{"mailbox list", cmd_mailbox_list,
	 "[-7|-8] [-s] [<mailbox mask> [...]]", "78s", COMMAND_MAIL, 0, ANY, 0},
	{"mailbox metadata get", cmd_mailbox_metadata_get,
	 "[-s] <mailbox> <key>", "s", COMMAND_MAIL, 2, ANY, true},
	{"mailbox metadata list", cmd_mailbox_metadata_get,
	 "[-s] [-p] <mailbox> [<key prefix>]", "sp", COMMAND_MAIL, 1, ANY, 0},
	{"mailbox metadata set", cmd_mailbox_metadata_set,
	 "[-s] <mailbox> <key> <value>", "s", COMMAND_MAIL, 3, ANY, true},
	{"mailbox metadata unset", cmd_mailbox_metadata_set,
	 "[-s] <mailbox> <key>", "s", COMMAND_MAIL, 2, ANY, 0},
	{"mailbox mutf7", cmd_mailbox_mutf7, "[-7|-8] <name> [...]", "78", 0, 1,
	 ANY, 0},
	{"mailbox path", cmd_mailbox_path, "[-t <type>] <mailbox>",
	 "t:", COMMAND_MAIL, 1, ANY, 0},
	{"mailbox rename", cmd_mailbox_rename, "[-s] <old name> <new name>",
	 "s", COMMAND_MAIL, 2, 2, 0},
	{"mailbox status", cmd_mailbox_status, "[-t] <fields> <mailbox> [...]",
	 "t", COMMAND_MAIL, 2, ANY, 0},
	{"mailbox subscribe", cmd_mailbox_subscribe, "<mailbox> [...]", "",
	 COMMAND_MAIL, 1, ANY, true},
	{"mailbox unsubscribe", cmd_mailbox_subscribe, "<mailbox> [...]", "",
	 COMMAND_MAIL, 1, ANY, 0},
	{"move", cmd_copy, "<destination> [user <source user>] <search query>",
	 "", COMMAND_MAIL, 2, ANY, true},
	{"mailbox update", cmd_mailbox_update,
	 "[--mailbox-guid guid] [--uid-validity uid] [--min-next-uid uid] "
	 "[--min-first-recent-uid uid] [--min-highest-modseq seq] "
	 "[--min-highest-pvt-modseq seq] <mailbox>",
	 "", COMMAND_MAIL | COMMAND_LONG, 1, ANY, 0},
	{"penalty", cmd_penalty, "[-a <anvil socket path>] [<ip/bits>]",
	 "a:", 0, 0, ANY, 0},
	{"process status", cmd_process_status, "[<service> [...]]", "", 0, 0,
	 ANY, 0},
	{"proxy kick", cmd_proxy_kick,
	 "[-a <anvil socket path>] [-f <passdb field>] "
	 "[-h <host> [...] | <user> [...]]",
	 "a:f:h", 0, 0, ANY, 0},
	{"proxy list", cmd_proxy_list, "[-a <anvil socket path>]", "a:", 0, 0,
	 0, 0},
	{"purge", cmd_purge, "", "", COMMAND_MAIL, 0, 0, 0},
	{"pw", cmd_pw,
	 "[-l] [-p plaintext] [-r rounds] [-s scheme] [-t hash] [-u user] [-V]",
	 "lp:r:s:t:u:V", 0, 0, 0, 0},
	{"quota get", cmd_quota_get, "", "", COMMAND_MAIL, 0, 0, 0},
	{"quota recalc", cmd_quota_recalc, "", "", COMMAND_MAIL, 0, 0, 0},
	{"reload", cmd_reload, "", "", 0, 0, 0, 0},
	{"save", cmd_save, "[-m mailbox]", "m:", COMMAND_MAIL, 0, 1, 0},
	{"search", cmd_search, "<search query>", "", COMMAND_MAIL, 1, ANY, 0},
	{"service status", cmd_service_status, "[<service> [...]]", "", 0, 0,
	 ANY, 0},
	{"service stop", cmd_service_stop, "<service> [<service> [...]]", "", 0,
	 0, ANY, 0},
	{"sieve activate", cmd_sieve, "<scriptname>", "", COMMAND_MAIL, 1, 1,
	 0},
	{"sieve deactivate", cmd_sieve, "", "", COMMAND_MAIL, 0, 0, 0},
	{"sieve delete", cmd_sieve, "[-a] <scriptname> [...]", "a",
	 COMMAND_MAIL, 1, ANY, 0},
	{"sieve get", cmd_sieve, "<scriptname>", "", COMMAND_MAIL, 1, 1, 0},
	{"sieve list", cmd_sieve, "", "", COMMAND_MAIL, 0, 0, 0},
	{"sieve put", cmd_sieve, "[-a] <scriptname> [<file>]", "a",
	 COMMAND_MAIL, 1, 2, 0},
	{"sieve rename", cmd_sieve, "<oldname> <newname>", "", COMMAND_MAIL, 2,
	 2, 0},
	{"stop", cmd_stop, "", "", 0, 0, 0, 0},
	{"undelete", cmd_undelete, "[-m mailbox] <search query>",
	 "m:", COMMAND_MAIL, 1, ANY, 0},
	{"user", cmd_user,
	 "[-a <userdb socket path>] [-x <auth info>] [-f field] [-e <value>] "
	 "[-u] <user mask> [<user mask> [...]]",
	 "a:x:f:e:u", 0, 1, ANY, 0},
	{"who", cmd_who,
	 "[-a <anvil socket path>] [-1] [<user mask>] [<ip/bits>]", "a:1", 0, 0,
	 ANY, 0},
	{NULL, NULL, NULL, NULL, 0, 0, 0, 0},
};

/* How many words of argv spell `name`; 0 if they don't. */
static int words_match(const char *name, int argc, char **argv)
{
	int words = 0;

	while (*name != '\0') {
		size_t len = strcspn(name, " ");

		if (words == argc || strlen(argv[words]) != len ||
		    strncmp(argv[words], name, len) != 0)
			return 0;
		words++;
		name += len;
		name += strspn(name, " ");
	}
	return words;
}

const struct command *command_find(int argc, char **argv, int *words_out)
{
	for (const struct command *command = doveadm_commands;
	     command->name != NULL; command++) {
		*words_out = words_match(command->name, argc, argv);
		if (*words_out > 0)
			return command;
	}
	return NULL;
}

/* What follows `family` and a blank in the name; NULL if that is not its. */
static const char *below(const struct command *command, const char *family)
{
	size_t len = strlen(family);

	if (strncmp(command->name, family, len) != 0 ||
	    command->name[len] != ' ')
		return NULL;
	return command->name + len + 1;
}

bool command_family(const char *name)
{
	for (const struct command *command = doveadm_commands;
	     command->name != NULL; command++) {
		if (strcmp(command->name, name) == 0 ||
		    below(command, name) != NULL)
			return true;
	}
	return false;
}

static const char *mail_usage(const struct command *command)
{
	return (command->flags & COMMAND_MAIL) != 0
		       ? "[-u <user>|-A|-F <file>] [-S <socket_path>] "
		       : "";
}

/* One line for all commands that share the first `len` octets of a name;
 * returns the last of them. */
static const struct command *usage_line(const struct command *command,
					const char *name, size_t len)
{
	size_t skip = (size_t)(name - command->name);
	char bar = ' ';

	if (name[len] == '\0') {
		fprintf(stderr, "  %-12s %s%s\n", name, mail_usage(command),
			command->usage);
		return command;
	}
	fprintf(stderr, "  %-12.*s", (int)len, name);
	for (const char *last = "";; command++) {
		const char *word = command->name + skip + len + 1;
		size_t word_len = strcspn(word, " ");

		/* "cache" of "mailbox cache" is there once. */
		if (strcspn(last, " ") != word_len ||
		    strncmp(word, last, word_len) != 0)
			fprintf(stderr, "%c%.*s", bar, (int)word_len, word);
		last = word;
		bar = '|';
		if (command[1].name == NULL ||
		    strncmp(command[1].name, command->name, skip + len + 1) !=
			    0)
			break;
	}
	fputc('\n', stderr);
	return command;
}

int usage_all(void)
{
	fputs("usage: doveadm [-Dv] [-f <formatter>] <command> [<args>]\n",
	      stderr);
	for (const struct command *command = doveadm_commands;
	     command->name != NULL; command++)
		command = usage_line(command, command->name,
				     strcspn(command->name, " "));
	return EX_USAGE;
}

int usage_family(const char *family)
{
	fprintf(stderr,
		"usage: doveadm [-Dv] [-f <formatter>] %s <command> "
		"[<args>]\n",
		family);
	for (const struct command *command = doveadm_commands;
	     command->name != NULL; command++) {
		const char *name = below(command, family);

		if (name != NULL)
			command = usage_line(command, name, strcspn(name, " "));
	}
	return EX_USAGE;
}

int usage_command(const struct command *command)
{
	fprintf(stderr, "doveadm %s %s%s\n", command->name, mail_usage(command),
		command->usage);
	return EX_USAGE;
}
