/* SPDX-License-Identifier: MIT */
/*
 * service/settings.h - settings that every process or the master needs.
 */
#ifndef SERVICE_SETTINGS_H
#define SERVICE_SETTINGS_H
#include <stdbool.h>

#include "config/setting.h"

/* Top level: processes and their surroundings. */
struct base_settings {
	const char *base_dir, *state_dir, *libexec_dir, *instance_name;
	const char *import_environment, *protocols, *listen;
	const char *default_internal_user, *default_internal_group;
	const char *default_login_user;
	unsigned default_client_limit, default_process_limit;
	struct duration default_idle_kill;
	uint64_t default_vsz_limit;
	bool shutdown_clients, verbose_proctitle;
	const char *auth_socket_path; /* auth-userdb */
	unsigned first_valid_uid, last_valid_uid;
	unsigned first_valid_gid, last_valid_gid;
	const char *mail_uid, *mail_gid, *mail_access_groups;
	const char *mail_privileged_group, *valid_chroot_dirs, *mail_chroot;
	unsigned mail_max_userip_connections;
	struct duration haproxy_timeout;
	const char *haproxy_trusted_networks;
};
extern const struct setting base_settings[];

extern const struct setting log_settings[]; /* of base/log.h */

/* service NAME { }. */
struct service_settings {
	const char *executable, *user, *group, *privileged_group;
	const char *extra_groups, *chroot, *protocol, *type;
	unsigned client_limit, process_limit, process_min_avail;
	unsigned service_count; /* sessions before the process ends; 0: any */
	struct duration idle_kill;
	uint64_t vsz_limit;
	bool drop_priv_before_exec;
};
extern const struct setting service_settings[];

struct unix_listener_settings {
	const char *path, *user, *group;
	struct setting_mode mode;
};
extern const struct setting unix_listener_settings[];

struct inet_listener_settings {
	const char *address;
	unsigned port;
	bool ssl, reuse_port, haproxy;
};
extern const struct setting inet_listener_settings[];

#endif
