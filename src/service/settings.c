/* SPDX-License-Identifier: MIT */
#include "service/settings.h"

#include "base/log.h"

#define SETTINGS_STRUCT struct base_settings
const struct setting base_settings[] = {
	S(base_dir, PKG_RUNDIR, "Where the sockets and the pid file are."),
	S(state_dir, PKG_STATEDIR, "Where what outlives a restart is kept."),
	S(libexec_dir, PKG_LIBEXECDIR, "Where the services' programs are."),
	S(instance_name, "dovecot",
	  "Name of this instance, for the process list and doveadm -i."),
	S(import_environment,
	  "TZ CORE_OUTOFMEM CORE_ERROR LISTEN_PID LISTEN_FDS NOTIFY_SOCKET",
	  "Environment variables that processes keep; NAME=value sets one."),
	S(protocols, "",
	  "Protocols to serve: imap, lmtp, ...; \"none\" for none."),
	S(listen, "*, ::",
	  "Addresses that services listen on: * is all of IPv4, :: of IPv6."),
	S(default_internal_user, "dovecot",
	  "The user of processes that need no rights."),
	S(default_internal_group, "dovecot",
	  "The group whose members may use internal sockets."),
	S(default_login_user, "dovenull",
	  "The user of login processes; it should own nothing."),
	S(default_client_limit, "1000",
	  "How many connections one process of a service takes."),
	S(default_process_limit, "100",
	  "How many processes of a service there may be."),
	S(default_idle_kill, "1 mins",
	  "How long a process waits for work before it ends."),
	S(default_vsz_limit, "256 M",
	  "Memory that a process may allocate; what it maps does not count."),
	S(shutdown_clients, "yes",
	  "End the clients' sessions when the server stops. With \"no\" they "
	  "go on until they end by themselves."),
	S(verbose_proctitle, "no",
	  "Show the user and what he does in the process list."),
	S(auth_socket_path, "auth-userdb",
	  "The socket on which users are looked up."),
	S(first_valid_uid, "500", "The lowest uid that may be a mail user's."),
	S(last_valid_uid, "0", "The highest such uid; 0 is no limit."),
	S(first_valid_gid, "1", "The lowest gid that may be a mail user's."),
	S(last_valid_gid, "0", "The highest such gid; 0 is no limit."),
	S(mail_uid, "", "The uid (or name) for users without one."),
	S(mail_gid, "", "The gid (or name) for users without one."),
	S(mail_access_groups, "",
	  "Groups that processes of mail users belong to besides their own."),
	S(mail_privileged_group, "",
	  "A group taken only for as long as it is needed: to make dotlocks in "
	  "/var/mail."),
	S(valid_chroot_dirs, "",
	  "Directories, divided by ':', below which users may be chrooted."),
	S(mail_chroot, "", "Where to chroot users for whom userdb says none."),
	S(mail_max_userip_connections, "10",
	  "How many sessions a user may have from one address, per protocol; "
	  "0 is no limit."),
	S(haproxy_timeout, "3 secs",
	  "How long to wait for the PROXY protocol's header."),
	S_NETWORKS(haproxy_trusted_networks, "",
		   "Networks of proxies whose PROXY headers are believed."),
	SETTINGS_END,
};
SETTINGS_REGISTER(base_settings, "");
#undef SETTINGS_STRUCT

#define SETTINGS_STRUCT struct log_settings
const struct setting log_settings[] = {
	S(log_path, "syslog",
	  "Where warnings and errors go: a file, \"syslog\" or /dev/stderr."),
	S(info_log_path, "", "Where informational lines go; empty: log_path."),
	S(debug_log_path, "", "Where debug lines go; empty: info_log_path."),
	S(log_timestamp, "%b %d %H:%M:%S ",
	  "What stands in front of a line in a file, for strftime(3)."),
	S_ENUM(syslog_facility, "mail",
	       "mail:auth:authpriv:cron:daemon:ftp:kern:lpr:news:syslog:user:"
	       "uucp:local0:local1:local2:local3:local4:local5:local6:local7",
	       "The facility for syslog."),
	SETTINGS_END,
};
SETTINGS_REGISTER(log_settings, "");
#undef SETTINGS_STRUCT

#define SETTINGS_STRUCT struct service_settings
const struct setting service_settings[] = {
	S(executable, "", "The program, below libexec_dir."),
	S(user, "", "Whom the process runs as; empty: root."),
	S(group, "", "Its group; empty: the user's."),
	S(privileged_group, "", "A group that it may take when needed."),
	S(extra_groups, "", "Groups besides its own."),
	S(chroot, "", "The directory, below base_dir, that it can't leave."),
	S(protocol, "",
	  "The protocol it belongs to; it runs if `protocols` names that."),
	S(type, "", "Its part in the server: login, log, anvil."),
	S(client_limit, "0",
	  "Connections per process; 0: default_client_limit."),
	S(process_limit, "0", "Processes; 0: default_process_limit."),
	S(process_min_avail, "0",
	  "Processes that are kept ready for the next connection."),
	S(service_count, "0",
	  "Connections after which a process ends; 0: any number."),
	S(idle_kill, "0",
	  "How long a process waits for work; 0: default_idle_kill."),
	S(vsz_limit, "18446744073709551615 B",
	  "Memory that a process may allocate; 0 is no limit, the largest "
	  "number is "
	  "default_vsz_limit."),
	S(drop_priv_before_exec, "no",
	  "Become the user before the program is started, which allows core "
	  "dumps."),
	SETTINGS_END,
};
SETTINGS_REGISTER(service_settings, "service");
#undef SETTINGS_STRUCT

#define SETTINGS_STRUCT struct unix_listener_settings
const struct setting unix_listener_settings[] = {
	S(path, "",
	  "The socket, relative to base_dir; empty: the block's name."),
	S(user, "", "Its owner; empty: root."),
	S(group, "", "Its group; empty: root's."),
	S(mode, "0600", "Its permissions; 0 turns it off."),
	SETTINGS_END,
};
SETTINGS_REGISTER(unix_listener_settings, "unix_listener");
#undef SETTINGS_STRUCT

#define SETTINGS_STRUCT struct inet_listener_settings
const struct setting inet_listener_settings[] = {
	S(address, "", "Addresses; empty: those of `listen`."),
	S(port, "0", "The port; 0 turns it off."),
	S(ssl, "no", "TLS from the first octet on."),
	S(reuse_port, "no", "Share the port with other listeners."),
	S(haproxy, "no",
	  "The connection begins with the PROXY protocol's header."),
	SETTINGS_END,
};
SETTINGS_REGISTER(inet_listener_settings, "inet_listener");
#undef SETTINGS_STRUCT
