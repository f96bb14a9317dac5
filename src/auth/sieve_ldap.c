/* SPDX-License-Identifier: MIT */
/*
 * auth/sieve_ldap.c - the program sieve-ldap: a user's Sieve script from an
 * LDAP directory, for service sieve-ldap (scripts/location.h). So deliveries
 * need neither LDAP nor the directory's password.
 *
 *	sieve-ldap find|read CONFIG USER
 *
 * CONFIG is as that of passdb and userdb ldap, with sieve_ldap_* in it. Written
 * are a line with the entry's version, and for `read` its script; nothing if
 * there is none. The version has a sum of the script, too: directories count
 * in seconds. The standard input is the connection of who asks.
 */
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "auth/ldap.h"
#include "auth/peer.h"
#include "auth/request.h"
#include "auth/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/sock.h"
#include "service/auth_master.h"

struct found {
	const void *ctx;
	const char *version, *text; /* NULL: none */
};

static void take_entry(void *ctx, const char *dn, struct fields *fields)
{
	struct found *found = ctx;
	const char *text = fields_get(fields, "text");
	const char *version = fields_get(fields, "version");
	CLEANUP(buf_free) struct buf sum = buf_init(2 * DIGEST_MAX + 1);
	unsigned char digest[DIGEST_MAX];

	if (text == NULL || found->text != NULL)
		return;
	found->text = mem_strdup(found->ctx, text);
	hex_encode(str_n(digest, digest_once("sha256", str_of(text), digest)),
		   &sum);
	found->version = mem_printf(found->ctx, "%s %s %s", dn,
				    version == NULL ? "" : version, sum.data);
}

/* Nobody else writes it, or, a directory, puts another thing in its place. */
static bool is_ours(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0 || (st.st_uid != 0 && st.st_uid != geteuid()))
		return false;
	return (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 ||
	       (S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0);
}

static bool is_ours_from_root(const void *ctx, const char *path)
{
	char *part = mem_strdup(ctx, path), *end = part;
	bool ours = is_ours("/") && is_ours(path);

	while (ours && (end = strchr(end + 1, '/')) != NULL) {
		*end = '\0';
		ours = is_ours(part);
		*end = '/';
	}
	return ours;
}

/* Whoever asks names the file: one that he could have written would send the
 * password of another, which it includes, to his server. The arguments of a
 * program that he runs with root's rights are no file of root's. */
static int check_owner(const void *ctx, const char *config,
		       const char **real_out, struct err *err)
{
	char real[PATH_MAX];
	struct statfs fs;
	struct stat st;

	if (realpath(config, real) == NULL || stat(real, &st) < 0 ||
	    statfs(real, &fs) < 0)
		return err_sys(err, "stat(%s)", config);
	if (!S_ISREG(st.st_mode) || fs.f_type == PROC_SUPER_MAGIC ||
	    !is_ours_from_root(ctx, real))
		return err_set(err, ERR_DENIED,
			       "%s: others could have written it", config);
	*real_out = mem_strdup(ctx, real);
	return 0;
}

/* Whose auth's socket is may know of all users; others have their own scripts.
 */
static int check_peer(const void *ctx, const char *socket, const char **user,
		      struct err *err)
{
	const struct auth_request_info info = {.service = "sieve"};
	const char *auth =
		mem_printf(ctx, "%.*s/auth-userdb",
			   (int)(strrchr(socket, '/') - socket), socket);
	struct account *account;
	bool restricted;
	struct stat st;
	uid_t uid;

	if (peer_rights(STDIN_FILENO, socket, &uid, &restricted, err) < 0)
		return -1;
	if (!restricted || (stat(auth, &st) == 0 && st.st_uid == uid))
		return 0;
	if (auth_user_lookup(ctx, auth, *user, &info, &account, err) < 0)
		return err_wrap(err, "userdb lookup of %s", *user);
	/* Names that are the same to the userdb may be others to LDAP. */
	*user = account->name;
	if (account->uid == uid)
		return 0;
	return err_set(err, ERR_DENIED,
		       "UID %lu has no right to the script of %s: %s (to "
		       "bypass this check, set: service sieve-ldap { "
		       "unix_listener sieve-ldap { mode=0777 } })",
		       (unsigned long)uid, *user,
		       account->uid == (uid_t)-1 ? "userdb tells no uid"
						 : "userdb has another uid");
}

/* Nobody but a client of the service: who runs the program has its rights. */
static int check_client(const void *ctx, const char **user, struct err *err)
{
	char socket[PATH_MAX];
	struct ip ip;

	if (sock_name(STDIN_FILENO, &ip, socket, sizeof(socket)) < 0 ||
	    strchr(socket, '/') == NULL)
		return 0;
	return check_peer(ctx, socket, user, err);
}

static int search(const void *ctx, const char *config, const char *user,
		  struct found *out, struct err *err)
{
	static const struct auth_settings settings = {.auth_verbose = true};
	struct request *request = request_new(ctx, &settings);
	struct ldap_source *source;
	const char *attrs;

	if (check_client(ctx, &user, err) < 0)
		return -1;
	request->user = user;
	request->service = "sieve";
	if (check_owner(ctx, config, &config, err) < 0 ||
	    ldap_module.open(config, &source, err) < 0)
		return -1;
	source->operational = true;
	attrs = mem_printf(ctx, "%s=text,%s=version",
			   source->set.sieve_ldap_script_attr,
			   source->set.sieve_ldap_mod_attr);
	return ldap_module.search(source, request,
				  source->set.sieve_ldap_filter, attrs,
				  take_entry, out, err);
}

int main(int argc, char **argv)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sieve-ldap");
	struct found found = {.ctx = ctx};
	bool read = argc == 4 && strcmp(argv[1], "read") == 0;
	struct err err;

	if (argc != 4 || (!read && strcmp(argv[1], "find") != 0)) {
		fprintf(stderr, "usage: sieve-ldap find|read CONFIG USER\n");
		return 64;
	}
	if (search(ctx, argv[2], argv[3], &found, &err) < 0) {
		fprintf(stderr, "sieve-ldap: %s\n", err.text);
		return 1;
	}
	if (found.text != NULL)
		printf("%s\n%s", found.version, read ? found.text : "");
	return fflush(stdout) == 0 ? 0 : 1;
}
