/* SPDX-License-Identifier: MIT */
/*
 * managesieve/settings.c - managesieve_* settings and the preset of service
 * managesieve.
 */
#include "managesieve/settings.h"

#include "managesieve/extensions.h"

#define SETTINGS_STRUCT struct managesieve_settings
const struct setting managesieve_settings[] = {
	S_SERVED(managesieve_client_workarounds, "", "",
		 "Workarounds for client bugs; there are none yet."),
	S(managesieve_implementation_string, "Dovetail",
	  "What the server calls itself."),
	S_FLAGS(managesieve_logout_format, "bytes=%i/%o", SETTING_VARS,
		"What is logged when a session ends: %i and %o octets from and "
		"to the client, %{put_bytes} and %{put_count} of scripts that "
		"were stored, %{get_bytes} and %{get_count} of those that were "
		"read, %{check_bytes} and %{check_count} of those that were "
		"checked only, %{deleted_count}, %{renamed_count}, "
		"%{session}, %{rip}."),
	S(managesieve_max_compile_errors, "5",
	  "How many errors of a script a client is told of."),
	S(managesieve_max_line_length, "64 k",
	  "Longest command of a client, without the script in it."),
	S(managesieve_notify_capability, "mailto",
	  "Notification methods that are announced before login; behind it, "
	  "those that the user's scripts may use."),
	S(managesieve_sieve_capability, DEFAULT_EXTENSIONS,
	  "Sieve extensions that are announced before login; behind it, those "
	  "that the user's scripts may use."),
	S_SHARED(recipient_delimiter),
	SETTINGS_END,
};
SETTINGS_REGISTER(managesieve_settings, "");
#undef SETTINGS_STRUCT

CONFIG_PRESET(managesieve_service, "service managesieve {\n"
				   "  executable = managesieve\n"
				   "  protocol = sieve\n"
				   "  client_limit = 1\n"
				   "  process_limit = 1024\n"
				   "  service_count = 0\n"
				   "  unix_listener login/sieve {\n"
				   "    mode = 0666\n"
				   "  }\n"
				   "}\n");
