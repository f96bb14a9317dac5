/* SPDX-License-Identifier: MIT */
/*
 * login/settings.h - settings of what happens before authentication.
 */
#ifndef LOGIN_SETTINGS_H
#define LOGIN_SETTINGS_H
#include <stdbool.h>
#include <stdint.h>

#include "config/setting.h"

struct login_settings {
	const char *login_greeting;
	const char *login_log_format, *login_log_format_elements;
	const char *login_trusted_networks;
	bool disable_plaintext_auth;
	/* Ours. */
	struct duration login_timeout;
	struct duration login_handshake_timeout;
	unsigned login_max_bad_commands, login_max_attempts;
	uint64_t login_max_input;
};
extern const struct setting login_settings[];

#endif
