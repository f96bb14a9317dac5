/* SPDX-License-Identifier: MIT */
/*
 * delivery/plugin_settings.h - settings in plugin {} about what
 * scripts of deliveries may do; where scripts are is told by
 * scripts/settings.h.
 */
#ifndef DELIVERY_PLUGIN_SETTINGS_H
#define DELIVERY_PLUGIN_SETTINGS_H
#include "config/setting.h"

struct lda_plugin_settings {
	const char *sieve_pipe_socket_dir, *sieve_pipe_bin_dir;
	const char *sieve_filter_socket_dir, *sieve_filter_bin_dir;
	const char *sieve_execute_socket_dir, *sieve_execute_bin_dir;
	const char *sieve_pipe_input_eol, *sieve_filter_input_eol;
	const char *sieve_execute_input_eol;
	struct duration sieve_pipe_exec_timeout, sieve_filter_exec_timeout;
	struct duration sieve_execute_exec_timeout;
	uint64_t sieve_program_max_output;
	unsigned sieve_list_max_redirects;
	const char *sieve_processcalendar_dir;
	unsigned sieve_processcalendar_max_objects;
	bool sieve_enabled;
	const char *sieve_discard;
	const char *sieve_trace_dir, *sieve_trace_level;
	bool sieve_trace_debug, sieve_trace_addresses;
};
extern const struct setting lda_plugin_settings[];

#endif
