/* SPDX-License-Identifier: MIT */
/*
 * login/settings.h - settings of the login processes.
 */
#ifndef LOGIN_SETTINGS_H
#define LOGIN_SETTINGS_H
#include <stdbool.h>

#include "config/setting.h"
#include "net/tls.h"

struct login_settings {
	const char *login_greeting, *login_trusted_networks;
	const char *login_log_format, *login_log_format_elements;
	bool disable_plaintext_auth, auth_verbose;
	bool auth_ssl_require_client_cert, auth_ssl_username_from_cert;
	struct duration login_timeout;
	unsigned login_max_bad_commands, login_max_attempts;
	uint64_t login_max_input;
	struct duration login_proxy_timeout, login_proxy_max_disconnect_delay;
	unsigned login_proxy_max_reconnects;
	const char *login_source_ips;
	const char *auth_proxy_self;
	const char *login_proxy_notify_path, *login_proxy_rawlog_dir;
	/* imap-login */
	const char *imap_capability, *imap_id_send, *imap_id_log;
	bool imap_literal_minus;
	/* managesieve-login */
	const char *managesieve_implementation_string;
	const char *managesieve_sieve_capability;
	const char *managesieve_notify_capability;
	/* submission-login */
	const char *hostname, *submission_backend_capabilities;
	uint64_t submission_max_mail_size;
};
extern const struct setting login_settings[];

#endif
