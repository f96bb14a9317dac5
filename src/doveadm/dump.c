/* SPDX-License-Identifier: MIT */
/*
 * doveadm/dump.c - `doveadm dump`: what is in an index or a control file, in
 * words. It reads with the caller's rights and changes nothing.
 */
#include "doveadm/dump.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"

enum {
	KIND_INDEX,
	KINDS = 9,
};

/* What it is called on disk, and what shows it. */
static const struct {
	const char *type, *name;
	int (*dump)(const char *path, struct err *err);
} kinds[KINDS] = {
	[KIND_INDEX] = {"index", "dovetail.index", NULL},
	{"uidlist", "dovecot-uidlist", dump_uidlist},
	{"keywords", "dovecot-keywords", dump_keywords},
	{"uidvalidity", "dovecot-uidvalidity", dump_uidvalidity},
	{"subscriptions", "subscriptions", dump_subscriptions},
	{"names", "dovetail.names", dump_names},
	{"attributes", "dovecot-attributes", dump_attributes},
	{"mbox-journal", "dovetail-mbox-journal", dump_journal},
	{"lda-dupes", ".dovetail.lda-dupes", dump_dupes},
};

static bool exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static int dump_one(int kind, const char *path, int count, char **args)
{
	struct err err;
	int result;

	if (kind == KIND_INDEX) {
		result = dump_index(path, count, args, &err);
	} else {
		char *title = str_upper(NULL, str_of(kinds[kind].type));

		printf("-- %s: %s\n", title, path);
		mem_free(title);
		result = kinds[kind].dump(path, &err);
	}
	return result == 0 ? EX_OK : give_up("%s", err.text);
}

/* The path as it is said, or the one of that name in it. */
static const char *path_for(struct doveadm *adm, int kind, const char *path)
{
	const char *inside =
		mem_printf(adm->ctx, "%s/%s", path, kinds[kind].name);

	if (exists(inside))
		return inside;
	inside = mem_printf(adm->ctx, "%s/tmp/.%s", path, kinds[kind].name);
	return exists(inside) ? inside : path;
}

/* A file by its name, an index by what is in it. */
static int kind_of(struct doveadm *adm, const char *path)
{
	const char *name = basename(mem_strdup(adm->ctx, path));

	for (int kind = 0; kind < KINDS; kind++) {
		/* In layout fs the index is hidden. */
		if (strcmp(name, kinds[kind].name) == 0 ||
		    (name[0] == '.' && strcmp(name + 1, kinds[kind].name) == 0))
			return kind;
	}
	if (exists(mem_printf(adm->ctx, "%s/data.mdb", path)))
		return KIND_INDEX;
	return KINDS;
}

static int dump_inside(struct doveadm *adm, const char *dir, int count,
		       char **args)
{
	int status = EX_OK;
	bool found = false;

	for (int kind = 0; kind < KINDS; kind++) {
		const char *path = path_for(adm, kind, dir);
		int result;

		if (path == dir)
			continue;
		found = true;
		result = dump_one(kind, path, count, args);
		if (status == EX_OK)
			status = result;
	}
	if (found)
		return status;
	give_up("Can't autodetect file type: %s", dir);
	return EX_DATAERR;
}

static int kind_named(const char *type)
{
	int kind = 0;

	while (kind < KINDS && strcmp(kinds[kind].type, type) != 0)
		kind++;
	return kind;
}

static int unknown_type(const char *type)
{
	fputs("Available dump types:", stderr);
	for (int kind = 0; kind < KINDS; kind++)
		fprintf(stderr, " %s", kinds[kind].type);
	fputc('\n', stderr);
	give_up("Unknown type: %s", type);
	return EX_USAGE;
}

int cmd_dump(struct doveadm *adm, int argc, char **argv)
{
	const char *type = doveadm_value(adm, 't'), *path = argv[0];
	int kind = KINDS;

	if (type != NULL) {
		kind = kind_named(type);
		if (kind == KINDS)
			return unknown_type(type);
	}
	argc--;
	argv++;
	if (kind != KINDS)
		return dump_one(kind, path_for(adm, kind, path), argc, argv);
	kind = kind_of(adm, path);
	return kind != KINDS ? dump_one(kind, path, argc, argv)
			     : dump_inside(adm, path, argc, argv);
}
