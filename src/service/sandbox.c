/* SPDX-License-Identifier: MIT */
/*
 * service/sandbox.c - which system calls a process may still make.
 *
 * A filter is compiled once, before workers are forked, and costs a worker one
 * call. What libraries may try without need (reading a file in a chroot) fails
 * with an error; what is on no list ends the process with SIGSYS, which the
 * kernel's audit log and our log tell.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/env.h"
#include "service/privs_internal.h"

static const char *const talk[] = {
	/* descriptors */
	"read", "write", "readv", "writev", "recvmsg", "sendmsg", "recvfrom",
	"sendto", "recvmmsg", "sendmmsg", "close", "close_range", "dup", "dup2",
	"dup3", "fcntl", "fcntl64", "ioctl", "lseek", "_llseek", "fstat",
	"fstat64", "newfstatat", "fstatat64", "pipe", "pipe2", "eventfd2",
	"shutdown", "accept", "accept4", "getsockname", "getpeername",
	"getsockopt", "setsockopt", "socketpair", "splice", "tee", "pread64",
	/* waiting */
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait",
	"epoll_pwait", "epoll_pwait2", "poll", "ppoll", "ppoll_time64",
	"select", "_newselect", "pselect6", "nanosleep", "clock_nanosleep",
	"timerfd_create", "timerfd_settime", "restart_syscall",
	/* time and chance */
	"clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday",
	"time", "times", "getrandom", "setitimer", "alarm",
	/* memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise",
	"futex", "futex_time64", "membarrier", "set_robust_list",
	"get_robust_list", "rseq",
	/* signals and itself */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending",
	"rt_sigtimedwait", "rt_sigsuspend", "sigaltstack", "sigreturn",
	"getpid", "getppid", "gettid", "tgkill", "getuid", "geteuid", "getgid",
	"getegid", "getresuid", "getresgid", "getgroups", "getpgrp", "getpgid",
	"getsid", "getrusage", "getrlimit", "ugetrlimit", "prlimit64",
	"sched_yield", "sched_getaffinity", "sysinfo", "uname", "arch_prctl",
	"prctl", "umask", "exit", "exit_group", "getcpu",
	/* to whom a descriptor of it was given */
	"pidfd_send_signal", NULL};

static const char *const files[] = {"open",
				    "openat",
				    "openat2",
				    "creat",
				    "stat",
				    "stat64",
				    "lstat",
				    "lstat64",
				    "statx",
				    "access",
				    "faccessat",
				    "faccessat2",
				    "readlink",
				    "readlinkat",
				    "rename",
				    "renameat",
				    "renameat2",
				    "link",
				    "linkat",
				    "unlink",
				    "unlinkat",
				    "mkdir",
				    "mkdirat",
				    "rmdir",
				    "symlink",
				    "symlinkat",
				    "chmod",
				    "fchmod",
				    "fchmodat",
				    "chown",
				    "fchown",
				    "fchownat",
				    "lchown",
				    "truncate",
				    "truncate64",
				    "ftruncate",
				    "ftruncate64",
				    "fsync",
				    "fdatasync",
				    "sync_file_range",
				    "syncfs",
				    "fallocate",
				    "flock",
				    "getdents",
				    "getdents64",
				    "getcwd",
				    "chdir",
				    "fchdir",
				    "utime",
				    "utimes",
				    "utimensat",
				    "futimesat",
				    "statfs",
				    "statfs64",
				    "fstatfs",
				    "fstatfs64",
				    "copy_file_range",
				    "sendfile",
				    "sendfile64",
				    "pwrite64",
				    "preadv",
				    "pwritev",
				    "preadv2",
				    "pwritev2",
				    "msync",
				    "mlock",
				    "munlock",
				    "mincore",
				    "readahead",
				    "fadvise64",
				    "inotify_init",
				    "inotify_init1",
				    "inotify_add_watch",
				    "inotify_rm_watch",
				    "memfd_create",
				    "getxattr",
				    "fgetxattr",
				    NULL};

static const char *const exec[] = {
	"execve", "execveat", "fork",    "vfork",     "clone",
	"clone3", "wait4",    "waitpid", "waitid",    "kill",
	"setsid", "setpgid",  "chroot",  "setrlimit", "set_tid_address",
	NULL};

static const char *const set_ids[] = {
	"setuid",    "setgid",      "setreuid",    "setregid",    "setresuid",
	"setresgid", "setgroups",   "setfsuid",    "setfsgid",    "setuid32",
	"setgid32",  "setresuid32", "setresgid32", "setgroups32", "capget",
	"capset",    "chroot",      NULL};

/* Tried by libraries that do well without. */
static const char *const harmless[] = {"open",
				       "openat",
				       "access",
				       "faccessat",
				       "faccessat2",
				       "stat",
				       "lstat",
				       "statx",
				       "readlink",
				       "readlinkat",
				       "getcwd",
				       "socket",
				       "connect",
				       "get_mempolicy",
				       "sched_getparam",
				       "sched_getscheduler",
				       "ioprio_get",
				       "personality",
				       "sched_setaffinity",
				       "unlink",
				       "mkdir",
				       "statfs",
				       NULL};

static struct {
	struct sock_fprog program;
	unsigned flags;
	bool ready;
} prepared;

/* Names that this machine's kernel does not have are left out. */
static int add_all(scmp_filter_ctx filter, uint32_t action,
		   const char *const *names)
{
	for (; *names != NULL; names++) {
		int call = seccomp_syscall_resolve_name(*names);
		int ret;

		if (call == __NR_SCMP_ERROR || call < 0)
			continue;
		ret = seccomp_rule_add(filter, action, call, 0);
		/* EEXIST: it was allowed before. */
		if (ret < 0 && ret != -EEXIST && ret != -EACCES)
			return ret;
	}
	return 0;
}

/* setegid(). The kernel lets a user who is not root take none but the real and
 * the saved group, which is mail_privileged_group. */
static int add_group(scmp_filter_ctx filter)
{
	static const char *const names[] = {"setresgid", "setresgid32"};
	const scmp_datum_t none = UINT32_MAX;
	int ret = 0;

	for (size_t i = 0; i < 2 && ret == 0; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);

		if (call >= 0)
			ret = seccomp_rule_add(
				filter, SCMP_ACT_ALLOW, call, 2,
				SCMP_A0(SCMP_CMP_MASKED_EQ, none, none),
				SCMP_A2(SCMP_CMP_MASKED_EQ, none, none));
	}
	return ret;
}

static int add_family(scmp_filter_ctx filter, unsigned family)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				SCMP_A0(SCMP_CMP_EQ, family));
}

static int add_sockets(scmp_filter_ctx filter, unsigned flags)
{
	static const char *const calls[] = {"connect", "bind", NULL};
	int ret = 0;

	if ((flags & (SANDBOX_UNIX | SANDBOX_INET)) == 0)
		return 0;
	if ((flags & SANDBOX_UNIX) != 0)
		ret = add_family(filter, AF_UNIX);
	if (ret == 0 && (flags & SANDBOX_INET) != 0) {
		ret = add_family(filter, AF_INET);
		if (ret == 0)
			ret = add_family(filter, AF_INET6);
		if (ret == 0)
			ret = add_family(filter, AF_NETLINK);
	}
	return ret < 0 ? ret : add_all(filter, SCMP_ACT_ALLOW, calls);
}

/* Refuse with an error what no rule above speaks of. */
static int add_harmless(scmp_filter_ctx filter, unsigned flags)
{
	for (const char *const *name = harmless; *name != NULL; name++) {
		const char *const one[] = {*name, NULL};
		bool net = (*name)[0] == 's' && (*name)[1] == 'o';

		if ((flags & SANDBOX_FILES) != 0 && !net)
			continue;
		if (net && (flags & (SANDBOX_UNIX | SANDBOX_INET)) != 0)
			continue;
		if (add_all(filter, SCMP_ACT_ERRNO(EACCES), one) < 0)
			return -1;
	}
	return 0;
}

static int add_rules(scmp_filter_ctx filter, unsigned flags)
{
	int ret = add_all(filter, SCMP_ACT_ALLOW, talk);

	if (ret == 0 && (flags & SANDBOX_FILES) != 0)
		ret = add_all(filter, SCMP_ACT_ALLOW, files);
	if (ret == 0 && (flags & SANDBOX_EXEC) != 0)
		ret = add_all(filter, SCMP_ACT_ALLOW, exec);
	if (ret == 0 && (flags & SANDBOX_IDS) != 0)
		ret = add_all(filter, SCMP_ACT_ALLOW, set_ids);
	if (ret == 0 && (flags & SANDBOX_GROUP) != 0)
		ret = add_group(filter);
	if (ret == 0)
		ret = add_sockets(filter, flags);
	if (ret == 0)
		ret = add_harmless(filter, flags);
	return ret;
}

static int export(scmp_filter_ctx filter, struct err *err)
{
	CLEANUP(fd_close) int fd = memfd_create("sandbox", MFD_CLOEXEC);
	off_t size;
	void *code;

	if (fd < 0)
		return err_sys(err, "memfd_create()");
	if (seccomp_export_bpf(filter, fd) < 0)
		return err_set(err, ERR_TEMPORARY, "seccomp_export_bpf()");
	size = lseek(fd, 0, SEEK_END);
	code = mem_zero(NULL, 1, (size_t)size, "sandbox");
	if (pread(fd, code, (size_t)size, 0) != size)
		return err_sys(err, "read(sandbox)");
	mem_free(prepared.program.filter);
	prepared.program.filter = code;
	prepared.program.len =
		(unsigned short)((size_t)size / sizeof(struct sock_filter));
	return 0;
}

int sandbox_prepare(unsigned flags, struct err *err)
{
	scmp_filter_ctx filter;
	int ret;

#ifdef SANITIZERS
	log_debug("Sandbox: off in a build with sanitizers");
	(void)filter;
	(void)ret;
	(void)err;
	(void)flags;
	(void)add_rules;
	(void)export;
	return 0;
#else
	if ((flags & SANDBOX_NONE) != 0 ||
	    (prepared.ready && prepared.flags == flags))
		return 0;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (filter == NULL)
		return err_set(err, ERR_TEMPORARY, "seccomp_init() failed");
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	ret = add_rules(filter, flags);
	if (ret < 0)
		err_set(err, ERR_TEMPORARY, "seccomp_rule_add() failed: %d",
			ret);
	else
		ret = export(filter, err);
	seccomp_release(filter);
	if (ret < 0)
		return -1;
	prepared.flags = flags;
	prepared.ready = true;
	/* libseccomp took 200 kB, which no worker is to inherit. */
	mem_trim();
	return 0;
#endif
}

unsigned sandbox_flags(const struct service_env *env)
{
	unsigned flags = env->service->sandbox | env->sandbox;

	if ((flags & SANDBOX_FILES) != 0 && privs_has_group(env->config))
		flags |= SANDBOX_GROUP;
	return flags;
}

int sandbox_enter(unsigned flags, struct err *err)
{
	if ((flags & SANDBOX_NONE) != 0)
		return 0;
	if (sandbox_prepare(flags, err) < 0)
		return -1;
	if (!prepared.ready)
		return 0;
	privs_no_new();
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_LOG, &prepared.program) < 0) {
		/* A kernel without it; a container that has its own. */
		if (errno == ENOSYS || errno == EINVAL) {
			log_warning("This kernel has no seccomp filters: "
				    "running without a sandbox");
			return 0;
		}
		return err_sys(err, "seccomp()");
	}
	return 0;
}
