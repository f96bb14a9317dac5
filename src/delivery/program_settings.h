/* SPDX-License-Identifier: MIT */
/*
 * delivery/program_settings.h - settings in plugin {} about programs that
 * scripts run; where scripts are is told by scripts/settings.h.
 */
#ifndef DELIVERY_PROGRAM_SETTINGS_H
#define DELIVERY_PROGRAM_SETTINGS_H
#include "config/setting.h"

struct program_settings {
	const char *sieve_pipe_socket_dir, *sieve_pipe_bin_dir;
	const char *sieve_filter_socket_dir, *sieve_filter_bin_dir;
	const char *sieve_execute_socket_dir, *sieve_execute_bin_dir;
	const char *sieve_pipe_input_eol, *sieve_filter_input_eol;
	const char *sieve_execute_input_eol;
	struct duration sieve_pipe_exec_timeout, sieve_filter_exec_timeout;
	struct duration sieve_execute_exec_timeout;
	uint64_t sieve_program_max_output;
};
extern const struct setting program_settings[];

#endif
