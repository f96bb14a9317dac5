/* SPDX-License-Identifier: MIT */
/*
 * doveadm/exec.c - commands that are other programs: `exec`, `config`, `help`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doveadm/commands.h"
#include "doveadm/doveadm.h"

static int become(const char *path, char **argv)
{
	fflush(stdout);
	execv(path, argv);
	return give_up("execv(%s) failed: %s", path, strerror(errno));
}

int cmd_exec(struct doveadm *adm, int, char **argv)
{
	const char *path;

	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	path = mem_printf(adm->ctx, "%s/%s", adm->settings.libexec_dir,
			  argv[0]);
	return become(path, argv);
}

/* doveconf, told of the same file. */
int cmd_config(struct doveadm *adm, int argc, char **argv)
{
	size_t room = (size_t)argc + 5;
	char **args = mem_array(adm->ctx, char *, room);
	size_t n = 0;

	args[n++] = mem_strdup(args, PKG_BINDIR "/doveconf");
	if (adm->config_path != NULL) {
		args[n++] = mem_strdup(args, "-c");
		args[n++] = mem_strdup(args, adm->config_path);
	}
	for (int i = 0; i < argc; i++)
		args[n++] = argv[i];
	return become(args[0], args);
}

int cmd_help(struct doveadm *adm, int argc, char **argv)
{
	char *man[] = {mem_strdup(adm->ctx, "man"), NULL, NULL};
	const char *path;

	if (argc == 0)
		return usage_all();
	man[1] = mem_printf(adm->ctx, "doveadm-%s", argv[0]);
	/* Our page first, wherever it is installed. */
	path = getenv("MANPATH");
	setenv("MANPATH",
	       mem_printf(adm->ctx, "%s:%s", PKG_MANDIR,
			  path != NULL ? path : ""),
	       1);
	fflush(stdout);
	execvp(man[0], man);
	/* No man(1) here: the usage is better than nothing. */
	if (command_family(argv[0])) {
		int words;
		const struct command *command =
			command_find(argc, argv, &words);

		return command != NULL ? usage_command(command)
				       : usage_family(argv[0]);
	}
	return give_up("execvp(man) failed: %s", strerror(errno));
}
