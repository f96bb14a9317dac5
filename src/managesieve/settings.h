/* SPDX-License-Identifier: MIT */
/*
 * managesieve/settings.h - managesieve_* settings.
 */
#ifndef MANAGESIEVE_SETTINGS_H
#define MANAGESIEVE_SETTINGS_H
#include "config/setting.h"

struct managesieve_settings {
	const char *managesieve_client_workarounds;
	const char *managesieve_implementation_string;
	const char *managesieve_logout_format;
	const char *managesieve_notify_capability;
	const char *managesieve_sieve_capability;
	unsigned managesieve_max_compile_errors;
	uint64_t managesieve_max_line_length;
	const char *recipient_delimiter;
};
extern const struct setting managesieve_settings[];

#endif
