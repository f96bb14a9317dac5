/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve_settings.h - settings in plugin {} about scripts of
 * deliveries; those of the language are in sieve/engine.h.
 */
#ifndef DELIVERY_SIEVE_SETTINGS_H
#define DELIVERY_SIEVE_SETTINGS_H
#include "config/setting.h"

struct lda_sieve_settings {
	const char *sieve, *sieve_dir, *sieve_default, *sieve_default_name;
	const char *sieve_global, *sieve_global_path, *sieve_global_dir;
	const char *sieve_user_log;
	struct duration sieve_redirect_duplicate_period;
};
extern const struct setting lda_sieve_settings[];

#endif
