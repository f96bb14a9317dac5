/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "net/loop.h"
#include "service/env.h"
#include "service/privs_internal.h"
#include "service/wire.h"

enum {
	WARN_EVERY_MS = 60 * 1000,
	BACKOFF_FIRST_MS = 100,
	BACKOFF_DIED_MS = 1000,
	BACKOFF_MAX_MS = 60 * 1000,
	GROUPS_MAX = 64,
};

/* A signal must not find the child with the parent's handlers: they write to
 * the parent's loop. */
pid_t process_fork(struct service_env *env)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0) {
		env->worker = true;
		loop_reinit(env->loop);
		channel_close(&env->up);
		timer_free(&env->idle);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		log_error("fork() failed: %s", strerror(errno));
	return pid;
}

bool process_log_status(const char *prefix, const char *name, pid_t pid,
			int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	log_prefix_set(prefix);
	if (WIFEXITED(status)) {
		log_error("master: service(%s): child %d returned error %d%s",
			  name, (int)pid, WEXITSTATUS(status),
			  WEXITSTATUS(status) == 83   ? " (Out of memory)"
			  : WEXITSTATUS(status) == 84 ? " (Invalid "
							"configuration)"
			  : WEXITSTATUS(status) == 89 ? " (Fatal failure)"
						      : "");
	} else {
		log_line(LOG_LEVEL_FATAL,
			 "master: service(%s): child %d killed with signal "
			 "%d%s",
			 name, (int)pid, WTERMSIG(status),
			 WCOREDUMP(status) ? " (core dumped)" : "");
	}
	log_prefix_set(NULL);
	return true;
}

void process_reap(struct service_env *env,
		  void (*fn)(void *ctx, pid_t pid, bool failed), void *ctx)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		fn(ctx, pid,
		   process_log_status(env->name, env->name, pid, status));
}

/* rights */

static int extra_groups(const struct service_settings *set, gid_t *list,
			int *count, struct err *err)
{
	const char *const names[] = {set->extra_groups, set->privileged_group};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "groups");

	for (size_t i = 0; i < 2; i++) {
		const char *at = names[i];

		while (*at != '\0') {
			struct str name;

			at += strspn(at, ", \t");
			name = str_n(at, strcspn(at, ", \t"));
			at += name.len;
			if (name.len == 0 || *count == GROUPS_MAX)
				continue;
			if (privs_group(str_dup(ctx, name), &list[*count],
					err) < 0)
				return -1;
			(*count)++;
		}
	}
	return 0;
}

static int enter_chroot(struct service_env *env, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "chroot");
	const char *dir = env->set.chroot;

	if (dir[0] == '\0')
		return 0;
	if (dir[0] != '/')
		dir = mem_printf(ctx, "%s/%s", env->base.base_dir, dir);
	/* Inside, localtime() would find no /etc. */
	tzset();
	if (chroot(dir) < 0 || chdir("/") < 0)
		return err_sys(err, "chroot(%s)", dir);
	env->chrooted = true;
	return 0;
}

/* As whom the service runs: its user, group and groups. */
static int service_ids(struct service_env *env, uid_t *uid, gid_t *gid,
		       gid_t *groups, int *count, struct err *err)
{
	const struct service_settings *set = &env->set;

	*uid = 0;
	*gid = getegid();
	if (set->user[0] != '\0' && privs_user(set->user, uid, gid, err) < 0)
		return err_wrap(err, "service(%s)", env->name);
	if (set->group[0] != '\0' && privs_group(set->group, gid, err) < 0)
		return err_wrap(err, "service(%s)", env->name);
	*count = 1;
	groups[0] = *gid;
	if (extra_groups(set, groups, count, err) < 0)
		return err_wrap(err, "service(%s)", env->name);
	return 0;
}

int process_privileges(struct service_env *env, struct err *err)
{
	gid_t groups[GROUPS_MAX + 1], gid;
	uid_t uid;
	int count = 0;

	if (geteuid() != 0) {
		log_debug("service(%s): not root: user, group and chroot are "
			  "left as they are",
			  env->name);
		return 0;
	}
	if (service_ids(env, &uid, &gid, groups, &count, err) < 0 ||
	    enter_chroot(env, err) < 0)
		return -1;
	if (uid == 0) {
		if (count > 1 && setgroups((size_t)count, groups) < 0)
			return err_sys(err, "setgroups()");
		return 0;
	}
	if (privs_set_ids(uid, gid, groups, count, gid, err) < 0)
		return -1;
	privs_no_new();
	return 0;
}

void process_limit_memory(struct service_env *env)
{
	uint64_t size = env->set.vsz_limit;
	struct rlimit limit;

#ifdef SANITIZERS
	/* ASan's shadow needs terabytes of addresses. */
	return;
#endif
	if (size == UINT64_MAX)
		size = env->base.default_vsz_limit;
	if (size == 0)
		return;
	limit.rlim_cur = size;
	limit.rlim_max = size;
	/* Not RLIMIT_AS: an index is mapped, and may be larger than all that
	 * a process should ever allocate. */
	if (setrlimit(RLIMIT_DATA, &limit) < 0)
		log_warning("setrlimit(RLIMIT_DATA, %llu): %s",
			    (unsigned long long)size, strerror(errno));
}

/* the end */

static void end_now(void *ctx)
{
	struct service_env *env = ctx;

	/* A pending session is less than a server that does not stop. */
	log_debug("service(%s): %u clients are left behind", env->name,
		  env->clients);
	_exit(0);
}

void process_end_soon(struct service_env *env)
{
	if (env->end == NULL)
		env->end = timer_new(env->loop, (struct duration){STOP_WAIT_MS},
				     end_now, env);
}

/* limits */

void process_warn_limit(struct service_env *env, const char *what,
			unsigned limit)
{
	uint64_t now = clock_monotonic_ms();

	if (env->warned_ms != 0 && now - env->warned_ms < WARN_EVERY_MS)
		return;
	env->warned_ms = now;
	log_prefix_set("master");
	log_warning("service(%s): %s (%u) reached, client connections are "
		    "being dropped",
		    env->name, what, limit);
	log_prefix_set(NULL);
	if (!env->worker)
		channel_send_type(&env->up, WIRE_DROP);
}

static void wait_longer(struct backoff *backoff, uint64_t most)
{
	uint64_t now = clock_monotonic_ms();

	/* Who has lived for long starts over. */
	if (backoff->wait_ms == 0 || now - backoff->last_ms > BACKOFF_MAX_MS)
		backoff->wait_ms = BACKOFF_FIRST_MS;
	else
		backoff->wait_ms *= 2;
	if (backoff->wait_ms > most)
		backoff->wait_ms = most;
	backoff->last_ms = now;
	backoff->until_ms = now + backoff->wait_ms;
}

void backoff_failed(struct backoff *backoff)
{
	wait_longer(backoff, BACKOFF_MAX_MS);
}

void backoff_died(struct backoff *backoff)
{
	wait_longer(backoff, BACKOFF_DIED_MS);
}

uint64_t backoff_left_ms(const struct backoff *backoff)
{
	uint64_t now = clock_monotonic_ms();

	return backoff->until_ms > now ? backoff->until_ms - now : 0;
}

void process_row(struct buf *out, pid_t pid, unsigned clients, unsigned limit,
		 unsigned total, uint64_t idle_since)
{
	pack_u32(out, (uint32_t)pid);
	pack_u32(out, clients);
	pack_u32(out, limit);
	pack_u32(out, total);
	pack_u64(out, idle_since);
}
