/* SPDX-License-Identifier: MIT */
/*
 * submission/settings.h - submission_* settings.
 */
#ifndef SUBMISSION_SETTINGS_H
#define SUBMISSION_SETTINGS_H
#include "config/setting.h"

struct submission_settings {
	const char *hostname;
	const char *submission_backend_capabilities;
	const char *submission_client_workarounds;
	const char *submission_logout_format;
	uint64_t submission_max_mail_size;
	unsigned submission_max_recipients;
	struct duration submission_relay_command_timeout;
	struct duration submission_relay_connect_timeout;
	const char *submission_relay_host;
	const char *submission_relay_master_user;
	struct duration submission_relay_max_idle_time;
	const char *submission_relay_password;
	unsigned submission_relay_port;
	const char *submission_relay_rawlog_dir;
	const char *submission_relay_ssl;
	bool submission_relay_ssl_verify, submission_relay_trusted;
	const char *submission_relay_user;
};
extern const struct setting submission_settings[];

#endif
