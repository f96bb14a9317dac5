/* SPDX-License-Identifier: MIT */
/*
 * config/foreign_services.c - the default services of Dovecot 2.3 that have no
 * program here yet: what an administrator sets for them is known by name.
 */
#include "config/setting.h"

#define SERVICE(name, executable, settings)                                    \
	"service " name " {\nexecutable = " executable "\n" settings "}\n"
#define FIFO(name, mode) "fifo_listener " name " {\nmode = " mode "\n}\n"
#define INTERNAL_USER "user = $default_internal_user\n"
#define INTERNAL_GROUPS "extra_groups = $default_internal_group\n"
#define FOR_EVER "idle_kill = 4294967295 secs\n"
#define ONE_PROCESS "process_limit = 1\n"
#define ONE_CLIENT "client_limit = 1\n"
#define ONE_SESSION ONE_CLIENT "service_count = 1\n"
#define PER_SESSION ONE_SESSION "process_limit = 1024\n"

/* clang-format off */
CONFIG_FOREIGN(foreign_services,
	SERVICE("aggregator", "aggregator",
		"chroot = .\n" INTERNAL_USER
		FIFO("replication-notify-fifo", "0600")
		PRESET_UNIX("replication-notify", "0600"))
	SERVICE("config", "config",
		FOR_EVER "type = config\n" PRESET_UNIX("config", "0600"))
	SERVICE("dict-async", "dict",
		INTERNAL_USER PRESET_UNIX_GROUP("dict-async"))
	SERVICE("dict", "dict",
		ONE_CLIENT INTERNAL_USER PRESET_UNIX_GROUP("dict"))
	SERVICE("director", "director",
		"chroot = .\n" FOR_EVER ONE_PROCESS INTERNAL_USER
		FIFO("login/proxy-notify", "00")
		PRESET_UNIX("director-admin", "0600")
		PRESET_UNIX("login/director", "00"))
	SERVICE("dns-client", "dns-client",
		ONE_CLIENT INTERNAL_USER
		PRESET_UNIX("dns-client", "0666")
		PRESET_UNIX("login/dns-client", "0666"))
	SERVICE("health-check", "script -p health-check.sh",
		ONE_CLIENT "drop_priv_before_exec = yes\n" INTERNAL_USER)
	SERVICE("imap-hibernate", "imap-hibernate",
		"protocol = imap\n" INTERNAL_USER
		PRESET_UNIX_GROUP("imap-hibernate"))
	SERVICE("imap-urlauth-login", "imap-urlauth-login",
		"chroot = token-login\nprotocol = imap\nservice_count = 1\n"
		"type = login\nuser = $default_login_user\n"
		PRESET_UNIX("imap-urlauth", "0666"))
	SERVICE("imap-urlauth-worker", "imap-urlauth-worker",
		PER_SESSION "protocol = imap\n" INTERNAL_GROUPS
		PRESET_UNIX_INTERNAL("imap-urlauth-worker", "0600"))
	SERVICE("imap-urlauth", "imap-urlauth",
		PER_SESSION "protocol = imap\n" INTERNAL_USER
		PRESET_UNIX("token-login/imap-urlauth", "0666"))
	SERVICE("indexer-worker", "indexer-worker",
		ONE_CLIENT "process_limit = 10\ntype = worker\n" INTERNAL_GROUPS
		PRESET_UNIX_INTERNAL("indexer-worker", "0600"))
	SERVICE("indexer", "indexer",
		ONE_PROCESS INTERNAL_USER PRESET_UNIX("indexer", "0666"))
	SERVICE("ipc", "ipc",
		"chroot = empty\n" ONE_PROCESS INTERNAL_USER
		PRESET_UNIX_INTERNAL("ipc", "0600")
		PRESET_UNIX_LOGIN("login/ipc-proxy"))
	SERVICE("old-stats", "old-stats",
		"chroot = empty\n" FOR_EVER ONE_PROCESS INTERNAL_USER
		FIFO("old-stats-mail", "0600") FIFO("old-stats-user", "0600")
		PRESET_UNIX("old-stats", "0600"))
	SERVICE("replicator", "replicator",
		FOR_EVER ONE_PROCESS
		PRESET_UNIX_INTERNAL("replicator-doveadm", "00")
		PRESET_UNIX_INTERNAL("replicator", "0600"))
	SERVICE("stats", "stats",
		FOR_EVER ONE_PROCESS INTERNAL_USER
		PRESET_UNIX_LOGIN("login/stats-writer")
		PRESET_UNIX("stats-reader", "0600")
		PRESET_UNIX_GROUP("stats-writer"))
	SERVICE("tcpwrap", "tcpwrap", ONE_CLIENT INTERNAL_USER)
	SERVICE("doveadm", "doveadm-server",
		ONE_SESSION INTERNAL_GROUPS
		PRESET_UNIX("doveadm-server", "0600")));
