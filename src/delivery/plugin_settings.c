/* SPDX-License-Identifier: MIT */
#include "delivery/plugin_settings.h"

#define SETTINGS_STRUCT struct lda_plugin_settings
const struct setting lda_plugin_settings[] = {
	S(sieve_pipe_socket_dir, "",
	  "Directory of sockets of script services for pipe, below base_dir."),
	S(sieve_pipe_bin_dir, "", "Directory of programs for pipe."),
	S(sieve_pipe_exec_timeout, "10 secs",
	  "How long a program of pipe may run before it is killed."),
	S_ENUM(sieve_pipe_input_eol, "crlf", "crlf:lf",
	       "Line ends of what programs of pipe read."),
	S(sieve_filter_socket_dir, "",
	  "Directory of sockets of script services for filter, below "
	  "base_dir."),
	S(sieve_filter_bin_dir, "", "Directory of programs for filter."),
	S(sieve_filter_exec_timeout, "10 secs",
	  "How long a program of filter may run before it is killed."),
	S_ENUM(sieve_filter_input_eol, "crlf", "crlf:lf",
	       "Line ends of what programs of filter read."),
	S(sieve_execute_socket_dir, "",
	  "Directory of sockets of script services for execute, below "
	  "base_dir."),
	S(sieve_execute_bin_dir, "", "Directory of programs for execute."),
	S(sieve_execute_exec_timeout, "10 secs",
	  "How long a program of execute may run before it is killed."),
	S_ENUM(sieve_execute_input_eol, "crlf", "crlf:lf",
	       "Line ends of what programs of execute read."),
	S(sieve_program_max_output, "50 M",
	  "How much programs of filter and execute may write."),
	S(sieve_list_max_redirects, "100",
	  "To how many members of a list (redirect :list) a mail is sent."),
	S(sieve_processcalendar_dir, "",
	  "Directory of the user's calendars, a directory each, for "
	  "processcalendar; new objects go into \"default\"."),
	S(sieve_processcalendar_max_objects, "10000",
	  "How many objects a calendar may get; 0: no limit."),
	S(sieve_enabled, "yes", "Scripts are run at all, for this user."),
	S(sieve_discard, "",
	  "Script that runs if the others leave a mail nowhere, and may do so "
	  "itself."),
	S(sieve_trace_dir, "",
	  "Directory in which each delivery writes what its scripts do; below "
	  "the user's home, if it is relative. If it is missing, nothing is "
	  "written."),
	S_ENUM(sieve_trace_level, "none", "none:actions:commands:tests:matching",
	       "How much of it: nothing, actions, all commands, tests, too, and "
	       "what they compare."),
	S(sieve_trace_debug, "no",
	  "Which scripts there are is written, too, and what came of each."),
	S(sieve_trace_addresses, "no",
	  "Addresses of the bytecode stand in front of each line."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT
