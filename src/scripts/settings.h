/* SPDX-License-Identifier: MIT */
/*
 * scripts/settings.h - settings in plugin {} about where a user's scripts are;
 * those of the language are in sieve/engine.h.
 */
#ifndef SCRIPTS_SETTINGS_H
#define SCRIPTS_SETTINGS_H
#include "config/setting.h"

struct scripts_settings {
	const char *sieve, *sieve_dir, *sieve_default, *sieve_default_name;
	const char *sieve_global, *sieve_global_path, *sieve_global_dir;
	const char *sieve_user_log;
	struct duration sieve_redirect_duplicate_period;
	unsigned sieve_quota_max_scripts;
	uint64_t sieve_quota_max_storage;
};
extern const struct setting scripts_settings[];

#endif
