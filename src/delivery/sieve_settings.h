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
	const char *sieve_pipe_socket_dir, *sieve_pipe_bin_dir;
	const char *sieve_filter_socket_dir, *sieve_filter_bin_dir;
	const char *sieve_execute_socket_dir, *sieve_execute_bin_dir;
	const char *sieve_pipe_input_eol, *sieve_filter_input_eol;
	const char *sieve_execute_input_eol;
	struct duration sieve_pipe_exec_timeout, sieve_filter_exec_timeout;
	struct duration sieve_execute_exec_timeout;
	uint64_t sieve_program_max_output;
};
extern const struct setting lda_sieve_settings[];

#endif
