/* SPDX-License-Identifier: MIT */
/*
 * master/basedir.c - the directory of sockets, the pid file, and the link to
 * the configuration that doveadm follows.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/master.h"
#include "master/protocol.h"
#include "service/privs_internal.h"

enum { PID_TEXT_MAX = 32 };

static char *below(const void *ctx, const struct master *master,
		   const char *name)
{
	return mem_printf(ctx, "%s/%s", master->base.base_dir, name);
}

static int make(const char *path, mode_t mode, uid_t uid, gid_t gid,
		struct err *err)
{
	struct stat st;

	if (dir_create(path, mode, err) < 0)
		return -1;
	if (stat(path, &st) < 0)
		return err_sys(err, "stat(%s)", path);
	if ((st.st_mode & 07777) != mode && chmod(path, mode) < 0)
		return err_sys(err, "chmod(%s)", path);
	if (geteuid() == 0 && (st.st_uid != uid || st.st_gid != gid) &&
	    chown(path, uid, gid) < 0)
		return err_sys(err, "chown(%s)", path);
	return 0;
}

/* What the administrator made is left as it is. */
static int make_new(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return 0;
	if (dir_create(path, 0755, err) < 0)
		return -1;
	return chmod(path, 0755) < 0 ? err_sys(err, "chmod(%s)", path) : 0;
}

int basedir_prepare(struct master *master, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "basedir");
	gid_t gid = getegid();
	uid_t uid;

	if (strlen(master->base.base_dir) == 0 ||
	    master->base.base_dir[0] != '/')
		return err_set(err, ERR_INVALID,
			       "base_dir must be an absolute path");
	/* Login processes may reach what is in theirs, others may not. */
	if (geteuid() == 0 &&
	    privs_user(master->base.default_login_user, &uid, &gid, err) < 0)
		return err_wrap(err, "default_login_user");
	if (make_new(master->base.base_dir, err) < 0 ||
	    make_new(master->base.state_dir, err) < 0)
		return -1;
	if (make(below(ctx, master, "login"), 0750, 0, gid, err) < 0 ||
	    make(below(ctx, master, "token-login"), 0750, 0, gid, err) < 0)
		return -1;
	return make(below(ctx, master, "empty"), 0755, 0, 0, err);
}

pid_t basedir_running(const char *base_dir)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "pid");
	CLEANUP(buf_free) struct buf text = buf_init(PID_TEXT_MAX);
	char *path = mem_printf(ctx, "%s/%s", base_dir, MASTER_PID_FILE);
	struct err err;
	uint32_t pid;

	if (file_read(path, &text, &err) < 0 ||
	    !str_to_u32(str_trim(str_n(text.data, text.len)), &pid) ||
	    pid <= 1 || pid > INT32_MAX || (pid_t)pid == getpid())
		return 0;
	if (kill((pid_t)pid, 0) < 0 && errno != EPERM)
		return 0;
	return (pid_t)pid;
}

static void link_config(struct master *master)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "link");
	char *path = below(ctx, master, "dovecot.conf");
	char *temp = mem_printf(ctx, "%s.new", path);

	unlink(temp);
	if (symlink(config_path(master->config), temp) < 0 ||
	    rename(temp, path) < 0)
		log_error("symlink(%s): %s", path, strerror(errno));
}

int basedir_claim(struct master *master, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "pid");
	char text[PID_TEXT_MAX];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (file_replace(below(ctx, master, MASTER_PID_FILE), text, (size_t)len,
			 0600, err) < 0)
		return -1;
	link_config(master);
	return 0;
}

void basedir_release(struct master *master)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "pid");

	unlink(below(ctx, master, MASTER_PID_FILE));
}
